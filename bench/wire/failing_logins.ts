/**
 * What failing logins cost clients that are logged in. Measures round trips through a server in turns: without a flood
 * of failing logins, with one at another server of the same machine, and with one at the same server. How to run and to
 * read it: docs/benchmarks/README.md.
 */
import { connect } from "node:net";
import { compareMedians, measureInTurns } from "./in_turns.ts";
import { runLoad } from "./load_process.ts";
import { logins } from "./logins.ts";
import { buildLoad } from "./programs.ts";
import { startServer } from "./server_process.ts";
import type { Target } from "./targets.ts";

const usageText = `bun bench/wire/failing_logins.ts [flags]
  --targets A,B        (midge-bun,midge-deno,nats-server)
  --per-second N       logins that fail, of every kind in turn (1000)
  --repetitions N      without them, elsewhere, and here; the median counts (5)
  --seconds S          measured in each (2)`;

/** How long the load may take besides the time that it measures and warms up in. */
const REST_MS_MAX = 60_000;
const TICK_MS = 10;
/** More logins at a time would measure how many sockets this side can hold. */
const UNDER_WAY_MAX = 500;
const REFUSAL = "-ERR 'Authorization Violation'\r\n";

/** Round trips of one client that is logged in. */
export interface RoundTrips {
  readonly p50Us: number;
  readonly p99Us: number;
}

export interface FloodFigures {
  readonly alone: readonly RoundTrips[];
  /** While another server, which shares the cores, refuses the flood. */
  readonly elsewhere: readonly RoundTrips[];
  /** While this server refuses it. */
  readonly flooded: readonly RoundTrips[];
  /** How many logins a second this server refused. */
  readonly refusedPerSecond: number;
}

export interface FloodOptions {
  readonly perSecond: number;
  readonly repetitions: number;
  readonly seconds: number;
}

/** Measures one target. Throws if a login that must fail is not refused. */
export async function measureFlood(target: Target, options: FloodOptions): Promise<FloodFigures> {
  const { config, load: login } = logins.every;
  const { perSecond, repetitions, seconds } = options;
  const servers = [];
  const figures = { alone: [] as RoundTrips[], elsewhere: [] as RoundTrips[], flooded: [] as RoundTrips[] };
  let [refused, floodedSeconds] = [0, 0];
  try {
    for (let count = 0; count < 2; count++)
      servers.push(await startServer(target.command(1), target.env, { config }));
    const [here, elsewhere] = servers.map(({ port }) => port) as [number, number];
    const measure = () => measureRoundTrips(here, login, seconds);
    for (let repetition = 0; repetition < repetitions; repetition++) {
      figures.alone.push(await measure());
      figures.elsewhere.push((await beside(new Flood(elsewhere, perSecond), measure)).result);
      const flooded = await beside(new Flood(here, perSecond), measure);
      figures.flooded.push(flooded.result);
      refused += flooded.refused;
      floodedSeconds += flooded.seconds;
    }
  } finally {
    for (const server of servers) await server.end();
  }
  return { ...figures, refusedPerSecond: refused / floodedSeconds };
}

/** The result of `measure` during a flood, with how many logins were refused and how long it lasted. */
async function beside<T>(flood: Flood, measure: () => Promise<T>) {
  const startMs = performance.now();
  let [seconds, refused] = [0, 0];
  const result = await measure().finally(async () => {
    seconds = (performance.now() - startMs) / 1000;
    refused = await flood.stop();
  });
  return { result, refused, seconds };
}

async function measureRoundTrips(
  port: number,
  login: readonly string[],
  seconds: number,
): Promise<RoundTrips> {
  const words = ["--kind", "request", "--connections", "1", "--payload-bytes", "16", "--port", `${port}`];
  const warmSeconds = seconds / 4;
  const times = ["--seconds", `${seconds}`, "--warm-seconds", `${warmSeconds}`];
  const { p50Us, p99Us } = await runLoad(
    buildLoad(false),
    [...words, ...times, ...login],
    (seconds + warmSeconds) * 1000 + REST_MS_MAX,
    () => {},
  );
  if (p50Us === undefined || p99Us === undefined) throw new Error("the load told no latencies");
  return { p50Us, p99Us };
}

/** Sends logins that fail, so many a second, of every kind in turn. */
class Flood {
  #refused = 0;
  #isStopping = false;
  readonly #port: number;
  readonly #perTick: number;
  readonly #running: Promise<void>;

  constructor(port: number, perSecond: number) {
    this.#port = port;
    this.#perTick = (perSecond * TICK_MS) / 1000;
    this.#running = this.#run();
    this.#running.catch(() => {}); // stop() says it
  }

  /** Ends the flood. Returns how many logins were refused, and throws if one got another answer. */
  async stop(): Promise<number> {
    this.#isStopping = true;
    await this.#running;
    return this.#refused;
  }

  async #run(): Promise<void> {
    const { failing } = logins.every;
    const underWay = new Set<Promise<void>>();
    let [started, due] = [0, 0];
    while (!this.#isStopping) {
      const tickEndMs = performance.now() + TICK_MS;
      for (due += this.#perTick; started < due; started++) {
        const attempt = this.#attempt(failing[started % failing.length]!);
        underWay.add(attempt);
        const forget = () => underWay.delete(attempt);
        attempt.then(forget, forget);
      }
      while (underWay.size > UNDER_WAY_MAX) await Promise.race(underWay);
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, tickEndMs - performance.now())));
    }
    await Promise.all(underWay);
  }

  #attempt(fields: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port: this.#port, host: "127.0.0.1" });
      let answer = "";
      socket.setEncoding("latin1");
      socket.on("data", (text: string) => {
        if (answer === "") socket.write(`CONNECT ${fields}\r\nPING\r\n`);
        answer += text;
      });
      // A server that closes with bytes unread resets the connection. What it said before has arrived.
      socket.on("error", () => {});
      socket.on("close", () => {
        if (!answer.endsWith(REFUSAL)) reject(new Error(`CONNECT ${fields}: ${answer || "no answer"}`));
        else {
          this.#refused++;
          resolve();
        }
      });
    });
  }
}

/** `before → flooded (difference)` of one latency. */
function compare(
  { flooded, ...figures }: FloodFigures,
  before: "alone" | "elsewhere",
  of: (one: RoundTrips) => number,
): string {
  return compareMedians(figures[before].map(of), flooded.map(of), (us) => `${us.toFixed(1)} µs`, 0);
}

if (import.meta.main) {
  await measureInTurns({
    usageText,
    flags: { "per-second": 1000, repetitions: 5, seconds: 2 },
    columns: ["p50", "p50, elsewhere → here", "p99", "p99, elsewhere → here", "refused a second"],
    measure: async (target, { "per-second": perSecond, repetitions, seconds }) => {
      const figures = await measureFlood(target, { perSecond, repetitions, seconds });
      const latencies = [({ p50Us }: RoundTrips) => p50Us, ({ p99Us }: RoundTrips) => p99Us];
      return [
        ...latencies.flatMap((of) => [compare(figures, "alone", of), compare(figures, "elsewhere", of)]),
        figures.refusedPerSecond.toFixed(0),
      ];
    },
  });
}
