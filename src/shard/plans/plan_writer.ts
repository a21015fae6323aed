/**
 * Writes a delivery plan into the shard's arena. What does not fit is left for the next part: a plan that names only
 * plain subscribers and is used at once. Hot: once per miss.
 */
import { assert } from "../../base/assert.ts";
import type { Engine } from "../../engine/engine.ts";
import {
  AREA_LOCAL_BUCKET_COUNT,
  AREA_LOCAL_BUCKETS,
  AREA_LOCAL_WILDCARDS,
  CONTEXT_CLIENTS,
  CONTEXT_IS_STREAMLESS,
  FORWARD_CONTEXT,
  FORWARD_DISCLOSURE,
  FORWARD_INBOXES_ONLY,
  FORWARD_REPLY_HEAD,
  FORWARD_REQUESTOR,
  FORWARD_SUBJECT,
  FORWARD_SUBJECT_LENGTH,
  FORWARD_THRESHOLD_MS,
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
  PLAN_FORWARD,
  PLAN_GENERATIONS,
  PLAN_GROUP_COUNT,
  PLAN_GROUPS,
  PLAN_GROUPS_MAX,
  PLAN_HASH,
  PLAN_MORE_COUNT,
  PLAN_MORE_GENERATIONS,
  PLAN_PLAIN,
  PLAN_PLAIN_COUNT,
  PLAN_PLAIN_NODES,
  PLAN_SUBJECT,
  PLAN_SUBJECT_LENGTH,
  TARGET_CONNECTION,
  TARGET_PREFIX,
  TARGET_PREFIX_BYTES_MAX,
  TARGET_PREFIX_LENGTH,
  TARGET_STRIDE,
  TARGET_SUBSCRIPTION,
} from "../../memory/layout.ts";
import type { Leg, PlanMatch } from "./plan_match.ts";
import { type Forward, NO_ROOM, type TargetRules, type TargetWriter } from "./plan_rules.ts";
import type { QueueGroup } from "./queue_groups.ts";

/** Room kept behind the last plan for reads of 16 bytes at a time. */
const SLACK_BYTES = 64;
/** Bytes of the four (address, value) pairs that one leg depends on. */
const LEG_GENERATION_BYTES = 32;
const GENERATION_BYTES = 8;

/** No room: the plan under construction does not fit. */
export const FULL = 0;

export class PlanWriter implements TargetWriter {
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #engine: Engine;
  readonly #area: number;
  readonly #match: PlanMatch;
  readonly #targets: TargetRules;
  /** Where the plan being written ends so far, and the limit that it must not pass. */
  #end = 0;
  #limit = 0;
  /** Whether no more room will come: what does not fit is then left out, or left to the next part. */
  #isWholeArena = false;
  /** Where the last part ended: in which leg, and how many of its targets are written. */
  #leg = 0;
  #written = 0;

  /** After write(): whether subscribers remain that did not fit. */
  hasMore = false;

  /** `area` is the address of the node's area. */
  constructor(
    words: Int32Array,
    bytes: Uint8Array,
    engine: Engine,
    area: number,
    match: PlanMatch,
    targets: TargetRules,
  ) {
    this.#words = words;
    this.#bytes = bytes;
    this.#engine = engine;
    this.#area = area;
    this.#match = match;
    this.#targets = targets;
  }

  /** Where the plan that was just written ends. */
  get end(): number {
    return this.#end;
  }

  /** The next plan is the first part for its subject. */
  startOver(): void {
    this.#leg = 0;
    this.#written = 0;
  }

