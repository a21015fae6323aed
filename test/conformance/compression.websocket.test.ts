import { expect } from "bun:test";
import { Buffer } from "node:buffer";
import { constants, deflateRawSync, inflateRawSync } from "node:zlib";
import { row, sharedServer } from "../support/row.ts";
import { BROWSER_LINE, DEFLATE_LINE, type Frame, WebSocketPeer } from "../support/websocket_peer.ts";

const server = sharedServer({
  config: `websocket { listen: "127.0.0.1:-1", no_tls: true, compression: true }\nmax_payload: 100000`,
});
const RSV1 = 0x40;

function deflated(text: string): Buffer {
  const flushed = deflateRawSync(Buffer.from(text), { finishFlush: constants.Z_SYNC_FLUSH });
  return flushed.subarray(0, flushed.length - 4);
}

/** The text of one message, as many frames as it has. */
async function readMessage(peer: WebSocketPeer): Promise<{ text: string; frames: Frame[] }> {
  const frames = [await peer.readFrame()];
  while (!frames.at(-1)!.isFinal) frames.push(await peer.readFrame());
  const payload = Buffer.concat(frames.map((frame) => frame.payload));
  if (!frames[0]!.isCompressed) return { text: payload.toString(), frames };
  const whole = Buffer.concat([payload, Buffer.from([0, 0, 0xff, 0xff])]);
  return { text: inflateRawSync(whole, { finishFlush: constants.Z_SYNC_FLUSH }).toString(), frames };
}

/** Reads messages until their text ends like this. */
async function readUntil(peer: WebSocketPeer, end: string): Promise<{ text: string; frames: Frame[] }> {
  let text = "";
  const frames: Frame[] = [];
  while (!text.endsWith(end)) {
    const message = await readMessage(peer);
    text += message.text;
    frames.push(...message.frames);
  }
  return { text, frames };
}

async function connect(headers: readonly string[] = []): Promise<WebSocketPeer> {
  const peer = await WebSocketPeer.upgrade(server(), { headers: [DEFLATE_LINE, ...headers] });
  expect(peer.head).toContain(`\r\n${DEFLATE_LINE}\r\n`);
  const { text, frames } = await readUntil(peer, "\r\n");
  expect(text).toStartWith("INFO {");
  expect(frames[0]!.isCompressed).toBe(true);
  peer.send(`CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\nPING\r\n`);
  await readUntil(peer, "PONG\r\n");
  return peer;
}

const msg = (payload: string) => `MSG z 1 ${payload.length}\r\n${payload}\r\n`;
const pub = (payload: string) => `PUB z ${payload.length}\r\n${payload}\r\n`;
/** Compresses well, and shows where a byte is missing. */
const long = Array.from({ length: 3000 }, (_, i) => `${i},`).join("");

row("§10.2 compression is agreed on by whoever offers it, whatever the parameters", async () => {
  for (const [line, isAgreed] of [
    ["Sec-WebSocket-Extensions: permessage-deflate", true],
    ["Sec-WebSocket-Extensions: x-other, PERMESSAGE-DEFLATE; client_max_window_bits", true],
    ["Sec-WebSocket-Extensions: permessage-bzip2", false],
    ["X: permessage-deflate", false],
  ] as const) {
    const { head, client } = await WebSocketPeer.upgrade(server(), { headers: [line] });
    expect(head.includes("Sec-WebSocket-Extensions: permessage-deflate;")).toBe(isAgreed);
    client.destroy();
  }
});

row("§12.45 both ways: in one frame, in fragments, beside what is not compressed", async () => {
  const peer = await connect();
  peer.sendFrames(
    { payload: deflated(`SUB z 1\r\n${pub(long)}`), reserved: RSV1 },
    { payload: pub("plain") },
  );
  const { text } = await readUntil(peer, msg("plain"));
  expect(text).toBe(msg(long) + msg("plain"));
  const whole = deflated(pub(long) + pub("end"));
  peer.sendFrames(
    { payload: whole.subarray(0, 10), reserved: RSV1, isFinal: false },
    { opcode: 9, payload: "between" },
    { opcode: 0, payload: whole.subarray(10, 10), isFinal: false },
    { opcode: 0, payload: whole.subarray(10) },
  );
  const pong = await peer.readFrame();
  expect(`${pong.opcode} ${pong.payload}`).toBe("10 between");
  expect((await readUntil(peer, msg("end"))).text).toBe(msg(long) + msg("end"));
  peer.destroy();
});

row("§10.4 an operation may span compressed messages; many in one read are all taken", async () => {
  const peer = await connect();
  const text = `SUB z 1\r\n${pub("a")}${pub("b")}PING\r\n`;
  peer.sendFrames(
    ...[text.slice(0, 12), text.slice(12, 30), "", text.slice(30)].map((part) => ({
      payload: part === "" ? new Uint8Array([0]) : deflated(part),
      reserved: RSV1,
    })),
  );
  expect((await readUntil(peer, "PONG\r\n")).text).toBe(`${msg("a")}${msg("b")}PONG\r\n`);
  peer.sendFrames(
    ...Array.from({ length: 200 }, (_, i) => ({ payload: deflated(pub(`${i}`)), reserved: RSV1 })),
  );
  const all = Array.from({ length: 200 }, (_, i) => msg(`${i}`)).join("");
  expect((await readUntil(peer, msg("199"))).text).toBe(all);
  peer.destroy();
});

