/** Who wants a message, of all the accounts that get it: what a delivery plan is written from. Hot: once per miss. */
import type { InterestIndex } from "../../interest/interest_index.ts";
import { MatchResult } from "../../interest/match_result.ts";
import { PLAN_IS_FOR_HOST, PLAN_QUEUES_ARE_FOR_HOST } from "../../memory/layout.ts";
import { NODE_FAR } from "../../memory/map.ts";
import type { PlanRules, TargetRules } from "./plan_rules.ts";
import { QueueGroups } from "./queue_groups.ts";

/** One account's part of the plan under construction. */
export class Leg {
  readonly match = new MatchResult();
  account = 0;
  /** Where its subject lies: in the shared memory where `bytes` is null. */
  bytes: Uint8Array | null = null;
  start = 0;
  length = 0;
  /** Address in the shared memory where its subject lies while a plan is written. */
  at = 0;
  /** What subscribers see as its subject, null for the subject itself; and where it lies while a plan is written. */
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
  readonly groups: QueueGroups;
  /** The account of the message first; those from `legCount` on are kept for later matches. */
  readonly legs: Leg[] = [new Leg()];
  legCount = 1;
  context = 0;
  /** PLAN_… bits. */
  flags = 0;

  constructor(
    bytes: Uint8Array,
    index: InterestIndex,
    node: number,
    linksNode: number,
    rules: PlanRules,
    targets: TargetRules,
  ) {
    this.#bytes = bytes;
    this.#index = index;
    this.#node = node;
    this.#rules = rules;
    this.#targets = targets;
    this.groups = new QueueGroups(linksNode);
  }

  /** Finds who wants the subject, which lies in the shared memory, as published under the context. */
  find(context: number, subject: number, length: number): void {
    const end = subject + length;
    const { account, isForHost, delivered, imports, shown } = this.#rules.resolve(
      context,
      this.#bytes,
      subject,
      end,
    );
    this.context = context;
    this.flags = this.#targets.flagsOf(context) | (isForHost ? PLAN_IS_FOR_HOST : 0);
    const own = this.legs[0]!;
    own.account = account;
    own.bytes = delivered;
    own.shown = shown ?? null;
    own.start = delivered === null ? subject : 0;
    own.length = delivered === null ? length : delivered.length;
    this.#matchLeg(own);
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
  }

  /** Bitmap of the other nodes with plain interest. */
  get plainNodes(): number {
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
