import { expect } from "bun:test";
import { type AddressInfo, createServer } from "node:net";
import type { RawClient } from "../support/raw_client.ts";
import { row, rowsInParallel, sharedServer } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";
import { openListener, UPGRADE_LINES, WebSocketPeer, webSocketPort } from "../support/websocket_peer.ts";

const BLOCK = 'listen: "127.0.0.1:-1", no_tls: true';
const server = sharedServer({
  config: `websocket { ${BLOCK}, headers { "X-One": "1", "Access-Control-Allow-Origin": "*" } }`,
});

/** Sends a request of these lines and reads one answer: its head without the date, and its body. */
async function ask(client: RawClient, lines: readonly string[]): Promise<string> {
  client.send(`${lines.join("\r\n")}\r\n\r\n`);
  const head = (await client.readUntil("\r\n\r\n")).replace(/Date: .*\r\n/, "");
  const length = Number(/Content-Length: (\d+)/.exec(head)?.[1] ?? 0);
  return head + Buffer.from(await client.readBytes(length)).toString();
}

const without = (name: string) => UPGRADE_LINES.filter((line) => !line.startsWith(name));
const instead = (name: string, line: string) => [...without(name), line];
const GET = "GET /chat HTTP/1.1";

const refusal = (status: string, body: string) =>
  `HTTP/1.1 ${status}\r\nContent-Type: text/plain; charset=utf-8\r\nSec-Websocket-Version: 13\r\n` +
  `X-Content-Type-Options: nosniff\r\nContent-Length: ${body.length + 1}\r\n\r\n${body}\n`;
const BAD_REQUEST = refusal("400 Bad Request", "Bad Request");

row("§12.36 each check has its answer, after which the connection may ask again", async () => {
  const client = await openListener(server());
  for (const [lines, answer, logged] of [
    [
      ["POST / HTTP/1.1", ...UPGRADE_LINES],
      refusal("405 Method Not Allowed", "Method Not Allowed"),
      "request method must be GET",
    ],
    [[GET, ...without("Upgrade")], BAD_REQUEST, "invalid value for header 'Upgrade'"],
    [[GET, ...instead("Upgrade", "Upgrade: h2c")], BAD_REQUEST, "invalid value for header 'Upgrade'"],
    [
      [GET, ...instead("Connection", "Connection: keep-alive")],
      BAD_REQUEST,
      "invalid value for header 'Connection'",
    ],
    [[GET, ...without("Sec-WebSocket-Key")], BAD_REQUEST, "key missing"],
    [
      [GET, ...instead("Sec-WebSocket-Key", "Sec-WebSocket-Key: aGVsbG8=")],
      BAD_REQUEST,
      "invalid websocket key",
    ],
    [[GET, ...without("Sec-WebSocket-Version")], BAD_REQUEST, "invalid version"],
    [[GET, ...instead("Sec-WebSocket-Version", "Sec-WebSocket-Version: 8")], BAD_REQUEST, "invalid version"],
    [
      ["POST /x/mqtt HTTP/1.1", ...UPGRADE_LINES],
      refusal("404 Not Found", "Not Found"),
      "mqtt websocket endpoint not enabled",
    ],
  ] as const) {
    const from = server().log.length;
    expect(await ask(client, lines)).toBe(answer);
    await server().waitForLog(` - websocket handshake error: ${logged}`, from);
  }
  expect(await ask(client, [GET, ...UPGRADE_LINES])).toStartWith("HTTP/1.1 101 ");
  client.destroy();
});

row("§12.36 tokens are of any case, in lists, and HTTP/1.0 does", async () => {
  for (const lines of [
    [GET, ...instead("Upgrade", "upgrade: foo , WebSocket")],
    [GET, ...instead("Connection", "CONNECTION: upgrade")],
    [GET, ...instead("Sec-WebSocket-Version", "Sec-WebSocket-Version: 8, 13")],
    ["GET /chat HTTP/1.0", ...UPGRADE_LINES],
    ["GET http://elsewhere/chat HTTP/1.1", ...UPGRADE_LINES],
  ]) {
    const client = await openListener(server());
    expect(await ask(client, lines)).toStartWith("HTTP/1.1 101 Switching Protocols\r\n");
    client.destroy();
  }
});

