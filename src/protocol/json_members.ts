// The members of a JSON object with their source text. JSON.parse alone hides what Go's encoding/json
// looks at: the order of keys that differ only in case, keys that come twice, and how a number was
// written.

const QUOTE = 0x22;
const COMMA = 0x2c;
const OPENING_BRACKET = 0x5b;
const CLOSING_BRACKET = 0x5d;
const OPENING_BRACE = 0x7b;
const CLOSING_BRACE = 0x7d;
/** JSON's white space is no code above it, and nothing else that stands outside of strings is at or below it. */
const BLANK = 0x20;

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

export interface JsonMember {
  readonly key: string;
  /** The value as it was written, without white space around it. */
  readonly json: string;
  /** Where `json` stands in the document, in UTF-16 units. */
  readonly jsonStart: number;
}

/**
 * Returns `bytes[start, end)` as text. Broken UTF-8 becomes U+FFFD; a byte order mark stays, for it is
 * no JSON.
 */
export function decodeJson(bytes: Uint8Array, start: number, end: number): string {
  // slice, because TextDecoder refuses shared memory.
  return decoder.decode(bytes.slice(start, end));
}

/**
 * Returns the members of the object that `text` is, in the order written, duplicates included; none for
 * the document `null`; or null if the document is anything else or no JSON.
 */
export function jsonMembers(text: string): JsonMember[] | null {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    return null;
  }
  if (document === null) return [];
  if (typeof document !== "object" || Array.isArray(document)) return null;
  return splitObject(text);
}

/** Splits what JSON.parse has accepted as an object, so that only strings and nesting need care. */
function splitObject(text: string): JsonMember[] {
  const members: JsonMember[] = [];
  let at = skipBlanks(text, text.indexOf("{") + 1);
  while (text.charCodeAt(at) === QUOTE) {
    const keyEnd = endOfString(text, at);
    const quoted = text.slice(at, keyEnd);
    const key = quoted.includes("\\") ? (JSON.parse(quoted) as string) : quoted.slice(1, -1);
    const jsonStart = skipBlanks(text, text.indexOf(":", keyEnd) + 1);
    const jsonEnd = endOfValue(text, jsonStart);
    members.push({ key, json: text.slice(jsonStart, jsonEnd), jsonStart });
    at = skipBlanks(text, jsonEnd);
    if (text.charCodeAt(at) === COMMA) at = skipBlanks(text, at + 1);
  }
  return members;
}

function skipBlanks(text: string, start: number): number {
  let at = start;
  while (text.charCodeAt(at) <= BLANK) at++;
  return at;
}

function endOfValue(text: string, start: number): number {
  let depth = 0;
  for (let at = start; ; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = endOfString(text, at) - 1;
    else if (code === OPENING_BRACE || code === OPENING_BRACKET) depth++;
    else if (depth === 0 && (code === COMMA || code === CLOSING_BRACE || code <= BLANK)) return at;
    else if (code === CLOSING_BRACE || code === CLOSING_BRACKET) depth--;
  }
}

/** Where the string ends that starts at `opening`. A quote behind an odd number of backslashes is part of it. */
function endOfString(text: string, opening: number): number {
  for (let quote = text.indexOf('"', opening + 1); ; quote = text.indexOf('"', quote + 1)) {
    let first = quote;
    while (text[first - 1] === "\\") first--;
    if ((quote - first) % 2 === 0) return quote + 1;
  }
}

/** As Go folds keys: beyond ASCII, the Kelvin sign is a k (to toLowerCase as well) and the long s an s. */
export function foldCase(key: string): string {
  return key.replaceAll("\u017f", "s").toLowerCase();
}
