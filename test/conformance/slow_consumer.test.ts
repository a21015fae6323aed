import { expect } from "bun:test";
import { closedReason } from "../support/closed_connection.ts";
import { until } from "../support/deadline.ts";
import type { RawClient } from "../support/raw_client.ts";
import { row } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";
import {
  CHUNK,
  CHUNK_BYTES,
  expectRecovery,
  flood,
  RETRIED_WRITES,
  readSome,
  UNSTALLED,
} from "../support/slow_reader.ts";

/** More than both kernels' socket buffers hold, so that what is not read piles up in the server. */
const FLOOD_CHUNKS = 768;

/** A client that has subscribed to the subject, with sid 1, and reads nothing from then on. */
async function pausedSubscriber(server: ServerProcess, subject = "flood"): Promise<RawClient> {
  const client = await server.connectAs();
  client.send(`SUB ${subject} 1\r\n`);
  await client.roundTrip();
  client.pause();
  return client;
}

/** Takes `count` chunks that somebody floods the subject with, and nothing else. */
async function readFlood(client: RawClient, count: number, subject = "flood"): Promise<void> {
  const message = `MSG ${subject} 1 ${CHUNK_BYTES}\r\n${CHUNK}\r\n`;
  for (let received = 0; received < count; received++) await client.expect(message, 30_000);
}

/** About as much to `flood` as that, in small messages, 60 to a write. */
async function floodSmall(publisher: RawClient): Promise<void> {
  const chunk = `PUB flood 1000\r\n${"x".repeat(1000)}\r\n`.repeat(60);
  for (let sent = 0; sent < FLOOD_CHUNKS; sent++) await publisher.sendAll(chunk);
}

row(
  "§12 a subscriber over max_pending is disconnected without -ERR, everyone else is untouched",
  async () => {
    await using server = await ServerProcess.start({ config: "max_pending: 2MB", monitoring: true });
    const slow = await pausedSubscriber(server);
    const reader = await server.connectAs();
    const publisher = await server.connectAs();
    reader.send("SUB flood 1\r\n");
    await reader.roundTrip();
    const reading = readFlood(reader, FLOOD_CHUNKS);
    for (let sent = 0; sent < FLOOD_CHUNKS; sent += 8) {
      await flood(publisher, "flood", 8);
      await publisher.roundTrip();
    }
    await reading;
    await server.waitForLog("Slow Consumer Detected: MaxPending of 2097152 Exceeded");
    expect(await closedReason(server, slow)).toBe("Slow Consumer (Pending Bytes)");
    slow.resume();
    const text = await slow.readToEnd();
    expect(text).not.toContain("-ERR");
    const message = `MSG flood 1 ${CHUNK_BYTES}\r\n${CHUNK}\r\n`;
    expect(message.repeat(Math.ceil(text.length / message.length)).startsWith(text)).toBe(true);
    const varz = await server.json<{ slow_consumers: number; slow_consumer_stats: { clients: number } }>(
      "/varz",
    );
    expect(varz.slow_consumers).toBeGreaterThan(0);
    expect(varz.slow_consumer_stats.clients).toBeGreaterThan(0);
    await publisher.roundTrip();
    await reader.roundTrip();
  },
);

row("§12 who reads what comes is not slow, though more comes at once than may be pending", async () => {
  await using server = await ServerProcess.start({ config: "max_pending: 1MB" });
  const reader = await server.connectAs();
  const publisher = await server.connectAs();
  reader.send("SUB flood 1\r\n");
  await reader.roundTrip();
  const payload = "x".repeat(800);
  const [count, rounds] = [400, 100];
  const expected = `MSG flood 1 800\r\n${payload}\r\n`.repeat(count);
  const reading = (async () => {
    for (let round = 0; round < rounds; round++) await reader.expect(expected, 30_000);
  })();
  // Several times what may be pending at once, again and again.
  const flooded = `PUB flood 800\r\n${payload}\r\n`.repeat(count);
  for (let round = 0; round < rounds; round++) await publisher.sendAll(flooded);
  await reading;
  expect(server.log).not.toContain("Slow Consumer");
});

