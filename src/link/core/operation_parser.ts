/**
 * Parses operations from another server. Everything that the engine does not scan by itself comes through here:
 * handshakes, interest, commands, messages with queue groups.
 */
import { CloseReason } from "../../protocol/close_reason.ts";
import { decodeJson } from "../../protocol/json_members.ts";
import { quotedSnippet } from "../../protocol/snippet.ts";
import { byteStringOf } from "../../subject/byte_string.ts";
import type { LinkKind } from "./link.ts";
import { type LinkFault, violation } from "./link_fault.ts";
import type { LinkOperation } from "./operation.ts";
import { type InterestVerb, type MessageVerb, readInterest, readMessageHead } from "./operation_arguments.ts";

/** The rules by which the bytes of one connection are parsed. They change during the handshake. */
export interface OperationRules {
  readonly kind: LinkKind;
  /** Whether it is a route of one account, whose lines do not name the account. */
  readonly isOfOneAccount?: boolean;
  /** Longest argument part of a line: 16 × `max_control_line`. */
  readonly controlLineBytesMax: number;
  /** Longest message, headers included; null for no limit, as on routes and gateways. */
  readonly payloadBytesMax: number | null;
  /** Whether the peer's `LS-` names the origin (`lnocu` in its INFO). */
  readonly unsubscribeHasOrigin: boolean;
  /**
   * The lower-case letters with which an operation may begin while CONNECT is due; "" for all. Any other first byte is
   * an authorization violation.
   */
  readonly firstLetters: string;
}

export type ParsedOperation =
  | { readonly state: "operation"; readonly operation: LinkOperation; readonly next: number }
  /**
   * Bytes before `next` are used up; the rest is the start of an operation. It takes `bytesWanted` bytes in all if that
   * is known already, which it is for a message whose line is complete; else 0.
   */
  | { readonly state: "incomplete"; readonly next: number; readonly bytesWanted: number }
  /** The connection has to be closed. */
  | { readonly state: "error"; readonly fault: LinkFault };

type Verb = InterestVerb | MessageVerb | "connect" | "info" | "ping" | "pong" | "+ok" | "-err" | "a+" | "a-";

const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;

// No verb is the beginning of another.
const VERBS_OF_ALL: readonly Verb[] = [
  "rmsg",
  "hmsg",
  "rs+",
  "rs-",
  "ping",
  "pong",
  "info",
  "connect",
  "-err",
  "+ok",
  "a+",
  "a-",
  "sub",
  "unsub",
];
const VERBS: Readonly<Record<LinkKind, readonly Verb[]>> = {
  route: [...VERBS_OF_ALL, "lmsg", "ls+", "ls-"],
  gateway: VERBS_OF_ALL,
  leaf: [...VERBS_OF_ALL, "lmsg", "ls+", "ls-"],
};

/** CONNECT and INFO may touch their document; PING, PONG and +OK ignore what follows. */
const VERBS_WITHOUT_BLANK: readonly Verb[] = ["connect", "info", "ping", "pong", "+ok"];

const KIND_NAMES: Readonly<Record<LinkKind, string>> = {
  route: "Router",
  gateway: "Gateway",
  leaf: "Leafnode",
};

/**
 * Parses the first operation of `bytes[start, end)` and copies what it contains. If the bytes have a buffer of their
 * own (`isOwn`), the content of a message is a view of that buffer instead. The operations are the same however the
 * stream is cut. Lines that mean nothing on this kind of link are skipped.
 *
 * Source: nats-server `parse`; clusters.md 1.1. There are three deviations. A CR within a line that no LF follows is
 * refused; nats-server loses a byte there. Blanks before the arguments, and the rest of a PING line, are limited like
 * arguments. The client's PUB and HPUB are unknown.
 */
export function parseOperation(
  bytes: Uint8Array,
  start: number,
  end: number,
  rules: OperationRules,
  isOwn = false,
): ParsedOperation {
  let next = start;
  while (next < end) {
    const parsed = parseLine(bytes, next, end, rules, isOwn);
    if (parsed.state !== "ignored") return parsed;
    next = parsed.next;
  }
  return { state: "incomplete", next, bytesWanted: 0 };
}

type ParsedLine = ParsedOperation | { readonly state: "ignored"; readonly next: number };

