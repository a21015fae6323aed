/**
 * Accounts as monitoring shows them, put together from their definitions, from the logins thread's details, and from
 * the shards' counters.
 */
import type {
  AccountDefinition,
  ResponseType,
  ServiceImport,
  StreamImport,
} from "../../account/definition.ts";
import type { AccountDescription } from "../../account/description.ts";
import type { Export } from "../../account/exports.ts";
import { patternOf } from "../../account/import_subjects.ts";
import { mappingShares } from "../../account/mapping.ts";
import type { AccountClaimsDetails } from "../../logins/account_details.ts";
import type {
  AccountClaimsSnapshot,
  AccountDetailSnapshot,
  AccountSnapshot,
  AccountTraffic,
  ExportSnapshot,
  ImportSnapshot,
  LatencyOptions,
} from "../../monitor/snapshots/accounts.ts";
import type { MessageCount } from "../../monitor/snapshots/traffic.ts";
import type { LinkAccountCounters, LinkTraffic } from "../../shard/links/link_records.ts";
import type { AccountCounters, ResponseRecord } from "../../shard/watch/records.ts";
import { isLiteralText } from "../../subject/text.ts";

const NO_TRAFFIC: LinkTraffic = { inMessages: 0, inBytes: 0, outMessages: 0, outBytes: 0 };
const NO_LINK_COUNTERS: LinkAccountCounters = {
  leafnodes: 0,
  byRoutes: NO_TRAFFIC,
  byGateways: NO_TRAFFIC,
  byLeafnodes: NO_TRAFFIC,
};

/** The name in the account's JWT, else the account's own name. */
export function nameTagOf({ name, nameTag }: AccountDefinition): string {
  return nameTag ?? name;
}

/** One account with its counters: the sums over clients and links, and the part of each kind of link. */
export function accountSnapshot(
  definition: AccountDefinition,
  counters: AccountCounters,
  links: LinkAccountCounters = NO_LINK_COUNTERS,
): AccountSnapshot {
  const { byRoutes, byGateways, byLeafnodes } = links;
  return {
    name: definition.name,
    nameTag: nameTagOf(definition),
    clients: counters.connections,
    leafnodes: links.leafnodes,
    subscriptions: counters.subscriptions,
    sent: accountTraffic(sentBy(counters), sentBy(byGateways), sentBy(byRoutes), sentBy(byLeafnodes)),
    received: accountTraffic(
      receivedFrom(counters),
      receivedFrom(byGateways),
      receivedFrom(byRoutes),
      receivedFrom(byLeafnodes),
    ),
    slowConsumers: counters.slowConsumers,
  };
}

function accountTraffic(
  clients: MessageCount,
  gateways: MessageCount,
  routes: MessageCount,
  leafnodes: MessageCount,
): AccountTraffic {
  const all = [clients, gateways, routes, leafnodes];
  return {
    messages: all.reduce((sum, { messages }) => sum + messages, 0),
    bytes: all.reduce((sum, { bytes }) => sum + bytes, 0),
    gateways,
    routes,
    leafnodes,
  };
}

function sentBy({ outMessages, outBytes }: LinkTraffic): MessageCount {
  return { messages: outMessages, bytes: outBytes };
}

function receivedFrom({ inMessages, inBytes }: LinkTraffic): MessageCount {
  return { messages: inMessages, bytes: inBytes };
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

/** An answer that is still due; nats-server shows it as an import of its account. */
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
  const { subject, kind, needsToken, accountTokenPosition, responseType, latency, importers, revocations } =
    exported;
  // A stream that is everybody's has no activations to revoke. Source: nats-server addStreamExport.
  const isOpenStream = kind === "stream" && !needsToken && accountTokenPosition === 0 && importers.size === 0;
  return {
    subject,
    type: kind,
    isTokenRequired: needsToken,
    responseType: kind === "service" ? RESPONSE_TYPES[responseType] : "",
    latency: latencySnapshot(latency),
    approvedAccounts: [...importers],
    revokedActivations: isOpenStream ? new Map() : inMs(revocations),
  };
}

/** Shows a pattern where the definition has the destination of a transform. */
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
