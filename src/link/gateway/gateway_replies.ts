import { splitAckReply } from "../core/ack_reply.ts";
import type { Link } from "../core/link.ts";
import type { MappedWay, ReplyRouting } from "../core/link_core.ts";
import { mappingOf, parseMapped, type ReplyAddress, wayOfMapped } from "./reply_mapping.ts";

/** What replies depend on elsewhere. */
export interface ReplySurroundings {
  /** Whether somebody subscribed here lately to what this reply comes to. */
  wasSubscribedLately(account: string, reply: string): boolean;
  /** The route for an account to the member of the cluster whose id has that hash. */
  routeTo(serverHash: string, account: string): Link | undefined;
  /** The gateway to the cluster whose name has that hash. */
  gatewayTo(clusterHash: string): Link | undefined;
  readonly memory: ReplyMemory;
}

/**
 * The mapped replies that were delivered in their original form within the last two seconds: what an account publishes to
 * one of them answers a request from another cluster, and goes there under the mapped subject. Any server has them, with
 * gateways or without. Source: nats-server trackGWReply.
 */
export interface ReplyMemory {
  /** The newest mapping of a reply counts. */
  remember(account: string, mapped: string): void;
  /** The mapped subject that a message to `subject` takes instead, undefined for its own. */
  recall(account: string, subject: string): string | undefined;
}

/**
 * Replies of requests that cross clusters. A server without gateways, whose address is null, maps none, but sends back
 * what others have mapped: by a route or its hub.
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