row("§12.35 the answer is what is needed, then the headers of the configuration", async () => {
  const { head, client } = await WebSocketPeer.upgrade(server(), {
    headers: ["Sec-WebSocket-Protocol: nats"],
  });
  const [first, ...lines] = head.split("\r\n");
  expect(first).toBe("HTTP/1.1 101 Switching Protocols");
  expect(lines.slice(0, 3)).toEqual([
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
  ]);
  expect(lines.slice(3).sort()).toEqual(["", "", "Access-Control-Allow-Origin: *", "X-One: 1"]);
  client.destroy();
});

row("§12.36 what is no request of HTTP is answered and ends the connection", async () => {
  const plain = (status: string, body = status) =>
    `HTTP/1.1 ${status}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n${body}`;
  for (const [text, answer] of [
    ["CONNECT {}\r\nPING\r\n", plain("400 Bad Request")],
    ["\r\n\r\n", plain("400 Bad Request")],
    ["GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", plain("400 Bad Request")],
    ["GET / HTTP/1.1\r\nHost: a\r\nbad name: x\r\n\r\n", plain("400 Bad Request: invalid header name")],
    ["GET / HTTP/1.1\r\nHost: a\r\nbad(name: x\r\n\r\n", plain("400 Bad Request")],
    ["GET / HTTP/1.1\r\nHost: a\r\nname: \x01\r\n\r\n", plain("400 Bad Request")],
    ["GET / http/1.1\r\nHost: a\r\n\r\n", plain("400 Bad Request")],
    ["GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", plain("400 Bad Request")],
    ["GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", plain("400 Bad Request")],
    ["GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", plain("400 Bad Request")],
    ["GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n", plain("400 Bad Request")],
    [
      "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
      plain("501 Not Implemented", "Unsupported transfer encoding"),
    ],
    ["GET / HTTP/1.1\r\n\r\n", plain("400 Bad Request: missing required Host header")],
    ["GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", plain("400 Bad Request")],
    ["GET / HTTP/1.1\r\nHost: a b\r\n\r\n", plain("400 Bad Request: malformed Host header")],
    [
      "GET / HTTP/3.1\r\nHost: a\r\n\r\n",
      plain("505 HTTP Version Not Supported: unsupported protocol version"),
    ],
  ] as const) {
    const client = await openListener(server());
    client.send(text);
    expect(await client.readToEnd()).toBe(answer);
  }
});

row("§12.36 a connection that is to close does, as one of HTTP/1.0", async () => {
  for (const lines of [
    [GET, ...instead("Connection", "Connection: close")],
    ["GET / HTTP/1.0", "Host: a"],
  ]) {
    const client = await openListener(server());
    client.send(`${lines.join("\r\n")}\r\n\r\n`);
    expect(await client.readToEnd()).toContain(" 400 Bad Request\r\n");
  }
});

row("§10.2 a request may come byte by byte, and another with it", async () => {
  const client = await openListener(server());
  client.send(`GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n`);
  for (let i = 0; i < 2; i++) {
    await client.readUntil("\r\n\r\n");
    await client.expect("Bad Request\n");
  }
  for (const letter of `${[GET, ...UPGRADE_LINES].join("\r\n")}\r\n\r\n`) await client.sendAll(letter);
  expect(await client.readUntil("\r\n\r\n")).toStartWith("HTTP/1.1 101 ");
  client.destroy();
});

row("§10.2 what comes before the answer ends the connection without one", async () => {
  const client = await openListener(server());
  client.send(`${[GET, ...UPGRADE_LINES].join("\r\n")}\r\n\r\nxx`);
  expect(await client.readToEnd()).toBe("");
});

