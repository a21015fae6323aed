import type { TlsOptions } from "../config/tls.ts";
import type { Inflater } from "../protocol/websocket/compression.ts";
import type { OpenSsl } from "./openssl/openssl.ts";
import type { Posix } from "./posix/posix.ts";
import type { HandshakeRole } from "./tls.ts";

/**
 * What the server needs from the program it runs in, in our words. `mod.ts` picks the implementation. `server/`, `cli/`
 * and `workers/` pass it down, and nothing else asks which runtime it is on.
 *
 * These behave alike on both (tried on Bun 1.4.5 and Deno 2.9.6), so they are used directly: `node:fs`, `node:net`
 * (also `reusePort`, in workers), `node:dns`, `node:crypto`, `process.cpuUsage`, Web Workers, `Atomics.wait` and
 * `Atomics.waitAsync` in workers.
 *
 * While a worker is blocked in a libc call, what it has posted reaches main within a millisecond, and `process.exit`
 * ends the process at once. `terminate` returns at once, but the worker's thread lives on until the call returns. In
 * Deno that thread keeps the process from ending: wake the worker first, or call `process.exit`.
 *
 * Deno's flags: `--allow-ffi` for epoll (without a path, because Deno makes a relative library name absolute),
 * `--allow-read` for the workers' own source, the configuration and certificates, `--allow-net` for `node:net`,
 * `node:http` and for any host that is not an IP address, `--allow-sys` for `os.hostname` and `os.cpus`,
 * `--allow-write` for log and pid files.
 */
export interface Runtime {
  readonly name: "bun" | "deno";
  readonly version: string;
  /**
   * libc for the calling thread, or why there is none: another system than Linux, a missing library, or Deno without
   * `--allow-ffi`. Without it, the server falls back to the runtime's own sockets. Never prompts.
   */
  openPosix(): PosixResult;
  /** The system's OpenSSL for the calling thread, or why there is none. Never prompts. Takes some milliseconds. */
  openOpenSsl(posix: Posix): OpenSslResult;
  /** The system's zlib for the calling thread, null if there is none. */
  openInflater(posix: Posix): Inflater | null;
  /**
   * Which of these options the runtime's own TLS (`node:tls`, over its own sockets) cannot do on these sides of a
   * handshake; undefined if it can do all.
   */
  findTlsLimit(options: TlsOptions, roles: readonly HandshakeRole[]): string | undefined;
  /** Memory of the process, 0 if that cannot be found out. */
  residentBytes(): number;
  /** Frees the calling thread's garbage now, if the runtime lets a program ask for that. Takes some milliseconds. */
  collectGarbage(): void;
  /**
   * Frees what has become garbage since the last collection, if the runtime does not do so itself. Takes about a
   * millisecond for a megabyte, however much else there is.
   */
  collectRecentGarbage(): void;
  /**
   * Calls `handler` for each arrival of a signal, in place of its default action, until the returned function is
   * called. On the main thread only.
   */
  onSignal(name: SignalName, handler: () => void): () => void;
}

export type PosixResult =
  | { readonly ok: true; readonly posix: Posix }
  | { readonly ok: false; readonly reason: string };

export type OpenSslResult =
  | { readonly ok: true; readonly openSsl: OpenSsl }
  | { readonly ok: false; readonly reason: string };

/** The signals that have a meaning for nats-server. */
export type SignalName = "SIGHUP" | "SIGINT" | "SIGTERM" | "SIGUSR1" | "SIGUSR2";
