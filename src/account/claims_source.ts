import {
  type AccountClaims,
  type AccountLimits,
  type Export,
  type Import,
  type MessageTrace,
  type WeightedMapping,
  weightPercent,
} from "../auth/jwt/claims.ts";
import { findMappingProblem, type MappingOptions } from "../config/mappings.ts";
import type { Permissions } from "../config/permissions.ts";
import type { AccountTrace } from "../protocol/tracing/trace_admission.ts";
import { isLiteralText, isValidSubscriptionText } from "../subject/text.ts";
import type { AccountSource, ExportRule, ImportRule, ShareKind } from "./account_source.ts";
import type { ResponseType } from "./definition.ts";
import { limitsOf } from "./limits.ts";

const NS_PER_MS = 1e6;

/**
 * What the JWT of an account says of it. Faulty mappings, and imports and exports that are neither streams nor
 * services, are left out. `defaultPermissions` are those of the claims, in the form of the configuration.
 *
 * Source: nats-server updateAccountClaimsWithRefresh.
 */
export function sourceOfClaims(
  { subject, name, nats }: AccountClaims,
  defaultPermissions: Permissions | null,
): AccountSource {
  return {
    name: subject,
    nkey: subject,
    limits: limitsOf(nats.limits),
    mappings: [...nats.mappings].flatMap(([source, list]) => mappingOf(source, list) ?? []),
    exports: nats.exports.flatMap((each) => exportRule(each) ?? []),
    imports: nats.imports.flatMap((each) => importRule(each) ?? []),
    signingKeys: new Set(nats.signingKeys.keys()),
    ...(name === "" ? {} : { nameTag: name }),
    ...(defaultPermissions === null ? {} : { defaultPermissions }),
    ...traceOf(nats.messageTrace),
    ...(mayStore(nats.limits) ? { usesJetStream: true } : {}),
  };
}

/** Whether an account has room in JetStream. Source: nats.io/jwt IsJSEnabled. */
function mayStore({ tieredLimits, ...flat }: AccountLimits): boolean {
  const limits = tieredLimits.size > 0 ? [...tieredLimits.values()] : [flat];
  return limits.some(
    ({ memoryStorageBytes, diskStorageBytes }) => memoryStorageBytes !== 0 || diskStorageBytes !== 0,
  );
}

/** Nothing for a destination that nobody can publish to. */
function traceOf(claimed: MessageTrace | undefined): { readonly messageTrace?: AccountTrace } {
  const { destination = "", sampling = 0 } = claimed ?? {};
  if (!isLiteralText(destination) || !isValidSubscriptionText(destination)) return {};
  const isPercent = sampling > 0 && sampling <= 100;
  return { messageTrace: { destination, sampling: isPercent ? sampling : 100 } };
}

/** A claimed mapping's destinations, as the configuration would have them. */
export function destinationsOf(list: readonly WeightedMapping[]): MappingOptions["destinations"] {
  return list.map((destination) => ({
    subject: destination.subject,
    weight: weightPercent(destination),
    cluster: destination.cluster === "" ? undefined : destination.cluster,
  }));
}

function mappingOf(source: string, list: readonly WeightedMapping[]): MappingOptions | undefined {
  const destinations = destinationsOf(list);
  return findMappingProblem(source, destinations) === undefined ? { source, destinations } : undefined;
}

function exportRule(claimed: Export): ExportRule | undefined {
  const { kind, subject, accountTokenPosition, latency, responseThresholdNs } = claimed;
  if (kind === "unknown") return undefined;
  return {
    kind,
    subject,
    importers: [],
    needsToken: claimed.tokenRequired,
    revocations: claimed.revocations,
    accountTokenPosition,
    responseType: responseTypeOf(claimed.responseType),
    responseThresholdMs: responseThresholdNs === 0 ? undefined : responseThresholdNs / NS_PER_MS,
    // In a JWT no percentage means headers.
    latency: latency && { subject: latency.results, sampling: latency.sampling || "headers" },
    allowTrace: claimed.allowTrace,
  };
}

function responseTypeOf(claimed: string): ResponseType {
  if (claimed === "Stream") return "stream";
  return claimed === "Chunked" ? "chunked" : "singleton";
}

function importRule(claimed: Import): ImportRule | undefined {
  const { kind, account: exporter, share, allowTrace, token } = claimed;
  if (kind === "unknown") return undefined;
  return { kind, exporter, ...importSubjects(claimed, kind), share, allowTrace, token };
}

/** The deprecated `to` puts a prefix before a stream, and for a service makes `subject` the local side. */
function importSubjects({ subject, localSubject, to }: Import, kind: ShareKind) {
  if (localSubject !== "") return { remote: subject, local: localSubject, prefix: "" };
  if (kind === "stream") return { remote: subject, local: "", prefix: to };
  return { remote: to === "" ? subject : to, local: subject, prefix: "" };
}
