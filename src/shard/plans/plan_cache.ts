/**
 * Builds delivery plans on a cache miss and keeps those that are asked for twice. Hot: once per miss.
 *
 * Plans lie one after another in the shard's arena. A full arena grows if most of its plans are for subjects that had
 * none before; otherwise all plans are forgotten, and those in use come back within a few messages each. A plan that is
 * asked for the first time is built behind the last kept one and overwritten by the next, so subjects that are used
 * once (inboxes) leave no trace.
 */
import type { Engine } from "../../engine/engine.ts";
import type { MappedReplies } from "../../fabric/mapped_replies.ts";
import type { InterestIndex } from "../../interest/interest_index.ts";
import {
  CONNECTION_BYTES,
  CONNECTION_LAST_PLAN,
  PLAN_CONTEXT,
  PLAN_FLAGS,
  PLAN_IS_FOR_HOST,
  PLAN_SET_BYTES,
  PLAN_SET_COUNT,
  PLAN_SET_WAYS,
} from "../../memory/layout.ts";
import type { AreaMap } from "../../memory/map.ts";
import type { SharedMemory } from "../../memory/shared_memory.ts";
import { PlanMatch } from "./plan_match.ts";
import type { PlanRules, TargetRules } from "./plan_rules.ts";
import { FULL, PlanWriter } from "./plan_writer.ts";

const ARENA_BYTES_FIRST = 4 << 20;
/**
 * Direct-mapped memory of recent misses: the plan of a subject missed twice is kept. Has several slots for every plan
 * that there is room for.
 */
const DOOR_SLOTS = 1 << 18;

export class PlanCache {
  readonly #words: Int32Array;
  readonly #regions: AreaMap;
  readonly #match: PlanMatch;
  readonly #writer: PlanWriter;
  readonly #door = new Int32Array(DOOR_SLOTS);
  #coin = 1;
  /** Address of the next plan. */
  #at: number;
  #limit: number;
  #nextWay = 0;
  #hasKept = false;
  /** Bytes of plans kept for subjects that had none, since all plans were last forgotten. */
  #bytesOfNew = 0;
  /** The connection whose last plan is one that was not kept, 0 for none. */
  #unkeptFor = 0;
  /** Slots in use are below this; their last plans are forgotten with the arena. */
  slotsUsed = 1;

  constructor(
    shared: SharedMemory,
    engine: Engine,
    index: InterestIndex,
    node: number,
    replies: MappedReplies,
    rules: PlanRules,
    targets: TargetRules,
  ) {
    this.#words = shared.words;
    this.#regions = shared.map.area(node);
    const { linksNode } = shared.map;
    this.#match = new PlanMatch(shared.bytes, index, node, linksNode, replies, rules, targets);
    const { area } = this.#regions;
    this.#writer = new PlanWriter(shared.words, shared.bytes, engine, area, this.#match, targets);
    this.#at = this.#regions.planArena;
    this.#limit = Math.min(this.#regions.planArenaEnd, this.#at + ARENA_BYTES_FIRST);
  }

  /** After build(): whether subscribers remain that did not fit in the plan. buildMore() builds the plan for those. */
  get hasMore(): boolean {
    return this.#writer.hasMore;
  }

