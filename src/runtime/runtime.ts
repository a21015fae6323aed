import type { Posix } from "./posix/posix.ts";

/**
 * What the server needs from the program it runs in, in our words. `mod.ts` picks the implementation;
 * `server/`, `cli/` and `workers/` pass it down, and nothing else asks which runtime it is on.
 *
 * Alike on both, so used directly: `node:fs`, `node:net`, `node:dns`, `node:crypto`, `process.memoryUsage`,
 * `process.cpuUsage`, `process.exit`, `process.execPath`, Web Workers, `Atomics` (`waitAsync` too).
 */
export interface Runtime {
  readonly name: "bun" | "deno";
  readonly version: string;
  /**
   * libc for the calling thread, or why there is none: another system than Linux, a missing library, or
   * Deno without `--allow-ffi`. Never prompts. The server then falls back to the runtime's own sockets.
   */
  openPosix(): PosixResult;
  /**
   * Calls `handler` for each arrival of a signal, in place of its default action, until the function
   * returned is called. On the main thread only.
   */
  onSignal(name: SignalName, handler: () => void): () => void;
}

export type PosixResult =
  | { readonly ok: true; readonly posix: Posix }
  | { readonly ok: false; readonly reason: string };

/** The signals nats-server gives a meaning. */
export type SignalName = "SIGHUP" | "SIGINT" | "SIGTERM" | "SIGUSR1" | "SIGUSR2";
