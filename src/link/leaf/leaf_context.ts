/** What the leaf links of one server share: options, the server's answers, and where they tell what happens. */
import type { AccountTerms } from "../../auth/account_terms.ts";
import type { Login, LoginRefusal, LoginRequest } from "../../auth/login.ts";
import type { CompressionSettings } from "../../config/compression.ts";
import type { CloseReason } from "../../protocol/close_reason.ts";
import type { DialReports } from "../core/dial_tries.ts";
import type { InterestKey, Link, LinkClock, LinkConnection, LinkEvents, LinkLog } from "../core/link.ts";
import type { LeafFacts } from "./leaf_facts.ts";
import type { FailedLeaf, LeafReport } from "./leaf_report.ts";

/** Of the server and of its `leafnodes` block. Texts are byte strings. A reload replaces it. */
export interface LeafOptions extends DialReports {
  readonly serverId: string;
  readonly serverName: string;
  readonly version: string;
  readonly goVersion: string;
  readonly gitCommit: string;
  /** What the server can do, as INFO's `proto` and CONNECT's `protocol` say it. */
  readonly protocol: number;
  readonly hasHeaders: boolean;
  readonly payloadBytesMax: number;
  /** Of one connection; −1 for any number. */
  readonly subscriptionsMax: number;
  readonly controlLineBytesMax: number;
  readonly pingIntervalMs: number;
  /** Over WebSocket. */
  readonly webSocketPingIntervalMs: number;
  readonly pingsOutMax: number;
  readonly hasGateways: boolean;
  /** No cluster, no gateways, no leaf listener. */
  readonly isStandAlone: boolean;

  /** Of the listener, as INFO says it: what it advertises. */
  readonly host: string;
  readonly port: number;
  readonly tls: LeafListenerTls | null;
  readonly authTimeoutMs: number;
  /** The account's connections are not told apart from a wrong password where the block has credentials of its own. */
  readonly hasOwnCredentials: boolean;
  /** Null for none. */
  readonly versionMin: string | null;
  /** Of leaf nodes that connect. */
  readonly compression: CompressionSettings;
  readonly isolatesInterest: boolean;
  readonly reconnectIntervalMs: number;
  readonly dialTimeoutMs: number;
}

export interface LeafListenerTls {
  readonly verifies: boolean;
  readonly timeoutMs: number;
  /** TLS begins before INFO is sent. */
  readonly isFirst: boolean;
  /** With `isFirst`: for whoever has sent nothing after so long INFO comes first; 0 for nobody. */
  readonly fallbackMs: number;
}

/** Of an account of this server, as it is now. */
export interface LeafAccount {
  /** What the log calls it. */
  readonly label: string;
  readonly isSystem: boolean;
  /** Leaf connections it may have in all, −1 for any number, and how many of them are on other servers. */
  readonly leafsMax: number;
  readonly leafsElsewhere: number;
  /** −1 for none. */
  readonly payloadBytesMax: number;
  readonly subscriptionsMax: number;
  /** Interest that no subscription stands for: service imports, sources of mappings, the wildcard of service replies. */
  readonly alwaysWanted: readonly string[];
}

/** A login as the leaf protocol knows it; the host adds what it knows of the connection. */
export type LeafLoginRequest = Omit<LoginRequest, "ip" | "tls">;

export interface LeafLogins {
  /** Asks who may log in; `answer` is called once, at once or later. */
  judge(
    connection: LinkConnection,
    request: LeafLoginRequest,
    answer: (verdict: Login | LoginRefusal) => void,
  ): void;
}

/** What becomes events of accounts, counters and answers to monitoring. */
export interface LeafNotices {
  /** A leaf link is up. `announces`: its account is told of the connection. */
  opened(report: LeafReport, announces: boolean): void;
  /** A link that was up is over. */
  closed(report: LeafReport, reason: CloseReason): void;
  /** A connection is over that never was a link. */
  failed(leaf: FailedLeaf, reason: CloseReason): void;
  /** A leaf could not log in. */
  refused(
    connection: LinkConnection,
    refusal: LoginRefusal,
    server: { readonly name: string; readonly version: string },
  ): void;
  /** With gateways: a leaf has connected in the account, so it goes by interest from now on (LEAFNODE.CONNECT). */
  accountConnected(account: string): void;
}

/** A link as the register of links knows it. */
export interface RegisteredLeaf extends Link {
  readonly facts: LeafFacts;
  report(): LeafReport;
  /** Ends the connection: the server wants it no more. */
  close(reason: CloseReason): void;
  /** Its account has more leaf connections than it may. */
  closeAsSurplus(): void;
  /** Makes room for a newer connection of the same server: is no link any more. */
  closeAsDuplicate(): void;
  /** Sends this server's INFO anew: the leaf listeners of its cluster have changed. */
  sendInfo(line: string): void;
  /** The configuration has its compression otherwise: it is closed where both ends have to agree on that anew. */
  compressionChanged(): void;
  /** What the account wants beside subscriptions has changed. */
  refreshAlwaysWanted(): void;
  /** The account has changed, and may not have the login so any more. */
  applyTerms(terms: AccountTerms): void;
}

/** The links of all leaf connections, as one of them needs to know the others. */
export interface LeafRegister {
  /** What finds loops of an account: made when first asked for, and kept. */
  loopSubject(account: string): string;
  /** The account in which the other ends are, by what hubs have said; undefined where none did. */
  remoteAccountOf(account: string): string | undefined;
  noteRemoteAccount(account: string, remoteAccount: string): void;
  /** Leaf connections of the account here. */
  countOf(account: string): number;
  /** Whether a leaf node of this cluster is connected to us in the account. */
  hasSpokeOf(account: string, cluster: string): boolean;
  /** What came from the same server as the one described, which that one replaces. */
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
  /** This server's cluster as it is now; without one the server's name if it has remotes, else "". */
  readonly clusterName: () => string;
  /** `host:port` of the leaf listeners of the cluster, own first, and of the WebSocket ones. */
  readonly leafUrls: () => readonly string[];
  readonly webSocketUrls: () => readonly string[];
  readonly account: (name: string) => LeafAccount | undefined;
  readonly logins: LeafLogins;
  readonly register: LeafRegister;
  readonly events: LinkEvents;
  /** What a peer wants, as `events.interest` was told it, whether `key` is among it, and how much it is. */
  readonly wanted: (link: Link) => readonly InterestKey[];
  readonly isWanted: (link: Link, key: InterestKey) => boolean;
  readonly wantedCount: (link: Link) => number;
  readonly notices: LeafNotices;
  /** Text of a file; may throw. */
  readonly readFile: (path: string) => string;
  /** What a login signs: 15 characters nobody can foresee. */
  readonly newNonce: () => string;
  readonly clock: LinkClock;
  /** Unix time, milliseconds: logins end by it. */
  readonly wallMs: () => number;
  readonly log: LinkLog;
}
