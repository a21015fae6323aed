import { readMessage } from "./message.ts";
import type { RawClient } from "./raw_client.ts";
import { subscribeInbox } from "./request.ts";
import type { ServerProcess } from "./server_process.ts";

/** `$SYS`, `A` and `B`, each with a user of its name in lower case (`sys`, `a`, `b`) and the password `p`. */
export const SYSTEM_ACCOUNTS = `accounts {
  $SYS { users: [ { user: sys, password: p } ] }
  A { users: [ { user: a, password: p } ] }
  B { users: [ { user: b, password: p } ] }
}`;

export type Json = Readonly<Record<string, unknown>>;

/** An event or an answer. */
export interface SystemMessage {
  readonly subject: string;
  readonly headers: string;
  readonly json: Json;
}

/** Logs in as a user of `SYSTEM_ACCOUNTS`. */
export function loginAs(
  server: ServerProcess,
  user: string,
  fields: Record<string, unknown> = {},
): Promise<RawClient> {
  return server.connectAs({ user, pass: "p", ...fields });
}

/** Subscribes to subjects, known to the whole server on return. */
export async function listen(client: RawClient, ...subjects: string[]): Promise<void> {
  client.send(subjects.map((subject, index) => `SUB ${subject} ${index + 1}\r\n`).join(""));
  await client.roundTrip();
}

/** Takes the next message, whose payload is JSON. */
export async function nextMessage(client: RawClient, deadlineMs?: number): Promise<SystemMessage> {
  const { subject, headers, payload } = await readMessage(client, deadlineMs);
  return { subject, headers, json: JSON.parse(payload) as Json };
}

/** The request as a line of the protocol. */
function requestLine(subject: string, reply: string, body: string, headers: string): string {
  if (headers === "") return `PUB ${subject} ${reply} ${body.length}\r\n${body}\r\n`;
  const block = `NATS/1.0\r\n${headers}\r\n\r\n`;
  return `HPUB ${subject} ${reply} ${block.length} ${block.length + body.length}\r\n${block}${body}\r\n`;
}

/** Sends a request with these header lines and returns its one answer. */
export async function ask(
  client: RawClient,
  subject: string,
  body: unknown = "",
  headers = "",
): Promise<SystemMessage> {
  const inbox = subscribeInbox(client, 1);
  client.send(requestLine(subject, inbox, typeof body === "string" ? body : JSON.stringify(body), headers));
  return await nextMessage(client);
}

/** The same for an answer whose payload is no text. */
export async function askForBytes(
  client: RawClient,
  subject: string,
  headers: string,
): Promise<{ headers: string; payload: Uint8Array }> {
  client.send(requestLine(subject, subscribeInbox(client, 1), "", headers));
  const words = (await client.readLine()).split(/ +/);
  const [headerBytes, totalBytes] = [Number(words.at(-2)), Number(words.at(-1))];
  const bytes = await client.readBytes(totalBytes + 2);
  return {
    headers: new TextDecoder().decode(bytes.subarray(0, headerBytes)),
    payload: bytes.subarray(headerBytes, totalBytes),
  };
}

/**
 * Sends requests, then one that is answered; fails if one of the first ones is answered too. What a server answers it
 * answers in order.
 */
export async function askForSilence(
  client: RawClient,
  ...requests: (readonly [subject: string, body: unknown])[]
): Promise<void> {
  for (const [subject, body] of requests) {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    client.send(requestLine(subject, subscribeInbox(client), text, ""));
  }
  const inbox = subscribeInbox(client, 1);
  client.send(requestLine("$SYS.REQ.SERVER.PING.HEALTHZ", inbox, "", ""));
  const { subject, json } = await nextMessage(client);
  if (subject !== inbox) throw new Error(`unexpected answer on ${subject}: ${JSON.stringify(json)}`);
}

/** `data` of an answer. */
export function dataOf({ json }: SystemMessage): Json {
  if (json.data === undefined || json.data === null)
    throw new Error(`no data in the answer: ${JSON.stringify(json)}`);
  return json.data as Json;
}