  /**
   * Writes the plan of what was matched, at `plan`. Returns FULL, with `hasMore` set, if not even its start fits. The
   * first part of a subject's plan holds everything that may go to other nodes, so only it may have to wait for their
   * rings.
   */
  write(
    plan: number,
    limit: number,
    isWholeArena: boolean,
    subject: number,
    length: number,
    hash: number,
    isFirst: boolean,
  ): number {
    const words = this.#words;
    const { context, flags, legs, legCount, plainNodes, groups, replies, forward } = this.#match;
    const own = legs[0]!;
    const at = plan >> 2;
    this.hasMore = false;
    this.#limit = limit;
    this.#isWholeArena = isWholeArena;
    const more = plan + PLAN_SUBJECT + padded(length);
    const ofLegs = more + (replies.generationAddress === 0 ? 0 : GENERATION_BYTES);
    const moreEnd = ofLegs + (legCount - 1) * LEG_GENERATION_BYTES;
    const subjects = padded(moreEnd);
    let end = subjects;
    for (let i = 0; i < legCount; i++) if (legs[i]!.bytes !== null) end += padded(legs[i]!.length);
    if (own.shown !== null) end += padded(own.shown.length);
    const onward = end;
    if (forward !== null) end += FORWARD_SUBJECT + padded(forward.subject.length);
    if (end + SLACK_BYTES > limit) {
      this.hasMore = true;
      return FULL;
    }
    this.#end = end;
    this.#bytes.copyWithin(plan + PLAN_SUBJECT, subject, subject + length);
    this.#writeSubjects(plan, subjects);
    words[at + (PLAN_HASH >> 2)] = hash;
    words[at + (PLAN_SUBJECT_LENGTH >> 2)] = length;
    words[at + (PLAN_CONTEXT >> 2)] = context;
    words[at + (PLAN_ACCOUNT >> 2)] = own.account | streamless(context);
    words[at + (PLAN_FLAGS >> 2)] = flags;
    words[at + (PLAN_FORWARD >> 2)] = onward;
    if (forward !== null) this.#writeForward(onward, forward);
    words[at + (PLAN_DELIVERED >> 2)] = own.at;
    words[at + (PLAN_DELIVERED_LENGTH >> 2)] = own.length;
    this.#writeGenerations(own, plan + PLAN_GENERATIONS, own.bytes === null ? hash : this.#hashOf(own));
    words[at + (PLAN_MORE_GENERATIONS >> 2)] = more;
    words[at + (PLAN_MORE_COUNT >> 2)] = (moreEnd - more) / GENERATION_BYTES;
    if (ofLegs !== more) {
      words[more >> 2] = replies.generationAddress;
      words[(more >> 2) + 1] = replies.generation;
    }
    for (let i = 1; i < legCount; i++) {
      this.#writeGenerations(legs[i]!, ofLegs + (i - 1) * LEG_GENERATION_BYTES, this.#hashOf(legs[i]!));
    }

    words[at + (PLAN_GROUP_COUNT >> 2)] = 0;
    if (isFirst && !this.#writeGroups(plan)) return FULL;
    this.#writePlain(plan);
    words[at + (PLAN_PLAIN_NODES >> 2)] = isFirst ? plainNodes : 0;
    words[at + (PLAN_ALL_NODES >> 2)] = isFirst ? plainNodes | groups.nodes : 0;
    return plan;
  }

  add(connection: number, subscription: number, prefixLength: number): number {
    assert(prefixLength <= TARGET_PREFIX_BYTES_MAX, "a target's prefix fits an outbox");
    const words = this.#words;
    const at = this.#end;
    const end = at + TARGET_PREFIX + padded(prefixLength);
    if (end + SLACK_BYTES > this.#limit) return NO_ROOM;
    words[(at + TARGET_CONNECTION) >> 2] = connection;
    words[(at + TARGET_SUBSCRIPTION) >> 2] = subscription;
    words[(at + TARGET_PREFIX_LENGTH) >> 2] = prefixLength;
    words[(at + TARGET_STRIDE) >> 2] = end - at;
    this.#end = end;
    this.#written++;
    return at + TARGET_PREFIX;
  }

  /** Writes the subjects of the legs that have their own, and notes where each leg's subject lies. */
  #writeSubjects(plan: number, start: number): void {
    const { legs, legCount } = this.#match;
    let to = start;
    for (let i = 0; i < legCount; i++) {
      const leg = legs[i]!;
      if (leg.bytes === null) leg.at = plan + PLAN_SUBJECT;
      else {
        leg.at = to;
        this.#bytes.set(leg.bytes, to);
        to += padded(leg.length);
      }
      leg.shownAt = leg.at;
      leg.shownLength = leg.length;
      if (leg.shown === null) continue;
      leg.shownAt = to;
      leg.shownLength = leg.shown.length;
      this.#bytes.set(leg.shown, to);
      to += padded(leg.shownLength);
    }
  }

  #writeForward(address: number, forward: Forward): void {
    const words = this.#words;
    const { context, subject, requestor, disclosure, thresholdMs, inboxesOnly, replyHead } = forward;
    const at = address >> 2;
    words[at + (FORWARD_CONTEXT >> 2)] = context;
    words[at + (FORWARD_SUBJECT_LENGTH >> 2)] = subject.length;
    words[at + (FORWARD_REQUESTOR >> 2)] = requestor;
    words[at + (FORWARD_DISCLOSURE >> 2)] = disclosure;
    words[at + (FORWARD_THRESHOLD_MS >> 2)] = thresholdMs;
    words[at + (FORWARD_INBOXES_ONLY >> 2)] = inboxesOnly ? 1 : 0;
    this.#bytes.set(replyHead, address + FORWARD_REPLY_HEAD);
    this.#bytes.set(subject, address + FORWARD_SUBJECT);
  }

