import { expect } from "bun:test";
import { Buffer } from "node:buffer";
import { row, sharedServer } from "../support/row.ts";
import { BROWSER_LINE, NO_MASKING_LINE, WebSocketPeer } from "../support/websocket_peer.ts";

const server = sharedServer({ config: `websocket { listen: "127.0.0.1:-1", no_tls: true }` });
const BINARY = 2;
const TEXT = 1;
const CONTINUATION = 0;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

const msg = (subject: string, payload: string) => `MSG ${subject} 1 ${payload.length}\r\n${payload}\r\n`;
const pub = (subject: string, payload: string) => `PUB ${subject} ${payload.length}\r\n${payload}\r\n`;

/** Text that shows where a byte is missing or twice. */
function pattern(length: number): string {
  let text = "";
  for (let i = 0; text.length < length; i++) text += `${i}.`;
  return text.slice(0, length);
}

row("§12.40 an operation may span frames, messages and fragments, one frame hold many", async () => {
  const peer = await WebSocketPeer.connect(server());
  peer.sendFrames(
    { payload: "SUB a 1\r\nPU" },
    { opcode: TEXT, payload: "B a 3\r", isFinal: false },
    { opcode: CONTINUATION, payload: "", isFinal: false },
    { opcode: CONTINUATION, payload: "\nx" },
    { payload: `yz\r\n${pub("a", "1")}${pub("a", "2")}` },
  );
  await peer.expect(msg("a", "xyz") + msg("a", "1") + msg("a", "2"));
  peer.destroy();
});

