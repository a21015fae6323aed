/** Messages between a shard and other threads: what it is told by ring, and what it reports. Plain data. */
import type { AccountsChange } from "../account/accounts_change.ts";
import type { ClientInfo } from "../account/client_info.ts";
import type { LatencySample } from "../account/latency.ts";
import type { ClientTls } from "../auth/jwt/claims.ts";
import type { LoginRequest, Verdict } from "../auth/login.ts";
import type { ClientListenerKind, ListenerKind } from "../fabric/listeners.ts";
import type { LineLimit } from "../log/line_limit.ts";
import type { ServerInfo } from "../protocol/info.ts";
import type { TraceEntry, TraceReport, TraceTerms } from "../protocol/tracing/message_trace.ts";
import type { HostAddresses } from "../runtime/host_lookup.ts";
import type { HandedLeaf } from "./links/handed_leaf.ts";
import type { LinkTraffic } from "./links/link_records.ts";
import type { LinksNews, LinksSetup } from "./links/links_setup.ts";
import type { OwnListener, ShardOptions } from "./shard_options.ts";
import type { ShardQuery } from "./watch/shard_queries.ts";

/** Shard → the logins thread: a login that takes more than comparing texts. */
export interface LoginQuestion {
  readonly node: number;
  readonly slot: number;
  readonly clientId: number;
  /** Number that comes back with the verdict (`Connection.loginNumber`). */
  readonly loginNumber: number;
  /** Whether the client is logged in already, and the question is asked because of a reload. */
  readonly isAgain: boolean;
  readonly request: LoginRequest;
  /** For a callout service; null without TLS, or if no service is asked. */
  readonly clientTls: ClientTls | null;
}

/**
 * From another shard: nobody there took this message of the client in a slot here, and nobody else could. The account
 * is the one that the message was delivered in. Subject and reply are byte strings.
 */
export interface UntakenMessage {
  readonly slot: number;
  readonly account: number;
  readonly subject: string;
  readonly reply: string;
}

/** Main, the logins thread or the acceptor → shard, in a ring. */
export type ShardControl =
  /** Operator mode: accounts are new, changed or gone, and what follows from that for logged-in clients. */
  | { readonly type: "accounts"; readonly change: AccountsChange }
  /**
   * From another shard: who is about to answer a request whose latency is measured. If another server measures it, sent
   * to the links shard with the request's reply subject as `token`.
   */
  | { readonly type: "responder"; readonly token: string; readonly info: ClientInfo }
  /**
   * From main: what the responder's server has measured of a request. `subject` is the request's reply subject, a byte
   * string.
   */
  | {
      readonly type: "latency";
      readonly account: number;
      readonly subject: string;
      readonly sample: LatencySample;
    }
  /**
   * From main or the logins thread: a request of the server itself, in an account, to the services that the account
   * imports. Headers ("" for none) and payload are base64.
   */
  | {
      readonly type: "request";
      readonly account: number;
      readonly subject: string;
      readonly reply: string;
      readonly headers: string;
      readonly payload: string;
    }
  /** The answer to a `LoginQuestion`. */
  | {
      readonly type: "verdict";
      readonly slot: number;
      readonly clientId: number;
      readonly loginNumber: number;
      readonly isAgain: boolean;
      readonly verdict: Verdict;
    }
  | ({ readonly type: "untaken" } & UntakenMessage)
  /**
   * From another shard: a message whose trace began there (`node`, `number`), for the subscribers here that it names.
   */
  | {
      readonly type: "trace";
      readonly node: number;
      readonly number: number;
      readonly terms: TraceTerms;
      /** The message's parts as byte strings; `content` is headers and payload in base64. */
      readonly message: {
        readonly context: number;
        readonly subject: string;
        readonly line: string;
        readonly headerLength: number;
        readonly payloadLength: number;
        readonly content: string;
      };
      readonly isPlain: boolean;
      readonly queues: readonly number[];
    }
  /** The answer to `trace`: what became of the message, by how many links it has left, and how many took it. */
  | {
      readonly type: "traced";
      readonly number: number;
      readonly entries: readonly TraceEntry[];
      readonly hops: number;
      readonly taken: number;
    }
  /** Whether the connection of a `peer` report may go on. */
  | { readonly type: "peer"; readonly slot: number; readonly clientId: number; readonly isValid: boolean }
  | {
      readonly type: "accept";
      readonly listener: ListenerKind;
      readonly fd: number;
      readonly ip: string;
      readonly port: number;
    }
  /** From another shard to the links shard; if the stream has a port, through main and by postMessage. */
  | HandedLeaf
  | { readonly type: "options"; readonly options: ShardOptions; readonly info: ServerInfo }
  | { readonly type: "otherClusters"; readonly names: readonly string[] }
  | { readonly type: "query"; readonly id: number; readonly query: ShardQuery }
  /** Sends INFO to clients that take it at any time: to all, to those of one port, or to one client. */
  | {
      readonly type: "info";
      readonly info: ServerInfo;
      readonly listener?: ClientListenerKind;
      readonly clientId?: number;
    }
  /** Closes the first `count` connections, for lame duck mode. */
  | { readonly type: "closeSome"; readonly count: number; readonly reason: number }
  /** Closes `count` connections because there are too many, as after a reload of max_connections. */
  | { readonly type: "shrink"; readonly count: number }
  /** Closes these clients and leaf nodes, because their account has too many. */
  | { readonly type: "accountFull"; readonly clientIds: readonly number[] }
  /** Ends listening for these kinds of connection, if the shard listens by itself. */
  | { readonly type: "stopListening"; readonly listeners: readonly ListenerKind[] }
  /** Closes every connection. With `leavesSockets` the sockets of clients stay open until the process ends. */
  | { readonly type: "stop"; readonly leavesSockets: boolean }
  | LinkControl
  /** Throws inside the shard, to test what happens then. */
  | { readonly type: "fail" };

