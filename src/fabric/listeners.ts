/** The ports of a server, and what main and the acceptor's thread tell each other about them. */

/** Who connects to a port. Clients go to the shards, other servers to the links shard. */
export type ListenerKind = ClientListenerKind | LinkListenerKind;
export type ClientListenerKind = "client" | "websocket";
export type LinkListenerKind = "cluster" | "gateway" | "leafnodes";

export function servesClients(kind: ListenerKind): kind is ClientListenerKind {
  return kind === "client" || kind === "websocket";
}

export interface AcceptorStart {
  readonly memory: WebAssembly.Memory;
  readonly engineCode: WebAssembly.Module;
  /** At most LISTENERS_MAX. HEADER_LISTENERS_CLOSED names them by their places in this list. */
  readonly listeners: readonly AcceptedListener[];
}

export interface AcceptedListener {
  readonly kind: ListenerKind;
  /** A listening, non-blocking socket. From now on it is the acceptor's. */
  readonly fd: number;
}

/** As many as a word has bits, less one: the word −1 means all of them. */
export const LISTENERS_MAX = 31;

export type AcceptorReport =
  | { readonly type: "ready"; readonly wakeHandle: number }
  | { readonly type: "paused"; readonly text: string }
  /** A listener was closed, as main has asked. `index` is its place in `AcceptorStart.listeners`. */
  | { readonly type: "closed"; readonly index: number }
  | { readonly type: "stopped" };
