/** What the leaf links of one server share: options, the server's answers, and the sinks of what happens. */
import type { AccountTerms } from "../../auth/account_terms.ts";
import type { Login, LoginRefusal, LoginRequest } from "../../auth/login.ts";
import type { CompressionSettings } from "../../config/compression.ts";
import type { CloseReason } from "../../protocol/close_reason.ts";
import type { DialReports } from "../core/dial_tries.ts";
import type { InterestKey, Link, LinkClock, LinkConnection, LinkEvents, LinkLog } from "../core/link.ts";
import type { LeafFacts } from "./leaf_facts.ts";
import type { FailedLeaf, LeafReport } from "./leaf_report.ts";

/** Options of the server and of its `leafnodes` block. Texts are byte strings. A reload replaces them. */
export interface LeafOptions extends DialReports {
  readonly serverId: string;
  readonly serverName: string;
  readonly version: string;
  readonly goVersion: string;
  readonly gitCommit: string;
  /** The server's protocol version, as INFO's `proto` and CONNECT's `protocol` carry it. */
  readonly protocol: number;
  readonly hasHeaders: boolean;
  readonly payloadBytesMax: number;
  /** The most subscriptions of one connection; −1 for any number. */
  readonly subscriptionsMax: number;
  readonly controlLineBytesMax: number;
  readonly pingIntervalMs: number;
  /** The interval on WebSocket connections. */
  readonly webSocketPingIntervalMs: number;
  readonly pingsOutMax: number;
  readonly hasGateways: boolean;
  /** Whether the server has no cluster, no gateways and no leaf listener. */
  readonly isStandAlone: boolean;

  /** The address of the listener as INFO carries it: what it advertises, if anything. */
  readonly host: string;
  readonly port: number;
  readonly tls: LeafListenerTls | null;
  readonly authTimeoutMs: number;
  /**
   * Whether the block has credentials of its own. If so, a peer beyond the account's connection limit is refused in the
   * same words as one with a wrong password.
   */
  readonly hasOwnCredentials: boolean;
  /** The lowest version that may connect; null for any. */
  readonly versionMin: string | null;
  /** The compression of leaf nodes that connect. */
  readonly compression: CompressionSettings;
  readonly isolatesInterest: boolean;
  readonly reconnectIntervalMs: number;
  readonly dialTimeoutMs: number;
}

export interface LeafListenerTls {
  readonly verifies: boolean;
  readonly timeoutMs: number;
  /** Whether TLS begins before INFO is sent. */
  readonly isFirst: boolean;
  /** With `isFirst`: INFO is sent first to a peer that has sent nothing for this long; 0 for never. */
  readonly fallbackMs: number;
}

/** The current state of an account of this server. */
export interface LeafAccount {
  /** The name of the account in the log. */
  readonly label: string;
  readonly isSystem: boolean;
  /**
   * The most leaf connections of the account on all servers, −1 for any number; `leafsElsewhere` says how many are on
   * other servers.
   */
  readonly leafsMax: number;
  readonly leafsElsewhere: number;
  /** −1 for no limit. */
  readonly payloadBytesMax: number;
  readonly subscriptionsMax: number;
  /**
   * Interest that is not from a subscription: service imports, sources of mappings, the wildcard of service replies.
   */
  readonly alwaysWanted: readonly string[];
}

/** A login as the leaf protocol knows it; the host adds what it knows about the connection. */
export type LeafLoginRequest = Omit<LoginRequest, "ip" | "tls">;

export interface LeafLogins {
  /** Judges a login. `answer` is called once, at once or later. */
  judge(
    connection: LinkConnection,
    request: LeafLoginRequest,
    answer: (verdict: Login | LoginRefusal) => void,
  ): void;
}

/** Receives what becomes events of accounts, counters and monitoring reports. */
export interface LeafNotices {
  /** A leaf link is up. `announces`: an event tells its account of the connection. */
  opened(report: LeafReport, announces: boolean): void;
  /** A link that was up has ended. */
  closed(report: LeafReport, reason: CloseReason): void;
  /** A connection has ended before it became a link. */
  failed(leaf: FailedLeaf, reason: CloseReason): void;
  /** A leaf node was refused a login. */
  refused(
    connection: LinkConnection,
    refusal: LoginRefusal,
    server: { readonly name: string; readonly version: string },
  ): void;
  /**
   * With gateways: a leaf node has connected in the account, whose gateways switch to interest-only mode from now on
   * (LEAFNODE.CONNECT).
   */
  accountConnected(account: string): void;
}

/** A link in the register of links. */
export interface RegisteredLeaf extends Link {
  readonly facts: LeafFacts;
  report(): LeafReport;
  /** Ends the connection because the server no longer wants it. */
  close(reason: CloseReason): void;
  /** Ends the connection because its account has too many leaf connections. */
  closeAsSurplus(): void;
  /** Ends the connection in favour of a newer one of the same server. It is no longer a link when this returns. */
  closeAsDuplicate(): void;
  /** Sends this server's INFO again, because the leaf listeners of its cluster have changed. */
  sendInfo(line: string): void;
  /** The compression settings have changed. Closes the connection if both ends have to agree on them again. */
  compressionChanged(): void;
  /** The account's interest that is not from subscriptions has changed. */
  refreshAlwaysWanted(): void;
  /** The account has changed, and may no longer allow the login as it is. */
  applyTerms(terms: AccountTerms): void;
}

/** The links of all leaf connections, as far as one of them needs to know the others. */
export interface LeafRegister {
  /** The subject that detects loops of an account. It is made when first asked for, and kept. */
  loopSubject(account: string): string;
  /** The hub's account for a local account, as a hub has told it; undefined if none has. */
  remoteAccountOf(account: string): string | undefined;
  noteRemoteAccount(account: string, remoteAccount: string): void;
  /** The number of the account's leaf connections on this server. */
  countOf(account: string): number;
  /** Whether a leaf node of this cluster is connected to us in this account. */
  hasSpokeOf(account: string, cluster: string): boolean;
  /**
   * The earlier connection of the same server, which a connection with these properties replaces; null if there is
   * none.
   */
  findDuplicate(
    serverName: string,
    cluster: string,
    account: string,
    remoteAccount: string,
  ): RegisteredLeaf | null;
  add(link: RegisteredLeaf): void;
  remove(link: RegisteredLeaf): void;
}

export interface LeafContext {
  options: LeafOptions;
  /**
   * The current name of this server's cluster. Without a cluster it is the server's name, if it has one and remotes, else
   * "".
   */
  readonly clusterName: () => string;
  /**
   * The `host:port` of the cluster's leaf listeners, this server's own first; `webSocketUrls` are those of the
   * WebSocket ones.
   */
  readonly leafUrls: () => readonly string[];
  readonly webSocketUrls: () => readonly string[];
  readonly account: (name: string) => LeafAccount | undefined;
  readonly logins: LeafLogins;
  readonly register: LeafRegister;
  readonly events: LinkEvents;
  /** The interest that `events.interest` was told of a peer; whether `key` is among it; and its number. */
  readonly wanted: (link: Link) => readonly InterestKey[];
  readonly isWanted: (link: Link, key: InterestKey) => boolean;
  readonly wantedCount: (link: Link) => number;
  readonly notices: LeafNotices;
  /** Reads a text file; may throw. */
  readonly readFile: (path: string) => string;
  /** The text that a login signs: 15 unpredictable characters. */
  readonly newNonce: () => string;
  readonly clock: LinkClock;
  /** Unix time in milliseconds, by which logins expire. */
  readonly wallMs: () => number;
  readonly log: LinkLog;
}
