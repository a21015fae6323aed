import { expect } from "bun:test";
import { RawClient } from "../support/raw_client.ts";
import { row, sharedServer } from "../support/row.ts";
import type { ServerProcess } from "../support/server_process.ts";

const server = sharedServer({ config: `websocket { listen: "127.0.0.1:-1", no_tls: true }` });

const UPGRADE = [
  "GET /any/path HTTP/1.1",
  "Host: 127.0.0.1",
  "Upgrade: websocket",
  "Connection: keep-alive, Upgrade",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

const openRaw = (process: ServerProcess) =>
  RawClient.open(process.listenerPort("Listening for websocket clients on ws://"));

/** Opens a WebSocket; returns the connection after the 101 and the head of the answer. */
async function openWebSocket(process: ServerProcess): Promise<{ client: RawClient; head: string }> {
  const client = await openRaw(process);
  client.send(`${UPGRADE.join("\r\n")}\r\n\r\n`);
  return { client, head: await client.readUntil("\r\n\r\n") };
}

/** A masked frame with that opcode. */
function frame(opcode: number, text: string): Uint8Array {
  const bytes = new TextEncoder().encode(text);
  const mask = [1, 2, 3, 4];
  return new Uint8Array([
    0x80 | opcode,
    0x80 | bytes.length,
    ...mask,
    ...bytes.map((byte, at) => byte ^ mask[at % 4]!),
  ]);
}

/** Reads one unfragmented frame. */
async function readFrame(client: RawClient): Promise<{ opcode: number; text: string }> {
  const [first, second] = (await client.readBytes(2)) as unknown as [number, number];
  let length = second & 0x7f;
  if (length === 126) {
    const [high, low] = (await client.readBytes(2)) as unknown as [number, number];
    length = (high << 8) | low;
  }
  expect(first & 0x80).toBe(0x80);
  expect(second & 0x80).toBe(0);
  return { opcode: first & 0x0f, text: new TextDecoder().decode(await client.readBytes(length)) };
}

row("§12.35 the upgrade is answered with the accept key of RFC 6455, any path", async () => {
  const { client, head } = await openWebSocket(server());
  expect(head.startsWith("HTTP/1.1 101 Switching Protocols\r\n")).toBe(true);
  expect(head.toLowerCase()).toContain("\r\nupgrade: websocket\r\n");
  expect(head).toContain("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  client.destroy();
});

row("§12.39 the first frame is INFO, binary", async () => {
  const { client } = await openWebSocket(server());
  const { opcode, text } = await readFrame(client);
  expect(opcode).toBe(2);
  expect(text).toMatch(/^INFO \{.*\} \r\n$/);
  expect(JSON.parse(text.slice(5)).port).toBe(
    server().listenerPort("Listening for websocket clients on ws://"),
  );
  client.destroy();
});

row("§12.40 text and binary frames are one byte stream, operations may span them", async () => {
  const { client } = await openWebSocket(server());
  await readFrame(client);
  client.send(
    frame(2, `CONNECT {"verbose":false}\r\nSUB foo 1\r\nPU`),
    frame(1, "B foo 5\r\nhel"),
    frame(2, "lo\r\nPING\r\n"),
  );
  let text = "";
  while (!text.endsWith("PONG\r\n")) text += (await readFrame(client)).text;
  expect(text).toBe("MSG foo 1 5\r\nhello\r\nPONG\r\n");
  client.destroy();
});

row("§12.36 requests that are no upgrade are refused", async () => {
  for (const [lines, status] of [
    [[UPGRADE[0]!.replace("GET", "POST"), ...UPGRADE.slice(1)], 405],
    [UPGRADE.filter((line) => !line.startsWith("Upgrade")), 400],
    [UPGRADE.filter((line) => !line.startsWith("Connection")), 400],
    [UPGRADE.filter((line) => !line.startsWith("Sec-WebSocket-Key")), 400],
    [UPGRADE.map((line) => line.replace("Version: 13", "Version: 12")), 400],
  ] as const) {
    const client = await openRaw(server());
    client.send(`${lines.join("\r\n")}\r\n\r\n`);
    expect(await client.readUntil("\r\n")).toContain(` ${status} `);
    client.destroy();
  }
});
