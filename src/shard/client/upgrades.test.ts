import { describe, expect, test } from "bun:test";
import {
  OUTBOX_DATA,
  OUTBOX_HEADROOM,
  OUTBOX_IOVECS_MAX,
  OUTBOX_IOVECS_RECEIVED_MAX,
  RECORD_BODY,
} from "../../memory/layout.ts";
import {
  HEADER_CONNECTION_COUNT,
  NODE_IS_DEAD,
  NODE_IS_UP,
  NODE_LOAD,
  NODE_STATE,
} from "../../memory/map.ts";
import { nodeWord } from "../../memory/shared_memory.ts";
import { SERVER_HEADER_BYTES_MAX } from "../../protocol/websocket/frame_header.ts";
import { HEAD_BYTES_MAX } from "../../protocol/websocket/http_head.ts";
import { frame } from "../../protocol/websocket/testing/frames.ts";
import { WEBSOCKET_CONTEXT } from "../../runtime/tls.ts";
import { Rings } from "../rings.ts";
import type { ShardWebSocket } from "../shard_options.ts";
import type { FakeSocket } from "../testing/fake_poller.ts";
import { BAD_HELLO, HELLO } from "../testing/fake_tls.ts";
import { msg, pub, ShardHarness } from "../testing/shard_harness.ts";
import { standingClock } from "../testing/standing_clock.ts";

const WEBSOCKET: ShardWebSocket = {
  rules: {
    isSecure: false,
    origins: { isSameRequired: false, allowed: [] },
    allowsCompression: true,
    headers: [],
    cookieNames: { jwt: "", user: "", password: "", token: "" },
  },
  tls: null,
  handshakeTimeoutMs: 0,
  pingIntervalMs: 60_000,
  loginTimeoutMs: 2000,
  takesLeafs: false,
  info: { host: "ws.host", port: 8080, tlsRequired: false, tlsAvailable: false },
};
const TLS = {
  context: { kind: "openssl", contexts: [{ address: 1, names: [], staple: null }], clientContext: null },
  pinnedCerts: [],
  checksPeers: false,
} as const;
const REQUEST =
  "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" +
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const CONNECT = frame({ payload: 'CONNECT {"verbose":false}\r\nPING\r\n' });
const SWITCHED = /^HTTP\/1\.1 101 .*?\r\n\r\n/s;
const IOVEC_BYTES = 16;
/** Longer than a tick of the timers. */
const SOON_MS = 30;

function harnessWith(webSocket: Partial<ShardWebSocket> = {}): ShardHarness {
  return new ShardHarness(1, { webSocket: { ...WEBSOCKET, ...webSocket }, logsDebug: true });
}

function open(harness: ShardHarness): FakeSocket {
  const socket = harness.open(0, "websocket");
  harness.settle();
  return socket;
}

/** A client that is logged in. */
function connect(harness: ShardHarness): FakeSocket {
  const socket = open(harness);
  socket.send(REQUEST);
  harness.settle();
  socket.send(CONNECT);
  harness.settle();
  expect(socket.take()).toEndWith("\x82\x06PONG\r\n");
  return socket;
}

/** Number of clients that the server counts. */
function clientCount({ shared }: ShardHarness): number {
  return shared.words[HEADER_CONNECTION_COUNT]!;
}

const clock = standingClock();

function soon(harness: ShardHarness): void {
  clock.nowMs += SOON_MS;
  harness.settle();
}

