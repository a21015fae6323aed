import type { TimeRange } from "./jwt/claims.ts";

/** `times` of a user JWT: the windows of the day in which a client may be connected. */

export interface ConnectWindow {
  readonly isOpen: boolean;
  /** When the last of the open windows ends, Unix milliseconds; null without any window. */
  readonly endsAtMs: number | null;
}

const CLOSED: ConnectWindow = { isOpen: false, endsAtMs: null };

/**
 * Whether a client may be connected at `nowMs`, by windows in the time zone `location`, "" for the server's own.
 * Ends do not belong to a window; one that ends before it starts goes on past midnight. No window at all is always
 * open; one that cannot be read is never. Source: nats-server jwt.go, validateTimesAt.
 */
export function connectWindow(ranges: readonly TimeRange[], location: string, nowMs: number): ConnectWindow {
  if (ranges.length === 0) return { isOpen: true, endsAtMs: null };
  const zone = zoneOf(location);
  if (zone === undefined) return CLOSED;
  const today = zone.dayOf(nowMs);
  let endsAtMs: number | null = null;
  for (const { start, end } of ranges) {
    const startS = parseTimeOfDay(start);
    const endS = parseTimeOfDay(end);
    if (startS === undefined || endS === undefined) return CLOSED;
    const startMs = zone.instantOf(today, startS);
    const endMs = zone.instantOf(today, endS);
    const crossesMidnight = startMs > endMs;
    const isAfterMidnight = crossesMidnight && nowMs < endMs;
    const endOfWindowMs = crossesMidnight && !isAfterMidnight ? zone.instantOf(today + 1, endS) : endMs;
    const isInside = isAfterMidnight || (startMs < nowMs && nowMs < endOfWindowMs);
    if (isInside && (endsAtMs === null || endOfWindowMs > endsAtMs)) endsAtMs = endOfWindowMs;
  }
  return endsAtMs === null ? CLOSED : { isOpen: true, endsAtMs };
}

/** Seconds since midnight of `HH:MM:SS`; a fraction does not count. */
function parseTimeOfDay(text: string): number | undefined {
  const match = /^(\d{1,2}):(\d\d):(\d\d)(?:[.,]\d+)?$/.exec(text);
  if (match === null) return undefined;
  const [hours = 0, minutes = 0, seconds = 0] = match.slice(1).map(Number);
  return hours < 24 && minutes < 60 && seconds < 60 ? hours * 3600 + minutes * 60 + seconds : undefined;
}

const DAY_MS = 86_400_000;

/** A time zone, over days counted from 1970-01-01 by its own calendar. */
interface Zone {
  dayOf(instantMs: number): number;
  /** The instant at which the zone's clocks show this second of this day. */
  instantOf(day: number, secondOfDay: number): number;
}

function zoneOf(location: string): Zone | undefined {
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat("en-US", {
      ...(location === "" || location === "Local" ? {} : { timeZone: location }),
      hourCycle: "h23",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
    });
  } catch {
    return undefined; // no such zone
  }
  /** What the zone's clocks show, as if it were UTC. */
  const shownAt = (instantMs: number) => {
    const parts = new Map(format.formatToParts(instantMs).map(({ type, value }) => [type, Number(value)]));
    const part = (type: Intl.DateTimeFormatPartTypes) => parts.get(type) ?? 0;
    const time = [part("hour"), part("minute"), part("second")] as const;
    return Date.UTC(part("year"), part("month") - 1, part("day"), ...time);
  };
  return {
    dayOf: (instantMs) => Math.floor(shownAt(instantMs) / DAY_MS),
    instantOf: (day, secondOfDay) => {
      const wantedMs = day * DAY_MS + secondOfDay * 1000;
      // The second step corrects the first where clocks were changed in between.
      let instantMs = wantedMs;
      for (let step = 0; step < 2; step++) instantMs += wantedMs - shownAt(instantMs);
      return instantMs;
    },
  };
}
