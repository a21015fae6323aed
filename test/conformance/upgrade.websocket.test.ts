import { expect } from "bun:test";
import { row, sharedServer } from "../support/row.ts";
import { openListener, UPGRADE_LINES, WebSocketPeer, webSocketPort } from "../support/websocket_peer.ts";

const server = sharedServer({ config: `websocket { listen: "127.0.0.1:-1", no_tls: true }` });

row("§12.35 the upgrade is answered with the accept key of RFC 6455, any path", async () => {
  const peer = await WebSocketPeer.upgrade(server(), { path: "/any/path" });
  expect(peer.head.startsWith("HTTP/1.1 101 Switching Protocols\r\n")).toBe(true);
  expect(peer.head.toLowerCase()).toContain("\r\nupgrade: websocket\r\n");
  expect(peer.head).toContain("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  peer.destroy();
});

row("§12.39 the first frame is INFO, binary", async () => {
  const peer = await WebSocketPeer.upgrade(server());
  const { opcode, isFinal, payload } = await peer.readFrame();
  expect([opcode, isFinal]).toEqual([2, true]);
  const text = payload.toString();
  expect(text).toMatch(/^INFO \{.*\} \r\n$/);
  expect(JSON.parse(text.slice(5)).port).toBe(webSocketPort(server()));
  peer.destroy();
});

row("§12.40 text and binary frames are one byte stream, operations may span them", async () => {
  const peer = await WebSocketPeer.open(server());
  peer.sendFrames(
    { opcode: 2, payload: `CONNECT {"verbose":false}\r\nSUB foo 1\r\nPU` },
    { opcode: 1, payload: "B foo 5\r\nhel" },
    { opcode: 2, payload: "lo\r\nPING\r\n" },
  );
  await peer.expect("MSG foo 1 5\r\nhello\r\nPONG\r\n");
  peer.destroy();
});

row("§12.36 requests that are no upgrade are refused", async () => {
  for (const [method, lines, status] of [
    ["POST", UPGRADE_LINES, 405],
    ["GET", UPGRADE_LINES.filter((line) => !line.startsWith("Upgrade")), 400],
    ["GET", UPGRADE_LINES.filter((line) => !line.startsWith("Connection")), 400],
    ["GET", UPGRADE_LINES.filter((line) => !line.startsWith("Sec-WebSocket-Key")), 400],
    ["GET", UPGRADE_LINES.map((line) => line.replace("Version: 13", "Version: 12")), 400],
  ] as const) {
    const client = await openListener(server());
    client.send(`${[`${method} / HTTP/1.1`, ...lines].join("\r\n")}\r\n\r\n`);
    expect(await client.readUntil("\r\n")).toContain(` ${status} `);
    client.destroy();
  }
});