row("§12.40 an operation byte by byte, a frame each", async () => {
  const peer = await WebSocketPeer.connect(server());
  const text = `SUB a 1\r\n${pub("a", "hello")}PING\r\n`;
  peer.sendFrames(...[...text].map((payload) => ({ payload })));
  await peer.expect(`${msg("a", "hello")}PONG\r\n`);
  for (const letter of text.replace("SUB a 1", "UNSUB 1")) {
    peer.send(letter);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await peer.expect("PONG\r\n");
  peer.destroy();
});

row("§10.4 lengths may be written longer than needed, and frames cut anywhere", async () => {
  const peer = await WebSocketPeer.connect(server());
  peer.sendFrames({ payload: "PING\r\n", lengthBytes: 2 }, { payload: "PING\r\n", lengthBytes: 8 });
  await peer.expect("PONG\r\nPONG\r\n");
  const bytes = [
    0x82,
    0xfe,
    0x00,
    0x06,
    1,
    2,
    3,
    4,
    ...Buffer.from("PING\r\n").map((byte, i) => byte ^ ((i % 4) + 1)),
  ];
  for (const byte of bytes) await peer.client.sendAll(new Uint8Array([byte]));
  await peer.expect("PONG\r\n");
  peer.destroy();
});

row("§10.4 large messages in one frame, and in many fragments, both ways", async () => {
  const peer = await WebSocketPeer.connect(server());
  for (const length of [125, 126, 600, 65_535, 65_536, 100_000, 1024 * 1024]) {
    const payload = pattern(length);
    const text = `SUB b 1\r\n${pub("b", payload)}UNSUB 1\r\n`;
    peer.send(text);
    await peer.expect(msg("b", payload));
    const size = Math.ceil(text.length / 7);
    const fragments = Array.from({ length: 7 }, (_, i) => ({
      opcode: i === 0 ? BINARY : CONTINUATION,
      payload: text.slice(i * size, (i + 1) * size),
      isFinal: i === 6,
    }));
    peer.sendFrames(...fragments);
    await peer.expect(msg("b", payload));
  }
  await peer.roundTrip();
  peer.destroy();
});

row("§10.4 what is to be sent at once is one frame", async () => {
  const peer = await WebSocketPeer.connect(server());
  const publisher = await server().connectAs();
  peer.send("SUB c 1\r\n");
  await peer.roundTrip();
  publisher.send(Array.from({ length: 50 }, (_, i) => pub("c", `${i}`)).join(""));
  const frames: Buffer[] = [];
  while (
    Buffer.concat(frames).length < Array.from({ length: 50 }, (_, i) => msg("c", `${i}`)).join("").length
  ) {
    const { opcode, isFinal, isCompressed, payload } = await peer.readFrame();
    expect([opcode, isFinal, isCompressed]).toEqual([BINARY, true, false]);
    frames.push(payload);
  }
  expect(frames.length).toBeLessThan(25);
  expect(Buffer.concat(frames).toString()).toBe(
    Array.from({ length: 50 }, (_, i) => msg("c", `${i}`)).join(""),
  );
  peer.destroy();
});

row("§10.4 frames to a browser are of 4096 bytes at most", async () => {
  const peer = await WebSocketPeer.connect(server(), {}, { headers: [BROWSER_LINE] });
  const payload = pattern(10_000);
  peer.send(`SUB d 1\r\n${pub("d", payload)}${pub("d", "small")}`);
  const wanted = msg("d", payload) + msg("d", "small");
  let text = "";
  while (text.length < wanted.length) {
    const { opcode, isFinal, payload: piece } = await peer.readFrame();
    expect([opcode, isFinal]).toEqual([BINARY, true]);
    expect(piece.length).toBeLessThanOrEqual(4096);
    text += piece.toString();
  }
  expect(text).toBe(wanted);
  peer.destroy();
});

row("§12.41 a ping is answered with what it says, also between fragments; a pong is not", async () => {
  const peer = await WebSocketPeer.connect(server());
  const longest = pattern(125);
  peer.sendFrames(
    { opcode: PING },
    { payload: "PI", isFinal: false },
    { opcode: PING, payload: longest },
    { opcode: PONG, payload: "unasked" },
    { opcode: CONTINUATION, payload: "NG\r\n" },
  );
  const frames = [await peer.readFrame(), await peer.readFrame(), await peer.readFrame()];
  const texts = frames.map(({ opcode, payload }) => `${opcode} ${payload}`);
  expect(texts.filter((text) => text.startsWith("10 "))).toEqual(["10 ", `10 ${longest}`]);
  expect(texts).toContain(`${BINARY} PONG\r\n`);
  await peer.roundTrip();
  peer.destroy();
});

row("§12.42 a client's goodbye is said back, and the connection closes", async () => {
  for (const [payload, said] of [
    ["", ""],
    [new Uint8Array([3, 0xe8]), "1000 "],
    [Buffer.concat([Buffer.from([3, 0xe9]), Buffer.from("bye")]), "1001 bye"],
    [Buffer.concat([Buffer.from([0x0f, 0xa0]), Buffer.from("own code")]), "4000 own code"],
    [new Uint8Array([3, 0xe8, 0xff, 0xfe]), "1007 invalid utf8 body in close frame"],
  ] as const) {
    const peer = await WebSocketPeer.connect(server());
    peer.sendFrames({ payload: "PING\r\n" }, { opcode: CLOSE, payload });
    await peer.expect("PONG\r\n");
    if (said === "") {
      expect(await peer.client.readToEnd()).toBe("\x88\x00");
    } else expect(await peer.readGoodbye()).toBe(said);
  }
});

row("§12.42 messages before a goodbye are delivered, what follows it is not", async () => {
  const listener = await server().connectAs();
  listener.send("SUB e 1\r\n");
  await listener.roundTrip();
  const peer = await WebSocketPeer.connect(server());
  peer.sendFrames(
    { payload: pub("e", "last") },
    { opcode: CLOSE, payload: new Uint8Array([3, 0xe8]) },
    { payload: pub("e", "after") },
  );
  await peer.readGoodbye();
  await listener.expect(msg("e", "last"));
  await listener.roundTrip();
});

row("§10.4 a stream that ends is a client that went", async () => {
  const peer = await WebSocketPeer.connect(server());
  peer.client.end();
  expect(await peer.readGoodbye()).toBe("1000 Client Closed");
});

row("§12.43 with Nats-No-Masking frames have no mask", async () => {
  const peer = await WebSocketPeer.open(server(), { headers: [NO_MASKING_LINE], isUnmasked: true });
  expect(peer.head).toContain("\r\nNats-No-Masking: true\r\n");
  await peer.login();
  peer.sendFrames(
    { payload: `SUB f 1\r\n${pub("f", "hello")}` },
    { opcode: PING, payload: "x" },
    { payload: pub("f", pattern(70_000)) },
  );
  const frames = [await peer.readFrame(), await peer.readFrame()];
  expect(frames.map(({ opcode }) => opcode).sort((a, b) => a - b)).toEqual([BINARY, PONG]);
  peer.destroy();
});

row("§10.4 over and to websockets as over TCP: queues, headers, no responders, a request", async () => {
  const peer = await WebSocketPeer.connect(server());
  const other = await server().connectAs();
  peer.send("SUB req 1\r\nSUB inbox 2\r\n");
  await peer.roundTrip();
  other.send("SUB reply 1\r\nPUB req reply 2\r\nhi\r\n");
  await peer.expect("MSG req 1 reply 2\r\nhi\r\n");
  peer.send("HPUB reply 20 24\r\nNATS/1.0\r\nA: 1\r\n\r\n\r\nwell\r\n");
  await other.expect("HMSG reply 1 20 24\r\nNATS/1.0\r\nA: 1\r\n\r\n\r\nwell\r\n");
  peer.send("PUB nobody inbox 0\r\n\r\n");
  expect(await peer.readLine()).toMatch(/^HMSG inbox 2 \d+ \d+$/);
  peer.destroy();
});

row("§10.4 a subscriber that does not read for a while loses nothing", async () => {
  const peer = await WebSocketPeer.connect(server());
  peer.send("SUB g 1\r\n");
  await peer.roundTrip();
  peer.client.pause();
  const publisher = await server().connectAs();
  const count = 400;
  const payload = pattern(30_000);
  for (let i = 0; i < count; i++) publisher.send(pub("g", `${i} ${payload}`));
  await publisher.roundTrip(20_000);
  // Pings meanwhile are answered between frames.
  peer.sendFrames(...Array.from({ length: 20 }, () => ({ opcode: PING, payload: "still there" })));
  await new Promise((resolve) => setTimeout(resolve, 200));
  peer.client.resume();
  const wanted = Array.from({ length: count }, (_, i) => msg("g", `${i} ${payload}`));
  let at = 0;
  let pongs = 0;
  let text = "";
  while (at < wanted.length) {
    const { opcode, payload: piece } = await peer.readFrame();
    if (opcode === PONG) {
      expect(piece.toString()).toBe("still there");
      pongs++;
      continue;
    }
    text += piece.toString("latin1");
    if (text.startsWith("PING\r\n")) text = text.slice(6);
    while (at < wanted.length && text.length >= wanted[at]!.length) {
      expect(text.startsWith(wanted[at]!)).toBe(true);
      text = text.slice(wanted[at]!.length);
      at++;
    }
  }
  expect(pongs).toBeGreaterThan(0);
  peer.destroy();
});
