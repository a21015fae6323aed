/**
 * Builds delivery plans on a cache miss and keeps those that are asked for twice. Hot: once per miss.
 *
 * Plans lie one after the other in the shard's arena, which grows while most of them are for subjects that had none.
 * When it is full otherwise everything is forgotten: what is in use comes back within a few messages each. A plan asked
 * for the first time is built behind the last kept one and overwritten by the next, so that subjects used once (inboxes)
 * leave no trace.
 */
import type { Engine } from "../engine/engine.ts";
import type { InterestIndex } from "../interest/interest_index.ts";
import { MatchResult } from "../interest/match_result.ts";
import {
  AREA_LOCAL_BUCKET_COUNT,
  AREA_LOCAL_BUCKETS,
  AREA_LOCAL_WILDCARDS,
  CONNECTION_BYTES,
  CONNECTION_LAST_PLAN,
  GROUP_BYTES,
  GROUP_LOCAL_COUNT,
  GROUP_LOCALS,
  GROUP_NODE_COUNT,
  GROUP_NODES,
  GROUP_QUEUE,
  GROUP_STRIDE,
  GROUP_WEIGHT,
  PLAN_ACCOUNT,
  PLAN_ALL_NODES,
  PLAN_CONTEXT,
  PLAN_DELIVERED,
  PLAN_DELIVERED_LENGTH,
  PLAN_FLAGS,
  PLAN_GENERATIONS,
  PLAN_GROUP_COUNT,
  PLAN_GROUPS,
  PLAN_GROUPS_MAX,
  PLAN_HASH,
  PLAN_IS_FOR_HOST,
  PLAN_MORE_COUNT,
  PLAN_MORE_GENERATIONS,
  PLAN_PLAIN,
  PLAN_PLAIN_COUNT,
  PLAN_PLAIN_NODES,
  PLAN_SET_BYTES,
  PLAN_SET_COUNT,
  PLAN_SET_WAYS,
  PLAN_SUBJECT,
  PLAN_SUBJECT_LENGTH,
  TARGET_CONNECTION,
  TARGET_PREFIX,
  TARGET_PREFIX_LENGTH,
  TARGET_STRIDE,
  TARGET_SUBSCRIPTION,
} from "../memory/layout.ts";
import type { AreaMap } from "../memory/map.ts";
import type { SharedMemory } from "../memory/shared_memory.ts";
import { NO_SUBSCRIPTION, type SubscriptionTable } from "./subscription_table.ts";

const ARENA_BYTES_FIRST = 4 << 20;
/** Room kept behind the last plan for reads of 16 bytes at a time. */
const SLACK_BYTES = 64;
/** Members of a group that a plan names: any of them may be picked, so a part serves as well as all. */
const GROUP_LOCALS_MAX = 8192;
/** Direct-mapped memory of the last misses: a subject missed twice is kept. Some for every plan there is room for. */
const DOOR_SLOTS = 1 << 18;

const SPACE = 0x20;
const HMSG = [0x48, 0x4d, 0x53, 0x47, SPACE] as const;
/** No room: the plan under construction does not fit. */
const FULL = 0;

/** Bytes of the four (address, value) pairs that one leg rests on. */
const LEG_GENERATION_BYTES = 32;

/** What a context makes of a subject. */
export interface Resolution {
  readonly account: number;
  /** The engine must hand its messages over. */
  readonly isForHost: boolean;
  /** The subject it is delivered under, null for the one it has. */
  readonly delivered: Uint8Array | null;
  /** The accounts that import it, in the same order on every shard. */
  readonly imports: readonly StreamLeg[];
}

/** A message as another account imports it. */
export interface StreamLeg {
  readonly account: number;
  readonly subject: Uint8Array;
}

/** What plans follow from besides interest. */
export interface PlanRules {
  /** `bytes[start, end)` as published under the context. */
  resolve(context: number, bytes: Uint8Array, start: number, end: number): Resolution;
}

/** One account's part of the plan under construction. */
class Leg {
  readonly match = new MatchResult();
  account = 0;
  /** Where its subject lies: in the shared memory where `bytes` is null. */
  bytes: Uint8Array | null = null;
  start = 0;
  length = 0;
  /** Where its subject lies while a plan is written. */
  at = 0;
}

/** A local member of a queue group, and the leg it subscribes to. */
interface Member {
  readonly record: number;
  readonly leg: Leg;
}

/** A queue group while its plan is built. Members of one name are one group, whatever their accounts. */
class Group {
  readonly queue: number;
  readonly locals: Member[] = [];
  /** (node, members) pairs. */
  readonly nodes: number[] = [];

