/**
 * The sessions of the fuzz run. Session number `index` under `seed` is always the same bytes: a valid client's
 * conversation from a small grammar, then mutated. Text is latin1, so that every byte can occur.
 */
import { Random } from "./random.ts";

/** What the client does once the session is sent. */
export const STAYS = 0;
/** Sends FIN. */
export const ENDS = 1;
/** Sends RST at once, whatever is in flight. */
export const RESETS = 2;

export interface Session {
  /** The session, cut where it is cut into writes. */
  readonly pieces: readonly string[];
  readonly ending: typeof STAYS | typeof ENDS | typeof RESETS;
  /** Nothing was mutated: the server must take it and everything after it. */
  readonly isValid: boolean;
}

export interface SessionLimits {
  /** The server's `max_payload` and `max_control_line`, whose neighbourhood is tried. */
  readonly maxPayloadBytes: number;
  readonly maxControlLineBytes: number;
}

const OPERATIONS_MAX = 8;
const MUTATIONS_MAX = 4;
const PIECES_MAX = 4;
const FLOOD_COUNT = 150;

/** Sessions of different roots rarely hear each other; otherwise the run would mostly test fan-out. */
const ROOTS = 256;
const SUBJECTS = ["", ".a", ".b", ".a.b", ".a.b.c", ".deep.1.2.3.4.5.6.7.8.9", ".é"];
const PATTERNS = [".*", ".>", ".*.b", ".a.*.c", ".*.*.>", ".a.>"];
const WIDE_PATTERNS = ["*", "*.a", "*.*.b", "*.*.>", ">"];
const QUEUES = ["q", "workers", "a.b", "*"];
const SIDS = ["1", "2", "3", "77", "abc", "a-rather-long-subscription-id", "*", "9007199254740993"];
const REPLIES = ["_INBOX.fz.1", "fz.reply", "r", "fz.a"];
const NUMBERS = [
  "0",
  "1",
  "-1",
  "+5",
  "00",
  "007",
  "5.0",
  "1e3",
  "0x10",
  "65535",
  "65536",
  "65537",
  "98304",
  "98305",
  "1048576",
  "1048577",
  "999999999",
  "1000000000",
  "2147483647",
  "2147483648",
  "4294967295",
  "4294967296",
  "99999999999999999999",
  "",
];
const VERBS = [
  "PUB",
  "HPUB",
  "SUB",
  "UNSUB",
  "CONNECT",
  "PING",
  "PONG",
  "INFO",
  "+OK",
  "-ERR",
  "MSG",
  "RMSG",
  "LS+",
  "A+",
  "GET / HTTP/1.1",
  "P",
  "PUBB",
  "\0",
];
const LINE_ENDS = ["\n", "\r", "", "\r\r\n", "\n\r", "\r\n\r\n", " \r\n", "\0\r\n"];
const BYTES = "\0\x01\t\n\v\f\r \x1b*.>+-0129:PSU_az{}\x7f\x80\xff";
const FILLER = "x".repeat(1 << 20);
const HEADERS = [
  "NATS/1.0\r\n\r\n",
  "NATS/1.0\r\nA: b\r\n\r\n",
  "NATS/1.0 503\r\n\r\n",
  "",
  "NATS/1.0\r\nX:\r\n\r\n",
];

/** The session of this number. */
export function makeSession(seed: number, index: number, limits: SessionLimits): Session {
  const random = new Random(seed, index);
  const isValid = random.oneIn(16);
  let text = conversation(random, limits, isValid);
  if (!isValid)
    for (let left = 1 + random.below(MUTATIONS_MAX); left > 0; left--) text = mutated(text, random);
  if (text === "") text = "\r";
  let ending: Session["ending"] = STAYS;
  if (random.oneIn(12)) {
    ending = random.oneIn(3) ? ENDS : RESETS;
    if (random.oneIn(2)) text = text.slice(0, 1 + random.below(text.length));
  }
  return { pieces: pieces(text, random), ending, isValid: isValid && ending === STAYS };
}