describe("Upgrades", () => {
  test("whoever asks is a client from then on, and not before", () => {
    const harness = harnessWith();
    const socket = open(harness);
    expect(clientCount(harness)).toBe(0);
    socket.send(REQUEST.slice(0, 40));
    harness.settle();
    expect(clientCount(harness)).toBe(0);
    expect(harness.logLines).toEqual([]);
    socket.send(REQUEST.slice(40));
    harness.settle();
    expect(clientCount(harness)).toBe(1);
    const text = socket.take();
    expect(text).toMatch(SWITCHED);
    const info = JSON.parse(/INFO (\{.*\}) \r\n$/.exec(text)![1]!);
    expect(info).toMatchObject({ host: "ws.host", port: 8080, client_id: 1 });
    expect(harness.logLines).toEqual(["127.0.0.1:1000 - wid:1 - Client connection created"]);
  });

  test("messages go between WebSockets and other clients", () => {
    const harness = harnessWith();
    const tcp = harness.connect();
    const web = connect(harness);
    web.send(frame({ payload: "SUB a 1\r\n" }));
    tcp.send("SUB b 1\r\n");
    harness.settle();
    tcp.send(pub("a", "to the web"));
    web.send(frame({ payload: pub("b", "to TCP") }));
    harness.settle();
    const text = msg("a", 1, "to the web");
    expect(web.take()).toBe(`\x82${String.fromCharCode(text.length)}${text}`);
    expect(tcp.take()).toBe(msg("b", 1, "to TCP"));
  });

  test("a slot is free again once a request comes to nothing", () => {
    const harness = harnessWith();
    const first = open(harness);
    first.send("nonsense\r\n");
    harness.settle();
    expect(first.take()).toContain("400 Bad Request");
    expect(first.isClosed).toBe(true);
    const gone = open(harness);
    gone.isEnded = true;
    harness.settle();
    expect(gone.isClosed).toBe(true);
    connect(harness);
    expect(harness.shards[0]!.connections.length).toBe(2);
  });

  test("a request that is refused may be followed by one that is not", () => {
    const harness = harnessWith();
    const socket = open(harness);
    socket.send(REQUEST.replace("GET", "POST"), REQUEST.replace("websocket", "h2c"), REQUEST);
    harness.settle();
    expect(socket.take().match(/^HTTP\/1\.1 \d+/gm)).toEqual([
      "HTTP/1.1 405",
      "HTTP/1.1 400",
      "HTTP/1.1 101",
    ]);
    expect(harness.logLines.slice(0, 2)).toEqual([
      "127.0.0.1:1000 - websocket handshake error: request method must be GET",
      "127.0.0.1:1000 - websocket handshake error: invalid value for header 'Upgrade'",
    ]);
  });

  test("bytes behind the request, leaf nodes and heads without end are not let in", () => {
    const harness = harnessWith();
    const early = open(harness);
    early.send(`${REQUEST}x`);
    const leaf = open(harness);
    leaf.send(REQUEST.replace("/ ", "/leafnode "));
    const long = open(harness);
    const pieces = Math.ceil(HEAD_BYTES_MAX / 4000);
    long.send(`GET / HTTP/1.1\r\nX: `, ...Array.from({ length: pieces }, () => "x".repeat(4000)));
    harness.settle();
    expect([early, leaf, long].map(({ isClosed }) => isClosed)).toEqual([true, true, true]);
    expect(early.take()).toBe("");
    expect(leaf.take()).toMatch(SWITCHED);
    expect(long.take()).toStartWith("HTTP/1.1 431 ");
    expect(clientCount(harness)).toBe(0);
  });

  test("leaf nodes are not let in where no shard of links takes them", () => {
    const harness = harnessWith({ takesLeafs: true });
    const leaf = open(harness);
    leaf.send(REQUEST.replace("/ ", "/leafnode "));
    harness.settle();
    expect(leaf.isClosed).toBe(true);
    expect(harness.logLines.at(-1)).toContain("no more leaf nodes fit this server");
  });

  test("a leaf node ends with a links shard that dies before it can take it, and takes no place", () => {
    const harness = new ShardHarness(1, { webSocket: { ...WEBSOCKET, takesLeafs: true } }, true);
    const { words, map } = harness.shared;
    const state = nodeWord(map.linksNode, NODE_STATE);
    words[state] = NODE_IS_UP;
    const { engine } = harness.shards[0]!;
    for (let at = -1; at !== 0; ) {
      at = engine.reserve(map.linksNode, RECORD_BODY);
      if (at !== 0) engine.commit(map.linksNode, RECORD_BODY);
    }
    const leaf = open(harness);
    leaf.send(REQUEST.replace("/ ", "/leafnode "));
    const { drainAll } = Rings.prototype;
    let drains = 0;
    harness.rings[0]!.drainAll = function () {
      // The turn drains first, then the wait for room does.
      if (++drains > 1) words[state] = NODE_IS_DEAD;
      return drainAll.call(this);
    };
    harness.turn();
    expect(drains).toBe(2);
    expect(leaf.take()).toMatch(SWITCHED);
    expect(leaf.isClosed).toBe(true);
    expect(harness.pollers[0]!.sockets.size).toBe(0);
    expect(words[nodeWord(map.linksNode, NODE_LOAD)]).toBe(0);
  });

  test("the time for the request runs out without a word, and ends with the upgrade", () => {
    const harness = harnessWith({ handshakeTimeoutMs: 10 });
    const silent = open(harness);
    const asking = open(harness);
    asking.send(REQUEST.slice(0, 30));
    const client = connect(harness);
    soon(harness);
    expect([silent, asking, client].map(({ isClosed }) => isClosed)).toEqual([true, true, false]);
    expect(silent.take() + asking.take()).toBe("");
  });

  test("an answer that the socket does not take ends the connection", () => {
    const harness = harnessWith();
    const socket = open(harness);
    socket.roomBytes = 10;
    socket.send(REQUEST);
    harness.settle();
    expect(socket.isClosed).toBe(true);
    expect(clientCount(harness)).toBe(0);
  });

  test("goodbyes: of a client that is told to go, and of one that says it itself", () => {
    const harness = harnessWith();
    const wrong = connect(harness);
    wrong.send(frame({ payload: "BOOM\r\n" }));
    const leaving = connect(harness);
    leaving.send(frame({ payload: "PING\r\n" }), frame({ opcode: 8, payload: "" }));
    const broken = connect(harness);
    broken.send(frame({ opcode: 3 }));
    harness.settle();
    const error = "-ERR 'Unknown Protocol Operation'\r\n";
    expect(wrong.take()).toBe(
      `\x82${String.fromCharCode(error.length)}${error}\x88\x14\x03\xeaProtocol Violation`,
    );
    expect(leaving.take()).toBe("\x82\x06PONG\r\n\x88\x00");
    expect(broken.take()).toBe("\x88\x12\x03\xeaunknown opcode 3");
    expect(harness.logLines.join("\n")).toContain(" - read error: unknown opcode 3");
    expect(clientCount(harness)).toBe(0);
  });

  test("with TLS the handshake comes first, by the port's own context", () => {
    const harness = harnessWith({ tls: TLS });
    const socket = open(harness);
    socket.send(HELLO);
    socket.send(REQUEST);
    harness.settle();
    expect(socket.take()).toMatch(SWITCHED);
    expect(harness.tls[0]!.begunBy).toEqual([WEBSOCKET_CONTEXT]);
    const tcp = harness.open();
    harness.settle();
    expect(tcp.take()).toMatch(/^INFO /);
  });

  test("with TLS a failed handshake is logged, HTTP in clear is told so, and pins hold", () => {
    const harness = harnessWith({ tls: TLS });
    const bad = open(harness);
    bad.send(BAD_HELLO);
    const clear = open(harness);
    clear.send(REQUEST);
    harness.settle();
    expect([bad, clear].map(({ isClosed }) => isClosed)).toEqual([true, true]);
    expect(clear.take()).toBe(
      "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n",
    );
    expect(harness.logLines).toEqual([
      "websocket: TLS handshake error from 127.0.0.1:1000: tls: bad",
      "websocket: TLS handshake error from 127.0.0.1:1001: client sent an HTTP request to an HTTPS server",
    ]);
    const pinned = harnessWith({ tls: { ...TLS, pinnedCerts: ["00"] } });
    const stranger = open(pinned);
    stranger.send(HELLO, REQUEST);
    pinned.settle();
    expect(stranger.isClosed).toBe(true);
    expect(pinned.logLines).toEqual([
      "websocket: TLS handshake error from 127.0.0.1:1000: certificate not pinned",
    ]);
  });

  test("many handshakes at once take turns", () => {
    const harness = harnessWith({ tls: TLS });
    const sockets = Array.from({ length: 20 }, () => open(harness));
    for (const socket of sockets) socket.send(HELLO);
    harness.turn();
    expect(harness.tls[0]!.steps).toBe(4);
    harness.settle();
    expect(harness.tls[0]!.steps).toBe(20);
  });

  describe("with checks of the client's certificates", () => {
    /** A visitor that has made its handshake and asked to upgrade, and the question about it. */
    function shaken() {
      const harness = harnessWith({ tls: { ...TLS, checksPeers: true } });
      harness.tls[0]!.peerCertificates = [new Uint8Array([1])];
      const socket = open(harness);
      socket.send(HELLO);
      harness.settle();
      socket.send(REQUEST);
      harness.turn();
      const question = harness.reports.find((report) => report.type === "peer");
      if (question === undefined) throw new Error("nobody was asked");
      return { harness, socket, question };
    }

    test("it is not read before main has asked the authorities, and then at once", () => {
      const { harness, socket, question } = shaken();
      const { block, chain, slot, clientId } = question;
      expect([block, chain]).toEqual([WEBSOCKET_CONTEXT, [new Uint8Array([1])]]);
      expect([socket.take(), socket.wantsRead]).toEqual(["", false]);
      harness.control(0, { type: "peer", slot, clientId: clientId - 1, isValid: true });
      harness.turn();
      expect(socket.take()).toBe("");
      harness.control(0, { type: "peer", slot, clientId, isValid: true });
      harness.settle();
      expect(socket.take()).toMatch(SWITCHED);
    });

    test("one that is not valid is closed, and the log says why", () => {
      const { harness, socket, question } = shaken();
      const { slot, clientId } = question;
      harness.control(0, { type: "peer", slot, clientId, isValid: false });
      harness.turn();
      expect(socket.isClosed).toBe(true);
      expect(harness.logLines.join("\n")).toContain("client not OCSP valid");
    });

    test("who hangs up meanwhile is gone", () => {
      const { harness, socket } = shaken();
      socket.toServer.length = 0;
      socket.isReset = true;
      harness.turn();
      expect(socket.isClosed).toBe(true);
    });
  });
});

