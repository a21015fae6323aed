import { ERRNO_TEXTS } from "./libc.ts";

const TEXTS_BY_NAME: ReadonlyMap<string, string> = new Map(ERRNO_TEXTS.values());

/** The text of an errno, such as `broken pipe`, or its number if we have no text. */
export function errnoText(errno: number): string {
  return ERRNO_TEXTS.get(errno)?.[1] ?? `errno ${errno}`;
}

/** The same text for an error of a `node:` module, whose `code` is `EPIPE`. */
export function errnoTextOf(error: Error & { code?: string }): string {
  return TEXTS_BY_NAME.get(error.code ?? "") ?? error.message;
}