function pieces(text: string, random: Random): string[] {
  const count = random.oneIn(3) ? 2 + random.below(PIECES_MAX - 1) : 1;
  const cuts = [0, text.length];
  for (let i = 1; i < count; i++) cuts.push(random.below(text.length));
  cuts.sort((a, b) => a - b);
  const parts: string[] = [];
  for (let i = 1; i < cuts.length; i++) {
    if (cuts[i]! > cuts[i - 1]!) parts.push(text.slice(cuts[i - 1], cuts[i]));
  }
  return parts;
}

/** What a client might say, all of it legal if it `connects` first: headers are for those who asked for them. */
function conversation(random: Random, limits: SessionLimits, connects: boolean): string {
  if (random.oneIn(100)) return flood(random);
  if (random.oneIn(150)) return atLimit(random, limits);
  const root = `fz${random.below(ROOTS)}`;
  let text = connects || random.oneIn(3) ? connect(random) : "";
  for (let left = 1 + random.below(OPERATIONS_MAX); left > 0; left--) text += operation(random, root);
  return text;
}

function connect(random: Random): string {
  const fields: Record<string, unknown> = { headers: true, no_responders: random.oneIn(2) };
  if (random.oneIn(3)) fields.verbose = random.oneIn(2);
  if (random.oneIn(3)) fields.pedantic = random.oneIn(2);
  if (random.oneIn(4)) fields.echo = random.oneIn(2);
  if (random.oneIn(4)) fields.protocol = 1;
  if (random.oneIn(4)) fields.name = 'fuzz "é"';
  if (random.oneIn(8)) fields.lang = "nobody's";
  if (random.oneIn(8)) fields.user = "u";
  if (random.oneIn(20)) fields.more = { nested: [1, 2, { deep: null }] };
  return `CONNECT ${JSON.stringify(fields)}\r\n`;
}

function operation(random: Random, root: string): string {
  switch (random.below(12)) {
    case 0:
    case 1:
    case 2:
      return subscribe(random, root);
    case 3:
      return `UNSUB ${random.pick(SIDS)}${random.oneIn(3) ? ` ${1 + random.below(5)}` : ""}\r\n`;
    case 4:
    case 5:
    case 6:
    case 7:
      return publish(random, root);
    case 8:
      return publishWithHeaders(random, root);
    case 9:
      return "PING\r\n";
    case 10:
      return random.pick(["PONG\r\n", "+OK\r\n", "INFO {}\r\n", "ping\r\n", "PING trailing words\r\n"]);
    default:
      return subscribe(random, root) + publish(random, root) + publish(random, root);
  }
}

function subscribe(random: Random, root: string): string {
  const isWide = random.oneIn(300);
  const pattern = isWide
    ? random.pick(WIDE_PATTERNS)
    : root + random.pick(random.oneIn(2) ? SUBJECTS : PATTERNS);
  const queue = random.oneIn(4) ? ` ${random.pick(QUEUES)}` : "";
  return `SUB ${pattern}${queue} ${random.pick(SIDS)}\r\n`;
}

function payloadSize(random: Random): number {
  switch (random.below(40)) {
    case 0:
      return 500 + random.below(30);
    case 1:
      return random.below(5000);
    case 2:
      return random.oneIn(20) ? random.below(110_000) : 0;
    default:
      return random.below(40);
  }
}

function publish(random: Random, root: string): string {
  const size = payloadSize(random);
  const reply = random.oneIn(4) ? `${random.pick(REPLIES)} ` : "";
  return `PUB ${root}${random.pick(SUBJECTS)} ${reply}${size}\r\n${FILLER.slice(0, size)}\r\n`;
}

function publishWithHeaders(random: Random, root: string): string {
  const headers = random.pick(HEADERS);
  const size = payloadSize(random);
  const reply = random.oneIn(4) ? `${random.pick(REPLIES)} ` : "";
  const sizes = `${headers.length} ${headers.length + size}`;
  return `HPUB ${root}${random.pick(SUBJECTS)} ${reply}${sizes}\r\n${headers}${FILLER.slice(0, size)}\r\n`;
}

