import { afterAll, expect } from "bun:test";
import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import { acceptKey } from "../../src/protocol/websocket/accept_key.ts";
import { deflated } from "../../src/protocol/websocket/testing/deflated.ts";
import { frame } from "../../src/protocol/websocket/testing/frames.ts";
import { CertificateMaker } from "../support/certificates.ts";
import { until } from "../support/deadline.ts";
import { linkAddress, Servers, untilReached } from "../support/links.ts";
import type { RawClient } from "../support/raw_client.ts";
import { hubInfo, leafConnect } from "../support/raw_leaf.ts";
import { RawListener } from "../support/raw_listener.ts";
import { rowsInParallel } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";
import {
  DEFLATE_LINE,
  NO_MASKING_LINE,
  type PeerOptions,
  WebSocketPeer,
  webSocketPort,
} from "../support/websocket_peer.ts";

// Leaf nodes over WebSocket, byte by byte on either side, and between servers over TLS.

const MESH_MS = 15_000;
const maker = new CertificateMaker();
afterAll(() => maker.remove());
const authority = maker.makeAuthority("Test CA");
const listener = maker.makeServer("localhost", authority);
const TLS = `tls { cert_file: "${listener.certFile}", key_file: "${listener.keyFile}" }`;
const TRUST = `tls { ca_file: "${authority.certFile}" }`;

function hubConfig(webSocket = "no_tls: true", more = "", leafnodes = `listen: "127.0.0.1:-1"`): string {
  return `
    server_name: H
    leafnodes { ${leafnodes} }
    websocket { listen: "127.0.0.1:-1", ${webSocket} }
    ${more}
  `;
}

/** A script that is a leaf node of the server by WebSocket, up and past its handshake. */
async function join(server: ServerProcess, options: PeerOptions = {}, fields = {}): Promise<WebSocketPeer> {
  const leaf = await WebSocketPeer.open(server, { path: "/leafnode", ...options });
  leaf.send(`CONNECT ${JSON.stringify(leafConnect(fields))}\r\n`);
  await leaf.readUntil('"connect_info":true');
  leaf.send("PING\r\n");
  await leaf.readUntil("PONG\r\n");
  return leaf;
}

/** One frame of a leaf node, unmasked; what its first two bytes say. */
async function readLeafFrame(client: RawClient): Promise<{ first: number; isMasked: boolean; text: string }> {
  const [first, second] = [...(await client.readBytes(2))] as [number, number];
  let length = second & 0x7f;
  if (length === 126) {
    const [high, low] = [...(await client.readBytes(2))] as [number, number];
    length = (high << 8) | low;
  }
  const isMasked = (second & 0x80) !== 0;
  const mask = isMasked ? [...(await client.readBytes(4))] : [0, 0, 0, 0];
  const payload = (await client.readBytes(length)).map((byte, i) => byte ^ mask[i % 4]!);
  return { first, isMasked, text: new TextDecoder().decode(payload) };
}

/** The request that a leaf node makes, by lower-case names of its header lines. */
async function readRequest(client: RawClient): Promise<{ first: string; headers: Map<string, string> }> {
  const [first, ...lines] = (await client.readUntil("\r\n\r\n")).trimEnd().split("\r\n");
  const headers = new Map(
    lines.map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
    }),
  );
  return { first: first!, headers };
}

function switching(headers: Map<string, string>, ...more: string[]): string {
  const lines = [
    "HTTP/1.1 101 Switching Protocols",
    "Upgrade: websocket",
    "Connection: Upgrade",
    `Sec-WebSocket-Accept: ${acceptKey(headers.get("sec-websocket-key")!)}`,
    ...more,
  ];
  return `${lines.join("\r\n")}\r\n\r\n`;
}

const plain = (payload: string) => frame({ payload, mask: null });

/** What a hub says after the answer. */
const infoFrame = (hub: RawListener, fields = {}) =>
  plain(`INFO ${JSON.stringify(hubInfo(hub, fields))}\r\n`);

const remote = (hub: RawListener, path = "", more = "") =>
  `server_name: L\nleafnodes { remotes: [ { url: "ws://${hub.address}${path}" ${more} } ] }`;