function parseLine(
  bytes: Uint8Array,
  start: number,
  end: number,
  rules: OperationRules,
  isOwn: boolean,
): ParsedLine {
  if (rules.firstLetters !== "" && !rules.firstLetters.includes(String.fromCharCode(small(bytes[start]!)))) {
    return failed(AUTHORIZATION_FAULT);
  }
  const verb = verbAt(bytes, start, end, VERBS[rules.kind]);
  if (verb === "incomplete") return incomplete(start);
  const unknown = () => failed(unknownOperation(bytes, start, end, rules.kind));
  if (verb === "unknown") return unknown();
  const verbEnd = start + verb.length;
  if (!VERBS_WITHOUT_BLANK.includes(verb)) {
    if (verbEnd === end) return incomplete(start);
    if (!isBlank(bytes[verbEnd]!)) return unknown();
  }

  let lineStart = verbEnd;
  while (lineStart < end && isBlank(bytes[lineStart]!)) lineStart++;
  if (lineStart - verbEnd > rules.controlLineBytesMax) return failed(CONTROL_LINE_FAULT);
  let lineFeed = lineStart;
  let firstCr = end;
  for (; lineFeed < end && bytes[lineFeed] !== LF; lineFeed++)
    if (bytes[lineFeed] === CR && firstCr === end) firstCr = lineFeed;
  const isComplete = lineFeed < end;
  const hasCr = lineFeed > lineStart && bytes[lineFeed - 1] === CR;
  const lineEnd = hasCr ? lineFeed - 1 : lineFeed;
  const isFree = verb === "ping" || verb === "pong" || verb === "+ok";
  const strayCr = isFree ? lineEnd : Math.min(firstCr, lineEnd);
  // The first problem in the line counts, so that the result is the same however the line is cut.
  if (strayCr - lineStart > rules.controlLineBytesMax) return failed(CONTROL_LINE_FAULT);
  if (strayCr < lineEnd) return unknown();
  if (!isComplete) return incomplete(start);

  const next = lineFeed + 1;
  switch (verb) {
    case "ping":
    case "pong":
      return { state: "operation", operation: { kind: verb }, next };
    case "+ok":
      return { state: "operation", operation: { kind: "ok" }, next };
    case "info":
    case "connect": {
      const json = decodeJson(bytes, lineStart, lineEnd);
      return { state: "operation", operation: { kind: verb, json }, next };
    }
  }
  const line = byteStringOf(bytes, lineStart, lineEnd);
  switch (verb) {
    case "-err":
      return { state: "operation", operation: { kind: "error", text: withoutQuotes(line) }, next };
    case "a+":
    case "a-": {
      if (rules.kind !== "gateway") return { state: "ignored", next };
      const hasInterest = verb === "a+";
      return { state: "operation", operation: { kind: "account", account: line, hasInterest }, next };
    }
    case "rmsg":
    case "hmsg":
    case "lmsg":
      return parseMessage(verb, line, bytes, { start, contentStart: next, end }, rules, isOwn);
    default: {
      const read = readInterest(verb, line, rules);
      if (!read.ok) return failed(violation(read.problem));
      if (read.value === null) return { state: "ignored", next };
      return { state: "operation", operation: read.value, next };
    }
  }
}

function parseMessage(
  verb: MessageVerb,
  line: string,
  bytes: Uint8Array,
  bounds: { readonly start: number; readonly contentStart: number; readonly end: number },
  rules: OperationRules,
  isOwn: boolean,
): ParsedOperation {
  const read = readMessageHead(verb, line, rules);
  if (!read.ok) return failed(violation(read.problem));
  const { headerBytes, totalBytes, ...head } = read.value;
  const payloadMax = rules.payloadBytesMax;
  if (payloadMax !== null && totalBytes > payloadMax) return failed(payloadFault(totalBytes, payloadMax));

  const { start, contentStart, end } = bounds;
  const contentEnd = contentStart + totalBytes;
  const isCut = (byte: number, at: number) => at < end && bytes[at] !== byte;
  if (isCut(CR, contentEnd) || isCut(LF, contentEnd + 1)) {
    return failed(unknownOperation(bytes, contentEnd, end, rules.kind));
  }
  const next = contentEnd + 2;
  if (next > end) return { state: "incomplete", next: start, bytesWanted: next - start };
  // The copy includes the line break, because records need it after the content.
  const whole = isOwn
    ? (bytes.subarray(contentStart, next) as Uint8Array<ArrayBuffer>)
    : bytes.slice(contentStart, next);
  const content = { bytes: whole.subarray(0, totalBytes), headerBytes };
  return { state: "operation", operation: { kind: "message", ...head, content }, next };
}

/** The verb at `start`, whatever its case. */
function verbAt(
  bytes: Uint8Array,
  start: number,
  end: number,
  verbs: readonly Verb[],
): Verb | "incomplete" | "unknown" {
  for (const verb of verbs) {
    let i = 0;
    while (i < verb.length && start + i < end && small(bytes[start + i]!) === verb.charCodeAt(i)) i++;
    if (i === verb.length) return verb;
    if (start + i === end) return "incomplete";
  }
  return "unknown";
}

/** Lower-cases an ASCII letter; any other byte stays as it is. */
function small(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
}

function isBlank(byte: number): boolean {
  return byte === SPACE || byte === TAB;
}

function withoutQuotes(text: string): string {
  return text.length >= 2 && text.startsWith("'") && text.endsWith("'") ? text.slice(1, -1) : text;
}

const AUTHORIZATION_FAULT: LinkFault = {
  logText: "authentication error",
  wireText: "Authorization Violation",
  closeReason: CloseReason.AuthenticationFailure,
};

const CONTROL_LINE_FAULT: LinkFault = {
  logText: "maximum control line exceeded",
  wireText: "maximum control line exceeded",
  closeReason: CloseReason.MaximumControlLineExceeded,
};

function payloadFault(totalBytes: number, payloadBytesMax: number): LinkFault {
  return {
    logText: `maximum payload exceeded: ${totalBytes} vs ${payloadBytesMax}`,
    wireText: "Maximum Payload Violation",
    closeReason: CloseReason.MaximumPayloadExceeded,
  };
}

function unknownOperation(bytes: Uint8Array, at: number, end: number, kind: LinkKind): LinkFault {
  return {
    logText: `${KIND_NAMES[kind]} parser ERROR: proto='${quotedSnippet(bytes, at, end)}...'`,
    wireText: "Unknown Protocol Operation",
    closeReason: CloseReason.ProtocolViolation,
  };
}

function incomplete(start: number): ParsedOperation {
  return { state: "incomplete", next: start, bytesWanted: 0 };
}

function failed(fault: LinkFault): ParsedOperation {
  return { state: "error", fault };
}
