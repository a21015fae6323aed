import { DEADLINE_MS, until } from "./deadline.ts";
import type { RawClient } from "./raw_client.ts";
import { type Exit, ServerProcess } from "./server_process.ts";

const PASSWORD = "p";

/** An account of a configuration file, with one user of the account's name; `body` holds its other keys. */
export function account(name: string, body = ""): string {
  return `${name} {\n users: [ { user: "${name}", password: "${PASSWORD}" } ]\n ${body}\n}\n`;
}

/** Connects as the user of that name, made by `account`. */
export function login(
  server: ServerProcess,
  name: string,
  fields: Record<string, unknown> = {},
): Promise<RawClient> {
  return server.connectAs({ user: name, pass: PASSWORD, ...fields });
}

/** Connects as each of these users in turn. */
export async function loginAll(server: ServerProcess, ...names: string[]): Promise<RawClient[]> {
  const clients: RawClient[] = [];
  for (const name of names) clients.push(await login(server, name));
  return clients;
}

/** CONNECT as that user on a fresh connection, unanswered: for logins that are refused. */
export async function tryLogin(server: ServerProcess, name: string): Promise<RawClient> {
  const client = await server.connect();
  client.send(`CONNECT ${JSON.stringify({ verbose: false, user: name, pass: PASSWORD })}\r\nPING\r\n`);
  return client;
}

/** SUB on each subject with sids 1, 2, …, known to the whole server on return. */
export async function subscribe(client: RawClient, ...subjects: string[]): Promise<void> {
  client.send(subjects.map((subject, index) => `SUB ${subject} ${index + 1}\r\n`).join(""));
  await client.roundTrip();
}

/**
 * Round trips, in this order: what the first clients published has been delivered to the later ones, and nothing waits
 * at any of them.
 */
export async function settle(...clients: RawClient[]): Promise<void> {
  for (const client of clients) await client.roundTrip();
}

/** Starts a server that is expected to refuse its configuration, and returns how it ended; null: it started. */
export async function refusal(config: string): Promise<Exit | null> {
  const server = ServerProcess.spawn({ config });
  const isReady = () => server.log.includes("Server is ready");
  try {
    await until(
      () => server.hasExited || isReady(),
      () => `the server has neither started nor refused to:\n${server.log}`,
      DEADLINE_MS * 4,
    );
    return isReady() ? null : await server.waitForExit();
  } finally {
    await server.stop();
  }
}
