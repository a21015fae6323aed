/**
 * One thread of the multi-thread test. It changes the interest of its own node at random. After each change it checks
 * that a match tells its own part exactly and the permanent part always, and that results under the same generations
 * are equal. It answers with the interest that is left, or with what went wrong.
 */
import { assert } from "../../base/assert.ts";
import { type InterestIndex, openInterestIndex } from "../interest_index.ts";
import type { InterestRegion } from "../interest_memory.ts";
import { MatchResult } from "../match_result.ts";
import { type MatchOutcome, NaiveInterest, type NaiveMember, outcomeOf } from "./naive_interest.ts";

export interface StressTask {
  readonly region: InterestRegion;
  readonly node: number;
  readonly accountId: number;
  readonly roundCount: number;
  /** Subjects and patterns that every thread adds and removes, and that all overlap each other. */
  readonly subjects: readonly string[];
  /** Subjects to match; each also matches the permanent entry that node 0 has plain interest in. */
  readonly published: readonly string[];
  readonly permanentEntryId: number;
  readonly neverMatched: string;
  /** Literals of its own that are added on the way, so that the tables grow under the readers. */
  readonly growthCount: number;
}

export interface StressReport {
  readonly error: string;
  /** What is left: subjects with plain interest, and each member of a queue and filtered subscription. */
  readonly plain: readonly string[];
  readonly members: readonly NaiveMember[];
}

const QUEUES = ["q", "workers", ""];
const FILTERS = ["", "", "s.a", "s.*.b s.b", "s.*.c *.b"];
const MEMBERS_MAX = 16;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

addEventListener("message", (event: MessageEvent<StressTask>) => {
  let report: StressReport;
  try {
    report = new StressRun(event.data).run();
  } catch (error) {
    report = { error: error instanceof Error ? `${error.stack}` : String(error), plain: [], members: [] };
  }
  postMessage(report);
});

class StressRun {
  readonly #task: StressTask;
  readonly #index: InterestIndex;
  readonly #shared: Int32Array;
  readonly #model = new NaiveInterest();
  readonly #plain = new Map<string, number>();
  readonly #members: (NaiveMember & { queueId: number; filterId: number })[] = [];
  readonly #first = new MatchResult();
  readonly #second = new MatchResult();
  #random: number;

  constructor(task: StressTask) {
    this.#task = task;
    this.#index = openInterestIndex(task.region);
    this.#shared = new Int32Array(task.region.buffer);
    this.#random = 0x9e3779b9 ^ task.node;
  }

