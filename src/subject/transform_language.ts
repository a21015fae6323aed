import { byteStringOfText } from "./byte_string.ts";

/**
 * The tokens of a transform's destination: text, `$n`, `>` and functions such as `{{partition(3,1)}}`. Wildcards are
 * numbered from 1. Source: nats-server subject_transform.go.
 */
export type DestinationToken =
  /** This is also `>`, and `$` with something that is no number. */
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "wildcard"; readonly wildcard: number }
  /** One or more tokens cut from that of a wildcard, which is a byte string. */
  | { readonly kind: "cut"; readonly wildcard: number; readonly cut: (token: string) => string }
  /** A number below `count`, the same for the same tokens. If no wildcard is named, it depends on the whole subject. */
  | { readonly kind: "partition"; readonly count: number; readonly wildcards: readonly number[] }
  /** Any number below `bound`. */
  | { readonly kind: "random"; readonly bound: number };

/** What is wrong with a transform or with a part of it, in nats-server's words. */
export interface TransformProblem {
  readonly problem: string;
}

const NOT_ENOUGH = { problem: "not enough arguments passed to the function" };
const TOO_MANY = { problem: "too many arguments passed to the function" };
const BAD_ARGUMENT = { problem: "function argument is invalid or in the wrong format" };
const UNKNOWN_FUNCTION = { problem: "unknown function" };

/** Reads one token of a destination, as text. */
export function readDestinationToken(text: string): DestinationToken | TransformProblem {
  if (text.length > 1 && text.startsWith("$")) {
    // Only arguments of functions may have blanks around them.
    const wildcard = text.includes(" ") ? undefined : readInteger(text.slice(1));
    return wildcard === undefined ? { kind: "text", text } : { kind: "wildcard", wildcard };
  }
  if (!looksLikeFunction(text)) return { kind: "text", text };
  for (const { call, read } of FUNCTIONS) {
    const list = call.exec(text)?.[1];
    if (list !== undefined) return read(list.split(/,[\t\n\f\r ]*/));
  }
  return UNKNOWN_FUNCTION;
}

/** Whether a token of a destination is a function, known or not. */
export function looksLikeFunction(text: string): boolean {
  return text.length > 4 && text.startsWith("{{") && text.endsWith("}}");
}

/** Whether a token that looks like a function calls one that exists. */
export function isKnownFunction(text: string): boolean {
  return FUNCTIONS.some(({ call }) => call.test(text));
}

/**
 * Whether a token looks like a wildcard's number. nats-server makes patterns of the destinations of imports by that: by the
 * first digit, and by a call anywhere in the token.
 */
export function looksLikeReference(text: string): boolean {
  const list = WILDCARD_CALL.exec(text)?.[1];
  return /^\$[1-9]/.test(text) || (list !== undefined && list !== "" && !list.includes(","));
}

type ReadArguments = (values: readonly string[]) => DestinationToken | TransformProblem;

const WILDCARD_CALL = callOf("wildcard");

/** The functions, in the order in which nats-server looks for them. */
const FUNCTIONS: readonly { readonly call: RegExp; readonly read: ReadArguments }[] = [
  { call: WILDCARD_CALL, read: readWildcard },
  { call: callOf("partition"), read: readPartition },
  { call: callOf("split", "from", "left"), read: cutAtLength(splitFromLeft) },
  { call: callOf("split", "from", "right"), read: cutAtLength(splitFromRight) },
  { call: callOf("slice", "from", "left"), read: cutAtLength(sliceFromLeft) },
  { call: callOf("slice", "from", "right"), read: cutAtLength(sliceFromRight) },
  { call: callOf("right"), read: cutAtLength((token, length) => token.slice(-length)) },
  { call: callOf("left"), read: cutAtLength((token, length) => token.slice(0, length)) },
  { call: callOf("split"), read: readSplit },
  { call: callOf("random"), read: readRandom },
];

/** Matches a call of the function that these words name. Each word may begin in either case. Captures the arguments. */
function callOf(...words: string[]): RegExp {
  const name = words.map((word) => `[${word[0]}${word[0]!.toUpperCase()}]${word.slice(1)}`).join("");
  return new RegExp(`\\{\\{[\\t\\n\\f\\r ]*${name}[\\t\\n\\f\\r ]*\\((.*)\\)[\\t\\n\\f\\r ]*\\}\\}`);
}

function readWildcard([index = "", ...rest]: readonly string[]): DestinationToken | TransformProblem {
  if (rest.length > 0) return TOO_MANY;
  if (index === "") return NOT_ENOUGH;
  const wildcard = readInteger(index);
  return wildcard === undefined ? BAD_ARGUMENT : { kind: "wildcard", wildcard };
}

