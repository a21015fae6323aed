import { afterAll, expect } from "bun:test";
import { X509Certificate } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import { connect as connectPlain } from "node:net";
import { CertificateMaker, type KeyPair } from "../support/certificates.ts";
import { RawClient } from "../support/raw_client.ts";
import { row, rowsInParallel, sharedServer } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";
import { upgrade } from "../support/tls_client.ts";
import {
  DEFLATE_LINE,
  openListener,
  UPGRADE_LINES,
  WebSocketPeer,
  webSocketPort,
} from "../support/websocket_peer.ts";

const maker = new CertificateMaker();
afterAll(() => maker.remove());

const authority = maker.makeAuthority("Test CA");
const listener = maker.makeServer("localhost", authority);
const TLS = { tls: { ca: authority.cert } };

function tls({ certFile, keyFile }: KeyPair, more = ""): string {
  return `tls { cert_file: "${certFile}", key_file: "${keyFile}", ca_file: "${authority.certFile}", timeout: 5, ${more} }`;
}

const block = (tlsMore = "", more = "") =>
  `websocket { listen: "127.0.0.1:-1", ${more} ${tls(listener, tlsMore)} }`;
const server = sharedServer({
  config: block("", "no_tls: true, same_origin: true, compression: true,"),
  monitoring: true,
});

const pub = (payload: string) => `PUB t ${payload.length}\r\n${payload}\r\n`;
const msg = (payload: string) => `MSG t 1 ${payload.length}\r\n${payload}\r\n`;

row("§10.5 a WebSocket over TLS, though no_tls is set too; INFO and monitoring say so", async () => {
  await server().waitForLog("Listening for websocket clients on wss://127.0.0.1:");
  expect(server().log).not.toContain("Websocket not configured with TLS");
  const peer = await WebSocketPeer.connect(server(), {}, TLS);
  expect(peer.info).toMatchObject({
    tls_required: true,
    tls_available: true,
    port: webSocketPort(server(), "wss"),
  });
  expect(peer.info.tls_verify).toBe(undefined);
  const page = await server().json<{ connections: Record<string, unknown>[] }>(
    `/connz?cid=${peer.info.client_id}`,
  );
  expect(page.connections[0]).toMatchObject({ type: "websocket", tls_version: "1.3" });
  const { websocket, tls_required } = await server().json<{
    websocket: Record<string, unknown>;
    tls_required?: boolean;
  }>("/varz");
  expect(websocket).toMatchObject({ no_tls: true, same_origin: true, compression: true });
  expect(websocket.tls_cert_not_after).toMatch(/^20\d\d-/);
  expect(tls_required).toBe(undefined);
  const tcp = await server().connectAs();
  expect(tcp.info.tls_required).toBe(undefined);
  peer.destroy();
});

row("§10.4 frames of all sizes over TLS, both ways, and the goodbye", async () => {
  const peer = await WebSocketPeer.connect(server(), {}, TLS);
  peer.send("SUB t 1\r\n");
  for (const length of [0, 1, 125, 126, 4000, 16_384, 70_000, 1024 * 1024]) {
    const payload = "0123456789".repeat(Math.ceil(length / 10)).slice(0, length);
    peer.send(pub(payload));
    await peer.expect(msg(payload));
  }
  peer.sendFrames(...Array.from({ length: 300 }, (_, i) => ({ payload: pub(`${i}`) })), {
    opcode: 9,
    payload: "x",
  });
  let text = "";
  let pongs = 0;
  const all = Array.from({ length: 300 }, (_, i) => msg(`${i}`)).join("");
  while (text.length < all.length || pongs === 0) {
    const { opcode, payload } = await peer.readFrame();
    if (opcode === 10) pongs++;
    else text += payload.toString();
  }
  expect(text).toBe(all);
  peer.sendFrames({ opcode: 8, payload: new Uint8Array([3, 0xe8]) });
  expect(await peer.readGoodbye()).toBe("1000 ");
});

row("§10.4 a slow subscriber over TLS loses nothing", async () => {
  const peer = await WebSocketPeer.connect(server(), {}, TLS);
  peer.send("SUB t 1\r\n");
  await peer.roundTrip();
  peer.client.pause();
  const publisher = await server().connectAs();
  const payloads = Array.from({ length: 300 }, (_, i) => `${i} ${"x".repeat(30_000)}`);
  for (const payload of payloads) publisher.send(pub(payload));
  await publisher.roundTrip(20_000);
  peer.client.resume();
  for (const payload of payloads) await peer.expect(msg(payload), 20_000);
  await peer.roundTrip();
  peer.destroy();
});

row("§10.3 same_origin: https, and its port", async () => {
  for (const [origin, status] of [
    ["https://127.0.0.1", 101],
    ["https://127.0.0.1:443", 101],
    ["http://127.0.0.1", 403],
    ["https://127.0.0.1:80", 403],
  ] as const) {
    const client = await openListener(server(), TLS.tls);
    client.send(`GET / HTTP/1.1\r\n${[...UPGRADE_LINES, `Origin: ${origin}`].join("\r\n")}\r\n\r\n`);
    expect(await client.readLine()).toStartWith(`HTTP/1.1 ${status} `);
    client.destroy();
  }
});

