/** What rows about compression ask of two servers that are linked, whatever the link. */
import { expect } from "bun:test";
import { Buffer } from "node:buffer";
import { untilReached } from "./links.ts";
import type { RawClient } from "./raw_client.ts";

/** From nothing to more than a chunk, a read or an outbox holds. */
const SIZES = [0, 1, 31, 32, 100, 1000, 4096, 65_500, 65_536, 66_000, 131_072, 300_000, 1_048_576];

/** JSON like that of events, that many bytes of it. */
export function jsonOf(bytes: number, seed = 0): Buffer {
  let text = "";
  for (let i = seed; text.length < bytes; i++) {
    text += `{"id":${i * 7919},"type":"order","state":"${["new", "paid", "sent"][i % 3]}","total":${(i * 31) % 997}}`;
  }
  return Buffer.from(text.slice(0, bytes));
}

/** Bytes that do not compress. */
export function noiseOf(bytes: number): Buffer {
  const noise = Buffer.alloc(bytes);
  let state = 12345;
  for (let i = 0; i < bytes; i++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    noise[i] = state >>> 24;
  }
  return noise;
}

/** Messages of all sizes cross, each once, in order and whole. */
export async function expectCrossing(publisher: RawClient, subscriber: RawClient): Promise<void> {
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
