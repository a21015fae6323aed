import { expect } from "bun:test";
import { until } from "../support/deadline.ts";
import type { ServerProcess } from "../support/server_process.ts";
import { NumberedStream, numbered } from "./numbered_stream.ts";
import { StreamClient } from "./stream_client.ts";

const INTERVAL_MS = 5;

/** How messages between two clients fared. */
export interface Meanwhile<T> {
  readonly result: T;
  readonly messageCount: number;
  /** How long the slowest one took. */
  readonly delayMaxMs: number;
}

/** Messages between two clients with this login, for as long as `body` takes; each arrives, in order. */
export async function beside<T>(
  server: ServerProcess,
  fields: Record<string, unknown>,
  body: () => Promise<T>,
): Promise<Meanwhile<T>> {
  const stream = new NumberedStream("stream");
  const sentAtMs: number[] = [];
  let delayMaxMs = 0;
  const reader = await StreamClient.open(
    server.clientPort,
    {
      message: (subject, sid, payload) => {
        delayMaxMs = Math.max(delayMaxMs, performance.now() - (sentAtMs[stream.next] ?? 0));
        stream.take(subject, sid, payload);
      },
    },
    fields,
  );
  reader.send("SUB stream 1\r\n");
  await reader.roundTrip();
  const publisher = await StreamClient.open(server.clientPort, {}, fields);
  const publishing = setInterval(() => {
    sentAtMs.push(performance.now());
    publisher.send(numbered("stream", sentAtMs.length - 1));
  }, INTERVAL_MS);
  try {
    const result = await body();
    clearInterval(publishing);
    await publisher.roundTrip();
    await until(
      () => stream.next === sentAtMs.length,
      () => `${stream.next} of ${sentAtMs.length} messages came`,
    );
    expect(stream.failure).toBe(undefined);
    return { result, messageCount: sentAtMs.length, delayMaxMs };
  } finally {
    clearInterval(publishing);
    for (const client of [reader, publisher]) client.destroy();
  }
}