  /**
   * Builds the plan for a subject in the shared memory and makes it the connection's last plan, where the engine finds
   * it. Returns its address.
   */
  build(connection: number, context: number, subject: number, length: number, hash: number): number {
    if (this.#unkeptFor !== 0) {
      this.#words[(this.#unkeptFor + CONNECTION_LAST_PLAN) >> 2] = 0;
      this.#unkeptFor = 0;
    }
    this.#match.find(context, subject, length, hash);
    this.#writer.startOver();
    let plan = this.#write(subject, length, hash, true);
    while (this.hasMore && !this.#isWholeArena) {
      this.#makeRoom();
      this.#writer.startOver();
      plan = this.#write(subject, length, hash, true);
    }
    while (plan === FULL) {
      this.#match.groups.halve();
      plan = this.#write(subject, length, hash, true);
    }
    if (this.hasMore) return plan;
    const lastPlanWord = (connection + CONNECTION_LAST_PLAN) >> 2;
    this.#words[lastPlanWord] = plan;
    const door = hash & (DOOR_SLOTS - 1);
    const waiting = this.#door[door]!;
    if (waiting === hash) {
      this.#keep(plan, hash);
      this.#at = this.#writer.end;
    } else {
      // Without the toss, two subjects that take turns would push each other out for ever.
      if (waiting === 0 || this.#toss()) this.#door[door] = hash;
      this.#unkeptFor = connection;
      // The next request for this subject builds a plan that may be kept; until then its requests to services are the
      // host's.
      if (this.#match.forward !== null) {
        this.#words[(plan + PLAN_FLAGS) >> 2]! |= PLAN_IS_FOR_HOST;
        this.#words[lastPlanWord] = 0;
      }
    }
    return plan;
  }

  /**
   * Builds the plan of the subscribers that the last plan left out. It is used at once and never kept. It names only
   * plain subscribers of this shard: queue groups and other nodes are in the first plan.
   */
  buildMore(subject: number, length: number, hash: number): number {
    return this.#write(subject, length, hash, false);
  }

  /** Forgets every plan, after something other than interest has changed that plans depend on. */
  forgetAll(): void {
    this.#writer.hasMore = false;
    this.#unkeptFor = 0;
    this.#emptyArena();
  }

  #write(subject: number, length: number, hash: number, isFirst: boolean): number {
    return this.#writer.write(this.#at, this.#limit, this.#isWholeArena, subject, length, hash, isFirst);
  }

  /** Tosses a coin. */
  #toss(): boolean {
    this.#coin = (Math.imul(this.#coin, 1664525) + 1013904223) | 0;
    return this.#coin < 0;
  }

  /** Whether a plan has the whole arena at its full size: what does not fit now fits nowhere. */
  get #isWholeArena(): boolean {
    return this.#at === this.#regions.planArena && this.#limit === this.#regions.planArenaEnd;
  }

  /** The connection's slot is about to be emptied or used again. */
  forgetConnection(connection: number): void {
    if (this.#unkeptFor === connection) this.#unkeptFor = 0;
  }

  /** Enters a plan into its set, in place of an older one for the same subject and context if there is one. */
  #keep(plan: number, hash: number): void {
    const words = this.#words;
    const set = (this.#regions.planSets + (hash & (PLAN_SET_COUNT - 1)) * PLAN_SET_BYTES) >> 2;
    let way = this.#nextWay++ & (PLAN_SET_WAYS - 1);
    let isNew = true;
    for (let i = 0; i < PLAN_SET_WAYS; i++) {
      const other = words[set + i * 2 + 1]!;
      if (other === 0 || (words[set + i * 2] === hash && this.#isSameContext(plan, other))) {
        way = i;
        isNew = other === 0;
        break;
      }
    }
    if (isNew) this.#bytesOfNew += this.#writer.end - plan;
    words[set + way * 2] = hash;
    words[set + way * 2 + 1] = plan;
    this.#hasKept = true;
  }

  #isSameContext(plan: number, other: number): boolean {
    return this.#words[(plan + PLAN_CONTEXT) >> 2] === this.#words[(other + PLAN_CONTEXT) >> 2];
  }

  /** Makes room in a full arena: grows it, or forgets everything in it. */
  #makeRoom(): void {
    const { planArena, planArenaEnd } = this.#regions;
    const size = this.#limit - planArena;
    const isForOnePlan = this.#at === planArena;
    // Rebuilt plans fill the arena as well; more memory is worth it only for a working set that does not fit.
    const isWorkingSet = this.#bytesOfNew > size / 2;
    if (this.#limit < planArenaEnd && (isForOnePlan || isWorkingSet)) {
      this.#limit = Math.min(planArenaEnd, planArena + size * 2);
    } else this.#emptyArena();
  }

  /** Forgets all plans: none is found any more, and the next plan lies at the arena's start. */
  #emptyArena(): void {
    const words = this.#words;
    const { planSets, planArena, connections } = this.#regions;
    if (this.#hasKept) words.fill(0, planSets >> 2, (planSets + PLAN_SET_COUNT * PLAN_SET_BYTES) >> 2);
    this.#hasKept = false;
    for (let slot = 0; slot < this.slotsUsed; slot++) {
      words[(connections + slot * CONNECTION_BYTES + CONNECTION_LAST_PLAN) >> 2] = 0;
    }
    this.#bytesOfNew = 0;
    this.#at = planArena;
  }
}
