/** What shards answer about their connections, accounts and subscriptions. Plain data: it crosses threads. */
import type { ServiceLatency } from "../../account/definition.ts";
import type { Permissions } from "../../config/permissions.ts";

/** What a client may learn about itself. */
export interface UserRecord {
  /** Null permits everything. */
  readonly permissions: Permissions | null;
  readonly expiresAtMs: number | null;
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
  /** The user; for a refused client the one that it claimed to be. */
  readonly user: string;
  /** Name of the account, and the name in its JWT, "" for none. */
  readonly account: string;
  readonly accountNameTag: string;
  /** The name in the user's JWT; the JWT itself, unless it is a bearer token; who issued it; and its tags. */
  readonly userNameTag: string;
  readonly jwt: string;
  readonly issuerKey: string;
  readonly tags: readonly string[];
  /** Key of the trusted proxy that the connection came through, "" for none. */
  readonly proxyKey: string;
  readonly isWebSocket: boolean;
  readonly tls: ConnectionTlsRecord | null;
  readonly subscriptions: readonly SubscriptionSnapshot[] | null;
}

export interface ConnectionTlsRecord {
  /** `1.2` or `1.3`. */
  readonly version: string;
  /** The cipher suite's IANA name. */
  readonly cipherSuite: string;
  /** Whether the handshake came before INFO. */
  readonly isFirst: boolean;
  readonly peerCertificates: readonly PeerCertificateRecord[];
}

export interface PeerCertificateRecord {
  readonly subject: string;
  readonly publicKeySha256Hex: string;
  readonly certificateSha256Hex: string;
}

/** The counters of one account on a shard since the shard started. */
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
  /** How many connections are open, wanted or not. */
  readonly openCount: number;
}

/** An answer that a service owes. */
export interface ResponseRecord {
  /** The subject that the answer is to be published on. */
  readonly subject: string;
  /** The account that waits for the answer, and the subject it waits on. */
  readonly account: string;
  readonly reply: string;
  readonly isShared: boolean;
  /** Null if this request's latency is not measured. */
  readonly latency: ServiceLatency | null;
}

export interface SubscriptionPage {
  readonly subscriptions: readonly SubscriptionSnapshot[];
  /** How many subscriptions there are in all. */
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
