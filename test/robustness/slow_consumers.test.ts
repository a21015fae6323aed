import { expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { until } from "../support/deadline.ts";
import { ServerProcess } from "../support/server_process.ts";
import { NumberedStream, numbered } from "./numbered_stream.ts";
import { inParallel, LIMIT_MS, scaled, tell } from "./scale.ts";
import { hasMonitoring, megabytes, residentBelow } from "./server_state.ts";
import { StreamClient } from "./stream_client.ts";

const HEALTHY = scaled(200, 1000);
const STREAM_COUNT = 400;
const SLOW_COUNT = scaled(20, 100);
const MEGABYTE = 1024 * 1024;
const BURST_WAIT_MS = 1;

/** More than the kernel's buffers of one connection hold. */
const FLOOD_CHUNK_BYTES = 64 * 1024;

async function openReaders(
  server: ServerProcess,
  count: number,
  subject: string,
): Promise<{ clients: StreamClient[]; streams: NumberedStream[] }> {
  const clients: StreamClient[] = [];
  const streams: NumberedStream[] = [];
  await inParallel(count, 20, async () => {
    const stream = new NumberedStream(subject);
    const client = await StreamClient.open(server.clientPort, { message: stream.take });
    client.send(`SUB ${subject} 1\r\n`);
    await client.roundTrip();
    clients.push(client);
    streams.push(stream);
  });
  return { clients, streams };
}

test(
  `one consumer that stops reading among ${HEALTHY} is cut off, and nobody else misses a message`,
  async () => {
    await using server = await ServerProcess.start({ config: `write_deadline: "500ms"`, monitoring: true });
    const { clients, streams } = await openReaders(server, HEALTHY, "stream");
    const slow = await StreamClient.open(server.clientPort);
    slow.send("SUB stream 1\r\nSUB flood 2\r\n");
    await slow.roundTrip();
    slow.pause();
    const publisher = await StreamClient.open(server.clientPort);
    const chunk = numbered("flood", 0, FLOOD_CHUNK_BYTES);
    const start = performance.now();
    let cutMs = 0;
    for (let number = 0; number < STREAM_COUNT; number++) {
      await publisher.sendAll(Buffer.concat([numbered("stream", number), chunk]));
      if (cutMs === 0 && server.log.includes("Slow Consumer Detected")) cutMs = performance.now() - start;
    }
    await publisher.roundTrip();
    await server.waitForLog("Slow Consumer Detected", 0, 15_000);
    if (cutMs === 0) cutMs = performance.now() - start;
    await until(
      () => streams.every(({ next }) => next === STREAM_COUNT),
      () => `${streams.filter(({ next }) => next < STREAM_COUNT).length} readers miss messages`,
      60_000,
    );
    tell(`cut off after ${Math.round(cutMs)} ms of flooding`);
    expect(streams.map(({ failure }) => failure).filter((failure) => failure !== undefined)).toEqual([]);
    expect(clients.some(({ isClosed }) => isClosed)).toBe(false);
    slow.resume();
    await slow.waitForClose();
    if (hasMonitoring(server)) {
      const { slow_consumers } = await server.json<{ slow_consumers: number }>("/varz");
      expect(slow_consumers).toBe(1);
    }
    for (const client of clients) client.destroy();
    publisher.destroy();
  },
  LIMIT_MS,
);

test(
  "two clients that publish to each other faster than either reads hang neither the server nor each other",
  async () => {
    await using server = await ServerProcess.start({ config: "max_pending: 128MB" });
    const count = scaled(256, 1024);
    const toLeft = new NumberedStream("to.left");
    const toRight = new NumberedStream("to.right");
    const left = await StreamClient.open(server.clientPort, { message: toLeft.take });
    const right = await StreamClient.open(server.clientPort, { message: toRight.take });
    const third = await StreamClient.open(server.clientPort);
    left.send("SUB to.left 1\r\n");
    right.send("SUB to.right 1\r\n");
    await left.roundTrip();
    await right.roundTrip();
    let longestMs = 0;
    const publish = async (client: StreamClient, subject: string) => {
      for (let number = 0; number < count; number++) {
        // Reads in bursts: most of the time it only writes.
        if (number % 16 === 0) client.pause();
        if (number % 16 === 15) client.resume();
        const sent = client.sendAll(numbered(subject, number, FLOOD_CHUNK_BYTES));
        await Promise.race([sent, new Promise((resolve) => setTimeout(resolve, BURST_WAIT_MS))]);
      }
      client.resume();
    };
    let isDone = false;
    const watch = (async () => {
      while (!isDone) {
        const start = performance.now();
        await third.roundTrip();
        longestMs = Math.max(longestMs, performance.now() - start);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    })();
    await Promise.all([publish(left, "to.right"), publish(right, "to.left")]);
    await left.waitFor(() => toLeft.next === count, `message ${count}`, 60_000);
    await right.waitFor(() => toRight.next === count, `message ${count}`, 60_000);
    isDone = true;
    await watch;
    expect(toLeft.failure).toBeUndefined();
    expect(toRight.failure).toBeUndefined();
    await left.roundTrip();
    await right.roundTrip();
    tell(`a third client waited ${Math.round(longestMs)} ms for a PONG at most`);
    for (const client of [left, right, third]) client.destroy();
  },
  LIMIT_MS,
);

test(
  "a client that never reads publishes to others, who get everything",
  async () => {
    await using server = await ServerProcess.start();
    const stream = new NumberedStream("sink");
    const reader = await StreamClient.open(server.clientPort, { message: stream.take });
    reader.send("SUB sink 1\r\n");
    await reader.roundTrip();
    const deaf = await StreamClient.open(server.clientPort);
    deaf.pause();
    const count = scaled(20_000, 200_000);
    for (let number = 0; number < count; number += 100) {
      await deaf.sendAll(
        Buffer.concat(Array.from({ length: 100 }, (_, offset) => numbered("sink", number + offset, 100))),
      );
    }
    await reader.waitFor(() => stream.next === count, `message ${count}`, 60_000);
    expect(stream.failure).toBeUndefined();
    deaf.resume();
    await deaf.roundTrip();
    for (const client of [deaf, reader]) client.destroy();
  },
  LIMIT_MS,
);

test(
  "what slow consumers did not take is given back once they are gone",
  async () => {
    await using server = await ServerProcess.start({ config: "write_deadline: 2s" });
    const publisher = await StreamClient.open(server.clientPort);
    await publisher.roundTrip();
    const before = server.residentBytes();
    const slow: StreamClient[] = [];
    for (let index = 0; index < SLOW_COUNT; index++) {
      const client = await StreamClient.open(server.clientPort);
      client.send("SUB flood 1\r\n");
      await client.roundTrip();
      client.pause();
      slow.push(client);
    }
    const burst = Buffer.concat(Array.from({ length: 64 }, (_, number) => numbered("flood", number, 1000)));
    let peak = before;
    while (!server.log.includes("Slow Consumer Detected")) {
      await publisher.sendAll(burst);
      peak = Math.max(peak, server.residentBytes());
    }
    expect(peak - before).toBeGreaterThan(100 * MEGABYTE);
    for (const client of slow) client.destroy();
    const after = await residentBelow(server, before + 100 * MEGABYTE);
    tell(`resident ${megabytes(before)} before, ${megabytes(peak)} at most, ${megabytes(after)} after`);
    publisher.destroy();
  },
  LIMIT_MS,
);

test(
  "payloads of 64 MB reach subscribers of every shard whole",
  async () => {
    await using server = await ServerProcess.start({ config: "max_payload: 64MB\nmax_pending: 512MB" });
    const size = 64 * MEGABYTE;
    const wrong: string[] = [];
    const readers: StreamClient[] = [];
    const payload = Buffer.alloc(size);
    for (let at = 0; at < size; at += 4) payload.writeUInt32LE(Math.imul(at, 0x9e3779b1) >>> 0, at);
    for (let index = 0; index < scaled(3, 6); index++) {
      const reader = await StreamClient.open(server.clientPort, {
        message: (_subject, _sid, got) => {
          if (!payload.equals(got)) wrong.push(`reader ${index} got ${got.length} other bytes`);
        },
      });
      reader.send(`SUB huge${index % 2 === 0 ? "" : " group"} 1\r\n`);
      await reader.roundTrip();
      readers.push(reader);
    }
    const publisher = await StreamClient.open(server.clientPort);
    const start = performance.now();
    await publisher.sendAll(
      Buffer.concat([Buffer.from(`PUB huge ${size}\r\n`), payload, Buffer.from("\r\n")]),
    );
    await publisher.roundTrip(60_000);
    const plain = readers.filter((_, index) => index % 2 === 0);
    const members = readers.filter((_, index) => index % 2 === 1);
    for (const reader of plain) await reader.waitFor(() => reader.messages === 1, "message", 60_000);
    await until(
      () => members.reduce((sum, { messages }) => sum + messages, 0) === 1,
      () => "no member of the group has the message",
      60_000,
    );
    expect(wrong).toEqual([]);
    tell(`${Math.round(performance.now() - start)} ms; ${megabytes(server.residentBytes())} resident`);
    for (const client of [...readers, publisher]) client.destroy();
  },
  LIMIT_MS,
);

test(
  "large messages to many subscribers take bounded memory",
  async () => {
    await using server = await ServerProcess.start();
    const readerCount = scaled(40, 100);
    const size = scaled(256 * 1024, MEGABYTE - 1024);
    const count = scaled(25, 50);
    const { clients, streams } = await openReaders(server, readerCount, "big");
    const publisher = await StreamClient.open(server.clientPort);
    const before = server.residentBytes();
    let peak = before;
    const sampling = setInterval(() => {
      peak = Math.max(peak, server.residentBytes());
    }, 20);
    for (let number = 0; number < count; number++) await publisher.sendAll(numbered("big", number, size));
    await until(
      () => streams.every(({ next }) => next === count),
      () => `${streams.filter(({ next }) => next < count).length} readers miss messages`,
      LIMIT_MS,
    );
    clearInterval(sampling);
    expect(streams.map(({ failure }) => failure).filter((failure) => failure !== undefined)).toEqual([]);
    tell(
      `${megabytes(count * size * readerCount)} delivered; resident ${megabytes(before)} before, ${megabytes(peak)} at most`,
    );
    // Without a bound each reader's backlog would grow towards max_pending, 64 MiB.
    expect(peak - before).toBeLessThan(400 * MEGABYTE);
    for (const client of [...clients, publisher]) client.destroy();
  },
  LIMIT_MS,
);