row("§10.2 a leaf node where none are taken is upgraded and closed", async () => {
  const from = server().log.length;
  const { client } = await WebSocketPeer.upgrade(server(), { path: "/some/leafnode" });
  await client.expectClosed();
  await server().waitForLog("Not configured to accept leaf node connections", from);
  (await WebSocketPeer.open(server(), { path: "/leafnode/x" })).destroy();
});

row("§10.5 INFO tells of the websocket's own listener, not of the server's", async () => {
  const peer = await WebSocketPeer.open(server());
  expect(peer.info).toMatchObject({
    host: "127.0.0.1",
    port: webSocketPort(server()),
    client_ip: "127.0.0.1",
  });
  for (const field of [
    "auth_required",
    "tls_required",
    "tls_available",
    "tls_verify",
    "connect_urls",
    "ws_connect_urls",
  ]) {
    expect(peer.info[field]).toBe(undefined);
  }
  peer.destroy();
});

rowsInParallel({
  "§10.1 the time for the request is handshake_timeout, then nothing is said": async () => {
    await using own = await ServerProcess.start({ config: `websocket { ${BLOCK}, handshake_timeout: 1 }` });
    for (const text of ["", "GET / HTTP/1.1\r\n"]) {
      const start = performance.now();
      const client = await openListener(own);
      client.send(text);
      expect(await client.readToEnd()).toBe("");
      expect(performance.now() - start).toBeGreaterThan(900);
    }
    const peer = await WebSocketPeer.open(own);
    await new Promise((resolve) => setTimeout(resolve, 1200));
    await peer.login();
    peer.destroy();
  },

  "§10.2 X-Forwarded-For is for the log alone": async () => {
    await using own = await ServerProcess.start({
      config: `websocket { ${BLOCK} }`,
      flags: ["-D"],
      monitoring: true,
    });
    const peer = await WebSocketPeer.connect(own, {}, { headers: ["X-Forwarded-For: 10.1.2.3"] });
    expect(peer.info.client_ip).toBe("127.0.0.1");
    await own.waitForLog(/10\.1\.2\.3\/127\.0\.0\.1:\d+ - wid:\d+ - Client connection created/);
    const { connections } = await own.json<{ connections: { ip: string }[] }>("/connz");
    expect(connections.map(({ ip }) => ip)).toEqual(["127.0.0.1"]);
    const v6 = await WebSocketPeer.connect(own, {}, { headers: ["X-Forwarded-For: 2001:db8::1"] });
    await own.waitForLog(/\[2001:db8::1\]\/127\.0\.0\.1:\d+ - wid:/);
    const from = own.log.length;
    const two = await WebSocketPeer.connect(own, {}, { headers: ["X-Forwarded-For: 10.1.2.3, 10.0.0.1"] });
    await own.waitForLog(/[^/]127\.0\.0\.1:\d+ - wid:/, from);
    for (const each of [peer, v6, two]) each.destroy();
  },

  "§10.1 headers that may not be configured": async () => {
    for (const name of [
      "Host",
      "content-length",
      "Connection",
      "Upgrade",
      "Nats-No-Masking",
      "Sec-WebSocket-Accept",
    ]) {
      const failed = ServerProcess.spawn({ config: `websocket { ${BLOCK}, headers { "${name}": "x" } }` });
      const { code, stderr } = await failed.waitForExit(20_000);
      expect(code).toBe(1);
      expect(stderr).toContain(`websocket: invalid header "${name}"`);
      await failed.stop();
    }
  },

  "§12.38 a port that is taken": async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port } = other.address() as AddressInfo;
    const failed = ServerProcess.spawn({ config: `websocket { listen: "127.0.0.1:${port}", no_tls: true }` });
    const { code, stderr } = await failed.waitForExit(20_000);
    expect(code).toBe(1);
    expect(stderr).toContain(
      `[FTL] Unable to listen for websocket connections: listen tcp 127.0.0.1:${port}: bind: address already in use`,
    );
    await failed.stop();
    other.close();
  },
});
