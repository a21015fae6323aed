// The whole client protocol, byte by byte. Cold beside the engine, which scans the plain PUB and
// HPUB lines itself and leaves everything else to this file; still, nothing here allocates.

import {
  ERROR_ARGUMENTS,
  ERROR_HEADERS_NOT_NEGOTIATED,
  ERROR_MAXIMUM_CONTROL_LINE,
  ERROR_MAXIMUM_PAYLOAD,
  ERROR_UNKNOWN_OPERATION,
} from "./errors.ts";

/** More bytes are needed; keep those from `next` on and call again with what follows them. */
export const NEED_MORE = 0;
/** A publication: `subject`, `reply` (may be empty), `totalSize`, `payloadStart`. */
export const PUB = 1;
/** A publication with headers: as PUB, and `headerSize`. */
export const HPUB = 2;
/** `subject`, `queue` (may be empty), `sid`. The subject's syntax is not judged here. */
export const SUB = 3;
/** `sid`, `maxMessages` (0: remove now). */
export const UNSUB = 4;
/** `arg` is the JSON document, which may be empty. */
export const CONNECT = 5;
export const PING = 6;
export const PONG = 7;
/** `arg` is the JSON document, which may be empty. */
export const INFO = 8;
export const OK = 9;
/** `arg` is the peer's text; the connection is to be closed. */
export const ERR = 10;
/** Bytes up to `next` are used up and told `skipState`; no operation yet. Call again from `next`. */
export const SKIP = 11;

// What is wrong with the line of an ERROR_ARGUMENTS.
export const FAULT_ARGUMENT_COUNT = 1;
export const FAULT_HEADER_SIZE = 2;
export const FAULT_TOTAL_SIZE = 3;
export const FAULT_HEADER_LARGER = 4;

/** A run of meaningless bytes longer than this is dropped at once, instead of being kept for the next call. */
const KEPT_FILLER_BYTES_MAX = 64;

/** An argument list of a client has at most as many entries (HPUB: subject, reply, two sizes). */
const ARGUMENTS_MAX = 4;

const SIZE_DIGITS_MAX = 9;

const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;
/** The bit that turns an ASCII capital into the small letter and leaves small letters as they are. */
const SMALL_LETTER = 0x20;

// By operation code; the letters small. Index 0 is NEED_MORE, which has no verb.
export const VERBS: readonly Uint8Array[] = [
  "",
  "pub",
  "hpub",
  "sub",
  "unsub",
  "connect",
  "ping",
  "pong",
  "info",
  "+ok",
  "-err",
].map((verb) => Uint8Array.from(verb, (letter) => letter.charCodeAt(0)));

/**
 * Reads operations out of what a client sent.
 *
 * One parser serves any number of connections, one call at a time: what must outlive a call is the
 * connection's unconsumed bytes and its `skipState`. For each call set the limits and `skipState`,
 * then call `parse(bytes, start, end)`. The answer is an operation, `NEED_MORE`, `SKIP` or one of the
 * negative `ERROR_…` codes of errors.ts, each of which ends the connection. All offsets
 * are absolute in `bytes`; those that belong to another operation than the one returned mean nothing.
 * However the stream is cut, the operations are the same.
 *
 * Not judged here: authentication, permissions, the syntax of subjects, the JSON.
 * Source: nats-server `parse`, `processPub`, `processHeaderPub`, `splitArg`; one deviation: a CR that
 * no LF follows is refused within control lines, where nats-server loses a byte.
 */
export class ClientParser {
  /** Longest argument part of a control line, in bytes; the blanks after the verb are not counted. */
  maxControlLineBytes = 4096;
  /** Longest headers + payload, in bytes; negative: unlimited. */
  maxPayloadBytes = 1024 * 1024;
  /** Whether server and client have agreed on headers. */
  headersAllowed = false;
  /**
   * In and out, kept per connection: 0 at the start of an operation; otherwise the code of the
   * operation whose meaningless bytes (blanks after the verb, the rest of a PING line) are being
   * skipped.
   */
  skipState = 0;

  /** The first byte after what this call used up. */
  next = 0;
  argStart = 0;
  argEnd = 0;
  subjectStart = 0;
  subjectEnd = 0;
  queueStart = 0;
  queueEnd = 0;
  sidStart = 0;
  sidEnd = 0;
  /** Empty range: no reply subject. */
  replyStart = 0;
  replyEnd = 0;
  /** 0 for PUB, and for an HPUB without headers. */
  headerSize = 0;
  /** Bytes of headers and payload together. */
  totalSize = 0;
  /** Where the headers, or the payload of a PUB, start; CR LF follow `totalSize` bytes later. */
  payloadStart = 0;
  maxMessages = 0;
  /**
   * The control line of a PUB or HPUB has been accepted and the operation's fields are set. With NEED_MORE only payload
   * is missing, and the operation will end at `payloadStart + totalSize + 2`. With an error the payload did not end in
   * CR LF. A pedantic connection is told about the subject in either case, once.
   */
  lineComplete = false;
  /** With `lineComplete`, and with ERROR_MAXIMUM_PAYLOAD: PUB or HPUB. */
  publishCode = 0;
  /** With ERROR_ARGUMENTS: what is wrong, one of the `FAULT_…`, and the operation that it is wrong with. */
  argumentFault = 0;
  argumentCode = 0;

