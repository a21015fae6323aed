/** What main and the acceptor's thread tell each other. */

export interface AcceptorListener {
  /** By which number a shard is told what the connection came in by. */
  readonly listener: number;
  /** A listening socket. */
  readonly fd: number;
}

export interface AcceptorStart {
  readonly memory: WebAssembly.Memory;
  readonly listeners: readonly AcceptorListener[];
}

export type AcceptorReport =
  | { readonly type: "ready"; readonly wakeHandle: number }
  | { readonly type: "paused"; readonly text: string }
  | { readonly type: "stopped" };
