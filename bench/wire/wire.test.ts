import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createServer, type Server, type Socket } from "node:net";
import process from "node:process";
import { type LoadResult, runLoad } from "./load_process.ts";
import { buildFloor, buildLoad, makeCertificate, tlsFlags } from "./programs.ts";
import { type Row, rows } from "./rows.ts";
import { startServer } from "./server_process.ts";

const COUNT = 2000;
const MS_MAX = 60_000;

/** The row with few subscriptions and connections, bounded by a count. */
function tinyArguments(row: Row, port: number): string[] {
  const load = [...row.load!];
  const shrink = (flag: string, most: number) => {
    const at = load.indexOf(flag) + 1;
    if (at > 0) load[at] = `${Math.min(Number(load[at]), most)}`;
  };
  shrink("--literals", 4000);
  shrink("--wildcards", 4000);
  shrink("--connections", 100);
  const seconds = row.isIdle ? "0.01" : "30";
  return [...load, "--port", `${port}`, "--count", `${COUNT}`, "--seconds", seconds];
}

async function runTiny(row: Row, command: readonly string[]): Promise<LoadResult> {
  const isSecure = row.needs === "tls";
  const words = isSecure ? [...command, ...tlsFlags(makeCertificate())] : command;
  const server = await startServer(words, {}, isSecure);
  try {
    return await runLoad(buildLoad(isSecure), tinyArguments(row, server.port), MS_MAX, () => server.usage());
  } finally {
    await server.end();
  }
}

function expectEverything(row: Row, result: LoadResult) {
  expect(result.messages).toBe(row.isIdle ? 100 : COUNT);
  const argument = (flag: string) => Number(row.load![row.load!.indexOf(flag) + 1]);
  if (row.unit !== "delivery") return;
  const each = row.id.startsWith("wildcards")
    ? 4
    : row.load!.includes("--queue")
      ? 1
      : argument("--subscribers");
  expect(result.deliveries).toBe(COUNT * each);
}

const loadedRows = rows.filter((row) => row.load !== null);

describe("each row, a few thousand messages, on the floor", () => {
  for (const row of loadedRows.filter((row) => row.needs === undefined)) {
    test(
      `${row.id} sends and receives everything`,
      async () => {
        expectEverything(row, await runTiny(row, [buildFloor(), "-p", "{port}"]));
      },
      MS_MAX,
    );
  }
});

// A server command with {port}, for the rows the floor can't run and to try the rows on any server.
const server = process.env.BENCH_SERVER;
if (server) {
  describe(`each row, a few thousand messages, on ${server}`, () => {
    for (const row of loadedRows) {
      test(
        `${row.id} sends and receives everything`,
        async () => {
          expectEverything(row, await runTiny(row, server.split(" ")));
        },
        MS_MAX,
      );
    }
  });
}

describe("the load refuses a server that", () => {
  /** What the server makes of the deliveries it owes. */
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

  function runOn(change: (deliveries: string[]) => string[]): Promise<string> {
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
    return runLoad(buildLoad(false), [...load, "--seconds", "0.1"], MS_MAX, () => {}).then(
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
});
