import { LIBC_FILE, type NativeFunction } from "../posix/libc.ts";
import { deno } from "./globals.ts";
import { openDenoSymbols } from "./library.ts";

/** Growth of the process, since it was smallest, below which there is nothing worth collecting. */
const GROWTH_BYTES_MIN = 16 * 2 ** 20;

const TRIM = { malloc_trim: { parameters: ["size"], result: "i32" } } as const satisfies Record<
  string,
  NativeFunction
>;

/** The least that was left by a collection. */
let leastBytes = 0;
let giveBack: (() => void) | undefined;

/**
 * Frees the calling thread's garbage and gives what it held back to the system. V8 does the one only behind --expose-gc, with
 * which `bin/nats-server` and executables start Deno, and glibc the other only when asked.
 */
export function collectDenoGarbage(): void {
  const { gc } = globalThis as { gc?: () => void };
  if (gc === undefined || deno.memoryUsage().rss - leastBytes < GROWTH_BYTES_MIN) return;
  gc();
  // The buffers that one finds are freed beside; the next one waits for that.
  gc();
  giveBack ??= openGiveBack();
  giveBack();
  const bytes = deno.memoryUsage().rss;
  if (leastBytes === 0 || bytes < leastBytes) leastBytes = bytes;
}

/** Does nothing where there is no FFI, or a C library of another kind. */
function openGiveBack(): () => void {
  if (deno.permissions.querySync({ name: "ffi", path: LIBC_FILE }).state !== "granted") return () => {};
  try {
    const { malloc_trim: trim } = openDenoSymbols(LIBC_FILE, TRIM);
    return () => trim!(0n);
  } catch {
    return () => {};
  }
}
