/**
 * What failing logins cost those who are logged in: round trips through a server, without and beside a flood of logins that
 * fail, in turns on the same server. How to run and to read it: docs/benchmarks/README.md.
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
  --repetitions N      without and with them; the median counts (5)
  --seconds S          measured in each (2)`;

const LOAD_MS_MAX = 60_000;
const TICK_MS = 10;
/** More would measure how many sockets this side can hold. */
const UNDER_WAY_MAX = 500;
const REFUSAL = "-ERR 'Authorization Violation'\r\n";

/** Round trips of one client that is logged in. */
export interface RoundTrips {
  readonly p50Us: number;
  readonly p99Us: number;
}

export interface FloodFigures {
  readonly alone: readonly RoundTrips[];
  readonly flooded: readonly RoundTrips[];
  /** Logins that were refused, a second. */
  readonly refusedPerSecond: number;
}

export interface FloodOptions {
  readonly perSecond: number;
  readonly repetitions: number;
  readonly seconds: number;
}

/** One target; throws where a login that must fail is not refused. */
export async function measureFlood(target: Target, options: FloodOptions): Promise<FloodFigures> {
  const { config, load: login } = logins.every;
  const server = await startServer(target.command(1), target.env, { config });
  const figures = { alone: [] as RoundTrips[], flooded: [] as RoundTrips[] };
  let [refused, floodedSeconds] = [0, 0];
  try {
    for (let repetition = 0; repetition < options.repetitions; repetition++) {
      figures.alone.push(await measureRoundTrips(server.port, login, options.seconds));
      const flood = new Flood(server.port, options.perSecond);
      const startMs = performance.now();
      try {
        figures.flooded.push(await measureRoundTrips(server.port, login, options.seconds));
      } finally {
        floodedSeconds += (performance.now() - startMs) / 1000;
        refused += await flood.stop();
      }
    }
  } finally {
    await server.end();
  }
  return { ...figures, refusedPerSecond: refused / floodedSeconds };
}

async function measureRoundTrips(
  port: number,
  login: readonly string[],
  seconds: number,
): Promise<RoundTrips> {
  const words = ["--kind", "request", "--connections", "1", "--payload-bytes", "16", "--port", `${port}`];
  const times = ["--seconds", `${seconds}`, "--warm-seconds", `${seconds / 4}`];
  const { p50Us, p99Us } = await runLoad(
    buildLoad(false),
    [...words, ...times, ...login],
    LOAD_MS_MAX,
    () => {},
  );
  if (p50Us === undefined || p99Us === undefined) throw new Error("the load told no latencies");
  return { p50Us, p99Us };
}

/** Logs in wrongly, so often a second, in every way in turn. */
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

  /** How many were refused. Throws what was answered otherwise. */
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
      // A server that closes with bytes unread resets; what it said before has arrived.
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

/** `alone → flooded (difference)` of one latency. */
function compare({ alone, flooded }: FloodFigures, of: (one: RoundTrips) => number): string {
  return compareMedians(alone.map(of), flooded.map(of), (us) => `${us.toFixed(1)} µs`, 0);
}

if (import.meta.main) {
  await measureInTurns({
    usageText,
    flags: { "per-second": 1000, repetitions: 5, seconds: 2 },
    columns: ["p50", "p99", "refused a second"],
    measure: async (target, { "per-second": perSecond, repetitions, seconds }) => {
      const figures = await measureFlood(target, { perSecond, repetitions, seconds });
      return [
        compare(figures, ({ p50Us }) => p50Us),
        compare(figures, ({ p99Us }) => p99Us),
        figures.refusedPerSecond.toFixed(0),
      ];
    },
  });
}
