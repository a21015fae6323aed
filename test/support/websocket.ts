import { type Info, RawClient } from "./raw_client.ts";
import type { ServerProcess } from "./server_process.ts";

/** The request that upgrades, line by line. */
export const UPGRADE = [
  "GET /any/path HTTP/1.1",
  "Host: 127.0.0.1",
  "Upgrade: websocket",
  "Connection: keep-alive, Upgrade",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

/** Connects to the server's plain websocket listener and sends nothing yet. */
export function openUpgrade(server: ServerProcess): Promise<RawClient> {
  return RawClient.open(server.listenerPort("Listening for websocket clients on ws://"));
}

/** Opens a WebSocket, with more header lines if given; returns the connection after the 101 and the answer's head. */
export async function openWebSocket(
  server: ServerProcess,
  headers: readonly string[] = [],
): Promise<{ client: RawClient; head: string }> {
  const client = await openUpgrade(server);
  client.send(`${[...UPGRADE, ...headers].join("\r\n")}\r\n\r\n`);
  return { client, head: await client.readUntil("\r\n\r\n") };
}

/** A masked frame with that opcode, of less than 64 KiB. */
export function frame(opcode: number, text: string): Uint8Array {
  const bytes = new TextEncoder().encode(text);
  const mask = [1, 2, 3, 4];
  const length = bytes.length < 126 ? [bytes.length] : [126, bytes.length >> 8, bytes.length & 0xff];
  return new Uint8Array([
    0x80 | opcode,
    0x80 | length[0]!,
    ...length.slice(1),
    ...mask,
    ...bytes.map((byte, at) => byte ^ mask[at % 4]!),
  ]);
}

/** Reads one frame, which must be whole and unmasked as a server's are. */
export async function readFrame(client: RawClient): Promise<{ opcode: number; text: string }> {
  const [first, second] = (await client.readBytes(2)) as unknown as [number, number];
  let length = second & 0x7f;
  if (length === 126) {
    const [high, low] = (await client.readBytes(2)) as unknown as [number, number];
    length = (high << 8) | low;
  }
  if ((first & 0x80) === 0 || (second & 0x80) !== 0)
    throw new Error(`a frame starts with ${first} ${second}: not final, or masked`);
  return { opcode: first & 0x0f, text: new TextDecoder().decode(await client.readBytes(length)) };
}

/**
 * Opens a WebSocket, sends CONNECT with these fields (made of the nonce, if a function) and PING, and returns what is
 * said first: `PONG` or an `-ERR` line, without CR LF.
 */
export async function loginOverWebSocket(
  server: ServerProcess,
  fields: Record<string, unknown> | ((nonce: string) => Record<string, unknown>),
  headers: readonly string[] = [],
): Promise<string> {
  const { client } = await openWebSocket(server, headers);
  const info = JSON.parse((await readFrame(client)).text.slice(5)) as Info;
  const connect = typeof fields === "function" ? fields(String(info.nonce)) : fields;
  client.send(frame(2, `CONNECT ${JSON.stringify({ verbose: false, ...connect })}\r\nPING\r\n`));
  const { text } = await readFrame(client);
  client.destroy();
  return text.trimEnd();
}