  readonly #argumentStarts = new Int32Array(ARGUMENTS_MAX);
  readonly #argumentEnds = new Int32Array(ARGUMENTS_MAX);
  #argumentCount = 0;

  /**
   * Reads the operation at `start`. `end` is where the received bytes end; `start` ≤ `end` ≤
   * `bytes.length`.
   */
  parse(bytes: Uint8Array, start: number, end: number): number {
    this.lineComplete = false;
    this.next = start;
    let code = this.skipState;
    let i = start;
    if (code === 0) {
      if (start === end) return NEED_MORE;
      code = verbAt(bytes, start, end);
      if (code <= NEED_MORE) return code;
      i += VERBS[code]!.length;
      if (needsBlank(code)) {
        if (i === end) return NEED_MORE;
        if (!isBlank(bytes[i]!)) return ERROR_UNKNOWN_OPERATION;
      }
    }
    if (code === PING || code === PONG || code === OK) return this.#skipLine(code, bytes, i, end);

    while (i < end && isBlank(bytes[i]!)) i++;
    if (i === end) return this.#keepOrSkip(code, end);
    const lineEnd = this.#findLineEnd(bytes, i, end);
    if (lineEnd <= NEED_MORE) return lineEnd;
    const result = this.#readArguments(code, bytes, lineEnd, end);
    if (result > NEED_MORE) this.skipState = 0;
    return result;
  }

  /** Looks for the LF that ends a PING, PONG or +OK; what stands before it means nothing. */
  #skipLine(code: number, bytes: Uint8Array, from: number, end: number): number {
    let i = from;
    while (i < end && bytes[i] !== LF) i++;
    if (i === end) return this.#keepOrSkip(code, end);
    this.next = i + 1;
    this.skipState = 0;
    return code;
  }

  /** All bytes up to `end` mean nothing beyond `code`: keep a few of them, drop many. */
  #keepOrSkip(code: number, end: number): number {
    if (end - this.next <= KEPT_FILLER_BYTES_MAX) return NEED_MORE;
    this.next = end;
    this.skipState = code;
    return SKIP;
  }

  /**
   * Sets `arg` and returns the offset after the LF; NEED_MORE if the line is not complete; or an error,
   * the same one at the same byte however the line was cut.
   */
  #findLineEnd(bytes: Uint8Array, from: number, end: number): number {
    this.argStart = from;
    const limit = from + this.maxControlLineBytes;
    for (let i = from; i < end; i++) {
      const byte = bytes[i]!;
      if (byte === LF) {
        this.argEnd = i;
        return i + 1;
      }
      if (byte === CR) {
        if (i + 1 === end) return NEED_MORE;
        if (bytes[i + 1] !== LF) return ERROR_UNKNOWN_OPERATION;
        this.argEnd = i;
        return i + 2;
      }
      if (i >= limit) return ERROR_MAXIMUM_CONTROL_LINE;
    }
    return NEED_MORE;
  }

  #readArguments(code: number, bytes: Uint8Array, lineEnd: number, end: number): number {
    if (code === CONNECT || code === INFO || code === ERR) {
      this.next = lineEnd;
      return code;
    }
    if (code === HPUB && !this.headersAllowed) return ERROR_HEADERS_NOT_NEGOTIATED;
    this.#splitArguments(bytes);
    this.argumentCode = code;
    this.argumentFault = FAULT_ARGUMENT_COUNT;
    if (code === SUB) return this.#readSubscribe(lineEnd);
    if (code === UNSUB) return this.#readUnsubscribe(bytes, lineEnd);
    return this.#readPublish(code, bytes, lineEnd, end);
  }

  #readSubscribe(lineEnd: number): number {
    const count = this.#argumentCount;
    if (count !== 2 && count !== 3) return ERROR_ARGUMENTS;
    this.subjectStart = this.#argumentStarts[0]!;
    this.subjectEnd = this.#argumentEnds[0]!;
    this.queueStart = count === 3 ? this.#argumentStarts[1]! : this.subjectEnd;
    this.queueEnd = count === 3 ? this.#argumentEnds[1]! : this.subjectEnd;
    this.sidStart = this.#argumentStarts[count - 1]!;
    this.sidEnd = this.#argumentEnds[count - 1]!;
    this.next = lineEnd;
    return SUB;
  }

  #readUnsubscribe(bytes: Uint8Array, lineEnd: number): number {
    const count = this.#argumentCount;
    if (count !== 1 && count !== 2) return ERROR_ARGUMENTS;
    this.sidStart = this.#argumentStarts[0]!;
    this.sidEnd = this.#argumentEnds[0]!;
    // A maximum that is no number means none.
    this.maxMessages = count === 2 ? Math.max(0, this.#sizeAt(bytes, 1)) : 0;
    this.next = lineEnd;
    return UNSUB;
  }

  #readPublish(code: number, bytes: Uint8Array, lineEnd: number, end: number): number {
    const count = this.#argumentCount;
    const sizeCount = code === HPUB ? 2 : 1;
    const hasReply = count === 2 + sizeCount;
    if (count !== 1 + sizeCount && !hasReply) return ERROR_ARGUMENTS;
    this.subjectStart = this.#argumentStarts[0]!;
    this.subjectEnd = this.#argumentEnds[0]!;
    this.replyStart = hasReply ? this.#argumentStarts[1]! : this.subjectEnd;
    this.replyEnd = hasReply ? this.#argumentEnds[1]! : this.subjectEnd;
    this.headerSize = code === HPUB ? this.#sizeAt(bytes, count - 2) : 0;
    this.totalSize = this.#sizeAt(bytes, count - 1);
    this.argumentFault = FAULT_HEADER_SIZE;
    if (this.headerSize < 0) return ERROR_ARGUMENTS;
    this.argumentFault = FAULT_TOTAL_SIZE;
    if (this.totalSize < 0) return ERROR_ARGUMENTS;
    this.argumentFault = FAULT_HEADER_LARGER;
    if (this.headerSize > this.totalSize) return ERROR_ARGUMENTS;
    this.payloadStart = lineEnd;
    this.publishCode = code;
    if (this.maxPayloadBytes !== -1 && this.totalSize > this.maxPayloadBytes) return ERROR_MAXIMUM_PAYLOAD;
    this.lineComplete = true;

    // Nine digits and a 31-bit offset stay within exact numbers.
    const payloadEnd = lineEnd + this.totalSize;
    if (payloadEnd < end && bytes[payloadEnd] !== CR) return ERROR_UNKNOWN_OPERATION;
    if (payloadEnd + 1 < end && bytes[payloadEnd + 1] !== LF) return ERROR_UNKNOWN_OPERATION;
    if (payloadEnd + 2 > end) return NEED_MORE;
    this.next = payloadEnd + 2;
    return code;
  }

  /**
   * Notes where the arguments of `arg` stand; those past the greatest legal number are only counted.
   */
  #splitArguments(bytes: Uint8Array): void {
    let count = 0;
    let i = this.argStart;
    const end = this.argEnd;
    for (;;) {
      while (i < end && isBlank(bytes[i]!)) i++;
      if (i === end) break;
      const argumentStart = i;
      while (i < end && !isBlank(bytes[i]!)) i++;
      if (count < ARGUMENTS_MAX) {
        this.#argumentStarts[count] = argumentStart;
        this.#argumentEnds[count] = i;
      }
      count++;
    }
    this.#argumentCount = count;
  }

  /** Returns the number that the argument spells in one to nine digits, or -1. */
  #sizeAt(bytes: Uint8Array, argument: number): number {
    const start = this.#argumentStarts[argument]!;
    const end = this.#argumentEnds[argument]!;
    if (end - start > SIZE_DIGITS_MAX) return -1;
    let size = 0;
    for (let i = start; i < end; i++) {
      const byte = bytes[i]!;
      if (byte < DIGIT_0 || byte > DIGIT_9) return -1;
      size = size * 10 + byte - DIGIT_0;
    }
    return size;
  }
}

