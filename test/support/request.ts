import type { RawClient } from "./raw_client.ts";

/** One MSG or HMSG. */
export interface Message {
  readonly subject: string;
  readonly sid: string;
  /** Empty when there is none. */
  readonly reply: string;
  /** The header block with its end, empty for a MSG. */
  readonly headers: string;
  readonly payload: string;
}

let nextInbox = 1;

/** Takes the next operation, which must be a message. */
export async function readMessage(client: RawClient, deadlineMs?: number): Promise<Message> {
  const line = await client.readLine(deadlineMs);
  // Messages made inside nats-server have an empty reply: two blanks.
  const words = line.split(/ +/);
  const sizeCount = words[0] === "HMSG" ? 2 : 1;
  if (words[0] !== "MSG" && words[0] !== "HMSG") throw new Error(`expected a message but received ${line}`);
  const [headerBytes, totalBytes] = [sizeCount === 2 ? Number(words.at(-2)) : 0, Number(words.at(-1))];
  const text = new TextDecoder().decode(await client.readBytes(totalBytes + 2));
  return {
    subject: words[1]!,
    sid: words[2]!,
    reply: words.length === 4 + sizeCount ? words[3]! : "",
    headers: text.slice(0, headerBytes),
    payload: text.slice(headerBytes, -2),
  };
}

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
