import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { RawClient } from "../support/raw_client.ts";
import { ServerProcess } from "../support/server_process.ts";
import { LIMIT_MS, scaled, tell } from "./scale.ts";
import { StreamClient } from "./stream_client.ts";

/** Within `max_control_line`, 4096 bytes, beside the rest of a line. */
const LONG = 4000;
const WAIT_MS = 60_000;

describe("hostile but legal", () => {
  let server: ServerProcess;
  let publisher: StreamClient;

  beforeAll(async () => {
    server = await ServerProcess.start();
    publisher = await StreamClient.open(server.clientPort);
  }, LIMIT_MS);
  afterAll(async () => {
    publisher.destroy();
    await server.stop();
  }, LIMIT_MS);

  /** A client with these SUB lines, which counts deliveries by sid. */
  async function subscriber(lines: string[]): Promise<{ client: StreamClient; bySid: Map<string, number> }> {
    const bySid = new Map<string, number>();
    const client = await StreamClient.open(server.clientPort, {
      message: (_subject, sid) => bySid.set(sid, (bySid.get(sid) ?? 0) + 1),
    });
    for (let at = 0; at < lines.length; at += 1000) await client.sendAll(lines.slice(at, at + 1000).join(""));
    await client.roundTrip(WAIT_MS);
    return { client, bySid };
  }

  /** Publishes `count` messages and checks that each of `sids` gets each of them, and nobody else anything. */
  async function expectEach(
    subject: string,
    count: number,
    { client, bySid }: { client: StreamClient; bySid: Map<string, number> },
    sids: string[],
  ): Promise<void> {
    for (let i = 0; i < count; i++) publisher.send(`PUB ${subject} 5\r\nhello\r\n`);
    await publisher.roundTrip(WAIT_MS);
    await client.waitFor(
      () => client.messages >= sids.length * count,
      `${sids.length * count} messages`,
      WAIT_MS,
    );
    await client.roundTrip(WAIT_MS);
    expect(client.messages).toBe(sids.length * count);
    expect(bySid.size).toBe(sids.length);
    expect(sids.filter((sid) => bySid.get(sid) !== count).slice(0, 5)).toEqual([]);
  }

  const numbers = (count: number) => Array.from({ length: count }, (_, index) => index);

  test(
    "one connection with 100,000 subscriptions to one subject gets a message on each",
    async () => {
      const sids = numbers(100_000).map(String);
      const all = await subscriber(sids.map((sid) => `SUB same ${sid}\r\n`));
      await expectEach("same", 2, all, sids);
      all.client.destroy();
    },
    LIMIT_MS,
  );

  test(
    "100,000 wildcard patterns match what they should",
    async () => {
      const lines = numbers(100_000).map(
        (id) => `SUB wild.*.${id % 5000}.${id % 20 === 0 ? ">" : "*"} ${id}\r\n`,
      );
      const all = await subscriber(lines);
      const sids = numbers(100_000)
        .filter((id) => id % 5000 === 40)
        .map(String);
      await expectEach("wild.card.40.end", 3, all, sids);
      all.client.destroy();
    },
    LIMIT_MS,
  );

  for (const [text, sidOf] of [
    ["short", (id: number) => String(id)],
    ["4,000-byte", (id: number) => String(id).padEnd(LONG, "s")],
  ] as const) {
    test(
      `5,000 queue groups on one subject with ${text} sids get a message each`,
      async () => {
        const sids = numbers(5000).map(sidOf);
        const all = await subscriber(sids.map((sid, id) => `SUB crowd.${text} group${id} ${sid}\r\n`));
        await expectEach(`crowd.${text}`, 2, all, sids);
        all.client.destroy();
      },
      LIMIT_MS,
    );
  }

  test(
    "one queue group of 9,000 members with 4,000-byte sids picks one for each message",
    async () => {
      const lines = numbers(9000).map((id) => `SUB picked group ${String(id).padEnd(LONG, "s")}\r\n`);
      const { client } = await subscriber(lines);
      for (let i = 0; i < 50; i++) publisher.send("PUB picked 2\r\nok\r\n");
      await publisher.roundTrip(WAIT_MS);
      await client.waitFor(() => client.messages >= 50, "50 messages", WAIT_MS);
      await client.roundTrip(WAIT_MS);
      expect(client.messages).toBe(50);
      client.destroy();
    },
    LIMIT_MS,
  );

  test(
    "sids and subjects of 4,000 bytes work together",
    async () => {
      const sids = numbers(1000).map((id) => String(id).padEnd(LONG, "s"));
      const short = await subscriber(sids.map((sid) => `SUB long.sid ${sid}\r\n`));
      await expectEach("long.sid", 2, short, sids);
      short.client.destroy();
      const subject = `long.${"t".repeat(LONG)}`;
      const ids = numbers(1000).map(String);
      const long = await subscriber([...ids.map((id) => `SUB ${subject} ${id}\r\n`), "SUB long.* wild\r\n"]);
      await expectEach(subject, 2, long, [...ids, "wild"]);
      long.client.destroy();
    },
    LIMIT_MS,
  );

  test(
    "wildcards 60 tokens deep in every combination end in time",
    async () => {
      const depth = 60;
      const pattern = (id: number) =>
        numbers(depth)
          .map((level) => (level < 11 && (id >> level) & 1 ? "*" : "a"))
          .join(".");
      const stars = numbers(depth)
        .map(() => "*")
        .join(".");
      const lines = numbers(2048).map((id) => `SUB ${pattern(id)} ${id}\r\n`);
      const all = await subscriber([...lines, `SUB ${stars} stars\r\n`, `SUB ${stars}.> more\r\n`]);
      const subject = numbers(depth)
        .map(() => "a")
        .join(".");
      await expectEach(subject, 3, all, [...numbers(2048).map(String), "stars"]);
      all.client.destroy();
    },
    LIMIT_MS,
  );

  test(
    "20,000 CONNECTs on one connection are taken, and its subscriptions work afterwards",
    async () => {
      const client = await StreamClient.open(server.clientPort);
      const connects = `CONNECT {"verbose":false,"headers":true,"name":"again"}\r\n`.repeat(1000);
      for (let i = 0; i < 20; i++) await client.sendAll(connects);
      client.send("SUB connected 1\r\nPUB connected 2\r\nok\r\n");
      await client.roundTrip(WAIT_MS);
      expect(client.messages).toBe(1);
      client.destroy();
    },
    LIMIT_MS,
  );

  test(
    "CONNECTs written by halves keep nobody waiting, and work once they are whole",
    async () => {
      const halves: RawClient[] = [];
      for (let i = 0; i < scaled(100, 500); i++) {
        const half = await RawClient.open(server.clientPort);
        half.send(`CONNECT {"verbose":false,"na`);
        halves.push(half);
      }
      await publisher.roundTrip();
      for (const half of halves) {
        await half.readInfo();
        half.send(`me":"half"}\r\nPING\r\n`);
      }
      for (const half of halves) await half.expect("PONG\r\n");
      for (const half of halves) half.destroy();
    },
    LIMIT_MS,
  );
});

test(
  "a client that sends PINGs and reads nothing is cut off",
  async () => {
    await using server = await ServerProcess.start({ config: `max_pending: 1MB\nwrite_deadline: "2s"` });
    const client = await StreamClient.open(server.clientPort);
    client.pause();
    const pings = Buffer.from("PING\r\n".repeat(10_000));
    let sent = 0;
    // The kernel takes some MB of PONGs before any queue up in the server.
    const start = performance.now();
    while (!server.log.includes("Slow Consumer Detected") && performance.now() - start < WAIT_MS) {
      await Promise.race([client.sendAll(pings), new Promise((resolve) => setTimeout(resolve, 500))]);
      sent += 10_000;
    }
    await server.waitForLog("Slow Consumer Detected");
    tell(`after ${sent} PINGs, ${Math.round(performance.now() - start)} ms`);
    client.resume();
    await client.waitForClose(WAIT_MS);
    const other = await StreamClient.open(server.clientPort);
    await other.roundTrip();
    other.destroy();
  },
  LIMIT_MS,
);