  #hashOf({ at, length }: Leg): number {
    return this.#engine.hash(at, length);
  }

  /**
   * Writes the generation words that change with interest in a leg's subject: those of the index and those of this
   * shard.
   */
  #writeGenerations({ match, account }: Leg, address: number, hash: number): void {
    const words = this.#words;
    const at = address >> 2;
    const bucket = this.#area + AREA_LOCAL_BUCKETS + (hash & (AREA_LOCAL_BUCKET_COUNT - 1)) * 4;
    const wildcards = this.#area + AREA_LOCAL_WILDCARDS + account * 4;
    words[at] = match.bucketGenerationAddress;
    words[at + 1] = match.bucketGeneration;
    words[at + 2] = match.wildcardGenerationAddress;
    words[at + 3] = match.wildcardGeneration;
    words[at + 4] = bucket;
    words[at + 5] = words[bucket >> 2]!;
    words[at + 6] = wildcards;
    words[at + 7] = words[wildcards >> 2]!;
  }

  /** Writes plain subscribers, from where the last part ended. Sets `hasMore` if not all fit. */
  #writePlain(plan: number): void {
    const words = this.#words;
    const { context, legs, legCount } = this.#match;
    const countWord = (plan + PLAN_PLAIN_COUNT) >> 2;
    words[(plan + PLAN_PLAIN) >> 2] = this.#end;
    words[countWord] = 0;
    for (; this.#leg < legCount; this.#leg++) {
      const from = this.#written;
      const isWhole = this.#targets.writePlain(legs[this.#leg]!, context, from, this);
      words[countWord]! += this.#written - from;
      if (!isWhole) {
        this.hasMore = true;
        return;
      }
      this.#written = 0;
    }
  }

  /**
   * Writes every queue group. Returns false, with `hasMore` set, if a larger or emptier arena would help. If the plan
   * has the whole arena, writes only the groups that fit, with members in at most half of it.
   */
  #writeGroups(plan: number): boolean {
    const { all } = this.#match.groups;
    const count = Math.min(all.length, PLAN_GROUPS_MAX);
    const start = this.#end;
    const localBytesMax = (this.#limit - start) / 2 / Math.max(count, 1);
    let written = 0;
    for (; written < count; written++) {
      const groupStart = this.#end;
      if (this.#writeGroup(all[written]!, localBytesMax)) continue;
      this.#end = groupStart;
      if (this.#isWholeArena) break;
      this.hasMore = true;
      return false;
    }
    all.length = written;
    this.#written = 0;
    this.#words[(plan + PLAN_GROUP_COUNT) >> 2] = written;
    this.#words[(plan + PLAN_GROUPS) >> 2] = start;
    return true;
  }

  /**
   * Writes a queue group. If the plan has the whole arena, the group's members here take at most `localBytesMax`,
   * except that there is at least one.
   */
  #writeGroup(group: QueueGroup, localBytesMax: number): boolean {
    const words = this.#words;
    const start = this.#end;
    const at = start >> 2;
    const nodes = start + GROUP_BYTES;
    const locals = nodes + group.nodes.length * 4;
    const first = padded(locals + group.locals.length * 4);
    if (first + SLACK_BYTES > this.#limit) return false;
    this.#end = first;
    let localCount = 0;
    for (const { member, leg } of group.locals) {
      if (localCount > 0 && this.#end - first > localBytesMax && this.#isWholeArena) break;
      words[(locals >> 2) + localCount++] = this.#end;
      if (!this.#targets.members!.write(leg, member, this)) return false;
    }
    let weight = localCount;
    for (let i = 0; i < group.nodes.length; i++) words[(nodes >> 2) + i] = group.nodes[i]!;
    for (let i = 1; i < group.nodes.length; i += 2) weight += group.nodes[i]!;
    words[at + (GROUP_QUEUE >> 2)] = group.queue;
    words[at + (GROUP_LOCAL_COUNT >> 2)] = localCount;
    words[at + (GROUP_NODE_COUNT >> 2)] = group.nodes.length >> 1;
    words[at + (GROUP_WEIGHT >> 2)] = weight;
    words[at + (GROUP_STRIDE >> 2)] = this.#end - start;
    words[at + (GROUP_NODES >> 2)] = nodes;
    words[at + (GROUP_LOCALS >> 2)] = locals;
    return true;
  }
}

/**
 * The bits that other nodes are told besides the account. Messages of clients are for stream imports, and their
 * contexts are numbers without such bits.
 */
function streamless(context: number): number {
  return context < CONTEXT_CLIENTS ? context & CONTEXT_IS_STREAMLESS : 0;
}

function padded(length: number): number {
  return (length + 15) & ~15;
}