row("§10.4 up to 64 bytes go out as they are, more compressed", async () => {
  const peer = await connect();
  peer.send("SUB z 1\r\nPING\r\n");
  expect((await readUntil(peer, "PONG\r\n")).frames.every(({ isCompressed }) => !isCompressed)).toBe(true);
  for (const [length, isCompressed] of [
    [64, false],
    [65, true],
  ] as const) {
    const payload = "x".repeat(length - "MSG z 1 50\r\n\r\n".length);
    peer.send(pub(payload));
    const { text, frames } = await readMessage(peer);
    expect(text).toBe(msg(payload));
    expect(text.length).toBe(length);
    expect(frames[0]!.isCompressed).toBe(isCompressed);
  }
  peer.destroy();
});

row(
  "§10.4 fragments to a browser: of 4096 bytes, only the first says that it is compressed; Safari has none",
  async () => {
    const payload = Buffer.from(crypto.getRandomValues(new Uint8Array(15_000))).toString("base64");
    const browser = await connect([BROWSER_LINE]);
    browser.send(`SUB z 1\r\n${pub(payload)}`);
    const { text, frames } = await readUntil(browser, msg(payload));
    expect(text).toBe(msg(payload));
    expect(frames.length).toBeGreaterThan(1);
    expect(frames.every(({ payload: piece }) => piece.length <= 4096)).toBe(true);
    const compressed = frames.filter(({ isCompressed }) => isCompressed);
    expect(compressed.every(({ opcode }) => opcode === 2)).toBe(true);
    const safari = await connect(["User-Agent: Mozilla/5.0 (Macintosh) Version/17.0 Safari/605"]);
    safari.send(`SUB z 1\r\n${pub(payload)}`);
    const whole = await readUntil(safari, msg(payload));
    expect(whole.text).toBe(msg(payload));
    expect(whole.frames.every(({ isFinal, opcode }) => isFinal && opcode === 2)).toBe(true);
    for (const peer of [browser, safari]) peer.destroy();
  },
);

row(
  "§12.46 a message that inflates to more than max_payload closes the connection, however small it comes",
  async () => {
    for (const text of [
      `PUB z 90000\r\n${" ".repeat(90_000)}\r\n${"PING\r\n".repeat(2000)}`,
      "PING\r\n".repeat(2_000_000),
      `PUB z 200000\r\n${" ".repeat(200_000)}\r\n`,
    ]) {
      const peer = await connect();
      peer.sendFrames({ payload: deflated(text), reserved: RSV1 });
      await peer.client.readToEnd();
    }
    const peer = await connect();
    peer.sendFrames({ payload: deflated(`SUB z 1\r\n${pub(" ".repeat(99_000))}`), reserved: RSV1 });
    await readUntil(peer, msg(" ".repeat(99_000)));
    peer.destroy();
  },
);

row("§10.4 more than 8 times max_payload of compressed bytes close the connection", async () => {
  const peer = await connect();
  // Stored blocks of nothing: they become nothing, and go on for ever.
  const nothing = Buffer.concat(Array.from({ length: 2000 }, () => Buffer.from([0, 0, 0, 0xff, 0xff])));
  const error = (async () => {
    peer.sendFrames({ payload: nothing, reserved: RSV1, isFinal: false });
    for (let i = 0; i < 200 && !peer.client.isClosed; i++) {
      peer.sendFrames({ opcode: 0, payload: nothing, isFinal: false });
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  })();
  await Promise.all([error, peer.client.readToEnd()]);
  expect(peer.client.isClosed).toBe(true);
});

row("§12.44 what is no deflate data, and compressed control frames, close the connection", async () => {
  for (const parts of [
    { payload: new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]), reserved: RSV1 },
    { opcode: 9, payload: deflated("x"), reserved: RSV1 },
  ]) {
    const peer = await connect();
    peer.sendFrames(parts, { payload: "PING\r\n" });
    expect(["", "1002 control frame must not be compressed"]).toContain(await peer.readGoodbye());
  }
});

row("§10.4 a slow subscriber of compressed messages loses nothing", async () => {
  const peer = await connect();
  peer.send("SUB z 1\r\nPING\r\n");
  await readUntil(peer, "PONG\r\n");
  peer.client.pause();
  const publisher = await server().connectAs();
  const noise = () => Buffer.from(crypto.getRandomValues(new Uint8Array(20_000))).toString("base64");
  const payloads = Array.from({ length: 300 }, noise);
  for (const payload of payloads) publisher.send(pub(payload));
  await publisher.roundTrip(20_000);
  peer.client.resume();
  const { text } = await readUntil(peer, msg(payloads.at(-1)!));
  expect(text.replace("PING\r\n", "") === payloads.map(msg).join("")).toBe(true);
  peer.destroy();
});
