import { splitAckReply } from "../core/ack_reply.ts";
import type { Link } from "../core/link.ts";
import type { MappedWay, ReplyRouting } from "../core/link_core.ts";
import { mappingOf, parseMapped, type ReplyAddress, wayOfMapped } from "./reply_mapping.ts";

/** What replies need from elsewhere. */
export interface ReplySurroundings {
  /** Whether somebody here has recently subscribed to a subject that matches this reply. */
  wasSubscribedLately(account: string, reply: string): boolean;
  /** The route for an account to the member of this cluster whose id has that hash. */
  routeTo(serverHash: string, account: string): Link | undefined;
  /** The gateway to the cluster whose name has that hash. */
  gatewayTo(clusterHash: string): Link | undefined;
  readonly memory: ReplyMemory;
}

/**
 * The mapped replies that were delivered in their original form within the last two seconds. What an account publishes
 * to one of them answers a request from another cluster, and goes there under the mapped subject. Every server has this
 * memory, with or without gateways. Source: nats-server trackGWReply.
 */
export interface ReplyMemory {
  /** Notes a mapping; the newest one of a reply counts. */
  remember(account: string, mapped: string): void;
  /** The mapped subject that replaces `subject`; undefined if there is none. */
  recall(account: string, subject: string): string | undefined;
}

/**
 * The replies of requests that cross clusters. A server without gateways has no address (null) and maps no replies, but
 * sends back those that others have mapped, by a route or to its hub.
 */
export class GatewayReplies implements ReplyRouting {
  readonly #address: ReplyAddress | null;
  readonly #surroundings: ReplySurroundings;

  constructor(address: ReplyAddress | null, surroundings: ReplySurroundings) {
    this.#address = address;
    this.#surroundings = surroundings;
  }

  get mapsRecent(): boolean {
    return this.#address !== null;
  }

  outgoingReply(account: string, reply: string): string {
    const { wasSubscribedLately } = this.#surroundings;
    return this.#address?.outgoing(reply, () => wasSubscribedLately(account, reply)) ?? reply;
  }

  incomingReply(account: string, reply: string): string {
    const mapped = parseMapped(reply);
    if (mapped === null) return reply;
    const answered = splitAckReply(mapped.subject)?.reply ?? mapped.subject;
    this.#surroundings.memory.remember(account, mappingOf(reply, answered));
    return mapped.subject;
  }

  mappedSubject(account: string, subject: string): string | undefined {
    return this.#surroundings.memory.recall(account, subject);
  }

  gatewayOf(mapped: string): Link | undefined {
    const parts = parseMapped(mapped);
    return parts === null ? undefined : this.#surroundings.gatewayTo(parts.clusterHash);
  }

  wayOf(from: Link, account: string, subject: string): MappedWay {
    const routeTo = (hash: string) => this.#surroundings.routeTo(hash, account);
    return wayOfMapped(subject, from.kind, this.#address, routeTo);
  }
}
