import { edenGC } from "bun:jsc";
import { LIBSSL_FILE } from "../openssl/libssl.ts";
import type { Runtime } from "../runtime.ts";
import { openBunOpenSsl } from "./openssl.ts";
import { openBunPosix } from "./posix.ts";

export const bunRuntime: Runtime = {
  name: "bun",
  version: Bun.version,
  residentBytes: () => process.memoryUsage.rss(),
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
};
