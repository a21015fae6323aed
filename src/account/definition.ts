import type { AccountLimits } from "../config/accounts.ts";
import type { MappingOptions } from "../config/mappings.ts";
import type { Permissions } from "../config/permissions.ts";
import type { AccountTrace } from "../protocol/tracing/trace_admission.ts";

/**
 * What a shard needs to know of an account, with nothing left to look up: imports are authorised, their wildcards
 * numbered, and what the export says is copied to them. Plain data, fit for JSON and for a structured clone; fields
 * that may be absent are absent, not null.
 */
export interface AccountDefinition {
  /** A small integer, the account's for as long as the process lives, even if it goes and comes back. */
  readonly id: number;
  /** In operator mode the account's public key. */
  readonly name: string;
  readonly nkey?: string;
  /** What the account's JWT calls it; absent where it says nothing, and outside operator mode. */
  readonly nameTag?: string;
  readonly isSystem: boolean;
  /** -1 for none. */
  readonly limits: AccountLimits;
  /** In the order they are tried. */
  readonly mappings: readonly MappingOptions[];
  readonly streamImports: readonly StreamImport[];
  readonly serviceImports: readonly ServiceImport[];
  /** For users that come without permissions. */
  readonly defaultPermissions?: Permissions;
  /** Absent if `traceparent` does not make messages of this account traced. */
  readonly messageTrace?: AccountTrace;
}

/** The id of `$G`, the account that every server has. */
export const GLOBAL_ACCOUNT_ID = 1;
/** Reserved for the system account, whatever its name and whether there is one. */
export const SYSTEM_ACCOUNT_ID = 2;

/** Messages of another account that are delivered here, under a local subject. */
export interface StreamImport {
  /** Id of the exporting account. */
  readonly exporter: number;
  readonly exporterName: string;
  /** The pattern of subjects in the exporting account: the source of the transform to `to`. */
  readonly from: string;
  /** Transform destination; equal to `from` if subjects stay as they are. */
  readonly to: string;
  /** The pattern of subjects here, `to` with its wildcards as `*`: what local subscriptions are compared with. */
  readonly local: string;
  readonly allowTrace: boolean;
}

/** How many answers a request gets: `singleton` one, the others any number until an empty one. */
export type ResponseType = "singleton" | "stream" | "chunked";

/** Requests published here that are delivered in another account. */
export interface ServiceImport {
  /** Id of the exporting account; may be this one. */
  readonly exporter: number;
  readonly exporterName: string;
  /** The pattern of subjects here: the source of the transform to `remote`. */
  readonly local: string;
  /** Transform destination in the exporting account; equal to `local` if subjects stay as they are. */
  readonly remote: string;
  /** The subject of the export that lets this account import. */
  readonly exported: string;
  /** Whether the exporter is told who asks. */
  readonly share: boolean;
  readonly responseType: ResponseType;
  /** A request older than this is forgotten; its answers vanish. */
  readonly responseThresholdMs: number;
  /** Absent unless the exporter measures this service. */
  readonly latency?: ServiceLatency;
  /** Whether a trace goes on in the exporting account. */
  readonly allowTrace: boolean;
  /** Whether the exporter is the system account, which is always told server and cluster. */
  readonly isSystemExport: boolean;
}

/** Where the exporting account hears of a service's latency. */
export interface ServiceLatency {
  /** In the exporting account. */
  readonly subject: string;
  /** Percent of requests, 1 to 100, or `headers` to let each request decide. */
  readonly sampling: number | "headers";
}
