// What the log says of the operation for which a client is closed, in nats-server's words. Cold: once a connection.

import * as parse from "./client_parser.ts";
import {
  ERROR_ARGUMENTS,
  ERROR_HEADERS_NOT_NEGOTIATED,
  ERROR_MAXIMUM_CONTROL_LINE,
  ERROR_MAXIMUM_PAYLOAD,
  ERROR_UNKNOWN_OPERATION,
} from "./errors.ts";
import { goQuote } from "./go_quote.ts";
import { quotedSnippet } from "./snippet.ts";

export interface ClientFault {
  /** What is wrong, without anything that the client chose. Lines with the same statement are limited. */
  readonly statement: string;
  readonly text: string;
}

const CR = 0x0d;

// Numbers that nats-server gives the states of its parser (parser.go), for those who look for its lines.
const STATE_MESSAGE_END_CR = 41;
const STATE_MESSAGE_END_LF = 42;
/** By operation code: the parser's state before the first letter of the verb; each letter adds one. */
const STATE_BEFORE_VERB = [0, 28, 17, 42, 58, 9, 32, 35, 70, 0, 3];
/** The state after a single P. */
const STATE_P = 29;

const OPERATION_NAMES: Readonly<Record<number, string>> = {
  [parse.PUB]: "processPub",
  [parse.HPUB]: "processHeaderPub",
  [parse.SUB]: "processSub",
  [parse.UNSUB]: "processUnsub",
};

/**
 * Says what was wrong with the operation at `start`, for which `parser` has just returned `code`; undefined where the
 * error's own text says all of it. `received` is where the bytes of this read begin and `end` where they end.
 */
export function clientFault(
  parser: parse.ClientParser,
  code: number,
  bytes: Uint8Array,
  start: number,
  received: number,
  end: number,
): ClientFault | undefined {
  switch (code) {
    case ERROR_ARGUMENTS: {
      const { argumentCode, argumentFault } = parser;
      const isPub = argumentCode === parse.PUB && argumentFault === parse.FAULT_TOTAL_SIZE;
      const words = isPub ? "Bad or Missing Size" : argumentWords(argumentFault);
      const statement = `${OPERATION_NAMES[argumentCode]} ${words}`;
      return { statement, text: `${statement}: ${goQuote(bytes, parser.argStart, parser.argEnd)}` };
    }
    case ERROR_HEADERS_NOT_NEGOTIATED:
      return plainFault("message headers not supported");
    case ERROR_MAXIMUM_CONTROL_LINE:
      return plainFault("maximum control line exceeded");
    case ERROR_MAXIMUM_PAYLOAD: {
      const statement = "maximum payload exceeded";
      return { statement, text: `${statement}: ${parser.totalSize} vs ${parser.maxPayloadBytes}` };
    }
    case ERROR_UNKNOWN_OPERATION: {
      if (!parser.lineComplete) return verbFault(parser, bytes, start, received, end);
      const payloadEnd = parser.payloadStart + parser.totalSize;
      return payloadFault(bytes[payloadEnd] === CR, bytes, payloadEnd, received, end);
    }
    default:
      return undefined;
  }
}

/** A fault that is described in the same words whatever the client sent. */
export function plainFault(text: string): ClientFault {
  return { statement: text, text };
}

/** No CR LF stands at `at`, where a payload ends; `hasCr`: the CR does. */
export function payloadFault(
  hasCr: boolean,
  bytes: Uint8Array,
  at: number,
  received: number,
  end: number,
): ClientFault {
  return hasCr
    ? unknownOperation(STATE_MESSAGE_END_LF, bytes, at + 1, received, end)
    : unknownOperation(STATE_MESSAGE_END_CR, bytes, at, received, end);
}

/** What follows the end of a payload, or what stands in the line of an operation, is not what must be there. */
function unknownOperation(
  state: number,
  bytes: Uint8Array,
  at: number,
  received: number,
  end: number,
  isSecret = false,
): ClientFault {
  const snippet = isSecret ? '"[REDACTED]"' : quotedSnippet(bytes, Math.max(at, received), end);
  const statement = "Client parser ERROR";
  return {
    statement,
    text: `${statement}, state=${state}, i=${Math.max(0, at - received)}: proto='${snippet}...'`,
  };
}

/** A byte of the verb is at fault, or the one behind it, or a CR within the line, where nats-server has none. */
function verbFault(
  { skipState }: parse.ClientParser,
  bytes: Uint8Array,
  start: number,
  received: number,
  end: number,
): ClientFault {
  const code = skipState === 0 ? closestVerb(bytes, start, end) : skipState;
  const verb = parse.VERBS[code]!;
  const letterCount = skipState === 0 ? lettersOf(verb, bytes, start, end) : verb.length;
  const isConnect = code === parse.CONNECT;
  const mayTouch = isConnect || code === parse.INFO;
  const at = skipState === 0 ? start + letterCount : start;
  const isInLine = letterCount === verb.length && (mayTouch || skipState !== 0 || parse.isBlank(bytes[at]!));
  if (!isInLine) return unknownOperation(verbState(code, letterCount), bytes, at, received, end);
  const cr = bytes.indexOf(CR, at);
  const state = verbState(code, letterCount) + (mayTouch ? 1 : 2);
  return unknownOperation(state, bytes, cr, received, end, isConnect);
}

function verbState(code: number, letterCount: number): number {
  if (letterCount === 0) return 0;
  const isP = code === parse.PUB || code === parse.PING || code === parse.PONG;
  return isP && letterCount === 1 ? STATE_P : STATE_BEFORE_VERB[code]! + letterCount;
}

/** The verb that most of the letters at `start` are of. */
function closestVerb(bytes: Uint8Array, start: number, end: number): number {
  let closest: number = parse.PUB;
  let most = 0;
  for (let code: number = parse.PUB; code <= parse.ERR; code++) {
    const count = lettersOf(parse.VERBS[code]!, bytes, start, end);
    if (count > most) [closest, most] = [code, count];
  }
  return closest;
}

/** How many of its first letters stand at `start`. */
function lettersOf(verb: Uint8Array, bytes: Uint8Array, start: number, end: number): number {
  let count = 0;
  while (count < verb.length && start + count < end && parse.toSmall(bytes[start + count]!) === verb[count])
    count++;
  return count;
}

function argumentWords(fault: number): string {
  switch (fault) {
    case parse.FAULT_HEADER_SIZE:
      return "Bad or Missing Header Size";
    case parse.FAULT_TOTAL_SIZE:
      return "Bad or Missing Total Size";
    case parse.FAULT_HEADER_LARGER:
      return "Header Size larger then TotalSize";
    default:
      return "Parse Error";
  }
}
