/**
 * What routes, gateways and leaf nodes are made of: pure state machines between a connection and the rest of the server.
 * They know no sockets, no clocks and no randomness of their own; the links shard gives them real ones, the simulator in
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

/** How hard what is sent is compressed. */
export type CompressionLevel = "s2_uncompressed" | "s2_fast" | "s2_better" | "s2_best";

export type LinkKind = "route" | "gateway" | "leaf";

/** A TCP connection to another server, from whichever side it was opened. */
export interface LinkConnection {
  /** The number that monitoring and log lines show, unique in the process. */
  readonly id: number;
  /** `ip` and port of the other end. */
  readonly remoteIp: string;
  readonly remotePort: number;
  /** Queues bytes; text is a byte string. Nothing is sent after close(). */
  send(bytes: Uint8Array | string): void;
  /** What was sent last is a message of an account with so many bytes of content: it is counted, where somebody counts. */
  countSent?(account: string, contentBytes: number): void;
  /** What is queued still leaves where the reason says so. `ended()` of the peer follows. */
  close(reason: CloseReason): void;
  /**
   * Handshakes as the side it is on; `then` is called once bytes are encrypted. A failure or a time over closes the
   * connection. `serverName` is what the other side's certificate must name, where we dialled.
   */
  startTls(options: LinkTls, then: () => void): void;
  /**
   * Asks the other side, which we dialled, to speak WebSocket from now on. `then` is called once, unless the connection is
   * lost before: what is sent and received afterwards goes in frames. Where it cannot be done the caller closes.
   */
  startWebSocket(options: LinkUpgrade, then: (outcome: LinkUpgradeOutcome) => void): void;
  /**
   * What is sent from here on is compressed, and so is what the other side has sent behind the operation that is being taken.
   * Called again, it changes how hard.
   */
  compress(level: CompressionLevel): void;
}

/** The request to become a leaf node by WebSocket. */
export interface LinkUpgrade {
  /** `host:port`, as in the URL. */
  readonly host: string;
  /** Of the URL, without what is added to it; "" for none. */
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
  /** Which block's certificates: `cluster`, `gateway`, `leafnodes`, or of one remote, by its number in the configuration. */
  readonly context: string;
  readonly timeoutMs: number;
  readonly serverName?: string;
  /**
   * For a peer that may or may not begin by itself: `send` is called once, before the handshake, if no byte has come from
   * it after `afterMs`, and sends in clear what it waits for.
   */
  readonly fallback?: { readonly afterMs: number; readonly send: () => void };
}

/** The protocol on one connection. The host calls it; nothing in it throws for what a peer sends. */
export interface LinkPeer {
  /** What the host parses this connection's bytes by; to be read anew for every operation. */
  readonly rules: OperationRules;
  /** What the other end sends from now on is dropped as it comes: it is going to be refused. */
  readonly isDeaf?: boolean;
  /** The connection is there; the protocol may send or handshake. */
  begin(): void;
  /**
   * The peer sent an operation, whole and well-formed for this kind of link. Once the link is registered, messages come
   * here only where the engine does not deliver them itself.
   */
  take(operation: LinkOperation): void;
  /** The engine took messages of the peer: it is alive. */
  heard?(): void;
  /** The peer sent what is no operation: the protocol says so to it and to the log, and closes. */
  refuse(fault: LinkFault): void;
  /** The connection is gone, for this reason, whoever closed it; called once, after which the host calls nothing more. */
  ended(reason: CloseReason): void;
}

/** Time and chance, given from outside. */
export interface LinkClock {
  /** Steady, in milliseconds with a fraction. */
  nowMs(): number;
  /** Calls back once, not before `ms` have passed; returns how to call it off. */
  after(ms: number, callback: () => void): () => void;
  /** Uniform in [0, 1). */
  random(): number;
}

/** Opens connections. */
export interface LinkDialer {
  /**
   * Resolves the name, connects to one of its addresses that is not one of this server's own listeners of that kind, and
   * calls `opened`, which returns the protocol for the connection, or `failed` with the reason in Go's words. `isSelf` in
   * failed(): there was no address but this server's own.
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
  /** The protocol is going to ask for WebSocket; log lines say so. */
  readonly isWebSocket?: boolean;
  /** It is connected to instead, and asked for a tunnel. */
  readonly proxy?: DialProxy;
}

/** An HTTP proxy. */
export interface DialProxy {
  readonly host: string;
  readonly port: number;
  /** "" where nobody logs in. */
  readonly user: string;
  readonly password: string;
  /** For connecting, and once more for its answer. */
  readonly timeoutMs: number;
  /** Of a proxy that is spoken with by TLS; null for the others. */
  readonly tls: Pick<LinkTls, "context" | "timeoutMs"> | null;
}

export type LinkLogLevel = "info" | "warning" | "error" | "debug" | "trace";

/** `limit`: of lines that say the same, one is written in a while. */
export type LinkLog = (level: LinkLogLevel, text: string, limit?: LineLimit) => void;

