import { expect } from "bun:test";
import { row, sharedServer } from "../support/row.ts";
import { frame, openUpgrade, openWebSocket, readFrame, UPGRADE } from "../support/websocket.ts";

const server = sharedServer({ config: `websocket { listen: "127.0.0.1:-1", no_tls: true }` });

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
    const client = await openUpgrade(server());
    client.send(`${lines.join("\r\n")}\r\n\r\n`);
    expect(await client.readUntil("\r\n")).toContain(` ${status} `);
    client.destroy();
  }
});