row("§12 who reads nothing is cut where little may be pending", async () => {
  await using server = await ServerProcess.start({ config: "max_pending: 64KB\nmax_payload: 64KB" });
  await pausedSubscriber(server);
  const publisher = await server.connectAs();
  await floodSmall(publisher);
  await publisher.roundTrip(30_000);
  await server.waitForLog("Slow Consumer Detected: MaxPending of 65536 Exceeded");
});

row("§12 a write not finished within write_deadline disconnects the subscriber", async () => {
  await using server = await ServerProcess.start({ config: `write_deadline: "300ms"`, monitoring: true });
  const slow = await pausedSubscriber(server);
  const publisher = await server.connectAs();
  await flood(publisher, "flood", FLOOD_CHUNKS);
  await publisher.roundTrip(30_000);
  await server.waitForLog(
    /Slow Consumer Detected: WriteDeadline of 300ms exceeded with \d+ chunks of \d+ total bytes\./,
  );
  expect(await closedReason(server, slow)).toBe("Slow Consumer (Write Deadline)");
  const varz = await server.json<{ slow_consumers: number }>("/varz");
  expect(varz.slow_consumers).toBeGreaterThan(0);
});

row("§12 who misses write deadlines, and stays, is said to have caught up", async () => {
  await using server = await ServerProcess.start({ config: UNSTALLED + RETRIED_WRITES });
  const slow = await pausedSubscriber(server);
  const publisher = await server.connectAs();
  const flooding = flood(publisher);
  await expectRecovery(server, slow);
  await flooding;
});

row("§12 a subscriber that pauses and then reads on loses nothing", async () => {
  await using server = await ServerProcess.start();
  const subscriber = await pausedSubscriber(server);
  const publisher = await server.connectAs();
  await flood(publisher, "flood", FLOOD_CHUNKS / 2);
  await publisher.roundTrip(30_000);
  subscriber.resume();
  await readFlood(subscriber, FLOOD_CHUNKS / 2);
  await subscriber.roundTrip();
});

row("§12 two clients that publish to each other faster than either reads never hang", async () => {
  await using server = await ServerProcess.start();
  const left = await pausedSubscriber(server, "to.left");
  const right = await pausedSubscriber(server, "to.right");
  const count = FLOOD_CHUNKS / 2;
  await Promise.all([flood(left, "to.right", count), flood(right, "to.left", count)]);
  left.resume();
  right.resume();
  await Promise.all([readFlood(left, count, "to.left"), readFlood(right, count, "to.right")]);
  await Promise.all([left.roundTrip(), right.roundTrip()]);
});

row("§12 a client that floods itself without reading gets everything once it reads", async () => {
  await using server = await ServerProcess.start();
  const client = await pausedSubscriber(server, "self");
  await flood(client, "self", FLOOD_CHUNKS / 2);
  client.resume();
  await readFlood(client, FLOOD_CHUNKS / 2, "self");
  await client.roundTrip();
});

row("§12 a producer that waits for a subscriber is told of in the log, once a second", async () => {
  await using server = await ServerProcess.start({ config: "max_pending: 8MB" });
  const slow = await pausedSubscriber(server);
  const publisher = await server.connectAs();
  const startMs = performance.now();
  // nats-server tells of a wait of 10 ms: several messages of one read make that.
  await floodSmall(publisher);
  await publisher.roundTrip();
  await server.waitForLog(/ - cid:\d+ - Producer was stalled for a total of \d+ms - Account:\$G\n/);
  const seconds = Math.ceil((performance.now() - startMs) / 1000);
  expect(server.log.split("Producer was stalled").length - 1).toBeLessThan(seconds + 1);
  slow.destroy();
});

