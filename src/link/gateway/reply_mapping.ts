/**
 * How an answer finds its way back to the server that asked before interest in the reply subject has crossed the
 * gateway. The request leaves with the reply `_GR_.<cluster>.<server>.<reply>`, which names its origin. Source:
 * nats-server shouldMapReplyForGatewaySend, handleGatewayReply.
 */
import type { Link, LinkKind } from "../core/link.ts";
import type { MappedWay } from "../core/link_core.ts";
import { NAME_HASH_LENGTH, nameHash } from "./name_hash.ts";

const PREFIX = "_GR_.";
const SERVER_START = PREFIX.length + NAME_HASH_LENGTH + 1;
const SUBJECT_START = SERVER_START + NAME_HASH_LENGTH + 1;

/** The parts of a mapped subject. */
export interface MappedSubject {
  readonly clusterHash: string;
  readonly serverHash: string;
  /** The original subject. */
  readonly subject: string;
}

/** Splits a mapped subject, a byte string; null for any other subject. */
export function parseMapped(subject: string): MappedSubject | null {
  if (subject.length <= SUBJECT_START || !subject.startsWith(PREFIX)) return null;
  return {
    clusterHash: subject.slice(PREFIX.length, SERVER_START - 1),
    serverHash: subject.slice(SERVER_START, SUBJECT_START - 1),
    subject: subject.slice(SUBJECT_START),
  };
}

/** The mapped form of `delivered`, the reply that clients see. An acknowledgement loses what follows its `@`. */
export function mappingOf(mappedReply: string, delivered: string): string {
  return mappedReply.slice(0, SUBJECT_START + delivered.length);
}

/** The address that mapped replies of this server come back to. */
export class ReplyAddress {
  readonly clusterHash: string;
  readonly serverHash: string;
  /** The beginning of this server's mapped replies. */
  readonly prefix: string;

  constructor(clusterName: string, serverId: string) {
    this.clusterHash = nameHash(clusterName);
    this.serverHash = nameHash(serverId);
    this.prefix = `${PREFIX}${this.clusterHash}.${this.serverHash}.`;
  }

  /**
   * The reply that a message carries over gateways, the same for all of them. It is mapped only if a matching
   * subscription was made on this server within the last two seconds, because older interest has crossed.
   */
  outgoing(reply: string, wasSubscribedLately: (reply: string) => boolean): string {
    return reply !== "" && wasSubscribedLately(reply) ? this.prefix + reply : reply;
  }
}

/**
 * Decides what becomes of a message, by its subject and the kind of link it came over. `address` is null on a server
 * without gateways. `routeTo` finds the route to the member of the cluster whose id has that hash. Mapped subjects from
 * leaf nodes are ordinary here; they go to the cluster they name: see `gatewayOf`.
 */
export function wayOfMapped(
  subject: string,
  from: LinkKind,
  address: ReplyAddress | null,
  routeTo: (serverHash: string) => Link | undefined,
): MappedWay {
  const mapped = address === null || from === "leaf" ? null : parseMapped(subject);
  if (mapped === null || address === null) return { kind: "ordinary" };
  if (mapped.clusterHash !== address.clusterHash) return { kind: "drop" };
  // A message that came over a route has already reached the server it names.
  const isOther = from === "gateway" && mapped.serverHash !== address.serverHash;
  const to = isOther ? routeTo(mapped.serverHash) : undefined;
  return to === undefined ? { kind: "strip", subject: mapped.subject } : { kind: "forward", to };
}
