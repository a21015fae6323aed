/**
 * JSON as nats-server prints it. Tools compare these answers with nats-server's, and some of them
 * refuse a value in another form, so escapes, times and durations follow Go's encoder to the letter.
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
  const text = JSON.stringify(value, bigintAsNumber, indent);
  // Outside strings JSON has none of these characters, so the whole text can be searched.
  return text.replace(/[<>&\u2028\u2029]/g, escapeUnicode);
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

/** RFC 3339 in UTC with the fraction's trailing zeros cut: `2026-03-02T09:15:21.49Z`. */
export function formatTime(time: EpochMs): string {
  if (time === null) return "0001-01-01T00:00:00Z";
  const microseconds = Math.round(time * 1000);
  const seconds = Math.floor(microseconds / 1_000_000);
  const fraction = String(microseconds - seconds * 1_000_000)
    .padStart(6, "0")
    .replace(/0+$/, "");
  const whole = new Date(seconds * 1000).toISOString().slice(0, 19);
  return fraction === "" ? `${whole}Z` : `${whole}.${fraction}Z`;
}

/** Like `formatTime`, but leaves out a time that never was. */
export function omitZeroTime(time: EpochMs | undefined): string | undefined {
  return time === null || time === undefined ? undefined : formatTime(time);
}

const NS_PER_MS = 1_000_000;

/** Milliseconds as the whole nanoseconds in which nats-server prints its configured intervals. */
export function msToNs(ms: number): number {
  return Math.round(ms * NS_PER_MS);
}

/**
 * Age as nats-server's `uptime` and `idle`: whole seconds, from the largest unit that is not zero
 * down to seconds: `22s`, `4m22s`, `22y32d4h4m22s`. A year is 365 days.
 * Source: nats-server `myUptime`.
 */
export function formatUptime(ms: number): string {
  const seconds = Math.trunc(ms / 1000);
  const minutes = Math.trunc(seconds / 60);
  const hours = Math.trunc(minutes / 60);
  const days = Math.trunc(hours / 24);
  const years = Math.trunc(days / 365);

  if (years > 0) return `${years}y${days % 365}d${hours % 24}h${minutes % 60}m${seconds % 60}s`;
  if (days > 0) return `${days}d${hours % 24}h${minutes % 60}m${seconds % 60}s`;
  if (hours > 0) return `${hours}h${minutes % 60}m${seconds % 60}s`;
  if (minutes > 0) return `${minutes}m${seconds % 60}s`;
  return `${seconds % 60}s`;
}

/**
 * A duration as Go prints one: `0s`, `482µs`, `1.234567ms`, `7.887282529s`, `1m2.5s`, `2h0m0s`.
 * `ns` is a whole, non-negative number of nanoseconds. Source: Go time, `Duration.String`.
 */
export function formatDuration(ns: number): string {
  if (ns === 0) return "0s";
  if (ns < 1_000) return `${ns}ns`;
  if (ns < 1_000_000) return `${decimal(ns, 3)}µs`;
  if (ns < 1_000_000_000) return `${decimal(ns, 6)}ms`;

  const minutes = Math.floor(ns / 60e9);
  const seconds = `${decimal(ns - minutes * 60e9, 9)}s`;
  if (minutes === 0) return seconds;
  if (minutes < 60) return `${minutes}m${seconds}`;
  return `${Math.floor(minutes / 60)}h${minutes % 60}m${seconds}`;
}

/** `value` divided by ten to the power of `digits`, exactly, without trailing zeros. */
function decimal(value: number, digits: number): string {
  const unit = 10 ** digits;
  const whole = Math.floor(value / unit);
  const fraction = String(value - whole * unit)
    .padStart(digits, "0")
    .replace(/0+$/, "");
  return fraction === "" ? String(whole) : `${whole}.${fraction}`;
}

/**
 * A round trip time as `rtt` shows it: between one microsecond and one millisecond it is cut to
 * whole microseconds. Source: nats-server `client.getRTT`.
 */
export function formatRoundTrip(ns: number): string {
  return formatDuration(ns > 1_000 && ns < NS_PER_MS ? ns - (ns % 1_000) : ns);
}

/** Text between double quotes, escaped as Go's `%q`, which its number parsers put into messages. */
export function quoteGo(text: string): string {
  let quoted = "";
  for (const character of text) quoted += GO_ESCAPES.get(character) ?? escapeUnprintable(character);
  return `"${quoted}"`;
}

const GO_ESCAPES = new Map([
  ['"', '\\"'],
  ["\\", "\\\\"],
  ["\x07", "\\a"],
  ["\b", "\\b"],
  ["\f", "\\f"],
  ["\n", "\\n"],
  ["\r", "\\r"],
  ["\t", "\\t"],
  ["\v", "\\v"],
]);

function escapeUnprintable(character: string): string {
  if (/^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u.test(character)) return character;
  const code = character.codePointAt(0)!;
  if (code < 0x80) return `\\x${code.toString(16).padStart(2, "0")}`;
  if (code < 0x10000) return `\\u${code.toString(16).padStart(4, "0")}`;
  return `\\U${code.toString(16).padStart(8, "0")}`;
}
