import type { LogLevel } from "./logger.ts";

/** How a line of text looks; one for each sink that writes lines. Source: nats-server logger/log.go. */
export interface LineFormat {
  /** First on the line, in brackets. */
  processId: number;
  /** `"none"` leaves out the time and the space after it. */
  timestamps: "local" | "utc" | "none";
  /** Colours the letters of the level; for terminals only. */
  isColored: boolean;
}

const LETTERS: Record<LogLevel, string> = {
  info: "INF",
  debug: "DBG",
  warn: "WRN",
  error: "ERR",
  fatal: "FTL",
  trace: "TRC",
};

/** Parameters of the terminal's "select graphic rendition" sequence. */
const COLORS: Record<LogLevel, string> = {
  info: "32",
  debug: "36",
  warn: "0;93",
  error: "31",
  fatal: "31",
  trace: "33",
};

/** `[<pid>] <time> [<LVL>] <text>` without a line end. `timeMicros` counts from 1970, UTC. */
export function formatLine(format: LineFormat, level: LogLevel, text: string, timeMicros: number): string {
  const letters = format.isColored ? `\x1b[${COLORS[level]}m${LETTERS[level]}\x1b[0m` : LETTERS[level];
  const time = format.timestamps === "none" ? "" : `${formatTime(timeMicros, format.timestamps)} `;
  return `[${format.processId}] ${time}[${letters}] ${text}`;
}

/** `YYYY/MM/DD HH:MM:SS.uuuuuu`. */
function formatTime(timeMicros: number, zone: "local" | "utc"): string {
  const { year, month, day, hour, minute, second, micros } = splitTime(timeMicros, zone);
  return `${year}/${month}/${day} ${hour}:${minute}:${second}.${micros}`;
}

/** The parts of a moment as digits, padded to their full width. */
export interface TimeParts {
  year: string;
  month: string;
  day: string;
  hour: string;
  minute: string;
  second: string;
  micros: string;
}

/** Splits a moment, in microseconds since 1970 UTC, in the machine's time zone or in UTC. */
export function splitTime(timeMicros: number, zone: "local" | "utc"): TimeParts {
  const date = new Date(Math.floor(timeMicros / 1000));
  const isUtc = zone === "utc";
  return {
    year: digits(isUtc ? date.getUTCFullYear() : date.getFullYear(), 4),
    month: digits((isUtc ? date.getUTCMonth() : date.getMonth()) + 1, 2),
    day: digits(isUtc ? date.getUTCDate() : date.getDate(), 2),
    hour: digits(isUtc ? date.getUTCHours() : date.getHours(), 2),
    minute: digits(isUtc ? date.getUTCMinutes() : date.getMinutes(), 2),
    second: digits(isUtc ? date.getUTCSeconds() : date.getSeconds(), 2),
    micros: digits(Math.floor(timeMicros % 1_000_000), 6),
  };
}

function digits(value: number, width: number): string {
  return String(value).padStart(width, "0");
}