  constructor(queue: number) {
    this.queue = queue;
  }

  addNode(node: number, members: number): void {
    for (let i = 0; i < this.nodes.length; i += 2) {
      if (this.nodes[i] !== node) continue;
      this.nodes[i + 1]! += members;
      return;
    }
    this.nodes.push(node, members);
  }
}

export class PlanCache {
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #index: InterestIndex;
  readonly #table: SubscriptionTable;
  readonly #node: number;
  readonly #regions: AreaMap;
  readonly #engine: Engine;
  readonly #rules: PlanRules;
  /** Those of the plan under construction, the account of the message first; the rest is kept for later plans. */
  readonly #legs: Leg[] = [new Leg()];
  #legCount = 1;
  #isForHost = false;
  readonly #door = new Int32Array(DOOR_SLOTS);
  #coin = 1;
  readonly #groups: Group[] = [];
  readonly #groupsByQueue = new Map<number, Group>();
  /** Where the next plan goes. */
  #at: number;
  #limit: number;
  #nextWay = 0;
  #hasKept = false;
  /** Bytes of plans kept for subjects that had none, since everything was last forgotten. */
  #bytesOfNew = 0;
  /** The connection whose last plan is one that was not kept. */
  #unkeptFor = 0;
  /** Slots in use end here: their last plans are forgotten with the arena. */
  slotsUsed = 1;

  /** After build(): subscribers remain that did not fit; buildMore() gives their plan. */
  hasMore = false;
  #resumeLeg = 0;
  #resumeIndex = 0;
  #resumeRecord = NO_SUBSCRIPTION;

  constructor(
    shared: SharedMemory,
    engine: Engine,
    index: InterestIndex,
    table: SubscriptionTable,
    node: number,
    rules: PlanRules,
  ) {
    this.#words = shared.words;
    this.#bytes = shared.bytes;
    this.#engine = engine;
    this.#index = index;
    this.#table = table;
    this.#node = node;
    this.#rules = rules;
    this.#regions = shared.map.area(node);
    this.#at = this.#regions.planArena;
    this.#limit = Math.min(this.#regions.planArenaEnd, this.#at + ARENA_BYTES_FIRST);
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
    this.#matchSubject(context, subject, length);
    this.#startOver();
    let plan = this.#write(context, subject, length, hash, true);
    while (this.hasMore && !this.#isWholeArena) {
      this.#makeRoom();
      this.#startOver();
      plan = this.#write(context, subject, length, hash, true);
    }
    while (plan === FULL) {
      this.#halveGroups();
      plan = this.#write(context, subject, length, hash, true);
    }
    if (this.hasMore) return plan;
    this.#words[(connection + CONNECTION_LAST_PLAN) >> 2] = plan;
    const door = hash & (DOOR_SLOTS - 1);
    const waiting = this.#door[door]!;
    if (waiting === hash) {
      this.#keep(plan, hash);
      this.#at = this.#end;
    } else {
      // Two subjects that take turns would push each other out for ever.
      if (waiting === 0 || this.#toss()) this.#door[door] = hash;
      this.#unkeptFor = connection;
    }
    return plan;
  }

  /**
   * The plan of the subscribers that the last plan left out, used at once and never kept. It names plain subscribers
   * of this shard alone: queue groups and other nodes are in the first.
   */
  buildMore(context: number, subject: number, length: number, hash: number): number {
    return this.#write(context, subject, length, hash, false);
  }

  /** Forgets every plan, after a change of what plans follow from besides interest. */
  forgetAll(): void {
    this.hasMore = false;
    this.#unkeptFor = 0;
    this.#forgetAll();
  }

  #startOver(): void {
    this.#resumeLeg = 0;
    this.#resumeIndex = 0;
    this.#resumeRecord = NO_SUBSCRIPTION;
  }

