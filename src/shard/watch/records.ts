/** What shards answer of their connections, accounts and subscriptions. Plain data: it crosses threads. */
import type { ServiceLatency } from "../../account/definition.ts";
import type { Permissions } from "../../config/permissions.ts";

/** What a client may ask of itself. */
export interface UserRecord {
  /** Null permits everything. */
  readonly permissions: Permissions | null;
  readonly expiresAtMs: number | null;
  /** The account's name tag, or its name. */
  readonly accountNameTag: string;
}

/** A connection as monitoring shows it, open or closed. */
export interface ConnectionRecord {
  readonly clientId: number;
  readonly ip: string;
  readonly port: number;
  readonly startMs: number;
  readonly stopMs: number | null;
  readonly reason: string;
  readonly lastActivityMs: number;
  readonly rttMs: number;
  readonly pendingBytes: number;
  readonly inMessages: number;
  readonly outMessages: number;
  readonly inBytes: number;
  readonly outBytes: number;
  readonly stalls: number;
  readonly subscriptionCount: number;
  readonly name: string;
  readonly lang: string;
  readonly version: string;
  /** Who it is, or whom a client that was refused said it was. */
  readonly user: string;
  /** Name of the account, and what its JWT calls it, "" for nothing. */
  readonly account: string;
  readonly accountNameTag: string;
  /** Name in the user JWT; the JWT itself unless it is a bearer's, who issued it, and its tags. */
  readonly userNameTag: string;
  readonly jwt: string;
  readonly issuerKey: string;
  readonly tags: readonly string[];
  /** Key of the trusted proxy it came through, "" for none. */
  readonly proxyKey: string;
  readonly isWebSocket: boolean;
  readonly tls: ConnectionTlsRecord | null;
  readonly subscriptions: readonly SubscriptionSnapshot[] | null;
}

export interface ConnectionTlsRecord {
  /** `1.2` or `1.3`. */
  readonly version: string;
  /** The IANA name. */
  readonly cipherSuite: string;
  /** The handshake came before INFO. */
  readonly isFirst: boolean;
  readonly peerCertificates: readonly PeerCertificateRecord[];
}

export interface PeerCertificateRecord {
  readonly subject: string;
  readonly publicKeySha256Hex: string;
  readonly certificateSha256Hex: string;
}

/** What a shard has counted of one account since it started. */
export interface AccountCounters {
  readonly connections: number;
  readonly subscriptions: number;
  readonly subscriptionsAdded: number;
  readonly subscriptionsRemoved: number;
  readonly inMessages: number;
  readonly inBytes: number;
  readonly outMessages: number;
  readonly outBytes: number;
  readonly slowConsumers: number;
}

export interface ConnectionPage {
  readonly connections: readonly ConnectionRecord[];
  /** How many are open, wanted or not. */
  readonly openCount: number;
}

/** An answer that a service owes. */
export interface ResponseRecord {
  /** What it is to be published on. */
  readonly subject: string;
  /** Who waits for it, and on what subject. */
  readonly account: string;
  readonly reply: string;
  readonly isShared: boolean;
  /** Null where this request's latency is not measured. */
  readonly latency: ServiceLatency | null;
}

export interface SubscriptionPage {
  readonly subscriptions: readonly SubscriptionSnapshot[];
  /** How many there are in all. */
  readonly matchCount: number;
}

export interface SubscriptionSnapshot {
  readonly account: string;
  /** As in a `ConnectionRecord`. */
  readonly accountNameTag: string;
  readonly clientId: number;
  readonly subject: string;
  readonly queue: string;
  readonly sid: string;
  readonly delivered: number;
  readonly max: number;
}
