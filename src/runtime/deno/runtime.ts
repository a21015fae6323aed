import { LIBC_FILE } from "../posix/libc.ts";
import type { Runtime } from "../runtime.ts";
import { deno } from "./globals.ts";
import { openDenoPosix } from "./posix.ts";
import { onDenoSignal } from "./signals.ts";

export const denoRuntime: Runtime = {
  name: "deno",
  version: deno.version.deno,
  // V8 offers it only behind --expose-gc, and its heaps grow less.
  collectGarbage() {},
  onSignal: onDenoSignal,
  openPosix() {
    if (process.platform !== "linux") {
      return { ok: false, reason: `epoll needs Linux, this is ${process.platform}` };
    }
    // Asking first keeps Deno from prompting on a terminal.
    if (deno.permissions.querySync({ name: "ffi", path: LIBC_FILE }).state !== "granted") {
      return { ok: false, reason: "FFI is not permitted: run deno with --allow-ffi" };
    }
    try {
      return { ok: true, posix: openDenoPosix() };
    } catch (error) {
      return { ok: false, reason: `cannot open libc: ${(error as Error).message}` };
    }
  },
};
