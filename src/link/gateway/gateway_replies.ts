import { isLiteralText, isValidSubscriptionText } from "../../subject/text.ts";
import { splitAckReply } from "../core/ack_reply.ts";
import type { Link, LinkClock } from "../core/link.ts";
import type { MappedWay, ReplyRouting } from "../core/link_core.ts";
import { MappedReplies } from "./mapped_replies.ts";
import { parseMapped, type ReplyAddress, wayOfMapped } from "./reply_mapping.ts";

/** What replies depend on elsewhere. */
export interface ReplySurroundings {
  readonly clock: LinkClock;
  /** Whether somebody subscribed here within `MAPPED_REPLY_MS` to what this reply comes to. */
  wasSubscribedLately(account: string, reply: string): boolean;
  /** The route for an account to the member of the cluster whose id has that hash. */
  routeTo(serverHash: string, account: string): Link | undefined;
  /** The gateway to the cluster whose name has that hash. */
  gatewayTo(clusterHash: string): Link | undefined;
  /** Messages of this server on the subject are, or are no more, answers that go to another cluster. */
  watchReply(account: string, subject: string, isWatched: boolean): void;
}

/**
 * Replies of requests that cross clusters. A server without gateways, whose address is null, maps none, but sends back
 * what others have mapped: by a route or its hub.
 */
export class GatewayReplies implements ReplyRouting {
  readonly #address: ReplyAddress | null;
  readonly #surroundings: ReplySurroundings;
  readonly #memory: MappedReplies;

  constructor(address: ReplyAddress | null, surroundings: ReplySurroundings) {
    this.#address = address;
    this.#surroundings = surroundings;
    this.#memory = new MappedReplies(surroundings.clock, (account, reply) => {
      surroundings.watchReply(account, reply, false);
    });
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
    // A peer may send anything: nobody can be watched answering on what is no subject, or on many.
    if (!isValidSubscriptionText(answered) || !isLiteralText(answered)) return mapped.subject;
    this.#memory.remember(account, reply, answered);
    this.#surroundings.watchReply(account, answered, true);
    return mapped.subject;
  }

  mappedSubject(account: string, subject: string): string | undefined {
    return this.#memory.mapped(account, subject) ?? undefined;
  }

  gatewayOf(mapped: string): Link | undefined {
    const parts = parseMapped(mapped);
    return parts === null ? undefined : this.#surroundings.gatewayTo(parts.clusterHash);
  }

  wayOf(from: Link, account: string, subject: string): MappedWay {
    const routeTo = (hash: string) => this.#surroundings.routeTo(hash, account);
    return wayOfMapped(subject, from.kind, this.#address, routeTo);
  }

  stop(): void {
    this.#memory.stop();
  }
}