row("§3.4 how often producers waited is counted for the subscriber that they waited for", async () => {
  await using server = await ServerProcess.start({ config: "max_pending: 8MB", monitoring: true });
  const slow = await pausedSubscriber(server);
  const publisher = await server.connectAs();
  await flood(publisher, "flood", FLOOD_CHUNKS);
  await publisher.roundTrip();
  const { connections } = await server.json<{ connections: { cid: number; stalls?: number }[] }>(
    "/connz?state=all",
  );
  const stallsOf = (client: RawClient) =>
    connections.find(({ cid }) => cid === client.info.client_id)!.stalls;
  expect(stallsOf(slow)).toBeGreaterThan(0);
  expect(stallsOf(publisher)).toBeUndefined();
  slow.destroy();
});

row(
  "§12 with no_fast_producer_stall messages for a subscriber far behind are dropped, it stays connected",
  async () => {
    await using server = await ServerProcess.start({
      config: `${UNSTALLED}max_pending: 32MB`,
    });
    const subscriber = await server.connectAs();
    const publisher = await server.connectAs();
    subscriber.send("SUB flood 1\r\nSUB after 2\r\n");
    await subscriber.roundTrip();
    subscriber.pause();
    await flood(publisher, "flood", FLOOD_CHUNKS);
    await publisher.roundTrip(30_000);
    subscriber.resume();
    // The pending bytes go out before the round trip is answered; from then on nothing is dropped.
    subscriber.send("PING\r\n");
    const text = await subscriber.readUntil("PONG\r\n", 30_000);
    const received = text.match(/MSG flood 1 /g)?.length ?? 0;
    // From three quarters of max_pending on.
    expect(received * CHUNK_BYTES).toBeGreaterThan(24 * 1024 * 1024);
    expect(received).toBeLessThan(FLOOD_CHUNKS);
    expect(text).toBe(`${`MSG flood 1 ${CHUNK_BYTES}\r\n${CHUNK}\r\n`.repeat(received)}PONG\r\n`);
    publisher.send("PUB after 1\r\nx\r\n");
    await subscriber.expect("MSG after 2 1\r\nx\r\n");
  },
);

row(
  "§12 with no_fast_producer_stall a message that has no room behind what waits already ends its subscriber",
  async () => {
    for (const payloadBytes of [50_000, 700_000]) {
      await using server = await ServerProcess.start({
        config: `${UNSTALLED}max_payload: ${payloadBytes}, max_pending: ${Math.round(payloadBytes * 1.5)}`,
        monitoring: true,
      });
      const subscriber = await server.connectAs();
      const publisher = await server.connectAs();
      subscriber.send("SUB flood 1\r\n");
      await subscriber.roundTrip();
      subscriber.pause();
      const message = `PUB flood ${payloadBytes}\r\n${"x".repeat(payloadBytes)}\r\n`;
      // Where the kernel takes so much of a message that others are dropped, it is tried again.
      await until(
        async () => {
          for (let sent = 0; sent < 20_000_000; sent += payloadBytes) {
            await publisher.sendAll(message);
            await publisher.roundTrip();
          }
          await readSome(subscriber);
          return /Slow Consumer Detected: MaxPending of \d+ Exceeded/.test(server.log);
        },
        () => "the subscriber is not found slow",
        30_000,
      );
      expect(await closedReason(server, subscriber)).toBe("Slow Consumer (Pending Bytes)");
    }
  },
);

row("§12 a long stream to a subscriber that reads it takes bounded memory", async () => {
  await using server = await ServerProcess.start();
  const subscriber = await server.connectAs();
  const publisher = await server.connectAs();
  subscriber.send("SUB flood 1\r\n");
  await subscriber.roundTrip();
  const before = server.residentBytes();
  const count = 2000;
  const reading = readFlood(subscriber, count);
  await flood(publisher, "flood", count);
  await reading;
  // 131 MB went through; max_pending alone would allow 64 MiB, and a garbage collector its share on top.
  expect(server.residentBytes() - before).toBeLessThan(300 * 1024 * 1024);
});
