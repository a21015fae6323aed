import { expect } from "bun:test";
import type { FrameParts } from "../../src/protocol/websocket/testing/frames.ts";
import { until } from "../support/deadline.ts";
import { row, sharedServer } from "../support/row.ts";
import { openListener, UPGRADE_LINES, WebSocketPeer } from "../support/websocket_peer.ts";

const server = sharedServer({
  config: `websocket { listen: "127.0.0.1:-1", no_tls: true }\nmax_payload: 10000`,
  monitoring: true,
});
const TEXT = 1;
const CONTINUATION = 0;
const CLOSE = 8;
const PING = 9;

/** Each breaks the framing; what nats-server says of it, where it has the time. */
const VIOLATIONS: [what: string, frames: FrameParts[], violation: string][] = [
  ["no mask", [{ payload: "PING\r\n", mask: null }], "mask bit missing"],
  ["RSV2", [{ payload: "PING\r\n", reserved: 0x20 }], "RSV2 and RSV3 must be clear"],
  ["RSV3", [{ payload: "PING\r\n", reserved: 0x10 }], "RSV2 and RSV3 must be clear"],
  [
    "compressed without having agreed",
    [{ payload: "PING\r\n", reserved: 0x40 }],
    "compressed frame received without negotiated permessage-deflate",
  ],
  ["opcode 3", [{ opcode: 3, payload: "PING\r\n" }], "unknown opcode 3"],
  ["opcode 11", [{ opcode: 11 }], "unknown opcode 11"],
  [
    "a ping of 126 bytes",
    [{ opcode: PING, payload: "x".repeat(126) }],
    "control frame length bigger than maximum allowed of 125 bytes",
  ],
  ["a ping in fragments", [{ opcode: PING, isFinal: false }], "control frame does not have final bit set"],
  [
    "a continuation of nothing",
    [{ opcode: CONTINUATION, payload: "PING\r\n" }],
    "invalid continuation frame",
  ],
  [
    "a continuation after the end",
    [{ payload: "PING\r\n" }, { opcode: CONTINUATION, payload: "PING\r\n" }],
    "invalid continuation frame",
  ],
  [
    "a message within a message",
    [
      { payload: "PI", isFinal: false },
      { opcode: TEXT, payload: "NG\r\n" },
    ],
    "new message started before final frame for previous message was received",
  ],
  ["half a status", [{ opcode: CLOSE, payload: "x" }], "close frame payload cannot be 1 byte"],
  ...[0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535].map(
    (status): [string, FrameParts[], string] => [
      `status ${status}`,
      [{ opcode: CLOSE, payload: new Uint8Array([status >> 8, status & 0xff]) }],
      `invalid close status code ${status}`,
    ],
  ),
];

row(
  "§12.44 broken framing closes the connection, before and after the login; a goodbye may come with it",
  async () => {
    for (const [, frames, violation] of VIOLATIONS) {
      for (const isIn of [false, true]) {
        const peer = isIn ? await WebSocketPeer.connect(server()) : await WebSocketPeer.open(server());
        peer.sendFrames(...frames, { payload: "PUB after 0\r\n\r\n" });
        const rest = await peer.client.readToEnd();
        // What was due, then a goodbye, or neither.
        const goodbye = `\x88${String.fromCharCode(violation.length + 2)}\x03\xea${violation}`;
        const due = "\x82\x06PONG\r\n";
        expect(["", due, goodbye, due + goodbye]).toContain(rest);
      }
    }
    const peer = await WebSocketPeer.connect(server());
    await peer.roundTrip();
    peer.destroy();
  },
);

row("§12.44 a length of 2⁶³ and more; one that is only absurd is waited for", async () => {
  for (const first of [0x80, 0xff]) {
    const peer = await WebSocketPeer.connect(server());
    peer.client.send(new Uint8Array([0x82, 0xff, first, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4]));
    expect(["", "1002 invalid 64-bit payload length"]).toContain(await peer.readGoodbye());
  }
  const peer = await WebSocketPeer.connect(server());
  peer.client.send(new Uint8Array([0x82, 0xff, 0x7f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), "PING\r\nPING\r\n");
  await peer.expect("PONG\r\nPONG\r\n");
  peer.destroy();
});

row("§10.4 messages before a violation are delivered, none after it", async () => {
  const listener = await server().connectAs();
  listener.send("SUB v 1\r\n");
  await listener.roundTrip();
  const peer = await WebSocketPeer.connect(server());
  peer.sendFrames(
    { payload: "PUB v 1\r\na\r\n" },
    { payload: "PUB v 1\r\nb\r\n", isFinal: false },
    { payload: "PUB v 1\r\nc\r\n" },
    { opcode: CONTINUATION, payload: "PUB v 1\r\nd\r\n" },
  );
  await peer.client.readToEnd();
  await listener.expect("MSG v 1 1\r\na\r\nMSG v 1 1\r\nb\r\n");
  await listener.roundTrip();
});

row("§10.4 whoever broke the framing is closed with Read Error", async () => {
  const peer = await WebSocketPeer.connect(server(), { name: "violator" });
  peer.sendFrames({ opcode: 3 });
  await peer.client.readToEnd();
  const reasonOf = async () => {
    const { connections } = await server().json<{ connections: { name?: string; reason: string }[] }>(
      "/connz?state=closed",
    );
    return connections.find(({ name }) => name === "violator")?.reason;
  };
  // The client may hear of its end before monitoring does.
  await until(
    async () => (await reasonOf()) !== undefined,
    () => "the closed connection is not listed",
  );
  expect(await reasonOf()).toBe("Read Error");
});

row("§10.4 thousands of pings at once are answered, as far as they are read", async () => {
  const peer = await WebSocketPeer.connect(server());
  peer.sendFrames(...Array.from({ length: 3000 }, (_, i) => ({ opcode: PING, payload: `${i}` })), {
    payload: "PING\r\n",
  });
  const seen: number[] = [];
  while (true) {
    const { opcode, payload } = await peer.readFrame();
    if (opcode === 2) break;
    expect(opcode).toBe(10);
    seen.push(Number(payload.toString()));
  }
  // RFC 6455 lets a server leave out older ones, never the last.
  expect(seen).toEqual([...seen].sort((a, b) => a - b));
  expect(seen.length).toBeGreaterThan(0);
  await peer.roundTrip();
  peer.destroy();
});

row("§10.2 a head of 2 MB is refused", async () => {
  const client = await openListener(server());
  client.send(`GET / HTTP/1.1\r\nHost: a\r\n`);
  const line = `X: ${"x".repeat(1000)}\r\n`;
  client.send(line.repeat(2000));
  expect(await client.readUntil("\r\n")).toBe("HTTP/1.1 431 Request Header Fields Too Large\r\n");
  client.destroy();
});

row("§10.2 whoever goes in the middle of a request leaves nothing behind", async () => {
  const count = async () => (await server().json<{ connections: number }>("/varz")).connections;
  const before = await count();
  const text = `GET / HTTP/1.1\r\n${UPGRADE_LINES.join("\r\n")}\r\n\r\n`;
  for (let at = 0; at < text.length; at += 25) {
    const client = await openListener(server());
    await client.sendAll(text.slice(0, at));
    client.destroy();
  }
  expect(await count()).toBe(before);
  const peer = await WebSocketPeer.connect(server());
  expect(await count()).toBe(before + 1);
  peer.destroy();
});
