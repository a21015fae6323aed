/** What passes between a shard and other threads: what it is told by ring, and what it reports. Plain data. */
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
  /** Comes back with the verdict (`Connection.loginNumber`). */
  readonly loginNumber: number;
  /** The client is in already; asked after a reload. */
  readonly isAgain: boolean;
  readonly request: LoginRequest;
  /** For a callout service; null without TLS, and where no service is asked. */
  readonly clientTls: ClientTls | null;
}

/**
 * From another shard: nobody there took this message of the client in a slot here, and nobody else could. The account is
 * the one that it was delivered in; subject and reply are byte strings.
 */
export interface UntakenMessage {
  readonly slot: number;
  readonly account: number;
  readonly subject: string;
  readonly reply: string;
}

/** Main, the logins thread or the acceptor → shard, in a ring. */
export type ShardControl =
  /** Operator mode: accounts are new, changed or gone, and what that means for who is logged in. */
  | { readonly type: "accounts"; readonly change: AccountsChange }
  /**
   * From another shard: who is about to answer a request to a service whose latency is measured. To the links shard with the
   * request's reply instead, where another server measures it.
   */
  | { readonly type: "responder"; readonly token: string; readonly info: ClientInfo }
  /** From main: what the responder's server has measured of a request; `subject` is the reply of it, a byte string. */
  | {
      readonly type: "latency";
      readonly account: number;
      readonly subject: string;
      readonly sample: LatencySample;
    }
  /**
   * From main or the logins thread: a request of the server's in an account, to the services that this one imports. Headers, ""
   * for none, and payload are base64.
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
  /** From another shard: a message of a trace that began there (`node`, `number`), for those here that it names. */
  | {
      readonly type: "trace";
      readonly node: number;
      readonly number: number;
      readonly terms: TraceTerms;
      /** Its parts as byte strings, headers and payload base64. */
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
  /** The answer to it: what became of the message, by how many links it has left, and how many took it. */
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
  /** From another shard to the links shard; by main and postMessage where the stream has a port. */
  | HandedLeaf
  | { readonly type: "options"; readonly options: ShardOptions; readonly info: ServerInfo }
  | { readonly type: "otherClusters"; readonly names: readonly string[] }
  | { readonly type: "query"; readonly id: number; readonly query: ShardQuery }
  /** Sends INFO to clients that take it at any time: to all, to those who came by one port, or to one. */
  | {
      readonly type: "info";
      readonly info: ServerInfo;
      readonly listener?: ClientListenerKind;
      readonly clientId?: number;
    }
  /** Closes every `count`-th … the first `count` connections, for lame duck mode. */
  | { readonly type: "closeSome"; readonly count: number; readonly reason: number }
  /** Lowers the shard's connections to `count`, as after a reload of max_connections. */
  | { readonly type: "shrink"; readonly count: number }
  /** Closes these clients and leaf nodes, of which their account has too many. */
  | { readonly type: "accountFull"; readonly clientIds: readonly number[] }
  /** Takes no more connections of these kinds, where the shard listens by itself. */
  | { readonly type: "stopListening"; readonly listeners: readonly ListenerKind[] }
  /** Closes every connection. With `leavesSockets` clients' sockets stay open for the end of the process to close. */
  | { readonly type: "stop"; readonly leavesSockets: boolean }
  | LinkControl
  /** Throws inside the shard; the test of what happens then. */
  | { readonly type: "fail" };

/** Main → the links shard. */
export type LinkControl =
  /** What it is to do; first of all, and again after a reload that changed it. */
  | { readonly type: "link"; readonly what: "start"; readonly setup: LinksSetup }
  /** The answer to a `resolve` report. */
  | ({ readonly type: "link"; readonly what: "addresses"; readonly host: string } & HostAddresses)
  /** Other servers have leaf links of an account: together they may be too many. */
  | { readonly type: "link"; readonly what: "limitLeafs"; readonly account: string }
  /** Lame duck mode begins. */
  | { readonly type: "link"; readonly what: "lameDuck" }
  /** Leaf nodes are to go, as clients are. */
  | { readonly type: "link"; readonly what: "closeLeafs" };

/** Shard → main, by postMessage. */
export type ShardReport =
  /** With the ports it listens on by itself, in the order it was told to. */
  | { readonly type: "ready"; readonly ports: readonly number[] }
  | {
      readonly type: "log";
      readonly level: ShardLogLevel;
      readonly text: string;
      /** Absent for a line that is written each time. */
      readonly limit?: LineLimit;
    }
  /** Text, because to clone a page of connections takes a shard three times as long (2.3 of 0.8 ms; Deno: 1.7 of 0.9). */
  | { readonly type: "answer"; readonly id: number; readonly json: string }
  /** A peer whose certificates are to be checked: its verified chain, DER, its own first. Answered by `peer`. */
  | {
      readonly type: "peer";
      readonly slot: number;
      /** Below 0 for a WebSocket that is no client yet. */
      readonly clientId: number;
      /** Name of the TLS block that wants it, as of contexts. */
      readonly block: string;
      readonly chain: readonly Uint8Array[];
    }
  /** A client came or went. Only where somebody listens to events of such. */
  | { readonly type: "client"; readonly event: ClientEvent }
  /** Clients that are gone: `ConnectionRecord[]` and how many they are, as text for the same reason. */
  | { readonly type: "closed"; readonly json: string; readonly count: number }
  /** A trace is complete: main publishes it. */
  | { readonly type: "trace"; readonly result: TraceResult }
  /** For the links shard, which is to be given the port with it. */
  | HandedLeaf
  /** The links shard's alone. */
  | { readonly type: "links"; readonly news: LinksNews }
  /** The links shard wants the addresses of a host. */
  | { readonly type: "resolve"; readonly host: string }
  /** Where shards listen by themselves. The thread has served nobody and stops. */
  | { readonly type: "cannotListen"; readonly listener: OwnListener; readonly error: string }
  | { readonly type: "failed"; readonly error: string }
  | { readonly type: "stopped" }
  | { readonly type: "disposed" };

/** Main → a shard, by postMessage, after the start. */
export type ShardMessage =
  /** It has stopped, and is to give back what it opened. */
  | { readonly type: "dispose" }
  /** With the runtime's sockets, to the links shard. */
  | HandedLeaf;

export type ShardLogLevel = "info" | "warning" | "error" | "debug" | "trace";

/** What this server did with a message that is traced, and where that is to be published. */
export interface TraceResult {
  /** Id of the account. */
  readonly account: number;
  readonly destination: string;
  /** As the message asked for it, "" for none. */
  readonly acceptEncoding: string;
  readonly report: TraceReport;
}

/** What events of the system account tell of a client that came or went. */
export interface ClientEvent {
  readonly client: ClientInfo;
  /** The accounts whose number of connections it changed, the one it left by a second CONNECT first. */
  readonly countedAccounts: readonly string[];
  /** Of a client that was refused: the account that hears of it too, null for none, and why. */
  readonly failure: { readonly account: string | null; readonly reason: string } | null;
  /** Of a client that went. */
  readonly end: { readonly reason: string; readonly traffic: LinkTraffic } | null;
}
