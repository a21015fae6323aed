import type { RawClient } from "./raw_client.ts";

/** A delivered MSG or HMSG. */
export interface Message {
  readonly subject: string;
  readonly sid: string;
  /** Empty when the message has none. */
  readonly reply: string;
  /** The header block with its status line and its empty last line; empty for MSG. */
  readonly headers: string;
  readonly payload: string;
}

/** Takes one MSG or HMSG; fails at any other line. */
export async function readMessage(client: RawClient, deadlineMs?: number): Promise<Message> {
  const line = await client.readLine(deadlineMs);
  const [verb, subject, sid, ...rest] = line.split(" ");
  const sizeCount = verb === "HMSG" ? 2 : 1;
  if ((verb !== "MSG" && verb !== "HMSG") || rest.length < sizeCount) {
    throw new Error(`expected a message but received ${JSON.stringify(line)}`);
  }
  // What the server publishes itself may have an empty reply: two blanks in a row.
  const reply = rest.slice(0, -sizeCount).join("");
  const [headerBytes, totalBytes] = [verb === "HMSG" ? Number(rest.at(-2)) : 0, Number(rest.at(-1))];
  const bytes = await client.readBytes(totalBytes + 2, deadlineMs);
  const text = (from: number, to: number) => new TextDecoder().decode(bytes.subarray(from, to));
  const end = text(totalBytes, totalBytes + 2);
  if (end !== "\r\n")
    throw new Error(`${line} is followed by ${totalBytes} bytes and ${JSON.stringify(end)}`);
  return {
    subject: subject!,
    sid: sid!,
    reply,
    headers: text(0, headerBytes),
    payload: text(headerBytes, totalBytes),
  };
}

/** Values of a header, in order; names are compared as HTTP compares them. */
export function headerValues(message: Message, name: string): string[] {
  const lines = message.headers.split("\r\n").slice(1);
  return lines
    .map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trim()] as const)
    .filter(([each]) => each.toLowerCase() === name.toLowerCase())
    .map(([, value]) => value);
}
