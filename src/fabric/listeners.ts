/** The ports of a server, and what main and the acceptor's thread tell each other of them. */

/** Who connects to a port: clients go to the shards, other servers to the links shard. */
export type ListenerKind = ClientListenerKind | LinkListenerKind;
export type ClientListenerKind = "client" | "websocket";
export type LinkListenerKind = "cluster" | "gateway" | "leafnodes";

export function servesClients(kind: ListenerKind): kind is ClientListenerKind {
  return kind === "client" || kind === "websocket";
}

export interface AcceptorStart {
  readonly memory: WebAssembly.Memory;
  readonly engineCode: WebAssembly.Module;
  /** At most LISTENERS_MAX; HEADER_LISTENERS_CLOSED names them by their places here. */
  readonly listeners: readonly AcceptedListener[];
}

export interface AcceptedListener {
  readonly kind: ListenerKind;
  /** A listening, non-blocking socket, the acceptor's from now on. */
  readonly fd: number;
}

/** Bits of a word, of which −1 is taken. */
export const LISTENERS_MAX = 31;

export type AcceptorReport =
  | { readonly type: "ready"; readonly wakeHandle: number }
  | { readonly type: "paused"; readonly text: string }
  /** A listener that was to be closed is, by its place among those given. */
  | { readonly type: "closed"; readonly index: number }
  | { readonly type: "stopped" };
