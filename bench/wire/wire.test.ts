import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createServer, type Server, type Socket } from "node:net";
import process from "node:process";
import { measureFlood } from "./failing_logins.ts";
import { type LoadResult, runLoad } from "./load_process.ts";
import { measureMonitoring } from "./monitoring.ts";
import { measureNewPeer } from "./new_peer.ts";
import { buildLoad, makeCertificate, tlsFlags } from "./programs.ts";
import { isForFloor, type Row, rows } from "./rows.ts";
import { startServer } from "./server_process.ts";
import { findTarget, parseTarget, type Target } from "./targets.ts";
import { startApart, startPair } from "./topologies.ts";

const COUNT = 2000;
/** Few, because a bcrypt password takes a server 15 ms of a core or more. */
const BCRYPT_COUNT = 40;
const MS_MAX = 60_000;

const countOf = (row: Row) => (row.id === "storm-bcrypt" ? BCRYPT_COUNT : COUNT);

/** The arguments of a row, with few subscriptions and connections and bounded by a count. */
function tinyArguments(row: Row): string[] {
  const load = [...row.load!];
  const shrink = (flag: string, most: number) => {
    const at = load.indexOf(flag) + 1;
    if (at > 0) load[at] = `${Math.min(Number(load[at]), most)}`;
  };
  shrink("--literals", 4000);
  shrink("--wildcards", 4000);
  shrink("--connections", 100);
  return [...load, "--count", `${countOf(row)}`, "--seconds", row.isIdle ? "0.01" : "30"];
}

async function runTiny(row: Row, target: Target): Promise<LoadResult> {
  const isSecure = row.needs === "tls";
  const command = target.command(1);
  const words = isSecure ? [...command, ...tlsFlags(makeCertificate())] : command;
  const server = await startServer(
    words,
    {},
    {
      isSecure,
      hasWebSocket: row.needs === "websocket",
      config: row.config,
    },
  );
  try {
    const load = [...tinyArguments(row), "--port", `${server.webSocketPort || server.port}`];
    return await runLoad(buildLoad(isSecure), load, MS_MAX, () => {});
  } finally {
    await server.end();
  }
}

async function runTinyLinked(row: Row, target: Target): Promise<LoadResult> {
  const { config, compression, accountLogins: logins } = row;
  const pair = await startPair(target, { topology: row.topology!, shards: 1, config, compression, logins });
  try {
    const ports = ["--port", `${pair.port}`, "--subscriber-port", `${pair.subscriberPort}`];
    return await runLoad(buildLoad(false), [...tinyArguments(row), ...ports], MS_MAX, async (phase) => {
      if (phase === "prepared") await pair.awaitInterest();
    });
  } finally {
    await pair.end();
  }
}

function expectEverything(row: Row, result: LoadResult) {
  expect(result.messages).toBe(row.isIdle ? 100 : countOf(row));
  const argument = (flag: string) => Number(row.load![row.load!.indexOf(flag) + 1]);
  if (row.unit !== "delivery") return;
  const each = row.id.startsWith("wildcards")
    ? 4
    : row.load!.includes("--queue")
      ? 1
      : argument("--subscribers") / (row.load!.includes("--logins") ? argument("--logins") : 1);
  expect(result.deliveries).toBe(COUNT * each);
}

function testOn(target: Target, tested: readonly Row[]): void {
  describe(`each row, a few thousand messages, on ${target.name}`, () => {
    for (const row of tested) {
      const run = row.topology === undefined ? runTiny : runTinyLinked;
      test(
        `${row.id} sends and receives everything`,
        async () => expectEverything(row, await run(row, target)),
        MS_MAX,
      );
    }
    if (target.isFloor) return;
    test(
      "a new peer is told of every subscription",
      async () => {
        const pair = await startApart(target, { topology: "route", shards: 1 });
        try {
          const { seconds, userNs, systemNs } = await measureNewPeer(pair, COUNT);
          expect(seconds).toBeGreaterThan(0);
          expect(userNs + systemNs).toBeGreaterThan(0);
        } finally {
          await pair.end();
        }
      },
      MS_MAX,
    );
  });
}

