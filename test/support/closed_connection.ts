import { until } from "./deadline.ts";
import type { RawClient } from "./raw_client.ts";
import type { ServerProcess } from "./server_process.ts";

/** What tests read of a closed connection's entry in /connz. */
export interface ClosedConnection {
  readonly cid: number;
  readonly reason: string;
  readonly start: string;
  readonly stop: string;
  readonly subscriptions: number;
  readonly [field: string]: unknown;
}

/** Waits until the server, which must have monitoring, lists the closed connection, and returns its entry. */
export async function closedConnection(
  server: ServerProcess,
  client: Pick<RawClient, "info">,
): Promise<ClosedConnection> {
  const cid = client.info.client_id;
  let entry: ClosedConnection | undefined;
  await until(
    async () => {
      const page = await server.json<{ connections: ClosedConnection[] }>(`/connz?state=closed&cid=${cid}`);
      entry = page.connections[0];
      return entry !== undefined;
    },
    () => `connection ${cid} is not among the closed ones`,
  );
  return entry!;
}

/** Why the server closed the connection, as it lists it. */
export async function closedReason(server: ServerProcess, client: Pick<RawClient, "info">): Promise<string> {
  return (await closedConnection(server, client)).reason;
}
