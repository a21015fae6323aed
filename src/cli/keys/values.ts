import { CommandError } from "./command.ts";

/** The values of options, from what was typed. All name the option when they refuse a value. */

const SECONDS: Readonly<Record<string, number>> = {
  s: 1,
  m: 60,
  h: 3600,
  d: 24 * 3600,
  w: 7 * 24 * 3600,
  y: 365 * 24 * 3600,
};

/** A date, an ISO time, a span from now such as `30d` or `12h`, or `never`: Unix seconds, 0 for never. */
export function readTime(option: string, text: string, nowSeconds: number): number {
  if (text === "never" || text === "0") return 0;
  const span = readSpan(text);
  if (span !== undefined) return Math.floor(nowSeconds) + span;
  const atMs = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(atMs)) {
    refuse(option, text, "use a span from now (90m, 12h, 30d, 1y), a date (2027-01-31), or never");
  }
  return Math.floor(atMs / 1000);
}

/** A span such as `90s` or `2m`, in nanoseconds. */
export function readDurationNs(option: string, text: string): number {
  return (readSpan(text) ?? refuse(option, text, "use a span such as 90s, 2m or 1h")) * 1e9;
}

function readSpan(text: string): number | undefined {
  const [, amount = "", unit = ""] = /^(\d{1,9})([smhdwy])$/.exec(text) ?? [];
  const seconds = SECONDS[unit];
  return seconds === undefined ? undefined : Number(amount) * seconds;
}

const BYTES: Readonly<Record<string, number>> = { "": 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 };

/** A number, with K, M, G or T for bytes, or `unlimited`, which is -1. */
export function readLimit(option: string, text: string): number {
  if (text === "unlimited" || text === "-1") return -1;
  const [, amount = "", unit = "?"] = /^(\d{1,15})([kmgt]?)b?$/i.exec(text) ?? [];
  const factor = BYTES[unit.toLowerCase()];
  if (factor === undefined) refuse(option, text, "use a number, such as 100 or 64K, or unlimited");
  return Number(amount) * factor;
}

/** `yes` or `no`. */
export function readYesNo(option: string, text: string): boolean {
  if (/^(yes|true|on)$/i.test(text)) return true;
  if (/^(no|false|off)$/i.test(text)) return false;
  return refuse(option, text, "use yes or no");
}

/** Unix seconds as people read them, in UTC. */
export function showTime(seconds: number): string {
  return `${new Date(seconds * 1000).toISOString().replace("T", " ").slice(0, 19)} UTC`;
}

export function refuse(option: string, text: string, remedy: string): never {
  throw new CommandError(`--${option} ${JSON.stringify(text)}: ${remedy}`);
}