for (const [from, shardCount, wanted] of [
  ["the same shard", 1, OUTBOX_IOVECS_RECEIVED_MAX],
  ["another shard", 2, OUTBOX_IOVECS_MAX],
] as const) {
  test(`an outbox leaves room for a frame's header, however many pieces it names from ${from}`, () => {
    const harness = new ShardHarness(shardCount, { webSocket: WEBSOCKET });
    const subscriber = connect(harness);
    subscriber.send(frame({ payload: "SUB a 1\r\n" }));
    const publisher = harness.connect(shardCount - 1);
    harness.settle();
    const payload = "x".repeat(600);
    publisher.send(Array.from({ length: 600 }, () => pub("a", payload)).join(""));
    // More of them than one read takes wait for the subscriber's shard.
    if (shardCount > 1) for (let i = 0; i < 4; i++) harness.turn(1);
    harness.settle();
    const { piecesMax } = harness.pollers[0]!;
    expect(piecesMax).toBeGreaterThan(wanted - 4);
    expect(piecesMax).toBeLessThan(wanted);
    expect(piecesMax * IOVEC_BYTES + OUTBOX_HEADROOM).toBeLessThanOrEqual(OUTBOX_DATA);
    expect(SERVER_HEADER_BYTES_MAX).toBeLessThanOrEqual(OUTBOX_HEADROOM);
    let text = subscriber.take();
    let payloads = "";
    while (text !== "") {
      expect(text.slice(0, 2)).toMatch(/^\x82[\x7e\x7f]$/);
      const isLong = text.charCodeAt(1) === 127;
      const length = isLong
        ? (text.charCodeAt(7) << 16) | (text.charCodeAt(8) << 8) | text.charCodeAt(9)
        : (text.charCodeAt(2) << 8) | text.charCodeAt(3);
      const start = isLong ? 10 : 4;
      payloads += text.slice(start, start + length);
      text = text.slice(start + length);
    }
    expect(payloads).toBe(msg("a", 1, payload).repeat(600));
  });
}