rowsInParallel(
  {
    "leafs 45: the handshake of a leaf node in frames, and messages both ways": async () => {
      await using server = await ServerProcess.start({ config: hubConfig(), monitoring: true });
      const address = await linkAddress(server, "leafnode");
      const leaf = await join(server);
      expect(leaf.info).toMatchObject({
        info_on_connect: true,
        leafnode_urls: [address],
        port: Number(address.split(":")[1]),
      });
      expect(typeof leaf.info.client_id).toBe("number");
      expect(leaf.info.ws_connect_urls).toBe(undefined);
      const client = await server.connectAs();
      client.send("SUB up 1\r\n");
      await leaf.readUntil("LS+ up\r\n");
      // Several in one frame, and one in several.
      leaf.send("LS+ down\r\nLMSG up 1\r\na\r\nLMSG up 2\r\nbb\r\n");
      await client.expect("MSG up 1 1\r\na\r\nMSG up 1 2\r\nbb\r\n");
      leaf.sendFrames(
        { payload: "LMS", isFinal: false },
        { opcode: 9, payload: "hey" },
        { opcode: 0, payload: "G up 3\r\nccc\r\n" },
      );
      await client.expect("MSG up 1 3\r\nccc\r\n");
      expect(await leaf.readFrame()).toMatchObject({ opcode: 10, payload: Buffer.from("hey") });
      client.send("PUB down 2\r\nhi\r\n");
      await leaf.expect("LMSG down 2\r\nhi\r\n");
      const { leafs } = await server.json<{ leafs: Record<string, unknown>[] }>("/leafz");
      expect(leafs).toHaveLength(1);
      expect(leafs[0]).toMatchObject({ account: "$G", is_spoke: false, compression: "not supported" });
      expect(leafs[0]!.websocket).toBe(true);
      await server.waitForLog(/127\.0\.0\.1:\d+ - lid_ws:\d+ - Leafnode connection created/);
      leaf.destroy();
      await server.waitForLog(/lid_ws:\d+ - Leafnode connection closed: Client Closed/);
    },

    "leafs 45: masks are left out where that was asked for": async () => {
      await using server = await ServerProcess.start({ config: hubConfig() });
      const leaf = await join(server, { headers: [NO_MASKING_LINE], isUnmasked: true });
      expect(leaf.head).toContain(`\r\n${NO_MASKING_LINE}\r\n`);
      leaf.destroy();
    },

    "leafs 45: frames are compressed where both sides say so, and INFO offers no compression": async () => {
      await using server = await ServerProcess.start({
        config: hubConfig("no_tls: true, compression: true"),
        monitoring: true,
      });
      const leaf = await WebSocketPeer.upgrade(server, { path: "/leafnode", headers: [DEFLATE_LINE] });
      expect(leaf.head).toContain("\r\nSec-WebSocket-Extensions: permessage-deflate;");
      const info = await leaf.readMessage();
      expect(info.isCompressed).toBe(true);
      expect(JSON.parse(info.text.slice(5)).compression).toBe(undefined);
      const client = await server.connectAs();
      const text = "x".repeat(1000);
      client.send("SUB up 1\r\n");
      await client.roundTrip();
      const said = [`CONNECT ${JSON.stringify(leafConnect())}`, "LS+ down", "LMSG up 1000", text, "PING", ""];
      leaf.sendFrames({ payload: deflated(said.join("\r\n")), reserved: 0x40 });
      await client.expect(`MSG up 1 1000\r\n${text}\r\n`);
      client.send(`PUB down 1000\r\n${text}\r\n`);
      let seen = "";
      await until(
        async () => {
          seen += (await leaf.readMessage()).text;
          return seen.includes(`LMSG down 1000\r\n${text}\r\n`);
        },
        () => `the message is not in ${seen}`,
      );
      leaf.destroy();
    },

    "leafs 45: any path that ends with /leafnode is a leaf node's, any other a client's": async () => {
      await using server = await ServerProcess.start({ config: hubConfig() });
      const info = async (path: string) => {
        const peer = await WebSocketPeer.open(server, { path });
        peer.destroy();
        return peer.info;
      };
      for (const path of ["/leafnode", "/some/path/leafnode", "/leafnode?x=1"]) {
        expect(Array.isArray((await info(path)).leafnode_urls)).toBe(true);
      }
      for (const path of ["/leafnode/", "/leafnode/path", "/"]) {
        expect((await info(path)).leafnode_urls).toBe(undefined);
      }
    },

    "leafs 45: without a listener for leaf nodes the connection ends after the upgrade": async () => {
      await using server = await ServerProcess.start({
        config: `websocket { listen: "127.0.0.1:-1", no_tls: true }`,
      });
      const leaf = await WebSocketPeer.upgrade(server, { path: "/leafnode" });
      await leaf.client.expectClosed();
      await server.waitForLog("Not configured to accept leaf node connections");
    },

    "leafs 45: origins are checked as of any other request": async () => {
      await using server = await ServerProcess.start({
        config: hubConfig(`no_tls: true, allowed_origins: [ "http://good.example" ]`),
      });
      const leaf = await join(server, {
        headers: ["Origin: http://good.example", "X-Forwarded-For: 203.0.113.9"],
      });
      await server.waitForLog(/203\.0\.113\.9\/127\.0\.0\.1:\d+ - lid_ws:\d+ - Leafnode connection created/);
      leaf.destroy();
      const refused = WebSocketPeer.upgrade(server, {
        path: "/leafnode",
        headers: ["Origin: http://bad.example"],
      });
      expect(
        await refused.then(
          () => "",
          (error: Error) => error.message,
        ),
      ).toContain("403 Forbidden");
    },

    "leafs 45: no_auth_user of the WebSocket block is who a leaf node without credentials is": async () => {
      const users = (type: string) => `
        accounts {
          A { users: [ { user: a, password: p } ] }
          B { users: [ { user: b, password: p, allowed_connection_types: [ ${type} ] } ] }
        }
        no_auth_user: a
      `;
      const webSocket = "no_tls: true, no_auth_user: b";
      await using server = await ServerProcess.start({ config: hubConfig(webSocket, users("LEAFNODE_WS")) });
      const leaf = await WebSocketPeer.open(server, { path: "/leafnode" });
      leaf.send(`CONNECT ${JSON.stringify(leafConnect())}\r\n`);
      expect(await leaf.readLine()).toContain('"remote_account":"B"');
      leaf.destroy();
      await using other = await ServerProcess.start({ config: hubConfig(webSocket, users("WEBSOCKET")) });
      const refused = await WebSocketPeer.open(other, { path: "/leafnode" });
      refused.send(`CONNECT ${JSON.stringify(leafConnect())}\r\n`);
      await refused.expect("-ERR 'Authorization Violation'\r\n");
      await refused.expectClose(1008, "Authentication Failure");
    },

    "leafs 45: hostile frames end the leaf node that sends them, with a goodbye, and no other": async () => {
      await using server = await ServerProcess.start({ config: hubConfig() });
      const good = await join(server, {}, { name: "GOOD", cluster: "GOOD" });
      const client = await server.connectAs();
      client.send("SUB up 1\r\n");
      await good.readUntil("LS+ up\r\n");
      const cases = [
        [{ payload: "PING\r\n", mask: null }, "mask bit missing"],
        [{ payload: "PING\r\n", reserved: 0x20 }, "RSV2 and RSV3 must be clear"],
        [{ payload: "x", reserved: 0x40 }, "compressed frame received without negotiated permessage-deflate"],
        [{ payload: "x", opcode: 3 }, "unknown opcode 3"],
        [{ payload: "x", opcode: 0 }, "invalid continuation frame"],
        [
          { payload: "x".repeat(126), opcode: 9 },
          "control frame length bigger than maximum allowed of 125 bytes",
        ],
      ] as const;
      for (const [i, [parts, problem]] of cases.entries()) {
        const bad = await join(server, {}, { name: `BAD${i}`, cluster: `BAD${i}` });
        bad.sendFrames(parts);
        // nats-server may be done with the connection before the goodbye is out.
        expect(["", `1002 ${problem}`]).toContain(await bad.readGoodbye());
      }
      const confused = await join(server, {}, { name: "CONFUSED", cluster: "CONFUSED" });
      confused.send("NONSENSE\r\n");
      await confused.client.readToEnd();
      good.send("LMSG up 2\r\nok\r\n");
      await client.expect("MSG up 1 2\r\nok\r\n");
      good.destroy();
    },

    "leafs 45: a leaf node says goodbye with the status of why it closes, and is said it back": async () => {
      await using server = await ServerProcess.start({ config: hubConfig() });
      const leaf = await join(server);
      leaf.sendFrames({ opcode: 8, payload: new Uint8Array([0x03, 0xe8]) });
      await leaf.expectClose(1000, "");
      await leaf.client.expectClosed();
    },

    "leafs 45: the request of a leaf node, and its frames: masked": async () => {
      await using hub = await RawListener.open();
      await using _server = await ServerProcess.start({ config: remote(hub) });
      const { client } = await hub.accept();
      const { first, headers } = await readRequest(client);
      expect(first).toBe("GET /leafnode HTTP/1.1");
      expect(headers.get("host")).toBe(hub.address);
      expect(headers.get("upgrade")).toBe("websocket");
      expect(headers.get("connection")).toBe("Upgrade");
      expect(headers.get("sec-websocket-version")).toBe("13");
      expect(headers.get("sec-websocket-key")).toMatch(/^[A-Za-z0-9+/]{22}==$/);
      expect(headers.has("sec-websocket-extensions")).toBe(false);
      expect(headers.has("nats-no-masking")).toBe(false);
      // The first frame comes with the answer.
      client.send(switching(headers), infoFrame(hub, { tls_required: true }));
      const connect = await readLeafFrame(client);
      expect(connect).toMatchObject({ first: 0x82, isMasked: true });
      expect(connect.text).toStartWith("CONNECT {");
      client.send(infoFrame(hub, { connect_info: true, remote_account: "$G" }));
      const interest = await readLeafFrame(client);
      expect(interest.isMasked).toBe(true);
      expect(interest.text).toContain("LS+ ");
      client.send(frame({ opcode: 9, payload: "hey", mask: null }));
      expect(await readLeafFrame(client)).toEqual({ first: 0x8a, isMasked: true, text: "hey" });
      client.destroy();
    },

    "leafs 45: a path of the URL comes before /leafnode; what was agreed to holds": async () => {
      await using hub = await RawListener.open();
      await using _server = await ServerProcess.start({
        config: remote(hub, "/some/path/", ", ws_no_masking: true, ws_compression: true"),
      });
      const { client } = await hub.accept();
      const { first, headers } = await readRequest(client);
      expect(first).toBe("GET /some/path/leafnode HTTP/1.1");
      expect(headers.get("nats-no-masking")).toBe("true");
      expect(headers.get("sec-websocket-extensions")).toBe(DEFLATE_LINE.split(": ")[1]);
      client.send(switching(headers, NO_MASKING_LINE, DEFLATE_LINE));
      const info = Buffer.from(`INFO ${JSON.stringify(hubInfo(hub, { compression: "s2_auto" }))}\r\n`);
      client.send(frame({ payload: deflated(info), reserved: 0x40, mask: null }));
      const [firstByte, second] = [...(await client.readBytes(2))] as [number, number];
      expect([firstByte, second & 0x80]).toEqual([0xc2, 0]);
      client.destroy();
    },

    "leafs 45: a hub that agrees to nothing is spoken to with masks and without compression": async () => {
      await using hub = await RawListener.open();
      await using _server = await ServerProcess.start({
        config: remote(hub, "", ", ws_no_masking: true, ws_compression: true"),
      });
      const { client } = await hub.accept();
      const { headers } = await readRequest(client);
      client.send(switching(headers), infoFrame(hub));
      expect(await readLeafFrame(client)).toMatchObject({ first: 0x82, isMasked: true });
      client.destroy();
    },

    "leafs 45: answers that are no upgrade are told of, and another try follows": async () => {
      await using hub = await RawListener.open();
      await using server = await ServerProcess.start({ config: remote(hub, "", ", ws_compression: true") });
      const answers: [answer: (headers: Map<string, string>) => string, problem: string][] = [
        [
          () => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
          "Error soliciting websocket connection: invalid websocket connection",
        ],
        [
          (headers) => switching(headers).replace(/Accept: ./, "Accept: !"),
          "Error soliciting websocket connection: invalid websocket connection",
        ],
        [
          (headers) => switching(headers, "Sec-WebSocket-Extensions: permessage-deflate"),
          "Error soliciting websocket connection: compression negotiation error",
        ],
      ];
      for (const [answer, problem] of answers) {
        const { client } = await hub.accept();
        const { headers } = await readRequest(client);
        client.send(answer(headers));
        await client.expectClosed();
        await server.waitForLog(problem);
      }
      const { client } = await hub.accept();
      await readRequest(client);
      client.destroy();
      await server.waitForLog(/Error soliciting websocket connection: (unexpected EOF|read tcp)/);
      const silent = await hub.accept();
      await readRequest(silent.client);
      await silent.client.expectClosed();
      await server.waitForLog(/Error soliciting websocket connection: read tcp \S+->\S+: i\/o timeout/);
    },

    "leafs 45: hostile frames of a hub end the connection, and another try follows": async () => {
      await using hub = await RawListener.open();
      await using _server = await ServerProcess.start({ config: remote(hub) });
      for (const parts of [
        { payload: "x", reserved: 0x20 },
        { payload: "x", opcode: 3 },
      ]) {
        const { client } = await hub.accept();
        const { headers } = await readRequest(client);
        client.send(switching(headers), infoFrame(hub));
        await readLeafFrame(client);
        client.send(frame({ ...parts, mask: null }));
        // A goodbye, masked, which nats-server may leave out.
        expect(await client.readToEnd()).toMatch(/^($|\x88[\x80-\xff])/);
      }
    },

    "leafs 45: over TLS, with compression: long messages and many, both ways": async () => {
      await using servers = new Servers();
      const hub = await servers.start({ role: "peer", config: hubConfig(`compression: true, ${TLS}`) });
      const leaf = await servers.start({
        config: `
          server_name: L
          leafnodes { remotes: [ { url: "wss://localhost:${webSocketPort(hub, "wss")}", ws_compression: true, ${TRUST} } ] }
        `,
      });
      await exchange(await hub.connectAs(), await leaf.connectAs());
    },

    "leafs 45: the same with the roles the other way round": async () => {
      await using servers = new Servers();
      const hub = await servers.start({ config: hubConfig(`compression: true, ${TLS}`) });
      const url = `wss://localhost:${webSocketPort(hub, "wss")}`;
      const leaf = await servers.start({
        role: "peer",
        config: `
          server_name: L
          leafnodes { remotes: [ { url: "${url}", ws_compression: true, ${TRUST} } ] }
        `,
      });
      await exchange(await hub.connectAs(), await leaf.connectAs());
    },

    "leafs 45: a hub whose certificate nobody vouches for is not spoken to": async () => {
      await using servers = new Servers();
      const hub = await servers.start({ role: "peer", config: hubConfig(TLS) });
      const leaf = await servers.start({
        config: `server_name: L\nleafnodes { remotes: [ { url: "wss://localhost:${webSocketPort(hub, "wss")}", tls {} } ] }`,
      });
      await leaf.waitForLog(/TLS leafnode handshake error: .*certificate signed by unknown authority/);
    },

    "leafs 45: URLs of WebSocket and of another kind do not go together": async () => {
      const start = ServerProcess.start({
        config: `leafnodes { remotes: [ { urls: [ "ws://127.0.0.1:1", "nats-leaf://127.0.0.1:2" ] } ] }`,
      });
      const text = await start.then(
        async (server) => {
          await server.stop();
          return "started";
        },
        (error: Error) => error.message,
      );
      expect(text).toContain(
        "remote leaf node configuration cannot have a mix of websocket and non-websocket urls",
      );
    },

    "leafs 42: a hub's cluster tells where its other members' WebSocket ports are": async () => {
      await using servers = new Servers();
      const member = (name: string, routes = "") =>
        hubConfig("no_tls: true", `cluster { name: HC, listen: "127.0.0.1:-1", ${routes} }`).replace(
          "server_name: H",
          `server_name: ${name}`,
        );
      const first = await servers.start({ config: member("H1") });
      const second = await servers.start({
        config: member("H2", `routes: [ "nats://${await linkAddress(first, "route")}" ]`),
      });
      await untilReached(await first.connectAs(), await second.connectAs(), MESH_MS);
      const raw = await WebSocketPeer.open(first, { path: "/leafnode" });
      expect(raw.info.ws_connect_urls).toEqual([`127.0.0.1:${webSocketPort(second)}`]);
      raw.destroy();
      const leaf = await servers.start({
        role: "peer",
        config: `server_name: L\nleafnodes { remotes: [ { url: "ws://127.0.0.1:${webSocketPort(first)}" } ] }`,
      });
      const below = await leaf.connectAs();
      await untilReached(await first.connectAs(), below, MESH_MS);
      await first.stop();
      await untilReached(await second.connectAs(), below, MESH_MS);
    },
  },
  8,
);

/** Sends what is long and what is much over a link, each way, and sees that all of it arrives in order. */
async function exchange(above: RawClient, below: RawClient): Promise<void> {
  await untilReached(above, below, MESH_MS);
  await untilReached(below, above, MESH_MS);
  for (const [from, to] of [
    [above, below],
    [below, above],
  ] as const) {
    to.send("SUB big 1\r\nSUB many 2\r\n");
    await untilReached(from, to, MESH_MS);
    // Half of it compresses, half does not.
    const long = `${"x".repeat(300_000)}${randomBytes(150_000).toString("hex")}`;
    from.send(`PUB big ${long.length}\r\n${long}\r\n`);
    await to.expect(`MSG big 1 ${long.length}\r\n${long}\r\n`);
    const count = 2000;
    const messages = Array.from({ length: count }, (_, i) => String(i).padStart(20, "-"));
    from.send(messages.map((text) => `PUB many 20\r\n${text}\r\n`).join(""));
    await to.expect(messages.map((text) => `MSG many 2 20\r\n${text}\r\n`).join(""));
    to.send("UNSUB 1\r\nUNSUB 2\r\n");
    await to.roundTrip();
  }
}
