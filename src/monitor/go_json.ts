import { decimals, type EpochMs, formatTime } from "../protocol/go_json.ts";

/** Ages and durations as Go writes them, for the reports; the rest of Go's JSON is in `protocol/go_json.ts`. */

export {
  type EpochMs,
  encodeGoJson,
  formatTime,
  type Integer,
  omitEmpty,
  sortedRecord,
} from "../protocol/go_json.ts";

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
 * An age as nats-server writes `uptime` and `idle`: whole seconds, from the largest unit that is not zero down to
 * seconds: `22s`, `4m22s`, `22y32d4h4m22s`. A year is 365 days.
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
  return `${whole}${decimals(value - whole * unit, digits)}`;
}

/**
 * A round trip time as `rtt` shows it: between one microsecond and one millisecond it is cut to
 * whole microseconds. Source: nats-server `client.getRTT`.
 */
export function formatRoundTrip(ns: number): string {
  return formatDuration(ns > 1_000 && ns < NS_PER_MS ? ns - (ns % 1_000) : ns);
}
