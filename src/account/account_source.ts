import type { AccountLimits } from "../config/accounts.ts";
import type { MappingOptions } from "../config/mappings.ts";
import type { Permissions } from "../config/permissions.ts";
import type { AccountTrace } from "../protocol/tracing/trace_admission.ts";
import type { ResponseType, ServiceLatency } from "./definition.ts";

/**
 * What an account says of itself, in the configuration or in its JWT, before it is compared with what other accounts
 * say. Subjects are text.
 */
export interface AccountSource {
  /** In operator mode the account's public key. */
  readonly name: string;
  readonly nkey?: string;
  /** See `AccountDefinition`. */
  readonly nameTag?: string;
  readonly limits: AccountLimits;
  /** They have passed `findMappingProblem`. */
  readonly mappings: readonly MappingOptions[];
  readonly exports: readonly ExportRule[];
  readonly imports: readonly ImportRule[];
  readonly defaultPermissions?: Permissions;
  readonly messageTrace?: AccountTrace;
  /** Whether it may use JetStream, which other servers may have. */
  readonly usesJetStream?: boolean;
  /** Keys that may sign activation tokens in its name. */
  readonly signingKeys: ReadonlySet<string>;
}

export type ShareKind = "stream" | "service";

export interface ExportRule {
  readonly kind: ShareKind;
  readonly subject: string;
  /** The only accounts that may import it; everyone if empty. */
  readonly importers: readonly string[];
  readonly needsToken: boolean;
  /** By importing account or `*`: activation tokens issued until then, in Unix seconds, do not hold. */
  readonly revocations: ReadonlyMap<string, number>;
  /** The token, from 1, that must be the importer's name; 0 for none. Decides alone. */
  readonly accountTokenPosition: number;
  readonly responseType: ResponseType;
  /** Undefined or 0 for the default of two minutes. */
  readonly responseThresholdMs: number | undefined;
  readonly latency: ServiceLatency | undefined;
  readonly allowTrace: boolean;
}

export interface ImportRule {
  readonly kind: ShareKind;
  /** The exporting account. */
  readonly exporter: string;
  /** The subject there. */
  readonly remote: string;
  /** The subject here, with `$n` for the n-th star of `remote`; "" for the same. */
  readonly local: string;
  /** Of streams, instead of `local`: put before the subject; "" for none. */
  readonly prefix: string;
  /** Of services. */
  readonly share: boolean;
  /** Of streams. */
  readonly allowTrace: boolean;
  /** An activation token; "" for none. */
  readonly token: string;
}

const NO_LIMITS: AccountLimits = {
  maxConnections: -1,
  maxSubscriptions: -1,
  maxPayloadBytes: -1,
  maxLeafnodes: -1,
};

/** An account that shares nothing and limits nothing. */
export function plainSource(name: string, mappings: readonly MappingOptions[] = []): AccountSource {
  return { name, limits: NO_LIMITS, mappings, exports: [], imports: [], signingKeys: new Set() };
}
