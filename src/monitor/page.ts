import type { Integer } from "./go_json.ts";

/** Entries in a page when the request names no limit. */
const PAGE_LIMIT_DEFAULT = 1024;

/** A request for part of a list, in the form in which the answer repeats it. */
export interface Page {
  readonly offset: Integer;
  readonly limit: Integer;
}

/** Negative offsets start at 0, limits of 0 and less mean the default. */
export function pageOf(offset: Integer, limit: Integer): Page {
  return { offset: offset < 0 ? 0 : offset, limit: limit <= 0 ? PAGE_LIMIT_DEFAULT : limit };
}

/** The part of a list of `count` entries that the page covers, as [start, end). */
export function pageBounds(page: Page, count: number): { start: number; end: number } {
  const start = Math.min(Number(page.offset), count);
  return { start, end: start + Math.min(Number(page.limit), count - start) };
}
