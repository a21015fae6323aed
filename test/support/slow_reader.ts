import { expect } from "bun:test";
import { once } from "node:events";
import { until } from "./deadline.ts";
import type { RawClient } from "./raw_client.ts";
import type { ServerProcess } from "./server_process.ts";

/** Publishers do not wait for subscribers that are slower. */
export const UNSTALLED = "no_fast_producer_stall: true\n";

/** How long a write may take before the server says so; a connection that takes some of it is kept. */
export const RETRIED_WRITES = `write_deadline: "1s", write_timeout: retry`;

/** Read this often, so that some is taken in each second, on a busy machine too. */
const SLOW_READ_MS = 300;
/** Enough for a kernel to see room for more, and in a second less than the flood brings. */
const SLOW_READ_BYTES = 3 * 1024 * 1024;
const READ_MS_MAX = 200;

const DETECTED =
  /Slow Consumer Detected: WriteDeadline of 1s exceeded with \d+ chunks of \d+ total bytes\.\n/;
const RECOVERED = /Slow Consumer Recovered: Flush took \d+\.\d{3}s with \d+ chunks of \d+ total bytes\.\n/;

export const CHUNK_BYTES = 64 * 1024;
export const CHUNK = "c".repeat(CHUNK_BYTES);
/** More than the socket buffers of both ends hold. */
const FLOOD_CHUNKS = 960;

/**
 * Publishes `count` chunks, each write waiting for the one before; by default more than a client that does not read can
 * take.
 */
export async function flood(publisher: RawClient, subject = "flood", count = FLOOD_CHUNKS): Promise<void> {
  const chunk = `PUB ${subject} ${CHUNK_BYTES}\r\n${CHUNK}\r\n`;
  for (let sent = 0; sent < count; sent++) await publisher.sendAll(chunk);
}

/** Lets a paused connection take about `SLOW_READ_BYTES`, if as much comes at once. */
export async function readSome(slow: RawClient): Promise<void> {
  const { socket } = slow;
  const enough = socket.bytesRead + SLOW_READ_BYTES;
  const signal = AbortSignal.timeout(READ_MS_MAX);
  slow.resume();
  while (socket.bytesRead < enough && !signal.aborted) await once(socket, "data", { signal }).catch(() => {});
  slow.pause();
}

/**
 * Takes what is sent to a paused connection, a little now and then, until the server has missed a deadline of
 * `RETRIED_WRITES`; then all of it, and the server says that the connection has caught up.
 */
export async function expectRecovery(server: ServerProcess, slow: RawClient): Promise<void> {
  const from = server.log.length;
  await until(
    async () => {
      await readSome(slow);
      await new Promise((resolve) => setTimeout(resolve, SLOW_READ_MS));
      return DETECTED.test(server.log.slice(from));
    },
    () => `the server does not find the connection slow:\n${server.log.slice(from)}`,
    20_000,
  );
  slow.resume();
  await server.waitForLog(RECOVERED, from, 20_000);
}

/**
 * The same of a paused link that wants `flood`, which a client publishes: `/varz` counts it in `stat`, and the log names it by
 * `label`.
 */
export async function expectLinkRecovery(
  server: ServerProcess,
  link: RawClient,
  stat: "leafs" | "routes",
  label: string,
): Promise<void> {
  const publisher = await server.connectAs();
  link.pause();
  const flooding = flood(publisher);
  await expectRecovery(server, link);
  await flooding;
  const { slow_consumer_stats } = await server.json<{ slow_consumer_stats: Record<typeof stat, number> }>(
    "/varz",
  );
  expect(slow_consumer_stats[stat]).toBeGreaterThan(0);
  expect(server.log).toMatch(new RegExp(` - ${label}:\\d+ - Slow Consumer Recovered: `));
}