  run(): StressReport {
    const { roundCount, growthCount, node, neverMatched } = this.#task;
    for (let round = 0; round < roundCount; round++) {
      this.#change();
      this.#checkPublished();
      this.#match(neverMatched, this.#first);
      assert(this.#first.entryCount === 0, "a subject that nobody subscribed to has matched");
      for (let n = (round * growthCount) / roundCount; n < ((round + 1) * growthCount) / roundCount; n++) {
        const bytes = encoder.encode(`growth.${node}.${n}`);
        assert(this.#index.addPlain(node, 1, bytes, 0, bytes.length) >= 0, "the region is full");
      }
    }
    return {
      error: "",
      plain: [...this.#plain.keys()],
      members: this.#members,
    };
  }

  #change(): void {
    const { accountId, subjects } = this.#task;
    const subject = subjects[this.#below(subjects.length)]!;
    const choice = this.#below(4);
    if (choice < 2) this.#togglePlain(subject);
    else if (choice === 2) this.#addMember(subject);
    else this.#removeMember();
    const isHeld = this.#plain.has(subject) || this.#members.some((member) => member.subject === subject);
    if (!isHeld) return;
    const bytes = encoder.encode(subject);
    assert(this.#index.find(accountId, bytes, 0, bytes.length) >= 0, "held entry is not found");
  }

  #togglePlain(subject: string): void {
    const { accountId, node } = this.#task;
    const before = this.#generations(subject);
    const held = this.#plain.get(subject);
    if (held === undefined) {
      const bytes = encoder.encode(subject);
      const entryId = this.#index.addPlain(node, accountId, bytes, 0, bytes.length);
      this.#plain.set(subject, entryId);
      this.#model.addPlain(node, accountId, subject, entryId);
    } else {
      this.#index.removePlain(node, held);
      this.#plain.delete(subject);
      this.#model.removePlain(node, accountId, subject);
    }
    assert(this.#generations(subject) !== before, "a change has moved no generation");
  }

  #addMember(subject: string): void {
    if (this.#members.length === MEMBERS_MAX) return;
    const { accountId, node } = this.#task;
    const index = this.#index;
    const bytes = encoder.encode(subject);
    const { length } = bytes;
    const queue = QUEUES[this.#below(QUEUES.length)]!;
    const shared = FILTERS[this.#below(FILTERS.length)]!;
    // Some filters belong to this thread alone, so that they come and go while others read them.
    const filter = queue === "" || this.#below(2) === 0 ? `own.${node} ${shared}`.trim() : shared;
    const name = encoder.encode(queue);
    const patterns = encoder.encode(filter);
    const entryId =
      filter === ""
        ? index.addQueue(node, accountId, bytes, 0, length, name, 0, name.length)
        : index.addFiltered(node, accountId, bytes, 0, length, name, 0, name.length, patterns);
    const member = { node, accountId, subject, entryId, queue, filter };
    this.#members.push({ ...member, queueId: index.lastQueueId, filterId: index.lastFilterId });
    this.#model.addMember(member);
  }

  #removeMember(): void {
    const { node } = this.#task;
    const [member] = this.#members.splice(this.#below(MEMBERS_MAX), 1);
    if (member === undefined) return;
    this.#index.removeFiltered(node, member.entryId, member.queueId, member.filterId);
    this.#model.removeMember(member);
  }

  #checkPublished(): void {
    const { node, published, permanentEntryId } = this.#task;
    const subject = published[this.#below(published.length)]!;
    const first = this.#first;
    const second = this.#second;
    this.#match(subject, first);
    this.#match(subject, second);
    const isFresh =
      Atomics.load(this.#shared, first.bucketGenerationAddress / 4) === first.bucketGeneration &&
      Atomics.load(this.#shared, first.wildcardGenerationAddress / 4) === first.wildcardGeneration;
    if (isFresh) assert(identity(first) === identity(second), "results differ under unmoved generations");
    assert(
      first.entryIds.subarray(0, first.entryCount).includes(permanentEntryId) && (first.plainNodes & 1) === 1,
      "permanent interest is missing",
    );
    const expected = this.#model.match(this.#task.accountId, subject);
    const own = this.#ownPart(first);
    assert(
      ((first.plainNodes >> node) & 1) === ((expected.plainNodes >> node) & 1),
      "own plain interest is wrong",
    );
    assert(own.queues.join() === expected.queues.join(), "own queue members are wrong");
    for (let at = 0; at < first.queueCount * 3; at += 3) {
      assert(first.queues[at + 2]! > 0, "a queue without members has matched");
    }
  }

  /** Only the names of its own queues can be read, because those of other nodes may be freed meanwhile. */
  #ownPart(result: MatchResult): MatchOutcome {
    const own = new MatchResult();
    for (let at = 0; at < result.queueCount * 3; at += 3) {
      if (result.queues[at + 1] !== this.#task.node) continue;
      own.addQueue(result.queues[at]!, result.queues[at + 1]!, result.queues[at + 2]!);
    }
    return outcomeOf(own, (queueId) => decoder.decode(this.#index.queueNameOf(queueId)));
  }

  #match(subject: string, result: MatchResult): void {
    const bytes = encoder.encode(subject);
    this.#index.match(this.#task.accountId, bytes, 0, bytes.length, result);
  }

  #generations(subject: string): string {
    this.#match(subject, this.#first);
    return `${this.#first.bucketGeneration} ${this.#first.wildcardGeneration}`;
  }

  #below(bound: number): number {
    this.#random = (Math.imul(this.#random, 1664525) + 1013904223) | 0;
    return (this.#random >>> 8) % bound;
  }
}

function identity(result: MatchResult): string {
  const triples: string[] = [];
  for (let at = 0; at < result.queueCount * 3; at += 3)
    triples.push(result.queues.subarray(at, at + 3).join());
  const entryIds = result.entryIds.slice(0, result.entryCount).sort();
  return `${result.plainNodes} ${entryIds.join()} ${triples.sort().join(" ")}`;
}
