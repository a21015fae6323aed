/**
 * How a reply finds back to the server that asked before interest in the reply subject has crossed the gateway: the
 * request leaves with the reply `_GR_.<cluster>.<server>.<reply>`, which names where it came from. Source: nats-server
 * shouldMapReplyForGatewaySend, handleGatewayReply.
 */
import { NAME_HASH_LENGTH, nameHash } from "./name_hash.ts";

const PREFIX = "_GR_.";
const SERVER_START = PREFIX.length + NAME_HASH_LENGTH + 1;
const SUBJECT_START = SERVER_START + NAME_HASH_LENGTH + 1;
const SERVICE_REPLY_PREFIX = "_R_.";

/** A mapped subject taken apart. */
export interface MappedSubject {
  readonly clusterHash: string;
  readonly serverHash: string;
  /** What it was before. */
  readonly subject: string;
}

/** The parts of a mapped subject, a byte string; null for any other. */
export function parseMapped(subject: string): MappedSubject | null {
  if (subject.length <= SUBJECT_START || !subject.startsWith(PREFIX)) return null;
  return {
    clusterHash: subject.slice(PREFIX.length, SERVER_START - 1),
    serverHash: subject.slice(SERVER_START, SUBJECT_START - 1),
    subject: subject.slice(SUBJECT_START),
  };
}

/** The reply as clients see it: without what a gateway put before it. */
export function stripMapping(reply: string): string {
  return parseMapped(reply)?.subject ?? reply;
}

/** Prefix and all of a mapped reply whose delivered form is `delivered`: an acknowledgement loses what follows its `@`. */
export function mappingOf(mappedReply: string, delivered: string): string {
  return mappedReply.slice(0, SUBJECT_START + delivered.length);
}

/** Where mapped replies of this server come back to. */
export class ReplyAddress {
  readonly clusterHash: string;
  readonly serverHash: string;
  readonly #prefix: string;

  constructor(clusterName: string, serverId: string) {
    this.clusterHash = nameHash(clusterName);
    this.serverHash = nameHash(serverId);
    this.#prefix = `${PREFIX}${this.clusterHash}.${this.serverHash}.`;
  }

  /**
   * The reply that a message takes over gateways, decided once for all of them. Mapped only if a subscription that
   * matches it was made on this server within two seconds: interest that is older has crossed.
   */
  outgoing(reply: string, wasSubscribedLately: (reply: string) => boolean): string {
    return reply !== "" && wasSubscribedLately(reply) ? this.#prefix + reply : reply;
  }
}

/** What becomes of a message by its subject. */
export type MappedRoute =
  /** It is not mapped, or this server has no gateways: a subject like any other. */
  | { readonly kind: "ordinary" }
  | { readonly kind: "drop" }
  /** To that member of the cluster, the subject as it is. */
  | { readonly kind: "member"; readonly serverHash: string }
  /** To that cluster and to the hub of a leaf node alone, the subject as it is; local subscriptions are not asked. */
  | { readonly kind: "cluster"; readonly clusterHash: string }
  /**
   * To everybody here under the original subject: clients, queue groups even though none is named, leaf nodes, and
   * routes, whatever brought it. To other gateways too where `offersToGateways`.
   */
  | { readonly kind: "origin"; readonly subject: string; readonly offersToGateways: boolean };

/** Where a message came from, as far as mapped subjects are concerned; `local`: client, internal or leaf node. */
export type MappedSource = "gateway" | "route" | "local";

/** `address` is null on a server without gateways; `hasRouteTo` tells whether a member of that hash is connected. */
export function routeMapped(
  subject: string,
  source: MappedSource,
  address: ReplyAddress | null,
  hasRouteTo: (serverHash: string) => boolean,
): MappedRoute {
  const mapped = address === null ? null : parseMapped(subject);
  if (mapped === null || address === null) return { kind: "ordinary" };
  if (source === "local") return { kind: "cluster", clusterHash: mapped.clusterHash };
  if (mapped.clusterHash !== address.clusterHash) return { kind: "drop" };
  const isForMember = source === "gateway" && mapped.serverHash !== address.serverHash;
  if (isForMember && hasRouteTo(mapped.serverHash)) return { kind: "member", serverHash: mapped.serverHash };
  return {
    kind: "origin",
    subject: mapped.subject,
    offersToGateways: !mapped.subject.startsWith(SERVICE_REPLY_PREFIX),
  };
}
