import type { RawClient } from "./raw_client.ts";
import type { ServerProcess } from "./server_process.ts";

/** More connections than the shards a test server has, so that neighbours sit on different shards. */
const CONNECTION_COUNT = 8;

/**
 * Opens eight connections one after another, so that a server of several shards spreads them, and hands them to
 * `body`. All have sent CONNECT (with `fields`) and closed when `body` is done.
 */
export async function withConnections(
  server: ServerProcess,
  fields: Record<string, unknown>,
  body: (clients: RawClient[]) => Promise<void>,
): Promise<void> {
  const clients: RawClient[] = [];
  try {
    for (let index = 0; index < CONNECTION_COUNT; index++) clients.push(await server.connectAs(fields));
    await body(clients);
  } finally {
    for (const client of clients) client.destroy();
  }
}

/** PING and PONG on every connection: subscriptions made before are known to the whole server. */
export async function roundTripAll(clients: readonly RawClient[]): Promise<void> {
  for (const client of clients) await client.roundTrip();
}
