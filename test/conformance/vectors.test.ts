import { type RawClient, show } from "../support/raw_client.ts";
import { row, sharedServer } from "../support/row.ts";

/** Byte vectors: `output` is all the server says, `isClosed` whether it then ends the connection. */
interface Vector {
  readonly input: string;
  readonly output: string;
  readonly isClosed?: true;
}

const CONNECT = `CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true,"protocol":1}\r\n`;
const UNKNOWN = "-ERR 'Unknown Protocol Operation'\r\n";
const PERMISSIONS = "-ERR 'Permissions Violation for ";

/** Without a CONNECT of ours. */
const FRESH: Vector[] = [
  { input: "PING\r\n", output: "PONG\r\n" },
  { input: "SUB foo 1\r\nPUB foo 2\r\nhi\r\n", output: "+OK\r\n+OK\r\nMSG foo 1 2\r\nhi\r\n" },
  { input: "PUB foo.* 2\r\nhi\r\n", output: "-ERR 'Invalid Publish Subject'\r\n+OK\r\n" },
  { input: "CONNECT {}\r\nPING\r\n", output: "+OK\r\nPONG\r\n" },
  { input: `CONNECT {"VERBOSE":false}\r\nPING\r\n`, output: "PONG\r\n" },
  { input: `CONNECT {"verbose":"yes"}\r\n`, output: "", isClosed: true },
  { input: "CONNECT\r\n", output: "", isClosed: true },
  { input: "CONNECT []\r\n", output: "", isClosed: true },
  { input: `CONNECT {"protocol":2}\r\n`, output: "-ERR 'invalid client protocol'\r\n", isClosed: true },
  {
    input: `CONNECT {"no_responders":true}\r\n`,
    output: "-ERR 'no responders requires headers support'\r\n",
    isClosed: true,
  },
  {
    input: "SUB foo 1\r\nPUB foo 2\r\nhi\r\nUNSUB 1\r\nUNSUB 55\r\nPING\r\nSUB foo..x 2\r\n",
    output: "+OK\r\n+OK\r\nMSG foo 1 2\r\nhi\r\n+OK\r\n+OK\r\nPONG\r\n-ERR 'Invalid Subject'\r\n",
  },
  { input: CONNECT, output: "" },
];

