/** Clients that break the framing, or the request before it, in random places, while others are served. */
import { expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { deflated } from "../../src/protocol/websocket/testing/deflated.ts";
import { type FrameParts, frame } from "../../src/protocol/websocket/testing/frames.ts";
import { Random } from "../fuzz/random.ts";
import { RawClient } from "../support/raw_client.ts";
import { ServerProcess } from "../support/server_process.ts";
import {
  DEFLATE_LINE,
  NO_MASKING_LINE,
  UPGRADE_LINES,
  WebSocketPeer,
  webSocketPort,
} from "../support/websocket_peer.ts";
import { beside } from "./beside.ts";
import { LIMIT_MS, scaled, tell } from "./scale.ts";
import { backTo, megabytes, serverState } from "./server_state.ts";

const SESSIONS = scaled(600, 100_000);
const LANES = 8;
const SEED = Number(process.env.WEBSOCKET_SEED ?? 20261129);
/** A server that answers is given this long to end what cannot go on. */
const ANSWER_MS = 40;
const WATCH_MS = 20;
const WAIT_MS = 60_000;

const OPERATIONS = [
  'CONNECT {"verbose":false,"headers":true}\r\n',
  "SUB fuzz.* 1\r\n",
  "PUB fuzz.a 5\r\nhello\r\n",
  "HPUB fuzz.b 12 17\r\nNATS/1.0\r\n\r\nhello\r\n",
  "PING\r\n",
  "UNSUB 1\r\n",
  `PUB fuzz.c 3000\r\n${"x".repeat(3000)}\r\n`,
];

/** A request and frames after it, most of them sound, then bytes changed, cut out or moved. */
function session(random: Random): Buffer {
  const extra = [DEFLATE_LINE, NO_MASKING_LINE, "User-Agent: Mozilla/5.0", "Cookie: a=b"].filter(() =>
    random.oneIn(2),
  );
  const request = Buffer.from(`GET / HTTP/1.1\r\n${[...UPGRADE_LINES, ...extra].join("\r\n")}\r\n\r\n`);
  const frames: Uint8Array[] = [];
  for (let i = random.below(12); i >= 0; i--) frames.push(frame(partsOf(random)));
  const stream = Buffer.concat(frames);
  for (let i = random.below(3); i > 0; i--) stream[random.below(stream.length)] = random.below(256);
  const cut = random.oneIn(3) ? random.below(stream.length) : stream.length;
  if (random.oneIn(10)) request[random.below(request.length)] = random.below(256);
  return Buffer.concat([request, stream.subarray(0, cut)]);
}

function partsOf(random: Random): FrameParts {
  const text = Array.from({ length: 1 + random.below(4) }, () => random.pick(OPERATIONS)).join("");
  const mask = random.oneIn(20) ? null : Array.from({ length: 4 }, () => random.below(256));
  if (random.oneIn(6))
    return { opcode: random.pick([8, 9, 10, 3, 0]), payload: text.slice(0, random.below(130)), mask };
  if (random.oneIn(4)) return { payload: deflated(text), reserved: 0x40, mask };
  return { opcode: random.pick([1, 2]), payload: text, mask, isFinal: !random.oneIn(5) };
}

/** Plays a session: the request first, its frames once there is an answer. */
async function play(port: number, random: Random): Promise<void> {
  const bytes = session(random);
  const client = await RawClient.open(port);
  const end = bytes.indexOf("\r\n\r\n") + 4;
  client.send(bytes.subarray(0, end));
  await client.readUntil("\r\n", ANSWER_MS).catch(() => "");
  for (let at = end; at < bytes.length; ) {
    const next = random.oneIn(2) ? bytes.length : at + 1 + random.below(bytes.length - at);
    if (!client.isClosed) client.send(bytes.subarray(at, next));
    at = next;
  }
  await new Promise((resolve) => setTimeout(resolve, random.below(ANSWER_MS)));
  client.destroy();
}

test(
  "broken frames and requests disturb nobody else, and leave nothing behind",
  async () => {
    await using server = await ServerProcess.start({
      config: 'websocket { listen: "127.0.0.1:-1", no_tls: true, compression: true }',
      monitoring: true,
    });
    const witness = await WebSocketPeer.connect(server);
    witness.send("SUB witness 1\r\n");
    await witness.roundTrip();
    const before = await serverState(server);
    const port = webSocketPort(server);
    let started = 0;
    const lane = async (number: number) => {
      const random = new Random(SEED, number);
      while (started++ < SESSIONS) await play(port, random);
    };
    let watched = 0;
    const watch = async () => {
      while (started < SESSIONS) {
        const payload = `${watched++}`;
        witness.send(`PUB witness ${payload.length}\r\n${payload}\r\n`);
        await witness.expect(`MSG witness 1 ${payload.length}\r\n${payload}\r\n`, WAIT_MS);
        await new Promise((resolve) => setTimeout(resolve, WATCH_MS));
      }
    };
    const { messageCount, delayMaxMs } = await beside(server, {}, async () => {
      await Promise.all([watch(), ...Array.from({ length: LANES }, (_, i) => lane(i))]);
    });
    const after = await backTo(before, server);
    expect(watched).toBeGreaterThan(0);
    expect(server.log).not.toContain("failed, its");
    tell(
      `${SESSIONS} sessions, seed ${SEED}: ${messageCount} messages beside them, the slowest took ${delayMaxMs.toFixed(0)} ms; ` +
        `resident ${megabytes(before.residentBytes)} → ${megabytes(after.residentBytes)}`,
    );
    witness.destroy();
  },
  LIMIT_MS,
);