function found(name: string): Target | null {
  const target = findTarget(name);
  return "reason" in target ? null : target;
}

const loadedRows = rows.filter((row) => row.load !== null);
testOn(found("floor")!, loadedRows.filter(isForFloor));

// A server command with {port} tries the rows on any server. Without it, nats-server runs the rows that the floor
// can't.
const command = process.env.BENCH_SERVER;
const reference = found("nats-server");
if (command) testOn(parseTarget(`given=${command}`), loadedRows);
else if (reference !== null) {
  testOn(
    reference,
    loadedRows.filter((row) => !isForFloor(row)),
  );
}

describe("the load refuses a server that", () => {
  /** What the server sends in place of the deliveries that it owes. */
  let corrupt: (deliveries: string[]) => string[] = (deliveries) => deliveries;
  let subscriber: Socket | null = null;
  let wrongServer: Server;
  let port = 0;

  beforeAll(async () => {
    wrongServer = createServer((socket) => {
      let text = "";
      socket.write("INFO {}\r\n");
      socket.on("error", () => {});
      socket.on("data", (chunk) => {
        text += chunk.toString("latin1");
        if (text.includes("SUB ")) subscriber = socket;
        if (!text.endsWith("PING\r\n")) return; // the publisher sends one after its last message
        const messages = [...text.matchAll(/PUB (\S+) (\d+)\r\n([^\r]*)\r\n/g)];
        const deliveries = messages.map(
          (message) => `MSG ${message[1]} 1 ${message[2]}\r\n${message[3]}\r\n`,
        );
        text = "";
        if (deliveries.length > 0) subscriber?.write(corrupt(deliveries).join(""));
        socket.write("PONG\r\n");
      });
    });
    await new Promise<void>((resolve) => wrongServer.listen(0, "127.0.0.1", resolve));
    port = (wrongServer.address() as { port: number }).port;
  });
  afterAll(() => wrongServer.close());

  function runOn(change: (deliveries: string[]) => string[], ...more: string[]): Promise<string> {
    corrupt = change;
    const load = [
      "--kind",
      "stream",
      "--subscribers",
      "1",
      "--port",
      `${port}`,
      "--count",
      "50",
      "--drain-seconds",
      "0.2",
    ];
    return runLoad(buildLoad(false), [...load, ...more, "--seconds", "0.1"], MS_MAX, () => {}).then(
      () => "accepted",
      (error) => error.message,
    );
  }

  test("changes nothing: not at all", async () => {
    expect(await runOn((deliveries) => deliveries)).toBe("accepted");
  });
  test("changes a payload", async () => {
    expect(await runOn((all) => all.with(7, all[7]!.replace(/.\r\n$/, "#\r\n")))).toMatch(
      /differs from what was sent/,
    );
  });
  test("delivers to another sid", async () => {
    expect(await runOn((all) => all.with(7, all[7]!.replace(" 1 16", " 2 16")))).toMatch(
      /differs from what was sent/,
    );
  });
  test("swaps two messages", async () => {
    expect(await runOn((all) => all.with(7, all[8]!).with(8, all[7]!))).toMatch(/out of order/);
  });
  test("loses the last message", async () => {
    expect(await runOn((all) => all.slice(0, -1))).toMatch(/49 of 50 deliveries/);
  });
  test("delivers the last message twice", async () => {
    expect(await runOn((all) => [...all, all.at(-1)!])).toMatch(/out of order|more than 50/);
  });
  test("cuts a payload short", async () => {
    expect(await runOn((all) => all.with(7, all[7]!.replace(/.\r\n$/, "\r\n")))).toMatch(
      /another length|differs/,
    );
  });
  test("answers with an error", async () => {
    expect(await runOn(() => ["-ERR 'Unknown Protocol Operation'\r\n"])).toMatch(
      /Unknown Protocol Operation/,
    );
  });

  /** Deliveries as a service import makes them: with header blocks of different lengths. */
  const headed = (all: string[]) =>
    all.map((delivery, index) => {
      const [, subject, payload] = /^MSG (\S+) 1 16\r\n(.*)\r\n$/.exec(delivery)!;
      const block = `NATS/1.0\r\nNats-Request-Info: {"acc":"A","rtt":${10 ** (index % 7)}}\r\n\r\n`;
      return `HMSG ${subject} 1 ${block.length} ${block.length + 16}\r\n${block}${payload}\r\n`;
    });
  test("adds headers of any length: only where they are due", async () => {
    expect(await runOn(headed, "--headed")).toBe("accepted");
    expect(await runOn(headed)).toMatch(/unexpected line/);
    expect(await runOn((all) => all, "--headed")).toMatch(/differs from what was sent/);
  });
  test("alters, swaps or loses what has headers", async () => {
    const change = (index: number, to: (delivery: string) => string) => (all: string[]) =>
      headed(all).map((delivery, at) => (at === index ? to(delivery) : delivery));
    expect(
      await runOn(
        change(7, (text) => text.replace(/.\r\n$/, "#\r\n")),
        "--headed",
      ),
    ).toMatch(/differs from what was sent/);
    expect(await runOn((all) => headed(all.with(7, all[8]!).with(8, all[7]!)), "--headed")).toMatch(
      /out of order/,
    );
    expect(await runOn((all) => headed(all.slice(0, -1)), "--headed")).toMatch(/49 of 50 deliveries/);
  });
  test("delivers under another subject than the import's", async () => {
    expect(await runOn((all) => all, "--delivered", "orders.fetched")).toMatch(/differs from what was sent/);
    const renamed = (all: string[]) => all.map((each) => each.replace("orders.created", "orders.fetched"));
    expect(await runOn(renamed, "--delivered", "orders.fetched")).toBe("accepted");
  });
  test("wants a nonce signed, but sends none", async () => {
    expect(await runOn((all) => all, "--seed", "00".repeat(32))).toMatch(/no nonce to sign/);
  });
});