  /** Heads or tails. */
  #toss(): boolean {
    this.#coin = (Math.imul(this.#coin, 1664525) + 1013904223) | 0;
    return this.#coin < 0;
  }

  /** What does not fit now fits nowhere. */
  get #isWholeArena(): boolean {
    return this.#at === this.#regions.planArena && this.#limit === this.#regions.planArenaEnd;
  }

  /** A connection's slot is about to be used again or emptied. */
  forgetConnection(connection: number): void {
    if (this.#unkeptFor === connection) this.#unkeptFor = 0;
  }

  #matchSubject(context: number, subject: number, length: number): void {
    const { account, isForHost, delivered, imports } = this.#rules.resolve(
      context,
      this.#bytes,
      subject,
      subject + length,
    );
    this.#isForHost = isForHost;
    if (this.#groups.length > 0) {
      this.#groups.length = 0;
      this.#groupsByQueue.clear();
    }
    const own = this.#legs[0]!;
    own.account = account;
    own.bytes = delivered;
    own.start = delivered === null ? subject : 0;
    own.length = delivered === null ? length : delivered.length;
    this.#matchLeg(own);
    if (isForHost) own.match.clear();
    this.#legCount = 1;
    for (const imported of imports) {
      if (this.#legCount === this.#legs.length) this.#legs.push(new Leg());
      const leg = this.#legs[this.#legCount++]!;
      leg.account = imported.account;
      leg.bytes = imported.subject;
      leg.length = imported.subject.length;
      this.#matchLeg(leg);
    }
    for (let i = 0; i < this.#legCount; i++) this.#findGroups(this.#legs[i]!);
  }

  #matchLeg(leg: Leg): void {
    this.#index.match(leg.account, leg.bytes ?? this.#bytes, leg.start, leg.start + leg.length, leg.match);
  }

  #findGroups(leg: Leg): void {
    const { match } = leg;
    if (match.queueCount === 0) return;
    const table = this.#table;
    for (let i = 0; i < match.entryCount; i++) {
      let record = table.firstOfEntry(match.entryIds[i]!);
      for (; record !== NO_SUBSCRIPTION; record = table.nextOfEntry(record)) {
        const queue = table.queueOf(record);
        if (queue === 0 || !this.#mayTake(record, leg)) continue;
        const { locals } = this.#groupOf(queue - 1);
        if (locals.length < GROUP_LOCALS_MAX) locals.push({ record, leg });
      }
    }
    for (let i = 0; i < match.queueCount; i++) {
      const node = match.queues[i * 3 + 1]!;
      if (node !== this.#node) this.#groupOf(match.queues[i * 3]!).addNode(node, match.queues[i * 3 + 2]!);
    }
  }

  #groupOf(queue: number): Group {
    let group = this.#groupsByQueue.get(queue);
    if (group === undefined) {
      group = new Group(queue);
      this.#groupsByQueue.set(queue, group);
      this.#groups.push(group);
    }
    return group;
  }

  /** Whether a subscription may be sent the subject of a leg. Of other nodes' the index has said so already. */
  #mayTake(record: number, { bytes, start, length }: Leg): boolean {
    const filter = this.#table.filterOf(record);
    return filter === 0 || !this.#index.isHeldBack(filter, bytes ?? this.#bytes, start, start + length);
  }

  /** Even an empty cache has no room for the groups: fewer members of each may be picked, then fewer groups. */
  #halveGroups(): void {
    if (this.#groups.every(({ locals }) => locals.length <= 1)) this.#groups.length >>= 1;
    for (const { locals } of this.#groups) locals.length = (locals.length + 1) >> 1;
  }

  /** Where the plan just written ends. */
  #end = 0;

  /**
   * Writes a plan at the end of the arena; FULL with `hasMore` when not even its start fits. The first plan of a subject
   * holds everything that may go to other nodes, so that only it may have to wait for their rings.
   */
  #write(context: number, subject: number, length: number, hash: number, isFirst: boolean): number {
    const words = this.#words;
    const legs = this.#legs;
    const own = legs[0]!;
    const plan = this.#at;
    const at = plan >> 2;
    this.hasMore = false;
    let end = plan + PLAN_SUBJECT + padded(length);
    const more = end;
    end += (this.#legCount - 1) * LEG_GENERATION_BYTES;
    for (let i = 0; i < this.#legCount; i++) if (legs[i]!.bytes !== null) end += padded(legs[i]!.length);
    if (end + SLACK_BYTES > this.#limit) {
      this.hasMore = true;
      return FULL;
    }
    this.#bytes.copyWithin(plan + PLAN_SUBJECT, subject, subject + length);
    this.#writeSubjects(plan, more + (this.#legCount - 1) * LEG_GENERATION_BYTES);
    words[at + (PLAN_HASH >> 2)] = hash;
    words[at + (PLAN_SUBJECT_LENGTH >> 2)] = length;
    words[at + (PLAN_CONTEXT >> 2)] = context;
    words[at + (PLAN_ACCOUNT >> 2)] = own.account;
    words[at + (PLAN_FLAGS >> 2)] = this.#isForHost ? PLAN_IS_FOR_HOST : 0;
    words[at + (PLAN_DELIVERED >> 2)] = own.at;
    words[at + (PLAN_DELIVERED_LENGTH >> 2)] = own.length;
    this.#writeGenerations(own, plan + PLAN_GENERATIONS, own.bytes === null ? hash : this.#hashOf(own));
    words[at + (PLAN_MORE_GENERATIONS >> 2)] = more;
    words[at + (PLAN_MORE_COUNT >> 2)] = (this.#legCount - 1) * (LEG_GENERATION_BYTES / 8);
    for (let i = 1; i < this.#legCount; i++) {
      this.#writeGenerations(legs[i]!, more + (i - 1) * LEG_GENERATION_BYTES, this.#hashOf(legs[i]!));
    }

    words[at + (PLAN_GROUP_COUNT >> 2)] = 0;
    if (isFirst) end = this.#writeGroups(plan, end);
    if (end === FULL) return FULL;
    end = this.#writePlain(plan, end);
    const plainNodes = isFirst ? this.#plainNodes() & ~(1 << this.#node) : 0;
    words[at + (PLAN_PLAIN_NODES >> 2)] = plainNodes;
    words[at + (PLAN_ALL_NODES >> 2)] = isFirst ? plainNodes | this.#queueNodes() : 0;
    this.#end = end;
    return plan;
  }

  /** Writes the subjects of the legs that have their own, and says where each leg's lies. */
  #writeSubjects(plan: number, start: number): void {
    let to = start;
    for (let i = 0; i < this.#legCount; i++) {
      const leg = this.#legs[i]!;
      if (leg.bytes === null) leg.at = plan + PLAN_SUBJECT;
      else {
        leg.at = to;
        this.#bytes.set(leg.bytes, to);
        to += padded(leg.length);
      }
    }
  }

  #hashOf({ at, length }: Leg): number {
    return this.#engine.hash(at, length);
  }

  /** The words that interest in a leg's subject moves: in the index, and of this shard alone. */
  #writeGenerations({ match, account }: Leg, address: number, hash: number): void {
    const words = this.#words;
    const at = address >> 2;
    const { area } = this.#regions;
    const bucket = area + AREA_LOCAL_BUCKETS + (hash & (AREA_LOCAL_BUCKET_COUNT - 1)) * 4;
    const wildcards = area + AREA_LOCAL_WILDCARDS + account * 4;
    words[at] = match.bucketGenerationAddress;
    words[at + 1] = match.bucketGeneration;
    words[at + 2] = match.wildcardGenerationAddress;
    words[at + 3] = match.wildcardGeneration;
    words[at + 4] = bucket;
    words[at + 5] = words[bucket >> 2]!;
    words[at + 6] = wildcards;
    words[at + 7] = words[wildcards >> 2]!;
  }

  #plainNodes(): number {
    let nodes = 0;
    for (let i = 0; i < this.#legCount; i++) nodes |= this.#legs[i]!.match.plainNodes;
    return nodes;
  }

  #queueNodes(): number {
    let nodes = 0;
    for (const group of this.#groups) {
      for (let i = 0; i < group.nodes.length; i += 2) nodes |= 1 << group.nodes[i]!;
    }
    return nodes;
  }

  /** Writes plain subscriptions at `start`, from where the last part ended; `hasMore` when not all fit. */
  #writePlain(plan: number, start: number): number {
    const words = this.#words;
    const table = this.#table;
    const countWord = (plan + PLAN_PLAIN_COUNT) >> 2;
    words[(plan + PLAN_PLAIN) >> 2] = start;
    words[countWord] = 0;
    let end = start;
    for (; this.#resumeLeg < this.#legCount; this.#resumeLeg++) {
      const leg = this.#legs[this.#resumeLeg]!;
      const { entryIds, entryCount } = leg.match;
      for (; this.#resumeIndex < entryCount; this.#resumeIndex++) {
        let record = this.#resumeRecord;
        if (record === NO_SUBSCRIPTION) record = table.firstOfEntry(entryIds[this.#resumeIndex]!);
        this.#resumeRecord = NO_SUBSCRIPTION;
        for (; record !== NO_SUBSCRIPTION; record = table.nextOfEntry(record)) {
          if (table.queueOf(record) !== 0 || !this.#mayTake(record, leg)) continue;
          const next = this.#writeTarget(leg, end, record);
          if (next === FULL) {
            this.hasMore = true;
            this.#resumeRecord = record;
            return end;
          }
          end = next;
          words[countWord]!++;
        }
      }
      this.#resumeIndex = 0;
    }
    return end;
  }

  /** Writes the entry of one local subscription at `at` and returns where it ends, or FULL. */
  #writeTarget(leg: Leg, at: number, record: number): number {
    const words = this.#words;
    const bytes = this.#bytes;
    const { length } = leg;
    const sidLength = this.#table.sidLength(record);
    const prefixLength = HMSG.length + length + 1 + sidLength + 1;
    const end = at + TARGET_PREFIX + padded(prefixLength);
    if (end + SLACK_BYTES > this.#limit) return FULL;
    words[(at + TARGET_CONNECTION) >> 2] = this.#table.connectionOf(record);
    words[(at + TARGET_SUBSCRIPTION) >> 2] = record;
    words[(at + TARGET_PREFIX_LENGTH) >> 2] = prefixLength;
    words[(at + TARGET_STRIDE) >> 2] = end - at;
    let to = at + TARGET_PREFIX;
    for (let i = 0; i < HMSG.length; i++) bytes[to++] = HMSG[i]!;
    const subject = leg.at;
    for (let i = 0; i < length; i++) bytes[to++] = bytes[subject + i]!;
    bytes[to++] = SPACE;
    to = this.#table.writeSid(record, bytes, to);
    bytes[to] = SPACE;
    return end;
  }

  /**
   * Writes every group at `start` and returns where they end, or FULL with `hasMore` set where a larger or emptier
   * arena helps. In a whole arena it writes those that fit, half of it at most.
   */
  #writeGroups(plan: number, start: number): number {
    const count = Math.min(this.#groups.length, PLAN_GROUPS_MAX);
    const localBytesMax = (this.#limit - start) / 2 / Math.max(count, 1);
    let end = start;
    let written = 0;
    for (; written < count; written++) {
      const next = this.#writeGroup(end, this.#groups[written]!, localBytesMax);
      if (next === FULL) {
        if (this.#isWholeArena) break;
        this.hasMore = true;
        return FULL;
      }
      end = next;
    }
    this.#groups.length = written;
    this.#words[(plan + PLAN_GROUP_COUNT) >> 2] = written;
    this.#words[(plan + PLAN_GROUPS) >> 2] = start;
    return end;
  }

  /** Writes a group, in a whole arena with no more of its members here than take `localBytesMax`, but one. */
  #writeGroup(start: number, group: Group, localBytesMax: number): number {
    const words = this.#words;
    const at = start >> 2;
    const nodes = start + GROUP_BYTES;
    const locals = nodes + group.nodes.length * 4;
    let end = padded(locals + group.locals.length * 4);
    if (end + SLACK_BYTES > this.#limit) return FULL;
    const first = end;
    let localCount = 0;
    for (const { record, leg } of group.locals) {
      if (localCount > 0 && end - first > localBytesMax && this.#isWholeArena) break;
      const next = this.#writeTarget(leg, end, record);
      if (next === FULL) return FULL;
      words[(locals >> 2) + localCount++] = end;
      end = next;
    }
    let weight = localCount;
    for (let i = 0; i < group.nodes.length; i++) words[(nodes >> 2) + i] = group.nodes[i]!;
    for (let i = 1; i < group.nodes.length; i += 2) weight += group.nodes[i]!;
    words[at + (GROUP_QUEUE >> 2)] = group.queue;
    words[at + (GROUP_LOCAL_COUNT >> 2)] = localCount;
    words[at + (GROUP_NODE_COUNT >> 2)] = group.nodes.length >> 1;
    words[at + (GROUP_WEIGHT >> 2)] = weight;
    words[at + (GROUP_STRIDE >> 2)] = end - start;
    words[at + (GROUP_NODES >> 2)] = nodes;
    words[at + (GROUP_LOCALS >> 2)] = locals;
    return end;
  }

  /** Enters a plan into its set, over an older one of the same subject if there is one. */
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
    if (isNew) this.#bytesOfNew += this.#end - plan;
    words[set + way * 2] = hash;
    words[set + way * 2 + 1] = plan;
    this.#hasKept = true;
  }

  #isSameContext(plan: number, other: number): boolean {
    return this.#words[(plan + PLAN_CONTEXT) >> 2] === this.#words[(other + PLAN_CONTEXT) >> 2];
  }

  /** The arena is full: it grows, or everything in it is forgotten. */
  #makeRoom(): void {
    const { planArena, planArenaEnd } = this.#regions;
    const size = this.#limit - planArena;
    const isForOnePlan = this.#at === planArena;
    // Rebuilt plans fill the arena as well; only a working set that does not fit is worth more memory.
    const isWorkingSet = this.#bytesOfNew > size / 2;
    if (this.#limit < planArenaEnd && (isForOnePlan || isWorkingSet)) {
      this.#limit = Math.min(planArenaEnd, planArena + size * 2);
    } else this.#forgetAll();
  }

  #forgetAll(): void {
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

function padded(length: number): number {
  return (length + 15) & ~15;
}
