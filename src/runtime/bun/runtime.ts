import { edenGC } from "bun:jsc";
import { LIBSSL_FILE } from "../openssl/libssl.ts";
import { residentBytes } from "../process_memory.ts";
import type { Runtime } from "../runtime.ts";
import { LIBZ_FILE, LIBZ_FUNCTIONS } from "../zlib/libz.ts";
import { LibzInflater } from "../zlib/libz_inflater.ts";
import { openBunLibrary } from "./library.ts";
import { openBunOpenSsl } from "./openssl.ts";
import { openBunPosix } from "./posix.ts";

/** Declared here, because programs on Deno are checked with this file and without Bun's types. */
const { Bun } = globalThis as unknown as {
  readonly Bun: { readonly version: string; gc(isForced: boolean): void };
};

export const bunRuntime: Runtime = {
  name: "bun",
  version: Bun.version,
  residentBytes,
  collectGarbage() {
    Bun.gc(true);
  },
  collectRecentGarbage() {
    edenGC();
  },
  onSignal(name, handler) {
    process.on(name, handler);
    return () => process.off(name, handler);
  },
  openPosix() {
    if (process.platform !== "linux") {
      return { ok: false, reason: `epoll needs Linux, this is ${process.platform}` };
    }
    try {
      return { ok: true, posix: openBunPosix() };
    } catch (error) {
      return { ok: false, reason: `cannot open libc: ${(error as Error).message}` };
    }
  },
  findTlsLimit: () => undefined,
  openOpenSsl(posix) {
    try {
      return { ok: true, openSsl: openBunOpenSsl(LIBSSL_FILE, posix) };
    } catch (error) {
      return { ok: false, reason: `cannot open OpenSSL 3: ${(error as Error).message}` };
    }
  },
  openInflater(posix) {
    try {
      return new LibzInflater(openBunLibrary(LIBZ_FILE, LIBZ_FUNCTIONS), posix);
    } catch {
      return null;
    }
  },
};
