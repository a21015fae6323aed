import { type Message, readMessage } from "./message.ts";
import type { RawClient } from "./raw_client.ts";

let nextInbox = 1;

/** Publishes a request with an inbox of its own and returns the first answer; an answer of 503 has its headers. */
export async function request(
  client: RawClient,
  subject: string,
  payload = "",
  deadlineMs?: number,
): Promise<Message> {
  const inbox = subscribeInbox(client, 1);
  client.send(`PUB ${subject} ${inbox} ${payload.length}\r\n${payload}\r\n`);
  return await readMessage(client, deadlineMs);
}

/** Subscribes to a new inbox, for at most `answersMax` messages if given; returns the inbox. */
export function subscribeInbox(client: RawClient, answersMax?: number): string {
  const id = nextInbox++;
  client.send(`SUB _INBOX.request.${id} 9${id}\r\n`);
  if (answersMax !== undefined) client.send(`UNSUB 9${id} ${answersMax}\r\n`);
  return `_INBOX.request.${id}`;
}
