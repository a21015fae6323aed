/**
 * Builds delivery plans on a cache miss and keeps those that are asked for twice. Hot: once per miss.
 *
 * Plans lie one after the other in the shard's arena. When it is full everything is forgotten and it starts again,
 * larger if the memory allows: what is in use comes back within a message each. A plan asked for the first time is
 * built behind the last kept one and overwritten by the next, so that subjects used once (inboxes) leave no trace.
 */
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
  PLAN_FLAGS,
  PLAN_GENERATIONS,
  PLAN_GROUP_COUNT,
  PLAN_GROUPS,
  PLAN_GROUPS_MAX,
  PLAN_HASH,
  PLAN_IS_FOR_HOST,
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
/** Room kept behind every plan for reads of 16 bytes at a time. */
const SLACK_BYTES = 64;
/** Members of a group that a plan names: any of them may be picked, so a part serves as well as all. */
const GROUP_LOCALS_MAX = 8192;
/** Direct-mapped memory of the last misses: a subject missed twice is kept. */
const DOOR_SLOTS = 8192;

const SPACE = 0x20;
const HMSG = [0x48, 0x4d, 0x53, 0x47, SPACE] as const;
/** No room: the plan under construction does not fit. */
const FULL = 0;

/** A queue group while its plan is built. */
interface Group {
  readonly queue: number;
  readonly locals: number[];
  /** (node, members) pairs. */
  readonly nodes: number[];
}

export class PlanCache {
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #index: InterestIndex;
  readonly #table: SubscriptionTable;
  readonly #node: number;
  readonly #regions: AreaMap;
  readonly #match = new MatchResult();
  readonly #door = new Int32Array(DOOR_SLOTS);
  readonly #groups: Group[] = [];
  readonly #groupsByQueue = new Map<number, Group>();
  /** Where the next plan goes. */
  #at: number;
  #limit: number;
  #nextWay = 0;
  /** Bytes of plans kept for subjects that had none, since everything was last forgotten. */
  #bytesOfNew = 0;
  /** The connection whose last plan is one that was not kept. */
  #unkeptFor = 0;
  /** Slots in use end here: their last plans are forgotten with the arena. */
  slotsUsed = 1;

  /** After build(): subscribers remain that did not fit; buildMore() gives their plan. */
  hasMore = false;
  #resumeIndex = 0;
  #resumeRecord = NO_SUBSCRIPTION;

  constructor(shared: SharedMemory, index: InterestIndex, table: SubscriptionTable, node: number) {
    this.#words = shared.words;
    this.#bytes = shared.bytes;
    this.#index = index;
    this.#table = table;
    this.#node = node;
    this.#regions = shared.map.area(node);
    this.#at = this.#regions.planArena;
    this.#limit = Math.min(this.#regions.planArenaEnd, this.#at + ARENA_BYTES_FIRST);
  }

  /**
   * Builds the plan for a subject in the shared memory and makes it the connection's last plan, where the engine finds
   * it. `isForHost` marks subjects the engine must hand over. Returns its address.
   */
  build(
    connection: number,
    context: number,
    account: number,
    subject: number,
    length: number,
    hash: number,
    isForHost: boolean,
  ): number {
    if (this.#unkeptFor !== 0) {
      this.#words[(this.#unkeptFor + CONNECTION_LAST_PLAN) >> 2] = 0;
      this.#unkeptFor = 0;
    }
    this.#matchSubject(account, subject, length, isForHost);
    this.#resumeIndex = 0;
    this.#resumeRecord = NO_SUBSCRIPTION;
    let plan = this.#write(context, account, subject, length, hash, isForHost, true);
    while (this.hasMore && !this.#isWholeArena) {
      this.#forgetAll();
      this.#resumeIndex = 0;
      this.#resumeRecord = NO_SUBSCRIPTION;
      plan = this.#write(context, account, subject, length, hash, isForHost, true);
    }
    while (plan === FULL) {
      this.#halveGroups();
      plan = this.#write(context, account, subject, length, hash, isForHost, true);
    }
    if (this.hasMore) return plan;
    this.#words[(connection + CONNECTION_LAST_PLAN) >> 2] = plan;
    const door = hash & (DOOR_SLOTS - 1);
    if (this.#door[door] === hash) {
      this.#keep(plan, hash);
      this.#at = this.#end;
    } else {
      this.#door[door] = hash;
      this.#unkeptFor = connection;
    }
    return plan;
  }

