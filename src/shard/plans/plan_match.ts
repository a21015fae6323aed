/**
 * Finds who wants a message, in all the accounts that get it. Delivery plans are written from this. Hot: once per miss.
 */
import type { MappedReplies } from "../../fabric/mapped_replies.ts";
import type { InterestIndex } from "../../interest/interest_index.ts";
import { MatchResult } from "../../interest/match_result.ts";
import {
  PLAN_GOES_BACK,
  PLAN_IS_FOR_HOST,
  PLAN_IS_FORWARDED,
  PLAN_QUEUES_ARE_FOR_HOST,
} from "../../memory/layout.ts";
import { NODE_FAR } from "../../memory/map.ts";
import type { Forward, PlanRules, TargetRules } from "./plan_rules.ts";
import { QueueGroups } from "./queue_groups.ts";

/** One account's part of the plan under construction. */
export class Leg {
  readonly match = new MatchResult();
  account = 0;
  /** The leg's subject is `[start, start + length)` of `bytes`, or of the shared memory if that is null. */
  bytes: Uint8Array | null = null;
  start = 0;
  length = 0;
  /** Address of the leg's subject in the shared memory while a plan is written. */
  at = 0;
  /** The subject that subscribers see, null for the leg's subject itself; and where it lies while a plan is written. */
  shown: Uint8Array | null = null;
  shownAt = 0;
  shownLength = 0;
}

export class PlanMatch {
  readonly #bytes: Uint8Array;
  readonly #index: InterestIndex;
  readonly #node: number;
  readonly #rules: PlanRules;
  readonly #targets: TargetRules;
  readonly #linksNode: number;
  /** Reply subjects of other clusters' requests: answers to them go to the links shard only. */
  readonly replies: MappedReplies;
  readonly groups: QueueGroups;
  /** The legs, first that of the message's own account. Those from `legCount` on are kept for later matches. */
  readonly legs: Leg[] = [new Leg()];
  legCount = 1;
  context = 0;
  /** The plan's PLAN_… bits. */
  flags = 0;
  /** How messages are forwarded as requests to a service; null if they are not. */
  forward: Forward | null = null;

  constructor(
    bytes: Uint8Array,
    index: InterestIndex,
    node: number,
    linksNode: number,
    replies: MappedReplies,
    rules: PlanRules,
    targets: TargetRules,
  ) {
    this.#bytes = bytes;
    this.#index = index;
    this.#node = node;
    this.#rules = rules;
    this.#targets = targets;
    this.#linksNode = linksNode;
    this.replies = replies;
    this.groups = new QueueGroups(linksNode);
  }

  /**
   * Finds who wants a subject, which lies in the shared memory and is published under the context. `hash` is the
   * engine's hash of the subject, 0 if it is not at hand.
   */
  find(context: number, subject: number, length: number, hash: number): void {
    const end = subject + length;
    const resolution = this.#rules.resolve(context, this.#bytes, subject, end);
    const { account, isForHost, delivered, imports, shown, forward, isPrefix } = resolution;
    this.context = context;
    this.flags = this.#targets.flagsOf(context) | (isForHost ? PLAN_IS_FOR_HOST : 0);
    this.forward = forward ?? null;
    if (this.forward !== null) this.flags |= PLAN_IS_FORWARDED;
    const own = this.legs[0]!;
    own.account = account;
    own.bytes = delivered;
    own.shown = shown ?? null;
    own.start = delivered === null ? subject : 0;
    own.length = delivered === null ? length : delivered.length;
    this.#matchLeg(own);
    if (isPrefix === true) {
      if (this.#index.hasPatternsBelow(account, this.#bytes, subject, end)) this.flags |= PLAN_IS_FOR_HOST;
      // Patterns also match the prefix itself, but nothing is published on it.
      own.match.clear();
    }
    const { replies } = this;
    const ownEnd = own.start + own.length;
    // An answer goes to the cluster that asked, and comes back from there for other subscribers of this server.
    if (replies.has(account, own.bytes ?? this.#bytes, own.start, ownEnd, own.bytes === null ? hash : 0))
      this.flags |= PLAN_GOES_BACK;
    if (isForHost) own.match.clear();
    this.legCount = 1;
    for (const imported of imports) {
      if (this.legCount === this.legs.length) this.legs.push(new Leg());
      const leg = this.legs[this.legCount++]!;
      leg.account = imported.account;
      leg.bytes = imported.subject;
      leg.shown = null;
      leg.length = imported.subject.length;
      this.#matchLeg(leg);
    }
    this.groups.clear();
    for (let i = 0; i < this.legCount; i++) this.#findGroups(this.legs[i]!);
    this.groups.settle();
    // A peer cannot name the groups of a subject that is mapped here: the host serves them all.
    if (delivered !== null && (this.flags & PLAN_QUEUES_ARE_FOR_HOST) !== 0) this.flags |= PLAN_IS_FOR_HOST;
  }

  /** Bitmap of the other nodes that messages go to for plain interest. */
  get plainNodes(): number {
    if ((this.flags & (PLAN_GOES_BACK | PLAN_IS_FOR_HOST)) === PLAN_GOES_BACK) return 1 << this.#linksNode;
    let nodes = 0;
    for (let i = 0; i < this.legCount; i++) nodes |= this.legs[i]!.match.plainNodes;
    return nodes & ~(1 << this.#node) & ~(1 << NODE_FAR);
  }

  #matchLeg(leg: Leg): void {
    this.#index.match(leg.account, leg.bytes ?? this.#bytes, leg.start, leg.start + leg.length, leg.match);
  }

  #findGroups(leg: Leg): void {
    const { match } = leg;
    if (match.queueCount === 0) return;
    const { members } = this.#targets;
    if (members === null) {
      this.flags |= PLAN_QUEUES_ARE_FOR_HOST;
      return;
    }
    members.find(leg, this.groups);
    for (let i = 0; i < match.queueCount; i++) {
      const node = match.queues[i * 3 + 1]!;
      if (node !== this.#node) this.groups.addNode(match.queues[i * 3]!, node, match.queues[i * 3 + 2]!);
    }
  }
}