/** After `CONNECT`. */
const CONNECTED: Vector[] = [
  { input: "\r\n", output: UNKNOWN, isClosed: true },
  { input: " PING\r\n", output: UNKNOWN, isClosed: true },
  { input: "PUB\r\n", output: UNKNOWN, isClosed: true },
  { input: "MSG foo 1 2\r\nhi\r\n", output: UNKNOWN, isClosed: true },
  { input: "PUB foo\r\n", output: "", isClosed: true },
  { input: "PUB a b 2 3\r\n", output: "", isClosed: true },
  { input: "PUB foo -1\r\n", output: "", isClosed: true },
  { input: "PUB foo 0000000002\r\n", output: "", isClosed: true },
  { input: "SUB foo\r\n", output: "", isClosed: true },
  { input: "UNSUB 1 1 1\r\n", output: "", isClosed: true },
  { input: "PUB foo 1048577\r\n", output: "-ERR 'Maximum Payload Violation'\r\n", isClosed: true },
  { input: "PUB foo 2\r\nhello\r\n", output: UNKNOWN, isClosed: true },
  { input: "SUB\tfoo\t1\r\nPUB \t foo \t 2 \t\r\nhi\r\n", output: "MSG foo 1 2\r\nhi\r\n" },
  { input: "SUB foo 1\r\nPUB foo 0\r\n\r\n", output: "MSG foo 1 0\r\n\r\n" },
  {
    input: "SUB foo..bar 1\r\nSUB foo.>.x 2\r\nSUB .a 3\r\nSUB a. 4\r\nPING\r\n",
    output: `${"-ERR 'Invalid Subject'\r\n".repeat(4)}PONG\r\n`,
  },
  { input: "SUB foo*.b>r 1\r\nPUB foo*.b>r 1\r\nx\r\n", output: "MSG foo*.b>r 1 1\r\nx\r\n" },
  { input: "SUB > 1\r\nPUB foo..bar 1\r\nx\r\nPING\r\n", output: "PONG\r\n" },
  {
    input: "SUB foo 1\r\nSUB bar 1\r\nPUB foo 1\r\na\r\nPUB bar 1\r\nb\r\nPING\r\n",
    output: "MSG foo 1 1\r\na\r\nPONG\r\n",
  },
  { input: "SUB foo 1\r\nUNSUB 1 abc\r\nPUB foo 1\r\nx\r\nPING\r\n", output: "PONG\r\n" },
  {
    input: "SUB foo 1\r\nHPUB foo rep 12 14\r\nNATS/1.0\r\n\r\nhi\r\n",
    output: "HMSG foo 1 rep 12 14\r\nNATS/1.0\r\n\r\nhi\r\n",
  },
  { input: "SUB foo 1\r\nHPUB foo 0 2\r\nhi\r\n", output: "MSG foo 1 2\r\nhi\r\n" },
  { input: "HPUB foo 5 2\r\nhi\r\n", output: "", isClosed: true },
  {
    input: "SUB inbox 9\r\nPUB svc inbox 2\r\nhi\r\nPING\r\n",
    output: "HMSG inbox 9 35 35\r\nNATS/1.0 503\r\nNats-Subject: svc\r\n\r\n\r\nPONG\r\n",
  },
  { input: "SUB foo _sys_ 1\r\n", output: `${PERMISSIONS}Subscription to "foo" using queue "_sys_"'\r\n` },
  { input: "PUB foo _R_.abc 1\r\na\r\n", output: `${PERMISSIONS}Publish with Reply of "_R_.abc"'\r\n` },
  {
    input: "PUB foo $JS.ACK.a.b.c 1\r\na\r\n",
    output: `${PERMISSIONS}Publish with Reply of "$JS.ACK.a.b.c"'\r\n`,
  },
  { input: "PUB foo $GR.a 1\r\na\r\n", output: `${PERMISSIONS}Publish with Reply of "$GR.a"'\r\n` },
  { input: "PUB $GR.a 1\r\na\r\n", output: `${PERMISSIONS}Publish to "$GR.a"'\r\n` },
  { input: "PUB $NRG.a 1\r\na\r\n", output: `${PERMISSIONS}Publish to "$NRG.a"'\r\n` },
  { input: "SUB a 1\r\nCONNECT {}\r\nPUB a 1\r\nx\r\nPING\r\n", output: "PONG\r\n" },
  { input: `SUB ${"a".repeat(4097)}`, output: "-ERR 'maximum control line exceeded'\r\n", isClosed: true },
  { input: `PING${"x".repeat(10_000)}\r\n`, output: "PONG\r\n" },
  { input: "-ERR 'x'\r\n", output: "", isClosed: true },
  {
    input: "SUB foo 1\r\nPUB foo 1\r\na\r\nPUB foo 99999999\r\n",
    output: "MSG foo 1 1\r\na\r\n-ERR 'Maximum Payload Violation'\r\n",
    isClosed: true,
  },
];

/** How the input is divided into writes: the lengths of all pieces but the last. */
type Division = readonly number[];

/** How often a division is tried again because a reset overtook the server's last words. */
const RESETS_MAX = 5;

const server = sharedServer();
let probe: RawClient | undefined;

/** A round trip on a connection of its own: gives the server a turn between two writes on another one. */
async function letServerRun(): Promise<void> {
  if (probe === undefined || probe.isClosed) probe = await server().connectAs();
  await probe.roundTrip();
}

/**
 * Runs a vector once per division, each on a connection of its own; `prefix` is sent whole before. One after another,
 * since all use the same subjects.
 */