row("§10.4 compressed over TLS", async () => {
  const peer = await WebSocketPeer.upgrade(server(), { ...TLS, headers: [DEFLATE_LINE] });
  const { isCompressed } = await peer.readFrame();
  expect(isCompressed).toBe(true);
  peer.send(`CONNECT {"verbose":false}\r\nPING\r\n`);
  await peer.expect("PONG\r\n");
  peer.destroy();
});

row("§10.2 HTTP in clear to a port with TLS is told so; what is neither is closed", async () => {
  const open = () =>
    new Promise<RawClient>((resolve, reject) => {
      const socket = connectPlain(webSocketPort(server(), "wss"), "127.0.0.1", () =>
        resolve(RawClient.over(socket)),
      );
      socket.once("error", reject);
    });
  const from = server().log.length;
  const http = await open();
  http.send(`GET / HTTP/1.1\r\n${UPGRADE_LINES.join("\r\n")}\r\n\r\n`);
  expect(await http.readToEnd()).toBe(
    "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n",
  );
  await server().waitForLog(
    /websocket: TLS handshake error from 127\.0\.0\.1:\d+: client sent an HTTP request/,
    from,
  );
  const other = await open();
  other.send("CONNECT {}\r\n");
  await other.readToEnd();
  await server().waitForLog(
    /websocket: TLS handshake error from 127\.0\.0\.1:\d+: tls: first record does not look/,
    from,
  );
});

rowsInParallel({
  "§9 a reload of the block's certificate is for new connections": async () => {
    const other = maker.makeAuthority("Other CA");
    const next = maker.makeServer("localhost", other);
    const config = (pair: KeyPair, more = "") => `websocket { listen: "127.0.0.1:-1", ${tls(pair, more)} }`;
    await using own = await ServerProcess.start({ config: config(listener) });
    const before = await WebSocketPeer.connect(own, {}, TLS);
    expect(await own.reload(config(next))).toContain("Reloaded server configuration");
    const after = await WebSocketPeer.connect(own, {}, { tls: { ca: other.cert } });
    await before.roundTrip();
    const refused = await openListener(own, TLS.tls).catch(() => null);
    expect(refused).toBe(null);
    const said = await own.reload(config(next, "verify_and_map: true"));
    expect(said).toContain(
      "Failed to reload server configuration: config reload not supported for Websocket",
    );
    for (const peer of [before, after]) peer.destroy();
  },

  "§12.11 varz tells the end of the certificate that is served, whatever became of its file": async () => {
    const next = maker.make({ subject: "/CN=localhost", issuer: authority, days: 90 });
    const endOf = ({ cert }: KeyPair) =>
      `${new Date(new X509Certificate(cert).validTo).toISOString().slice(0, 19)}Z`;
    await using own = await ServerProcess.start({
      config: `websocket { listen: "127.0.0.1:-1", ${tls({ ...listener, certFile: "DIRECTORY/own.pem", keyFile: "DIRECTORY/own.key" })} }`,
      files: { "own.pem": listener.cert, "own.key": listener.key },
      monitoring: true,
    });
    const told = async () =>
      (await own.json<{ websocket: Record<string, unknown> }>("/varz")).websocket.tls_cert_not_after;
    expect(await told()).toBe(endOf(listener));
    for (const text of [next.cert, next.cert.slice(0, 300), ""]) {
      writeFileSync(own.path("own.pem"), text);
      expect(await told()).toBe(endOf(listener));
    }
    rmSync(own.path("own.pem"));
    expect(await told()).toBe(endOf(listener));
    await own.json("/connz");
    writeFileSync(own.path("own.pem"), next.cert);
    writeFileSync(own.path("own.key"), next.key);
    await own.reload();
    expect(await told()).toBe(endOf(next));
  },

  "§10.1 handshake_timeout covers TLS": async () => {
    await using own = await ServerProcess.start({ config: block("", `handshake_timeout: "500ms",`) });
    const socket = connectPlain(webSocketPort(own, "wss"), "127.0.0.1");
    const client = RawClient.over(socket);
    await client.expectClosed();
  },

  "§16 TLS for both ports, each its own": async () => {
    const other = maker.makeAuthority("Other CA");
    const next = maker.makeServer("localhost", other);
    await using own = await ServerProcess.start({ config: `${block()}\n${tls(next)}` });
    const peer = await WebSocketPeer.connect(own, {}, TLS);
    const tcp = await own.connect();
    expect(tcp.info.tls_required).toBe(true);
    const secure = await upgrade(tcp, { ca: other.cert });
    await secure.handshake();
    secure.send("SUB t 1\r\n");
    await secure.roundTrip();
    peer.send(pub("hello"));
    await secure.expect(msg("hello"));
    peer.destroy();
    secure.destroy();
  },
});