/**
 * Returns the operation whose verb stands at `start`, NEED_MORE if the bytes end within a possible
 * verb, or an error at the first byte that no verb has there.
 */
function verbAt(bytes: Uint8Array, start: number, end: number): number {
  const code = verbStartingWith(bytes, start, end);
  if (code <= NEED_MORE) return code;
  const verb = VERBS[code]!;
  for (let i = 0; i < verb.length; i++) {
    if (start + i === end) return NEED_MORE;
    if (toSmall(bytes[start + i]!) !== verb[i]) return ERROR_UNKNOWN_OPERATION;
  }
  return code;
}

/** The one verb that can begin like this; the second byte decides after a P. */
function verbStartingWith(bytes: Uint8Array, start: number, end: number): number {
  switch (toSmall(bytes[start]!)) {
    case 0x70: // p
      if (start + 1 === end) return NEED_MORE;
      switch (toSmall(bytes[start + 1]!)) {
        case 0x75: // u
          return PUB;
        case 0x69: // i
          return PING;
        case 0x6f: // o
          return PONG;
        default:
          return ERROR_UNKNOWN_OPERATION;
      }
    case 0x68: // h
      return HPUB;
    case 0x73: // s
      return SUB;
    case 0x75: // u
      return UNSUB;
    case 0x63: // c
      return CONNECT;
    case 0x69: // i
      return INFO;
    case 0x2b: // +
      return OK;
    case 0x2d: // -
      return ERR;
    default:
      return ERROR_UNKNOWN_OPERATION;
  }
}

/** CONNECT and INFO may touch their document; PING, PONG and +OK ignore what follows. */
function needsBlank(code: number): boolean {
  return code === PUB || code === HPUB || code === SUB || code === UNSUB || code === ERR;
}

export function isBlank(byte: number): boolean {
  return byte === SPACE || byte === TAB;
}

export function toSmall(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte | SMALL_LETTER : byte;
}
