import type { RawClient } from "./raw_client.ts";
import type { ServerProcess } from "./server_process.ts";

/** CONNECT fields, or what makes them from the nonce of INFO. */
export type Login = Record<string, unknown> | ((nonce: string) => Record<string, unknown>);

export const AUTHORIZATION_VIOLATION = "-ERR 'Authorization Violation'\r\n";

/** Opens a connection, logs in with quiet defaults and these credentials, and waits for the PONG. */
export async function login(
  server: ServerProcess,
  credentials: Login,
  fields: Record<string, unknown> = {},
): Promise<RawClient> {
  const client = await server.connect();
  await client.handshake({ ...fieldsOf(client, credentials), ...fields });
  return client;
}

/** Opens a connection and tries to log in: the server must send exactly `error` and close. */
export async function expectRefused(
  server: ServerProcess,
  credentials: Login,
  error = AUTHORIZATION_VIOLATION,
  deadlineMs?: number,
): Promise<RawClient> {
  const client = await server.connect();
  client.send(`CONNECT ${JSON.stringify({ verbose: false, ...fieldsOf(client, credentials) })}\r\nPING\r\n`);
  await client.expect(error, deadlineMs);
  await client.expectClosed();
  return client;
}

function fieldsOf(client: RawClient, credentials: Login): Record<string, unknown> {
  return typeof credentials === "function" ? credentials(String(client.info.nonce)) : credentials;
}
