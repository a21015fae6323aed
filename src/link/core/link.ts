/**
 * The contract of routes, gateways and leaf nodes: pure state machines between a connection and the rest of the server.
 * They have no sockets, clocks or randomness of their own. The links shard gives them real ones, the simulator in
 * `test/` virtual ones.
 *
 * Accounts, subjects, queue names and clusters are byte strings (`subject/byte_string.ts`) throughout.
 */
import type { LineLimit } from "../../log/line_limit.ts";
import type { CloseReason } from "../../protocol/close_reason.ts";
import type { MessageBytes } from "../../protocol/set_header.ts";
import type { MessageTrace } from "../../protocol/tracing/message_trace.ts";
import type { LinkFault } from "./link_fault.ts";
import type { LinkOperation } from "./operation.ts";
import type { OperationRules } from "./operation_parser.ts";

/** The level at which output is compressed. */
export type CompressionLevel = "s2_uncompressed" | "s2_fast" | "s2_better" | "s2_best";

export type LinkKind = "route" | "gateway" | "leaf";

/** A TCP connection to another server, whichever side opened it. */
export interface LinkConnection {
  /** The number that monitoring and log lines show, unique in the process. */
  readonly id: number;
  /** `ip` and port of the other end. */
  readonly remoteIp: string;
  readonly remotePort: number;
  /** Queues bytes to be sent; a string is a byte string. Nothing is sent after close(). */
  send(bytes: Uint8Array | string): void;
  /**
   * Counts the last message sent, which belongs to `account` and has this many bytes of content. Absent if nobody
   * counts.
   */
  countSent?(account: string, contentBytes: number): void;
  /** Closes the connection. What is queued is still sent if the reason says so. The peer's `ended()` follows. */
  close(reason: CloseReason): void;
  /**
   * Does the TLS handshake, as client or server depending on which side dialled, and calls `then` once bytes are
   * encrypted. A failure or timeout closes the connection. If we dialled, the other side's certificate must name
   * `serverName`.
   */
  startTls(options: LinkTls, then: () => void): void;
  /**
   * Asks the other side, which we dialled, to speak WebSocket from now on. `then` is called once, unless the connection
   * is lost first; after success, bytes are sent and received in frames. After failure the caller closes.
   */
  startWebSocket(options: LinkUpgrade, then: (outcome: LinkUpgradeOutcome) => void): void;
  /**
   * From here on output is compressed, and so is what the other side has sent after the operation that is being taken.
   * Another call changes the level.
   */
  compress(level: CompressionLevel): void;
}

/** The request to become a leaf node by WebSocket. */
export interface LinkUpgrade {
  /** `host:port`, as in the URL. */
  readonly host: string;
  /** The URL's path, before anything is appended; "" for none. */
  readonly path: string;
  readonly wantsCompression: boolean;
  readonly wantsNoMasking: boolean;
  readonly timeoutMs: number;
}

/** What the other side agreed to, or why there is no WebSocket. */
export type LinkUpgradeOutcome =
  | { readonly ok: true; readonly isMasked: boolean; readonly isCompressed: boolean }
  | { readonly ok: false; readonly problem: string };

export interface LinkTls {
  /**
   * The block whose certificates are used: `cluster`, `gateway`, `leafnodes`, or one remote, by its number in the
   * configuration.
   */
  readonly context: string;
  readonly timeoutMs: number;
  readonly serverName?: string;
  /**
   * For a peer that may or may not begin the handshake by itself. If no byte has come from it after `afterMs`, `send`
   * is called once, before the handshake, and sends unencrypted what the peer waits for.
   */
  readonly fallback?: { readonly afterMs: number; readonly send: () => void };
}