/** Main → the links shard. */
export type LinkControl =
  /** What the links shard is to do. Sent first of all, and again after a reload that changed it. */
  | { readonly type: "link"; readonly what: "start"; readonly setup: LinksSetup }
  /** The answer to a `resolve` report. */
  | ({ readonly type: "link"; readonly what: "addresses"; readonly host: string } & HostAddresses)
  /** Other servers have leaf nodes in this account, too: together they may be too many. */
  | { readonly type: "link"; readonly what: "limitLeafs"; readonly account: string }
  /** Lame duck mode begins. */
  | { readonly type: "link"; readonly what: "lameDuck" }
  /** Closes leaf nodes, as clients are closed. */
  | { readonly type: "link"; readonly what: "closeLeafs" };

/** Shard → main, by postMessage. */
export type ShardReport =
  /** With the ports that the shard listens on by itself, in the order that it was told. */
  | { readonly type: "ready"; readonly ports: readonly number[] }
  | {
      readonly type: "log";
      readonly level: ShardLogLevel;
      readonly text: string;
      /** Absent for a line that is written each time. */
      readonly limit?: LineLimit;
    }
  /**
   * The answer is text, because cloning a page of connections takes a shard three times as long (2.3 instead of 0.8 ms;
   * on Deno 1.7 instead of 0.9).
   */
  | { readonly type: "answer"; readonly id: number; readonly json: string }
  /**
   * Asks whether a peer's certificates hold. `chain` is its verified chain, DER, its own certificate first. The answer
   * is `peer`.
   */
  | {
      readonly type: "peer";
      readonly slot: number;
      /** Below 0 for a WebSocket that is no client yet. */
      readonly clientId: number;
      /** Name of the TLS block that demands the check, which is that of its context. */
      readonly block: string;
      readonly chain: readonly Uint8Array[];
    }
  /** A client has connected or disconnected. Sent only if somebody listens to such events. */
  | { readonly type: "client"; readonly event: ClientEvent }
  /** Clients that are gone, as `ConnectionRecord[]`, and their number. It is text for the reason given above. */
  | { readonly type: "closed"; readonly json: string; readonly count: number }
  /** A trace is complete, and main is to publish it. */
  | { readonly type: "trace"; readonly result: TraceResult }
  /** For the links shard, to which main passes it with its port. */
  | HandedLeaf
  /** Sent by the links shard only. */
  | { readonly type: "links"; readonly news: LinksNews }
  /** The links shard asks for the addresses of a host. */
  | { readonly type: "resolve"; readonly host: string }
  /** Sent by a shard that listens by itself: the thread has served nobody and stops. */
  | { readonly type: "cannotListen"; readonly listener: OwnListener; readonly error: string }
  | { readonly type: "failed"; readonly error: string }
  | { readonly type: "stopped" }
  | { readonly type: "disposed" };

/** Main → a shard, by postMessage, after the start. */
export type ShardMessage =
  /** The shard has stopped and is to give back what it opened. */
  | { readonly type: "dispose" }
  /** Sent to the links shard, if the runtime's sockets are used. */
  | HandedLeaf;

export type ShardLogLevel = "info" | "warning" | "error" | "debug" | "trace";

/** What this server did with a traced message, and where that is to be published. */
export interface TraceResult {
  /** Id of the account to publish in. */
  readonly account: number;
  readonly destination: string;
  /** The encoding that the message asked for, "" for none. */
  readonly acceptEncoding: string;
  readonly report: TraceReport;
}

/** Who is told that a login failed. */
export interface LoginFailure {
  /** The account that is told `reason`; null for none. */
  readonly account: string | null;
  readonly reason: string;
  /** Whether the system account is told, too. */
  readonly isForSystem: boolean;
}

/** What events of the system account tell about a client that connected or disconnected. */
export interface ClientEvent {
  readonly client: ClientInfo;
  /** The accounts whose number of connections has changed; the one that was left by a second CONNECT comes first. */
  readonly countedAccounts: readonly string[];
  /** For a client that was refused. */
  readonly failure: LoginFailure | null;
  /** For a client that disconnected. */
  readonly end: { readonly reason: string; readonly traffic: LinkTraffic } | null;
}
