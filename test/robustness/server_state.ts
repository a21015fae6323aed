import { until } from "../support/deadline.ts";
import type { ServerProcess } from "../support/server_process.ts";

/** What must be back to where it was once every client has left. */
export interface ServerState {
  readonly connections: number;
  readonly subscriptions: number;
  readonly residentBytes: number;
}

const SETTLE_MS = 60_000;
const MEGABYTE = 1024 * 1024;

/** Whether the server opened the HTTP port it was asked for. */
export function hasMonitoring(server: ServerProcess): boolean {
  return server.log.includes("Starting http monitor on ");
}

/** Connections and subscriptions as monitoring tells them (`NaN` without monitoring), and the resident memory. */
export async function serverState(server: ServerProcess): Promise<ServerState> {
  const residentBytes = server.residentBytes();
  if (!hasMonitoring(server)) return { connections: Number.NaN, subscriptions: Number.NaN, residentBytes };
  const varz = await server.json<{ connections: number; subscriptions: number }>("/varz");
  const subsz = await server.json<{ num_subscriptions: number }>("/subsz");
  return {
    connections: varz.connections,
    subscriptions: Math.max(varz.subscriptions, subsz.num_subscriptions),
    residentBytes,
  };
}

/** Waits until connections and subscriptions are what they were at `before`; returns the state then. */
export async function backTo(before: ServerState, server: ServerProcess): Promise<ServerState> {
  let now = await serverState(server);
  await until(
    async () => {
      now = await serverState(server);
      // Without monitoring there is nothing to compare.
      return (
        Object.is(now.connections, Number.NaN) ||
        (now.connections === before.connections && now.subscriptions === before.subscriptions)
      );
    },
    () =>
      `the server has ${now.connections} connections and ${now.subscriptions} subscriptions, ` +
      `but had ${before.connections} and ${before.subscriptions}`,
    SETTLE_MS,
  );
  return now;
}

/** Waits until resident memory is at most `bound`, for a collector that takes its time; returns the last reading. */
export async function residentBelow(
  server: ServerProcess,
  boundBytes: number,
  waitMs = 20_000,
): Promise<number> {
  let resident = server.residentBytes();
  await until(
    () => {
      resident = server.residentBytes();
      return resident <= boundBytes;
    },
    () => `${megabytes(resident)} are resident, more than ${megabytes(boundBytes)}`,
    waitMs,
  );
  return resident;
}

export function megabytes(bytes: number): string {
  return `${(bytes / MEGABYTE).toFixed(1)} MiB`;
}