function readPartition([first = "", ...rest]: readonly string[]): DestinationToken | TransformProblem {
  const count = readInteger(first);
  if (count === undefined || count > INT32_MAX) return BAD_ARGUMENT;
  const wildcards: number[] = [];
  for (const text of rest) {
    const wildcard = readInteger(text);
    if (wildcard === undefined) return BAD_ARGUMENT;
    wildcards.push(wildcard);
  }
  return { kind: "partition", count: toInt32(count), wildcards };
}

function readRandom([first = "", ...rest]: readonly string[]): DestinationToken | TransformProblem {
  // nats-server says this also of too many arguments.
  if (rest.length > 0) return NOT_ENOUGH;
  const bound = readInteger(first);
  return bound === undefined || bound > INT32_MAX ? BAD_ARGUMENT : { kind: "random", bound: toInt32(bound) };
}

function readSplit([index = "", delimiterText, ...rest]: readonly string[]):
  | DestinationToken
  | TransformProblem {
  if (delimiterText === undefined) return NOT_ENOUGH;
  if (rest.length > 0) return TOO_MANY;
  const wildcard = readInteger(index);
  if (wildcard === undefined || /[ .]/.test(delimiterText)) return BAD_ARGUMENT;
  const delimiter = byteStringOfText(delimiterText);
  return { kind: "cut", wildcard, cut: (token) => split(token, delimiter) };
}

/** A function of a wildcard and a number of bytes. It leaves tokens that are not longer than that as they are. */
function cutAtLength(cut: (token: string, length: number) => string): ReadArguments {
  return ([index = "", lengthText, ...rest]) => {
    if (lengthText === undefined) return NOT_ENOUGH;
    if (rest.length > 0) return TOO_MANY;
    const wildcard = readInteger(index);
    const length = readInteger(lengthText);
    if (wildcard === undefined || length === undefined) return BAD_ARGUMENT;
    if (length > INT32_MAX || length < INT32_MIN) return BAD_ARGUMENT;
    const cutLonger = (token: string) => (length > 0 && length < token.length ? cut(token, length) : token);
    return { kind: "cut", wildcard, cut: cutLonger };
  };
}

function splitFromLeft(token: string, length: number): string {
  return `${token.slice(0, length)}.${token.slice(length)}`;
}

function splitFromRight(token: string, length: number): string {
  return `${token.slice(0, -length)}.${token.slice(-length)}`;
}

function sliceFromLeft(token: string, length: number): string {
  return slice(token, 0, length).join(".");
}

function sliceFromRight(token: string, length: number): string {
  const remainder = token.length % length;
  const slices = slice(token, remainder, length);
  return (remainder === 0 ? slices : [token.slice(0, remainder), ...slices]).join(".");
}

function slice(token: string, from: number, length: number): string[] {
  const slices: string[] = [];
  for (let at = from; at < token.length; at += length) slices.push(token.slice(at, at + length));
  return slices;
}

/**
 * The parts between delimiters, empty ones dropped; a token that starts with two delimiters keeps a dot for the
 * second, and what that makes is a subject nobody receives, as in nats-server.
 */
function split(token: string, delimiter: string): string {
  const parts = delimiter === "" ? charactersOf(token) : token.split(delimiter);
  return parts
    .map((part, i) => {
      const isSeparated = i + 1 < parts.length && parts[i + 1] !== "" && !(i === 0 && part === "");
      return isSeparated ? `${part}.` : part;
    })
    .join("");
}

/** The UTF-8 characters of a byte string. A byte that belongs to none is one by itself. */
function charactersOf(byteString: string): string[] {
  const character = /[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}|[\s\S]/g;
  return byteString.match(character) ?? [];
}

const INT32_MAX = 0x7fffffff;
const INT32_MIN = -0x80000000;
const INT64_MAX = 0x7fffffffffffffffn;

/**
 * An integer of 64 bits, with or without a sign and blanks around it; undefined for anything else. Large ones lose
 * digits, which does not matter because they are beyond every bound.
 */
function readInteger(text: string): number | undefined {
  const digits = text.replace(/^ +| +$/g, "");
  if (!/^[+-]?\d+$/.test(digits)) return undefined;
  const value = BigInt(digits.replace(/^\+/, ""));
  return value > INT64_MAX || value < -INT64_MAX - 1n ? undefined : Number(value);
}

/** The number that Go makes of one that does not fit into 32 bits. */
function toInt32(value: number): number {
  return Number(BigInt.asIntN(32, BigInt(value)));
}
