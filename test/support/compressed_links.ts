/** What rows about compression expect of two linked servers, whatever the kind of link. */

import { expect } from "bun:test";
import { Buffer } from "node:buffer";
import { numbers } from "../../src/base/testing/numbers.ts";
import { untilReached } from "./links.ts";
import type { MeteredPath } from "./metered_path.ts";
import type { RawClient } from "./raw_client.ts";
import type { ServerProcess } from "./server_process.ts";

/** How long servers may take to be linked. */
export const UP_MS = 10_000;

export const ANY_LEVEL = /^s2_(uncompressed|fast|better|best)$/;
/** A path that takes 60 ms there and back makes it better, however busy the machine is. */
export const BY_ROUND_TRIP = "{ mode: s2_auto, rtt_thresholds: ['5ms', '50ms', '5s'] }";
const JSON_COUNT = 200;
const JSON_BYTES = 1000;

/** From nothing to more than a chunk, a read or an outbox holds. */
const SIZES = [0, 1, 31, 32, 100, 1000, 4096, 65_500, 65_536, 66_000, 131_072, 300_000, 1_048_576];

/** JSON like that of events, that many bytes of it. */
function jsonOf(bytes: number, seed = 0): Buffer {
  let text = "";
  for (let i = seed; text.length < bytes; i++) {
    text += `{"id":${i * 7919},"type":"order","state":"${["new", "paid", "sent"][i % 3]}","total":${(i * 31) % 997}}`;
  }
  return Buffer.from(text.slice(0, bytes));
}

/** Bytes that do not compress. */
function noiseOf(bytes: number): Buffer {
  const next = numbers(12345);
  return Buffer.from(Array.from({ length: bytes }, () => next(256)));
}

/** Messages of all sizes cross between clients of two servers, once those are linked, in both directions. */
export async function expectBothWays(one: ServerProcess, other: ServerProcess): Promise<void> {
  const [here, there] = [await one.connectAs(), await other.connectAs()];
  await untilReached(here, there, UP_MS);
  await expectCrossing(here, there);
  await expectCrossing(there, here);
  for (const client of [here, there]) client.destroy();
}

/** Each message arrives once, in order and whole. */
async function expectCrossing(publisher: RawClient, subscriber: RawClient): Promise<void> {
  subscriber.send("SUB sizes 1\r\n");
  await untilReached(publisher, subscriber);
  const payloads = SIZES.flatMap((size) => [jsonOf(size, size), noiseOf(size)]);
  for (const payload of payloads) publisher.send(`PUB sizes ${payload.length}\r\n`, payload, "\r\n");
  for (const payload of payloads) {
    expect(await subscriber.readLine()).toBe(`MSG sizes 1 ${payload.length}`);
    const got = Buffer.from(await subscriber.readBytes(payload.length + 2));
    expect(got.subarray(0, -2).equals(payload)).toBe(true);
  }
  // Many small ones, as they are collected into one write.
  let lines = "";
  for (let i = 0; i < 5000; i++) lines += `PUB sizes ${`${i}`.length}\r\n${i}\r\n`;
  publisher.send(lines);
  const text = await subscriber.readUntil("\r\n4999\r\n");
  expect(text).toBe(lines.replaceAll("PUB sizes", "MSG sizes 1"));
  subscriber.send("UNSUB 1\r\n");
  await subscriber.roundTrip();
}

/** How many bytes two hundred messages of JSON, a kilobyte each, take on the path between two servers. */
export async function crossedBytes(
  path: MeteredPath,
  publisher: RawClient,
  subscriber: RawClient,
): Promise<number> {
  subscriber.send("SUB json 1\r\n");
  await untilReached(publisher, subscriber, UP_MS);
  const before = path.byteCount;
  for (let i = 0; i < JSON_COUNT; i++)
    publisher.send(`PUB json ${JSON_BYTES}\r\n`, jsonOf(JSON_BYTES, i), "\r\n");
  for (let i = 0; i < JSON_COUNT; i++) {
    await subscriber.readLine();
    await subscriber.readBytes(JSON_BYTES + 2);
  }
  return path.byteCount - before;
}

/** What crossed compressed is less than half of what crossed as it was. */
export function expectShorter(plainBytes: number, compressedBytes: number): void {
  expect(plainBytes).toBeGreaterThan(JSON_COUNT * JSON_BYTES);
  expect(compressedBytes).toBeLessThan(plainBytes / 2);
}
