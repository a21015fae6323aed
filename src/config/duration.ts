/** Durations as NATS configurations write them: Go's syntax, here always as a number of milliseconds. */

const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  "\u00b5s": 1e-3,
  "\u03bcs": 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** Go keeps durations as int64 nanoseconds and refuses longer ones, so they are refused here too. */
const DURATION_MS_MAX = 2 ** 63 / 1e6;

/**
 * Reads a signed sequence of decimals with units, such as `1h30m` or `-1.5s`; `0` needs no unit.
 * Returns milliseconds, or a text that says what is wrong. Source: Go `time.ParseDuration`.
 */
export function parseDuration(text: string): number | string {
  const unsigned = text.replace(/^[+-]/, "");
  if (unsigned === "0") return 0;
  if (unsigned === "") return `invalid duration "${text}"`;
  let durationMs = 0;
  let rest = unsigned;
  while (rest !== "") {
    const part = /^(\d+\.?\d*|\.\d+)([^\d.]*)/.exec(rest);
    if (part === null) return `invalid duration "${text}"`;
    const [whole, decimal = "", unit = ""] = part;
    if (unit === "") return `missing unit in duration "${text}"; known are ns us ms s m h`;
    const unitMs = Object.hasOwn(UNIT_MS, unit) ? UNIT_MS[unit] : undefined;
    if (unitMs === undefined) return `unknown unit "${unit}" in duration "${text}"; known are ns us ms s m h`;
    durationMs += Number(decimal) * unitMs;
    rest = rest.slice(whole.length);
  }
  if (durationMs > DURATION_MS_MAX) return `duration "${text}" is out of the range`;
  return text.startsWith("-") ? -durationMs : durationMs;
}

/** Writes milliseconds as Go prints a duration: `2m0s`, `1.5s`, `250ms`, `0s`. */
export function formatDuration(durationMs: number): string {
  const sign = durationMs < 0 ? "-" : "";
  const absoluteMs = Math.abs(durationMs);
  if (absoluteMs === 0) return "0s";
  if (absoluteMs < 1e-3) return `${sign}${decimal(absoluteMs * 1e6)}ns`;
  if (absoluteMs < 1) return `${sign}${decimal(absoluteMs * 1e3)}\u00b5s`;
  if (absoluteMs < 1000) return `${sign}${decimal(absoluteMs)}ms`;
  const hours = Math.floor(absoluteMs / 3_600_000);
  const minutes = Math.floor((absoluteMs % 3_600_000) / 60_000);
  const seconds = decimal((absoluteMs % 60_000) / 1000);
  if (hours > 0) return `${sign}${hours}h${minutes}m${seconds}s`;
  if (minutes > 0) return `${sign}${minutes}m${seconds}s`;
  return `${sign}${seconds}s`;
}

/** At most nine decimals, without trailing zeros: what nanoseconds can show. */
function decimal(value: number): string {
  return String(Number(value.toFixed(9)));
}