/** Stands for leaf nodes of whatever cluster; no cluster may be called so. */
export const ANY_CLUSTER = "_";

/** One subscriber, or one queue group, on whose behalf a link announces interest. */
export interface InterestKey {
  readonly account: string;
  readonly subject: string;
  /** "" for plain interest. */
  readonly queue: string;
  /** Cluster of the leaf nodes that it is of, ANY_CLUSTER where it does not matter, "" for anybody else. */
  readonly origin: string;
}

/** A link whose handshake is done: what interest and messages go over. */
export interface Link {
  readonly kind: LinkKind;
  readonly connection: LinkConnection;
  /** The only account it is for: of a leaf the one here that it is bound to, of a route the one it is dedicated to. */
  readonly account: string | null;
  /** Of a route: the server at its other end, to which there may be more. "" of links that nobody asks. */
  readonly remoteId: string;
  /** Of a leaf node: its cluster as it said, or its hub's; of a route or gateway: the other side's. */
  readonly cluster: string;
  /**
   * Which way interest and messages flow. `both`: routes. `spoke`: the other side is a leaf node of ours. `hub`: we are
   * its leaf node. `inbound`: a gateway that sends us messages and is told interest. `outbound`: the other way round.
   */
  readonly role: "both" | "spoke" | "hub" | "inbound" | "outbound";
  /** A leaf link over which interest of other leaf nodes is not announced. */
  readonly isIsolated: boolean;
  /** Whether the other side takes header blocks. */
  readonly takesHeaders: boolean;
  /** Name of the other server; "" where it has not said. */
  readonly serverName: string;
  /** Whether the other side tells what it does with messages that are traced, and delivers none that are only traced. */
  readonly tracesMessages: boolean;
  /** Last measured round trip, milliseconds; 0 before the first. */
  readonly rttMs: number;
  /** Whether this server tells its interest in an account over this link, of several to one server. */
  carries(account: string): boolean;
  /**
   * Of several links to one server, the one that carries an account: messages leave by it, behind the interest that was
   * told before, whichever the server tells its own by.
   */
  carrierOf?(account: string): Link;
  /**
   * Interest behind this server, as the rules of `core/ledger.ts` have it, has changed: `weight` members of the queue, 1
   * for plain interest, 0 when it is gone. The link says so in the words its peer understands, or keeps it to itself
   * where permissions or protocol forbid.
   */
  announce(key: InterestKey, weight: number): void;
  /** The same for plain interest in many subjects that it was not told of, which has no origin; where that is less work. */
  announcePlain?(account: string, subjects: readonly string[]): void;
  /**
   * Plain `RS+` lines of the peer say by themselves what `LinkEvents.interest` would be told of them, if they name an
   * account that there is: the host may do without that.
   */
  readonly takesAllPlain?: boolean;
  /** Whether a message on this subject may go out at all (permissions of leaf nodes, interest state of gateways). */
  maySend(account: string, subject: string): boolean;
  /** Where `maySend` says yes: whether it may go out for this queue group of the other side, where some may not have it. */
  mayServe?(subject: string, queue: string): boolean;
  /** Where `maySend` says no: whether the subject is denied, not just none of those allowed. */
  isDenied?(subject: string): boolean;
  /** Messages with a reply let the other side answer what it otherwise may not: they are to go through `sendMessage`. */
  readonly notesReplies?: boolean;
  /** Whether a message on this subject may come in, where that is restricted. */
  mayReceive?(subject: string): boolean;
  /**
   * The line up to the blank after the subject, for messages without queue groups: `RMSG <account> <subject> `,
   * `LMSG <origin> <account> <subject> ` or `LMSG <subject> `. The sizes follow; see `frameMessage`.
   */
  messagePrefix(account: string, subject: string, origin: string): string;
  /** Frames and sends one message, plain and for the groups named. False where it does not go out after all. */
  sendMessage(message: LinkMessage, queues: readonly string[]): boolean;
}

/** A message that crosses a link. */
export interface LinkMessage {
  readonly account: string;
  /** Cluster of the leaf node through which it entered, "" for others. */
  readonly origin: string;
  readonly subject: string;
  /** "" for none. */
  readonly reply: string;
  /** Headers, then the payload, without CR LF. `headerBytes` 0 means none. */
  readonly content: MessageBytes;
  /** Who is told what becomes of it; absent for nearly all. */
  readonly trace?: MessageTrace;
}

/** What a registered link tells the core of its peer's wishes. */
export interface LinkEvents {
  /** The handshake is done: interest is announced over the link from now on, its burst within this call. */
  joined(link: Link): void;
  /** It is over: everything the peer wanted is forgotten. */
  left(link: Link): void;
  /** The peer wants `weight` members' worth of this; 0: no more. Repeats replace. */
  interest(link: Link, key: InterestKey, weight: number): void;
  /** The peer sent a message for the groups named and everybody with plain interest. */
  message(link: Link, message: LinkMessage, queues: readonly string[]): void;
  /** What the link lets through has changed (`maySend`): plans that rest on it are void. */
  changed(link: Link): void;
}