/** The protocol on one connection. The host calls it. Nothing that a peer sends makes it throw. */
export interface LinkPeer {
  /** The rules by which the host parses this connection's bytes; it must read them again for every operation. */
  readonly rules: OperationRules;
  /** Whether everything that the other end sends is dropped, because it is going to be refused. */
  readonly isDeaf?: boolean;
  /** The connection is open; the protocol may send or start a handshake. */
  begin(): void;
  /**
   * The peer sent an operation, complete and well-formed for this kind of link. Once the link is registered, only
   * messages that the engine does not deliver by itself come here.
   */
  take(operation: LinkOperation): void;
  /** The engine took messages from the peer, so the peer is alive. */
  heard?(): void;
  /** The peer sent something that is not an operation. The protocol tells the peer and the log, and closes. */
  refuse(fault: LinkFault): void;
  /** The connection is gone for this reason, whoever closed it. Called once; the host calls nothing after it. */
  ended(reason: CloseReason): void;
}

/** Time and randomness, given from outside. */
export interface LinkClock {
  /** Monotonic time in milliseconds, with a fraction. */
  nowMs(): number;
  /** Calls back once, not before `ms` have passed. Returns a function that cancels it. */
  after(ms: number, callback: () => void): () => void;
  /** Uniform in [0, 1). */
  random(): number;
}

/** Opens connections. */
export interface LinkDialer {
  /**
   * Resolves the name and connects to one of its addresses, but to none of this server's own listeners of that kind.
   * Then calls `opened`, which returns the protocol for the connection, or `failed` with the reason in Go's words; its
   * `isSelf` means that all addresses were this server's own.
   */
  dial(
    target: DialTarget,
    opened: (connection: LinkConnection) => LinkPeer,
    failed: (reason: string, isSelf: boolean) => void,
  ): void;
}

export interface DialTarget {
  readonly kind: LinkKind;
  readonly host: string;
  readonly port: number;
  readonly timeoutMs: number;
  /** Whether the protocol is going to ask for WebSocket, which log lines mention. */
  readonly isWebSocket?: boolean;
  /** The proxy to connect to instead, which is asked for a tunnel. */
  readonly proxy?: DialProxy;
}

/** An HTTP proxy. */
export interface DialProxy {
  readonly host: string;
  readonly port: number;
  /** "" without a login. */
  readonly user: string;
  readonly password: string;
  /** The time for connecting, and again the time for the proxy's answer. */
  readonly timeoutMs: number;
  /** The TLS settings of the connection to the proxy; null without TLS. */
  readonly tls: Pick<LinkTls, "context" | "timeoutMs"> | null;
}

export type LinkLogLevel = "info" | "warning" | "error" | "debug" | "trace";

/** With `limit`, only one of several equal lines is written within a time. */
export type LinkLog = (level: LinkLogLevel, text: string, limit?: LineLimit) => void;

/** Stands for leaf nodes of any cluster; no cluster may have this name. */
export const ANY_CLUSTER = "_";

/** One subject and account, and possibly a queue group, in which a link announces interest. */
export interface InterestKey {
  readonly account: string;
  readonly subject: string;
  /** "" for plain interest. */
  readonly queue: string;
  /**
   * The cluster of the leaf nodes whose interest this is; ANY_CLUSTER if the cluster does not matter, "" if it is not
   * that of leaf nodes.
   */
  readonly origin: string;
}