/** Many subscriptions, and most of them gone again. */
function flood(random: Random): string {
  let text = "";
  const base = random.below(1e6);
  for (let i = 0; i < FLOOD_COUNT; i++) text += `SUB fz.flood.${random.oneIn(5) ? "*" : base + i} f${i}\r\n`;
  for (let i = 0; i < FLOOD_COUNT; i++) if (!random.oneIn(10)) text += `UNSUB f${i}\r\n`;
  return text;
}

/** A message or a line just within the server's limits; mutations take it over them. */
function atLimit(random: Random, { maxPayloadBytes, maxControlLineBytes }: SessionLimits): string {
  if (random.oneIn(4)) {
    const size = Math.min(maxPayloadBytes, FILLER.length) - random.below(3);
    return `PUB fz.a ${size}\r\n${FILLER.slice(0, size)}\r\n`;
  }
  const subject = `fz.${FILLER.slice(0, maxControlLineBytes - 20 - random.below(3))}`;
  return `SUB ${subject} 1\r\nPUB ${subject} 2\r\nok\r\nUNSUB 1\r\n`;
}

function mutated(text: string, random: Random): string {
  const at = random.below(text.length + 1);
  switch (random.below(14)) {
    case 0:
      return replaced(text, at, at + 1, BYTES[random.below(BYTES.length)]!);
    case 1:
      return replaced(text, at, at + 1, String.fromCharCode(random.below(256)));
    case 2:
      return replaced(text, at, at, BYTES[random.below(BYTES.length)]!.repeat(1 + random.below(3)));
    case 3:
      return replaced(text, at, at + 1 + random.below(12), "");
    case 4: {
      const again = text.slice(at, at + 1 + random.below(60));
      return replaced(text, at, at, again);
    }
    case 5:
      return text.slice(0, at);
    case 6:
      return numberReplaced(text, at, random.pick(NUMBERS));
    case 7:
      return numberReplaced(text, at, String(random.below(200)));
    case 8:
      return lineEndReplaced(text, at, random.pick(LINE_ENDS));
    case 9:
      return replaced(text, lineStart(text, at), wordEnd(text, lineStart(text, at)), random.pick(VERBS));
    case 10:
      return replaced(text, at, at, random.pick([" ", "\t", "  \t "]).repeat(1 + random.below(40)));
    case 11:
      // A line without an end, or a word too long for one.
      return random.oneIn(8)
        ? replaced(text, at, at, FILLER.slice(0, 3000 + random.below(20_000)))
        : text.slice(at);
    case 12: {
      // Two places change sides.
      const other = random.below(text.length + 1);
      const [first, second] = at < other ? [at, other] : [other, at];
      return text.slice(second) + text.slice(first, second) + text.slice(0, first);
    }
    default: {
      const line = lineStart(text, at);
      return replaced(text, line, wordEnd(text, line), text.slice(line, wordEnd(text, line)).toLowerCase());
    }
  }
}

function replaced(text: string, from: number, to: number, by: string): string {
  return text.slice(0, from) + by + text.slice(to);
}

function lineStart(text: string, at: number): number {
  return at === 0 ? 0 : text.lastIndexOf("\n", at - 1) + 1;
}

function wordEnd(text: string, from: number): number {
  let at = from;
  while (at < text.length && text.charCodeAt(at) > 0x20) at++;
  return at;
}

/** Replaces the first run of digits at or after `at`. */
function numberReplaced(text: string, at: number, by: string): string {
  let start = at;
  while (start < text.length && !isDigit(text, start)) start++;
  let end = start;
  while (end < text.length && isDigit(text, end)) end++;
  return start === end ? text : replaced(text, start, end, by);
}

function isDigit(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code >= 0x30 && code <= 0x39;
}

function lineEndReplaced(text: string, at: number, by: string): string {
  const end = text.indexOf("\r\n", at);
  return end < 0 ? text : replaced(text, end, end + 2, by);
}
