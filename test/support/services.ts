import { loginAll, subscribe } from "./account_config.ts";
import { type Message, readMessage } from "./message.ts";
import type { RawClient } from "./raw_client.ts";
import type { ServerProcess } from "./server_process.ts";

/** The reply subject that a service import makes up for a responder, where no latency is measured. */
export const REWRITTEN_REPLY = /^_R_\.[0-9A-Za-z]{6}\.[0-9A-Za-z]{6}$/;

/**
 * Logs in as the first user, who subscribes to `service`, and as the second, who subscribes to `in.>`, both as sid 1;
 * closes both when `body` is done.
 */
export async function withPair(
  server: ServerProcess,
  [responderUser, requesterUser]: readonly [string, string],
  service: string,
  body: (responder: RawClient, requester: RawClient) => Promise<void>,
): Promise<void> {
  const [responder, requester] = await loginAll(server, responderUser, requesterUser);
  await subscribe(responder!, service);
  await subscribe(requester!, "in.>");
  try {
    await body(responder!, requester!);
  } finally {
    for (const client of [responder!, requester!]) client.destroy();
  }
}

/** Publishes a request of two bytes and takes it at the responder. */
export async function request(
  requester: RawClient,
  responder: RawClient,
  subject: string,
  reply = "in.1",
): Promise<Message> {
  requester.send(`PUB ${subject} ${reply} 2\r\nhi\r\n`);
  const message = await readMessage(responder);
  if (message.payload !== "hi")
    throw new Error(`expected the request but received ${JSON.stringify(message)}`);
  return message;
}