/** A link whose handshake is done, which carries interest and messages. */
export interface Link {
  readonly kind: LinkKind;
  readonly connection: LinkConnection;
  /**
   * The only account of the link: for a leaf link, the local account it is bound to; for a route, the account it is
   * dedicated to. Null if it carries several.
   */
  readonly account: string | null;
  /**
   * For a route, the id of the server at the other end, to which there may be further links. It may be "" for other
   * kinds, where nobody needs it.
   */
  readonly remoteId: string;
  /** The other side's cluster. For a leaf link it is the one that the leaf node said, or the hub's. */
  readonly cluster: string;
  /**
   * The direction of interest and messages. `both`: a route. `spoke`: the other side is our leaf node. `hub`: we are
   * its leaf node. `inbound`: a gateway that sends us messages and is told interest. `outbound`: a gateway the other
   * way round.
   */
  readonly role: "both" | "spoke" | "hub" | "inbound" | "outbound";
  /** Whether it is a leaf link over which the interest of other leaf nodes is not announced. */
  readonly isIsolated: boolean;
  /** Whether the other side takes headers. */
  readonly takesHeaders: boolean;
  /** The other server's name; "" if it has not told it. */
  readonly serverName: string;
  /**
   * Whether the other side reports what it does with traced messages, and does not deliver those that are only traced.
   */
  readonly tracesMessages: boolean;
  /** The last measured round trip in milliseconds; 0 before the first. */
  readonly rttMs: number;
  /**
   * Whether this server tells its interest in this account over this link. Of several links to one server, one does.
   */
  carries(account: string): boolean;
  /**
   * The link that carries an account, out of several to the same server. Messages leave by it, after the interest that
   * was told before, whichever link the other server tells its own interest by.
   */
  carrierOf?(account: string): Link;
  /**
   * Interest on or behind this server has changed, by the rules of `core/ledger.ts`: `weight` members of the queue
   * group, 1 for plain interest, 0 when it is gone. The link tells its peer in words that the peer understands, or
   * nothing if permissions or the protocol forbid it.
   */
  announce(key: InterestKey, weight: number): void;
  /**
   * The same for plain interest, without origin, in many subjects that the link was not told yet. Present if that is
   * less work.
   */
  announcePlain?(account: string, subjects: readonly string[]): void;
  /**
   * Whether plain `RS+` lines of the peer say exactly what `LinkEvents.interest` would be told, if they name an
   * existing account. The host may then do without that call.
   */
  readonly takesAllPlain?: boolean;
  /**
   * Whether a message on this subject may leave by this link, by permissions of leaf nodes and interest state of
   * gateways.
   */
  maySend(account: string, subject: string): boolean;
  /** If `maySend` returns true: whether the message may leave for this queue group. Absent if it may for all. */
  mayServe?(subject: string, queue: string): boolean;
  /** If `maySend` returns false: whether the subject is denied, not just missing among those allowed. */
  isDenied?(subject: string): boolean;
  /**
   * Whether a message with a reply lets the other side publish an answer that it otherwise may not. Such messages must
   * go through `sendMessage`.
   */
  readonly notesReplies?: boolean;
  /** Whether a message on this subject may come in. Absent if all may. */
  mayReceive?(subject: string): boolean;
  /**
   * The line of a message without queue groups, up to the blank after the subject: `RMSG <account> <subject> `, `LMSG
   * <origin> <account> <subject> ` or `LMSG <subject> `. `frameMessage` adds the rest.
   */
  messagePrefix(account: string, subject: string, origin: string): string;
  /**
   * Frames and sends one message, for plain interest and for the named groups. Returns false if it is not sent after
   * all.
   */
  sendMessage(message: LinkMessage, queues: readonly string[]): boolean;
}

/** A message that crosses a link. */
export interface LinkMessage {
  readonly account: string;
  /** The cluster of the leaf node through which it came in, "" for other messages. */
  readonly origin: string;
  readonly subject: string;
  /** "" for none. */
  readonly reply: string;
  /** Headers, then the payload, without the final CR LF. `headerBytes` 0 means none. */
  readonly content: MessageBytes;
  /** The trace that is told what becomes of the message; absent for nearly all. */
  readonly trace?: MessageTrace;
}

/** What a registered link tells the core. */
export interface LinkEvents {
  /** The handshake is done. Interest is announced over the link from now on, the first burst within this call. */
  joined(link: Link): void;
  /** The link is over. Everything that the peer wanted is forgotten. */
  left(link: Link): void;
  /** The peer wants this with `weight` members; 0 takes it back. A repeated call replaces the weight. */
  interest(link: Link, key: InterestKey, weight: number): void;
  /** The peer sent a message for the named groups and for everybody with plain interest. */
  message(link: Link, message: LinkMessage, queues: readonly string[]): void;
  /** What the link lets through (`maySend`) has changed, so plans that rest on it are void. */
  changed(link: Link): void;
}
