import { ERRNO_TEXTS } from "./libc.ts";

const TEXTS_BY_NAME: ReadonlyMap<string, string> = new Map(ERRNO_TEXTS.values());

/** `"broken pipe"`, or the number where we have no words. */
export function errnoText(errno: number): string {
  return ERRNO_TEXTS.get(errno)?.[1] ?? `errno ${errno}`;
}

/** The same words for an error of a `node:` module, which carries `code: "EPIPE"`. */
export function errnoTextOf(error: Error & { code?: string }): string {
  return TEXTS_BY_NAME.get(error.code ?? "") ?? error.message;
}