  /**
   * The plan of the subscribers that the last plan left out, used at once and never kept. It names plain subscribers
   * of this shard alone: queue groups and other nodes are in the first.
   */
  buildMore(context: number, account: number, subject: number, length: number, hash: number): number {
    return this.#write(context, account, subject, length, hash, false, false);
  }

  /** What does not fit now fits nowhere. */
  get #isWholeArena(): boolean {
    return this.#at === this.#regions.planArena && this.#limit === this.#regions.planArenaEnd;
  }

  /** A connection's slot is about to be used again or emptied. */
  forgetConnection(connection: number): void {
    if (this.#unkeptFor === connection) this.#unkeptFor = 0;
  }

  #matchSubject(account: number, subject: number, length: number, isForHost: boolean): void {
    const match = this.#match;
    this.#index.match(account, this.#bytes, subject, subject + length, match);
    if (isForHost) match.clear();
    if (this.#groups.length > 0) {
      this.#groups.length = 0;
      this.#groupsByQueue.clear();
    }
    const table = this.#table;
    for (let i = 0; i < match.entryCount; i++) {
      let record = table.firstOfEntry(match.entryIds[i]!);
      for (; record !== NO_SUBSCRIPTION; record = table.nextOfEntry(record)) {
        const queue = table.queueOf(record);
        if (queue === 0) continue;
        const { locals } = this.#groupOf(queue - 1);
        if (locals.length < GROUP_LOCALS_MAX) locals.push(record);
      }
    }
    for (let i = 0; i < match.queueCount; i++) {
      const node = match.queues[i * 3 + 1]!;
      if (node === this.#node) continue;
      this.#groupOf(match.queues[i * 3]!).nodes.push(node, match.queues[i * 3 + 2]!);
    }
  }

  #groupOf(queue: number): Group {
    let group = this.#groupsByQueue.get(queue);
    if (group === undefined) {
      group = { queue, locals: [], nodes: [] };
      this.#groupsByQueue.set(queue, group);
      this.#groups.push(group);
    }
    return group;
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
  #write(
    context: number,
    account: number,
    subject: number,
    length: number,
    hash: number,
    isForHost: boolean,
    isFirst: boolean,
  ): number {
    const words = this.#words;
    const match = this.#match;
    const plan = this.#at;
    const at = plan >> 2;
    const area = this.#regions.area;
    this.hasMore = false;
    let end = plan + PLAN_SUBJECT + padded(length);
    if (end + SLACK_BYTES > this.#limit) {
      this.hasMore = true;
      return FULL;
    }
    words[at + (PLAN_HASH >> 2)] = hash;
    words[at + (PLAN_SUBJECT_LENGTH >> 2)] = length;
    words[at + (PLAN_CONTEXT >> 2)] = context;
    words[at + (PLAN_ACCOUNT >> 2)] = account;
    words[at + (PLAN_FLAGS >> 2)] = isForHost ? PLAN_IS_FOR_HOST : 0;
    const generations = at + (PLAN_GENERATIONS >> 2);
    words[generations] = match.bucketGenerationAddress;
    words[generations + 1] = match.bucketGeneration;
    words[generations + 2] = match.wildcardGenerationAddress;
    words[generations + 3] = match.wildcardGeneration;
    const bucket = area + AREA_LOCAL_BUCKETS + (hash & (AREA_LOCAL_BUCKET_COUNT - 1)) * 4;
    words[generations + 4] = bucket;
    words[generations + 5] = words[bucket >> 2]!;
    const wildcards = area + AREA_LOCAL_WILDCARDS + account * 4;
    words[generations + 6] = wildcards;
    words[generations + 7] = words[wildcards >> 2]!;
    this.#bytes.copyWithin(plan + PLAN_SUBJECT, subject, subject + length);

    words[at + (PLAN_GROUP_COUNT >> 2)] = 0;
    if (isFirst) end = this.#writeGroups(plan, end);
    if (end === FULL) return FULL;
    end = this.#writePlain(plan, end);
    const plainNodes = isFirst ? match.plainNodes & ~(1 << this.#node) : 0;
    words[at + (PLAN_PLAIN_NODES >> 2)] = plainNodes;
    words[at + (PLAN_ALL_NODES >> 2)] = isFirst ? plainNodes | this.#queueNodes() : 0;
    this.#end = end + SLACK_BYTES;
    return plan;
  }

  #queueNodes(): number {
    let nodes = 0;
    for (const group of this.#groups) {
      for (let i = 0; i < group.nodes.length; i += 2) nodes |= 1 << group.nodes[i]!;
    }
    return nodes;
  }

  #writePlain(plan: number, start: number): number {
    const { entryIds, entryCount } = this.#match;
    const table = this.#table;
    let end = start;
    let count = 0;
    for (let i = this.#resumeIndex; i < entryCount; i++) {
      let record = this.#resumeRecord;
      if (record === NO_SUBSCRIPTION) record = table.firstOfEntry(entryIds[i]!);
      this.#resumeRecord = NO_SUBSCRIPTION;
      for (; record !== NO_SUBSCRIPTION; record = table.nextOfEntry(record)) {
        if (table.queueOf(record) !== 0) continue;
        const next = this.#writeTarget(plan, end, record);
        if (next === FULL) {
          this.hasMore = true;
          this.#resumeIndex = i;
          this.#resumeRecord = record;
          i = entryCount;
          break;
        }
        end = next;
        count++;
      }
    }
    if (!this.hasMore) this.#resumeIndex = entryCount;
    this.#words[(plan + PLAN_PLAIN_COUNT) >> 2] = count;
    this.#words[(plan + PLAN_PLAIN) >> 2] = start;
    return end;
  }

  /** Writes the entry of one local subscription at `at` and returns where it ends, or FULL. */
  #writeTarget(plan: number, at: number, record: number): number {
    const words = this.#words;
    const bytes = this.#bytes;
    const length = words[(plan + PLAN_SUBJECT_LENGTH) >> 2]!;
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
    const subject = plan + PLAN_SUBJECT;
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
      const next = this.#writeGroup(plan, end, this.#groups[written]!, localBytesMax);
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
  #writeGroup(plan: number, start: number, group: Group, localBytesMax: number): number {
    const words = this.#words;
    const at = start >> 2;
    const nodes = start + GROUP_BYTES;
    const locals = nodes + group.nodes.length * 4;
    let end = padded(locals + group.locals.length * 4);
    if (end + SLACK_BYTES > this.#limit) return FULL;
    const first = end;
    let localCount = 0;
    for (const record of group.locals) {
      if (localCount > 0 && end - first > localBytesMax && this.#isWholeArena) break;
      const next = this.#writeTarget(plan, end, record);
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
  }

  #isSameContext(plan: number, other: number): boolean {
    return this.#words[(plan + PLAN_CONTEXT) >> 2] === this.#words[(other + PLAN_CONTEXT) >> 2];
  }

  #forgetAll(): void {
    const words = this.#words;
    const { planSets, planArena, planArenaEnd, connections } = this.#regions;
    words.fill(0, planSets >> 2, (planSets + PLAN_SET_COUNT * PLAN_SET_BYTES) >> 2);
    for (let slot = 0; slot < this.slotsUsed; slot++) {
      words[(connections + slot * CONNECTION_BYTES + CONNECTION_LAST_PLAN) >> 2] = 0;
    }
    // Rebuilt plans fill the arena as well; only a working set that does not fit is worth more memory.
    const isTooSmall = this.hasMore || this.#bytesOfNew > (this.#limit - planArena) / 2;
    if (isTooSmall) this.#limit = Math.min(planArenaEnd, planArena + (this.#limit - planArena) * 2);
    this.#bytesOfNew = 0;
    this.#at = planArena;
  }
}

function padded(length: number): number {
  return (length + 15) & ~15;
}
