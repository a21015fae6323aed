import { LIBC_FILE, type NativeFunction } from "../posix/libc.ts";
import { deno } from "./globals.ts";
import { openDenoSymbols } from "./library.ts";

/** The process must have grown by this much since it was smallest before a collection is worth its time. */
const GROWTH_BYTES_MIN = 16 * 2 ** 20;

const TRIM = { malloc_trim: { parameters: ["size"], result: "i32" } } as const satisfies Record<
  string,
  NativeFunction
>;

/** The smallest size that the process had after a collection. */
let leastBytes = 0;
let giveBack: (() => void) | undefined;

/**
 * Frees the calling thread's garbage, and gives its memory back to the system. V8 lets a program ask for the first only
 * with --expose-gc, with which `bin/nats-server` and executables start Deno. glibc does the second only when asked.
 */
export function collectDenoGarbage(): void {
  const { gc } = globalThis as { gc?: () => void };
  if (gc === undefined || deno.memoryUsage().rss - leastBytes < GROWTH_BYTES_MIN) return;
  gc();
  // The buffers that one collection finds are freed in the background. The next one waits for that.
  gc();
  giveBack ??= openGiveBack();
  giveBack();
  const bytes = deno.memoryUsage().rss;
  if (leastBytes === 0 || bytes < leastBytes) leastBytes = bytes;
}

/** A function that does so. It does nothing if there is no FFI, or another C library than glibc. */
function openGiveBack(): () => void {
  if (deno.permissions.querySync({ name: "ffi", path: LIBC_FILE }).state !== "granted") return () => {};
  try {
    const { malloc_trim: trim } = openDenoSymbols(LIBC_FILE, TRIM);
    return () => trim!(0n);
  } catch {
    return () => {};
  }
}
