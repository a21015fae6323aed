/** Accounts as monitoring shows them. */
import type { EpochMs } from "../go_json.ts";
import type { InterestStatistics } from "./subscriptions.ts";
import type { MessageCount } from "./traffic.ts";

export interface AccountSnapshot {
  readonly name: string;
  /** The account's name tag, or its name. */
  readonly nameTag: string;
  /** Local clients, without leafnodes. */
  readonly clients: number;
  readonly leafnodes: number;
  readonly subscriptions: number;
  /** Delivered by the server to this account's connections. */
  readonly sent: AccountTraffic;
  /** Published by them. */
  readonly received: AccountTraffic;
  readonly slowConsumers: number;
}

export interface AccountTraffic extends MessageCount {
  readonly gateways: MessageCount;
  readonly routes: MessageCount;
  readonly leafnodes: MessageCount;
}

export interface AccountDetailSnapshot extends AccountSnapshot {
  readonly updateMs: EpochMs;
  readonly isSystem: boolean;
  readonly isExpired: boolean;
  readonly isComplete: boolean;
  /** Source subject → where its messages go. */
  readonly mappings: ReadonlyMap<string, readonly MappingDestination[]>;
  readonly exports: readonly ExportSnapshot[];
  readonly imports: readonly ImportSnapshot[];
  /** Pending service replies by their `_R_` subject. */
  readonly responses: ReadonlyMap<string, ImportSnapshot>;
  readonly interest: InterestStatistics;
  /** Operator mode only; `null` elsewhere. */
  readonly claims: AccountClaimsSnapshot | null;
}

export interface MappingDestination {
  readonly subject: string;
  readonly weightPercent: number;
  readonly cluster: string;
}

export interface ExportSnapshot {
  readonly subject: string;
  readonly type: "service" | "stream";
  readonly isTokenRequired: boolean;
  /** Empty for streams. */
  readonly responseType: "Singleton" | "Streamed" | "Chunked" | "";
  readonly latency: LatencyOptions | null;
  readonly approvedAccounts: readonly string[];
  /** Revoked activations, account → since when. */
  readonly revokedActivations: ReadonlyMap<string, number>;
}

export interface ImportSnapshot {
  readonly type: "service" | "stream";
  /** The exporter's subject. */
  readonly subject: string;
  readonly account: string;
  /** Subject used in the importing account; may be empty for a stream without prefix. */
  readonly localSubject: string;
  readonly isInvalid: boolean;
  readonly isShared: boolean;
  readonly isTracked: boolean;
  readonly latency: LatencyOptions | null;
}

export interface LatencyOptions {
  /** Percent of requests, or `headers`. */
  readonly sampling: number | "headers";
  readonly resultSubject: string;
}

export interface AccountClaimsSnapshot {
  readonly jwt: string;
  readonly issuerKey: string;
  readonly tags: readonly string[];
  /** The claims as their JSON says. */
  readonly decoded: unknown;
  readonly issues: readonly { description: string; isBlocking: boolean; isTimeCheck: boolean }[];
  /** User → since when. */
  readonly revokedUsers: ReadonlyMap<string, number>;
}
