import type { TlsOptions } from "../../config/tls.ts";
import { certificateSets } from "../certificate_sets.ts";
import { LIBSSL_FILE } from "../openssl/libssl.ts";
import { LIBC_FILE } from "../posix/libc.ts";
import type { Runtime } from "../runtime.ts";
import type { HandshakeRole } from "../tls.ts";
import { LIBZ_FILE, LIBZ_FUNCTIONS } from "../zlib/libz.ts";
import { LibzInflater } from "../zlib/libz_inflater.ts";
import { collectDenoGarbage } from "./garbage.ts";
import { deno } from "./globals.ts";
import { coldFunctions, openDenoSymbols } from "./library.ts";
import { openDenoOpenSsl } from "./openssl.ts";
import { openDenoPosix } from "./posix.ts";
import { onDenoSignal } from "./signals.ts";

/** Deno's node:tls takes these options but does not apply them (tried on Deno 2.9.6). */
function findDenoTlsLimit(options: TlsOptions, roles: readonly HandshakeRole[]): string | undefined {
  const { verify, cipherSuites, curvePreferences } = options;
  if (verify && roles.includes("server")) return "tls: Deno's own TLS does not verify client certificates";
  if (cipherSuites.length > 0) return "tls: Deno's own TLS has no choice of cipher_suites";
  if (curvePreferences.length > 0) return "tls: Deno's own TLS has no choice of curve_preferences";
  const isMixed = certificateSets(options).some(({ pairs }) => pairs.length > 1);
  return isMixed ? "tls: Deno's own TLS has one kind of key for all certs" : undefined;
}

export const denoRuntime: Runtime = {
  name: "deno",
  version: deno.version.deno,
  residentBytes: () => deno.memoryUsage().rss,
  collectGarbage: collectDenoGarbage,
  collectRecentGarbage() {},
  onSignal: onDenoSignal,
  openPosix() {
    if (deno.build.os !== "linux") {
      return { ok: false, reason: `epoll needs Linux, this is ${deno.build.os}` };
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
  findTlsLimit: findDenoTlsLimit,
  openOpenSsl(posix) {
    try {
      return { ok: true, openSsl: openDenoOpenSsl(LIBSSL_FILE, posix) };
    } catch (error) {
      return { ok: false, reason: `cannot open OpenSSL 3: ${(error as Error).message}` };
    }
  },
  openInflater(posix) {
    try {
      const functions = coldFunctions(openDenoSymbols(LIBZ_FILE, LIBZ_FUNCTIONS), LIBZ_FUNCTIONS);
      return new LibzInflater(functions, posix);
    } catch {
      return null;
    }
  },
};
