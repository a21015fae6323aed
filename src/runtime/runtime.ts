import type { TlsOptions } from "../config/tls.ts";
import type { Inflater } from "../protocol/websocket/compression.ts";
import type { OpenSsl } from "./openssl/openssl.ts";
import type { Posix } from "./posix/posix.ts";
import type { HandshakeRole } from "./tls.ts";

/**
 * What the server needs from the program it runs in, in our words. `mod.ts` picks the implementation;
 * `server/`, `cli/` and `workers/` pass it down, and nothing else asks which runtime it is on.
 *
 * Alike on both (tried on Bun 1.4.5 and Deno 2.9.6), so used directly: `node:fs`, `node:net` (`reusePort`
 * too, in workers), `node:dns`, `node:crypto`, `process.cpuUsage`, Web Workers,
 * `Atomics.wait` and `Atomics.waitAsync` in workers.
 *
 * A worker blocked in a libc call: what it posts reaches main within a millisecond, `process.exit` ends
 * the process at once, and `terminate` returns at once, but its thread lives on until the call returns. In
 * Deno that thread keeps the process from ending by itself: wake the worker first, or call `process.exit`.
 *
 * Deno's flags: `--allow-ffi` (without a path: Deno makes a relative library name absolute) for epoll,
 * `--allow-read` for the workers' own source, the config and certificates, `--allow-net` for `node:net`,
 * `node:http` and for any host that is not an IP address, `--allow-sys` for `os.hostname` and `os.cpus`,
 * `--allow-write` for log and pid files.
 */
export interface Runtime {
  readonly name: "bun" | "deno";
  readonly version: string;
  /**
   * libc for the calling thread, or why there is none: another system than Linux, a missing library, or
   * Deno without `--allow-ffi`. Never prompts. The server then falls back to the runtime's own sockets.
   */
  openPosix(): PosixResult;
  /** The system's OpenSSL for the calling thread, or why there is none. Never prompts; some milliseconds. */
  openOpenSsl(posix: Posix): OpenSslResult;
  /** The system's zlib for the calling thread, null where there is none. */
  openInflater(posix: Posix): Inflater | null;
  /**
   * What of these options the runtime's own TLS (`node:tls`, over its own sockets) cannot do on these sides of a
   * handshake; undefined for nothing.
   */
  findTlsLimit(options: TlsOptions, roles: readonly HandshakeRole[]): string | undefined;
  /** Memory of the process, 0 where it cannot be told. */
  residentBytes(): number;
  /** Frees the calling thread's garbage now, where the runtime lets a program ask for that; some milliseconds. */
  collectGarbage(): void;
  /**
   * Frees what has become garbage since the last collection, if the runtime does not see to that itself; about a
   * millisecond for a megabyte, however much else there is.
   */
  collectRecentGarbage(): void;
  /**
   * Calls `handler` for each arrival of a signal, in place of its default action, until the function
   * returned is called. On the main thread only.
   */
  onSignal(name: SignalName, handler: () => void): () => void;
}

export type PosixResult =
  | { readonly ok: true; readonly posix: Posix }
  | { readonly ok: false; readonly reason: string };

export type OpenSslResult =
  | { readonly ok: true; readonly openSsl: OpenSsl }
  | { readonly ok: false; readonly reason: string };

/** The signals nats-server gives a meaning. */
export type SignalName = "SIGHUP" | "SIGINT" | "SIGTERM" | "SIGUSR1" | "SIGUSR2";
