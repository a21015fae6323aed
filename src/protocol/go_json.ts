/**
 * JSON as nats-server prints it, in reports, events and headers. Tools compare it with nats-server's, and some of
 * them refuse a value in another form, so escapes and times follow Go's encoder to the letter.
 */

/** An integer from a request; a `bigint` only where a number would lose digits. */
export type Integer = number | bigint;

/** Milliseconds since 1970-01-01 UTC; the fraction carries microseconds. `null`: never happened. */
export type EpochMs = number | null;

/**
 * Encodes a report. `indent` is the number of spaces per level, 0 for the compact form.
 *
 * Keys keep the order in which the object was built, keys that hold `undefined` are left out, and
 * there is no trailing newline. `<`, `>`, `&` and the two Unicode line separators leave as `\uXXXX`.
 * Source: Go encoding/json, `MarshalIndent`.
 */
export function encodeGoJson(value: unknown, indent = 2): string {
  const text = stringify(value, indent);
  // Outside strings JSON has none of these characters, so the whole text can be searched.
  return text.replace(/[<>&\u2028\u2029]/g, escapeUnicode);
}

/** With a replacer a page of /connz takes five times as long (5 of 1 ms), and hardly any report holds what needs one. */
function stringify(value: unknown, indent: number): string {
  try {
    return JSON.stringify(value, null, indent);
  } catch {
    return JSON.stringify(value, bigintAsNumber, indent);
  }
}

// TypeScript's library does not describe JSON.rawJSON yet; both runtimes have it.
const rawJson = (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON;

function bigintAsNumber(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? rawJson(value.toString()) : value;
}

function escapeUnicode(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/**
 * The value, or `undefined` when Go's `omitempty` would leave the field out: zero, false, an empty
 * string, an empty list or nothing at all.
 */
export function omitEmpty<T>(value: T | null | undefined): T | undefined {
  if (value === null || value === undefined || value === 0 || value === false || value === "")
    return undefined;
  if (Array.isArray(value) && value.length === 0) return undefined;
  return value as T;
}

/** A plain object with the map's entries, its keys sorted as Go sorts the keys of a map. */
export function sortedRecord<T>(entries: Iterable<readonly [string, T]>): Record<string, T> {
  return Object.fromEntries([...entries].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
}

const DIGIT_ZERO = 0x30;
const SECONDS_PER_DAY = 86_400;
/** `00` to `59`. */
const TWO_DIGITS = Array.from({ length: 60 }, (_, number) => String(number).padStart(2, "0"));

/**
 * The last day that was formatted, and its text: lists have thousands of times on few days, and formatting dates is
 * slow.
 */
let lastDay = Number.NaN;
let lastDayText = "";

/** RFC 3339 in UTC with the fraction's trailing zeros cut: `2026-03-02T09:15:21.49Z`. */
export function formatTime(time: EpochMs): string {
  if (time === null) return "0001-01-01T00:00:00Z";
  const microseconds = Math.round(time * 1000);
  const seconds = Math.floor(microseconds / 1_000_000);
  const day = Math.floor(seconds / SECONDS_PER_DAY);
  if (day !== lastDay) {
    lastDay = day;
    lastDayText = new Date(day * SECONDS_PER_DAY * 1000).toISOString().slice(0, 10);
  }
  const second = seconds - day * SECONDS_PER_DAY;
  const hour = TWO_DIGITS[Math.floor(second / 3600)];
  const minute = TWO_DIGITS[Math.floor(second / 60) % 60];
  return `${lastDayText}T${hour}:${minute}:${TWO_DIGITS[second % 60]}${decimals(microseconds - seconds * 1_000_000, 6)}Z`;
}

/** The point and `numerator / 10 ** digits` after it, without trailing zeros; nothing for 0. */
export function decimals(numerator: number, digits: number): string {
  if (numerator === 0) return "";
  const text = String(numerator).padStart(digits, "0");
  let end = digits;
  while (text.charCodeAt(end - 1) === DIGIT_ZERO) end--;
  return `.${text.slice(0, end)}`;
}