async function runVector(vector: Vector, prefix: string, divisions: readonly Division[]): Promise<void> {
  for (const division of divisions) {
    let received = await runDivided(vector, prefix, division);
    // Bytes sent after the server closed are answered by a reset, which may overtake its last words: look again.
    for (let again = 0; again < RESETS_MAX && vector.isClosed && received === undefined; again++) {
      received = await runDivided(vector, prefix, division);
    }
    if (received !== vector.output) {
      throw new Error(
        `${show(vector.input)} divided into ${[...division, "rest"].join(" + ")}\n expected ${show(vector.output)}\n but received ${show(received ?? "a reset")}`,
      );
    }
  }
}

/** Runs a vector once; `undefined` when the connection was reset before all of the output arrived. */
async function runDivided(vector: Vector, prefix: string, division: Division): Promise<string | undefined> {
  const client = await server().connect();
  client.send(prefix);
  let at = 0;
  for (const length of [...division, vector.input.length]) {
    if (client.isClosed || (vector.isClosed && vector.output && client.waitingText === vector.output)) break;
    client.send(vector.input.slice(at, at + length));
    at += length;
    if (at < vector.input.length) await letServerRun();
  }
  const received = await outcome(client, vector);
  client.destroy();
  return client.wasReset && received !== vector.output ? undefined : received;
}

/**
 * Everything the server said, without our own last PONG and without what servers are free in: the INFO that may
 * follow the first PONG, and a pedantic error repeated because the payload came in a later read.
 */
async function outcome(client: RawClient, vector: Vector): Promise<string> {
  const plain = (text: string) =>
    text
      .replace(/INFO \{[^\r\n]*"connect_info":true[^\r\n]*\} \r\n/, "")
      .replace(/(-ERR 'Invalid Publish Subject'\r\n)+/, "$1");
  if (vector.isClosed) return plain(await client.readToEnd());
  client.send("PING\r\n");
  const pongCount = 1 + vector.output.split("PONG\r\n").length - 1;
  let text = "";
  for (let pong = 0; pong < pongCount; pong++) text += await client.readUntil("PONG\r\n");
  return plain(text).slice(0, -"PONG\r\n".length);
}

/** One byte at a time; long inputs in the middle by 97 bytes, so that a row stays short. */
function byteByByte(input: string): Division {
  if (input.length <= 300) return Array.from({ length: input.length - 1 }, () => 1);
  const middle = Array.from({ length: Math.floor((input.length - 200) / 97) }, () => 97);
  const edge = Array.from({ length: 100 }, () => 1);
  const tail = input.length - 100 - middle.length * 97 - 1;
  return [...edge, ...middle, ...Array.from({ length: tail }, () => 1)];
}

/** One cut, at every point of a short input, at the edges and every 97th of a long one. */
function cutEverywhere(input: string): Division[] {
  const points = Array.from({ length: input.length - 1 }, (_, index) => index + 1);
  if (input.length <= 300) return points.map((point) => [point]);
  return points
    .filter((point) => point < 40 || point > input.length - 40 || point % 97 === 0)
    .map((point) => [point]);
}

for (const [vectors, prefix, label] of [
  [FRESH, "", "fresh"],
  [CONNECTED, CONNECT, "C"],
] as const) {
  for (const vector of vectors) {
    const name = `${label} ${show(vector.input).slice(0, 100)}`;
    row(`§22 ${name} whole`, () => runVector(vector, prefix, [[]]));
    row(`§22 ${name} byte by byte`, () => runVector(vector, prefix, [byteByByte(vector.input)]));
    if (vector.input.length > 1) {
      row(`§22 ${name} cut at every point`, () => runVector(vector, prefix, cutEverywhere(vector.input)));
    }
  }
}

row("§22 all vectors that stay open, one after another on one connection in one write", async () => {
  const client = await server().connectAs();
  const open = CONNECTED.filter((vector) => !vector.isClosed && !vector.input.includes("CONNECT"));
  // Each vector reuses the same sids, so they are freed in between.
  const free = "UNSUB 1\r\nUNSUB 2\r\nUNSUB 9\r\n";
  client.send(open.map((vector) => vector.input + free).join(""));
  await client.expect(open.map((vector) => vector.output).join(""));
  await client.roundTrip();
  client.destroy();
});
