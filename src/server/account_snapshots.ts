/** Accounts as monitoring shows them: from what shards go by, what the links thread tells, and what shards count. */

import type { AccountDefinition, ResponseType, ServiceImport, StreamImport } from "../account/definition.ts";
import type { AccountDescription } from "../account/description.ts";
import type { Export } from "../account/exports.ts";
import { patternOf } from "../account/import_subjects.ts";
import { mappingShares } from "../account/mapping.ts";
import type { AccountClaimsDetails } from "../link/account_details.ts";
import type {
  AccountClaimsSnapshot,
  AccountDetailSnapshot,
  AccountSnapshot,
  ExportSnapshot,
  ImportSnapshot,
  LatencyOptions,
  MessageCount,
} from "../monitor/snapshot.ts";
import type { LinkAccountCounters } from "../shard/link_records.ts";
import type { AccountCounters, ResponseRecord } from "../shard/shard_options.ts";
import { isLiteralText } from "../subject/text.ts";

const NO_MESSAGES = { messages: 0, bytes: 0 };
const NO_LINK_COUNTERS: LinkAccountCounters = {
  leafnodes: 0,
  byLeafnodes: { inMessages: 0, inBytes: 0, outMessages: 0, outBytes: 0 },
};

/** What an account is called: by its JWT, else by its name. */
export function nameTagOf({ name, nameTag }: AccountDefinition): string {
  return nameTag ?? name;
}

/** What clients and links of an account have counted; the sums stand beside the parts of each kind of link. */
export function accountSnapshot(
  definition: AccountDefinition,
  counters: AccountCounters,
  { leafnodes, byLeafnodes }: LinkAccountCounters = NO_LINK_COUNTERS,
): AccountSnapshot {
  const traffic = (messages: number, bytes: number, ofLeafnodes: MessageCount) => ({
    messages: messages + ofLeafnodes.messages,
    bytes: bytes + ofLeafnodes.bytes,
    gateways: NO_MESSAGES,
    routes: NO_MESSAGES,
    leafnodes: ofLeafnodes,
  });
  const { inMessages, inBytes, outMessages, outBytes } = byLeafnodes;
  return {
    name: definition.name,
    nameTag: nameTagOf(definition),
    clients: counters.connections,
    leafnodes,
    subscriptions: counters.subscriptions,
    sent: traffic(counters.outMessages, counters.outBytes, { messages: outMessages, bytes: outBytes }),
    received: traffic(counters.inMessages, counters.inBytes, { messages: inMessages, bytes: inBytes }),
    slowConsumers: counters.slowConsumers,
  };
}

/** The part of an account's details that its definition and its exports say. */
export function describedAccount({
  definition,
  exports,
  lapsedImports,
  isComplete,
}: AccountDescription): Pick<
  AccountDetailSnapshot,
  "isSystem" | "isComplete" | "mappings" | "exports" | "imports"
> {
  const { isSystem, mappings, streamImports, serviceImports } = definition;
  return {
    isSystem,
    isComplete,
    mappings: new Map(
      mappings.map((mapping) => [
        mapping.source,
        mappingShares(mapping).map(({ subject, below, cluster }) => ({
          subject,
          weightPercent: below,
          cluster,
        })),
      ]),
    ),
    exports: exports.map(exportSnapshot),
    imports: [
      ...[...streamImports, ...serviceImports].map((each) => importSnapshot(each, false)),
      ...lapsedImports.map((each) => importSnapshot(each, true)),
    ],
  };
}

export function claimsSnapshot(claims: AccountClaimsDetails): AccountClaimsSnapshot {
  const { jwt, issuer, tags, decoded, issues, revocations } = claims;
  return {
    jwt,
    issuerKey: issuer,
    tags,
    decoded,
    issues: issues.map(({ text, isBlocking, isTimeCheck }) => ({
      description: text,
      isBlocking,
      isTimeCheck,
    })),
    revokedUsers: inMs(revocations),
  };
}

/** An answer that is due, which nats-server shows as an import of its account. */
export function responseSnapshot(response: ResponseRecord): ImportSnapshot {
  const { subject, account, reply, isShared, latency } = response;
  return {
    type: "service",
    subject: reply,
    account,
    localSubject: subject,
    isInvalid: false,
    isShared,
    isTracked: latency !== null,
    latency: latencySnapshot(latency),
  };
}

const RESPONSE_TYPES: Readonly<Record<ResponseType, ExportSnapshot["responseType"]>> = {
  singleton: "Singleton",
  stream: "Streamed",
  chunked: "Chunked",
};

function exportSnapshot(exported: Export): ExportSnapshot {
  const { subject, kind, needsToken, responseType, latency, importers, revocations } = exported;
  return {
    subject,
    type: kind,
    isTokenRequired: needsToken,
    responseType: kind === "service" ? RESPONSE_TYPES[responseType] : "",
    latency: latencySnapshot(latency),
    approvedAccounts: [...importers],
    revokedActivations: inMs(revocations),
  };
}

/** Patterns stand where a definition has the destinations of transforms. */
function importSnapshot(imported: StreamImport | ServiceImport, isInvalid: boolean): ImportSnapshot {
  const { exporterName: account, local: localSubject } = imported;
  const common = { account, localSubject, isInvalid, isTracked: false };
  if ("from" in imported) {
    return { ...common, type: "stream", subject: imported.from, isShared: false, latency: null };
  }
  const { remote, share, latency } = imported;
  return {
    ...common,
    type: "service",
    subject: isLiteralText(localSubject) ? remote : patternOf(remote),
    isShared: share,
    latency: latencySnapshot(latency),
  };
}

function latencySnapshot(
  latency: { readonly subject: string; readonly sampling: number | "headers" } | null | undefined,
): LatencyOptions | null {
  return latency ? { sampling: latency.sampling, resultSubject: latency.subject } : null;
}

function inMs(seconds: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
  return new Map([...seconds].map(([key, atSeconds]) => [key, atSeconds * 1000]));
}