test(
  "measureMonitoring() holds connections, and measures with and without pollers of all endpoints",
  async () => {
    const target = findTarget("midge-bun");
    if ("reason" in target) throw new Error(target.reason);
    const options = { connections: 20, pollers: 2, intervalSeconds: 0.1, repetitions: 1, seconds: 0.2 };
    const { alone, polled, answersPerSecond, answerMs } = await measureMonitoring(target, options);
    for (const { perSecond, cpuNs, busiestThreadNs } of [...alone, ...polled]) {
      expect(perSecond).toBeGreaterThan(0);
      expect(cpuNs).toBeGreaterThanOrEqual(busiestThreadNs * 0.5);
    }
    expect([alone.length, polled.length]).toEqual([1, 1]);
    expect(answersPerSecond).toBeGreaterThan(0);
    expect(answerMs).toBeGreaterThan(0);
  },
  MS_MAX,
);

test(
  "measureFlood() tells round trips without logins that fail, and beside them",
  async () => {
    const target = findTarget("midge-bun");
    if ("reason" in target) throw new Error(target.reason);
    const options = { perSecond: 200, repetitions: 1, seconds: 0.5 };
    const { alone, elsewhere, flooded, refusedPerSecond } = await measureFlood(target, options);
    expect([alone.length, elsewhere.length, flooded.length]).toEqual([1, 1, 1]);
    for (const { p50Us, p99Us } of [...alone, ...elsewhere, ...flooded]) {
      expect(p50Us).toBeGreaterThan(0);
      expect(p99Us).toBeGreaterThanOrEqual(p50Us);
    }
    expect(refusedPerSecond).toBeGreaterThan(0);
  },
  MS_MAX,
);
