// Hot: `match` and `find`.
import { assert } from "../base/assert.ts";
import {
  ACCOUNT_COUNT_MAX,
  ACCOUNT_GENERATION,
  ACCOUNT_ROOT,
  ACCOUNT_WORDS,
  ACCOUNTS,
  BUCKET_BITS,
  BUCKETS,
  ENTRY_HASH,
  ENTRY_ID,
  ENTRY_NEXT,
  ENTRY_NODES,
  ENTRY_PAIRS,
  ENTRY_SUBJECT,
  ENTRY_SUBJECT_BYTES,
  FRONTIER_PAGE,
  INSERT_COUNT,
  INTEREST_MAGIC,
  MAGIC,
  NODE_COUNT_MAX,
  REGION_WORDS,
  REMOVE_COUNT,
  SEEDS,
} from "../memory/interest_layout.ts";
import { Arena } from "./arena.ts";
import { Entries } from "./entries.ts";
import type { EntryView } from "./entry_view.ts";
import { type IndexEngine, InterestMemory, type InterestRegion, isInside } from "./interest_memory.ts";
import { InternedTexts } from "./interned_texts.ts";
import { InterestJournal } from "./journal.ts";
import type { MatchResult } from "./match_result.ts";
import { MemberCounts } from "./member_counts.ts";
import { isWildcardPattern, WildcardTrie } from "./wildcard_trie.ts";
import { WriteLock } from "./write_lock.ts";

/** Returned instead of an entry id when the region has no room; nothing has changed then. */
export const INDEX_FULL = -2;

/** Most members of a queue that one call can add. */
export const MEMBERS_MAX = 65535;

/** The lock owner that a reader counts as. Readers take the lock only if writers disturb every attempt without it. */
const READER_OWNER = NODE_COUNT_MAX;

/** Returned by `find`. */
export const NOT_FOUND = -1;

const NO_TEXT = new Uint8Array(0);
const ATTEMPT_COUNT_MAX = 64;
const ENTRIES_PER_SWEEP = 1024;

/**
 * Makes the index in `region`, which is all zero. Main calls it once, before any thread opens it.
 * `hashSeed` is four words that no client can guess, new for each process.
 */
export function createInterestIndex(
  region: InterestRegion,
  options: { readonly hashSeed: readonly number[] },
): InterestIndex {
  const { words, wordCount, pageCount } = new InterestMemory(region, null);
  assert(words[MAGIC] === 0, "interest: region holds an index already");
  assert(options.hashSeed.length === 4, "interest: the hash seed is not four words");
  words.set(options.hashSeed, SEEDS);
  words[REGION_WORDS] = wordCount;
  words[FRONTIER_PAGE] = pageCount;
  words[MAGIC] = INTEREST_MAGIC;
  return openInterestIndex(region);
}

/** Opens the index that `createInterestIndex` made in `region`. Each thread does, with its engine if it has one. */
export function openInterestIndex(region: InterestRegion, engine: IndexEngine | null = null): InterestIndex {
  return new InterestIndex(region, engine);
}

/**
 * Who is interested in what, for the whole process: (account, subject) → nodes with plain interest, and members per
 * queue and node. `memory/interest_layout.ts` says where it lies, and `docs/architecture.md` how it is used.
 *
 * An entry id is a small dense integer. It is taken when the first interest in a subject appears and given back with
 * the last one, so a node may keep an array by entry id for as long as it holds interest there. A queue id is one u32
 * per distinct queue name in the process, not dense, with the same lifetime. A filter id is the same for a set of
 * patterns that a subscriber is not to be sent.
 *
 * Subjects are `bytes[start, end)`, valid as the protocol defines it (no empty token, `>` only last). Node ids are 0 to
 * 31, account ids 0 to 65535. Writers wait for each other; readers wait for nobody unless they are disturbed again and
 * again.
 */
export class InterestIndex {
  readonly #memory: InterestMemory;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #lock: WriteLock;
  readonly #arena: Arena;
  readonly #entries: Entries;
  readonly #trie: WildcardTrie;
  readonly #texts: InternedTexts;
  readonly #members: MemberCounts;
  /** The changes that one node tells other servers; null if the region has no journal. */
  readonly journal: InterestJournal | null;

  constructor(region: InterestRegion, engine: IndexEngine | null) {
    const memory = new InterestMemory(region, engine);
    assert(memory.words[MAGIC] === INTEREST_MAGIC, "interest: no index in this region");
    assert(
      memory.words[REGION_WORDS] === memory.wordCount,
      "interest: index was made in a region of other size",
    );
    this.#memory = memory;
    this.#words = memory.words;
    this.#lock = new WriteLock(memory);
    this.#arena = new Arena(memory);
    this.#entries = new Entries(memory);
    this.#trie = new WildcardTrie(memory);
    this.#texts = new InternedTexts(memory);
    this.#members = new MemberCounts(memory, this.#texts);
    const { buffer, byteLength, journal } = region;
    this.journal = journal === undefined ? null : new InterestJournal(buffer, journal, byteLength);
  }

  /** The queue id of the last `addQueue` or `addFiltered` that succeeded on this thread, 0 for a plain one. */
  get lastQueueId(): number {
    return this.#members.lastQueueId;
  }

  /** The filter id of the last `addFiltered` that succeeded on this thread. */
  get lastFilterId(): number {
    return this.#members.lastFilterId;
  }

  /** Notes that `node` has plain interest in the subject. Returns the entry id, or `INDEX_FULL`. Idempotent. */
  addPlain(node: number, accountId: number, bytes: Uint8Array, start: number, end: number): number {
    const id = this.#fileByEngine(node, accountId, bytes, start, end);
    return id >= 0 ? id : this.#add(node, accountId, bytes, start, end, NO_TEXT, 0, 0, NO_TEXT, 1);
  }

  /**
   * Lets the engine file plain interest of `node` in up to `countMax` literals (`engine/assembly/interest.ts`). Calls
   * `file` under the lock, with room for so many in the table, and returns what it returns; 0 if there is no such room.
   * The journal must not tell anybody what `node` files.
   */
  fileMany(node: number, countMax: number, file: (region: number) => number): number {
    assertNode(node);
    assert(this.journal?.ignores(node) ?? true, "interest: what the engine files is followed by nobody");
    this.#lock.acquire(node);
    const hasRoom = this.#entries.reserve(countMax, this.#arena, this.#lock);
    const count = hasRoom ? file(this.#memory.byteOffset) : 0;
    this.#lock.release();
    return count;
  }

  /** Takes back `addPlain`. The entry may cease to exist. Does nothing if the node has no such interest. */
  removePlain(node: number, entryId: number): void {
    assertNode(node);
    const entry = this.#entryHeld(entryId);
    this.#lock.acquire(node);
    if ((this.#words[entry + ENTRY_NODES]! & (1 << node)) !== 0) {
      this.#lock.beginChange();
      this.#words[entry + ENTRY_NODES]! &= ~(1 << node);
      this.#finishRemoval(entry, node);
      this.#lock.endChange();
    }
    this.#lock.release();
  }

  /**
   * Counts `members` more, 1 to `MEMBERS_MAX`, on `node` of the queue `queueBytes[queueStart, queueEnd)`, a name of at
   * least one byte. Returns the entry id, or `INDEX_FULL`. `lastQueueId` then is the queue id.
   */
  addQueue(
    node: number,
    accountId: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    queueBytes: Uint8Array,
    queueStart: number,
    queueEnd: number,
    members = 1,
  ): number {
    assert(queueEnd > queueStart, "interest: queue name is empty");
    assert(members > 0 && members <= MEMBERS_MAX, "interest: queue members are out of bounds");
    return this.#add(node, accountId, bytes, start, end, queueBytes, queueStart, queueEnd, NO_TEXT, members);
  }

  /** Takes back `members` of those that `addQueue` added, at most all. Does nothing if the node has no member there. */
  removeQueue(node: number, entryId: number, queueId: number, members = 1): void {
    this.#removeMember(node, entryId, queueId, 0, members);
  }

  /**
   * Counts one more subscription that is not to be sent what a pattern in `filter` matches. It is a member of a queue,
   * or with an empty range a plain one. The patterns are valid, with a blank between them. Returns the same as
   * `addQueue`; `lastFilterId` then is the filter id.
   */
  addFiltered(
    node: number,
    accountId: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    queueBytes: Uint8Array,
    queueStart: number,
    queueEnd: number,
    filter: Uint8Array,
  ): number {
    assert(filter.length > 0, "interest: filter is empty");
    return this.#add(node, accountId, bytes, start, end, queueBytes, queueStart, queueEnd, filter, 1);
  }

  /** Takes back one `addFiltered`; the queue id of a plain one is 0. Does nothing if the node has none there. */
  removeFiltered(node: number, entryId: number, queueId: number, filterId: number): void {
    this.#removeMember(node, entryId, queueId, filterId, 1);
  }

  /** Drops all interest of `node`, whose thread is gone. Other threads may read and write in between. */
  removeNode(node: number): void {
    assertNode(node);
    assert(this.lockOwner() !== node, "interest: the node stopped while it held the write lock");
    for (let first = 0; first < this.#words[ENTRY_NEXT]!; first += ENTRIES_PER_SWEEP) {
      this.#lock.acquire(READER_OWNER);
      for (let id = first; id < first + ENTRIES_PER_SWEEP; id++) {
        const entry = this.#entries.byId(id);
        if (entry !== 0) this.#removeNodeFrom(node, entry);
      }
      this.#lock.release();
    }
  }

  /** The id of the entry of exactly this subject or pattern, or −1. */
  find(accountId: number, bytes: Uint8Array, start: number, end: number): number {
    const lock = this.#lock;
    const hash = this.#entries.hash(accountId, bytes, start, end);
    for (let attempt = 0; attempt < ATTEMPT_COUNT_MAX; attempt++) {
      const version = lock.stableVersion();
      if ((version & 1) !== 0) continue;
      const entry = this.#entries.find(hash, accountId, bytes, start, end);
      const id = entry === 0 ? NOT_FOUND : this.#words[entry + ENTRY_ID]!;
      if (lock.isUnchanged(version)) return id;
    }
    lock.acquire(READER_OWNER);
    const entry = this.#entries.find(hash, accountId, bytes, start, end);
    const id = entry === 0 ? NOT_FOUND : this.#words[entry + ENTRY_ID]!;
    lock.release();
    return id;
  }

  /**
   * Fills `result` with everything that matches the subject as published: `*` and `>` in it are ordinary tokens, which
   * the same token of a pattern matches like any other. A subject with an empty token matches nothing. Subscriptions
   * whose filter keeps the subject from them count in no node or queue, but their entries are there. Allocates only if
   * the result's arrays must grow. A literal subject costs one probe.
   */
  match(accountId: number, bytes: Uint8Array, start: number, end: number, result: MatchResult): void {
    const words = this.#words;
    const lock = this.#lock;
    const hash = this.#entries.hash(accountId, bytes, start, end);
    const bucket = BUCKETS + (hash >>> (32 - BUCKET_BITS));
    const wildcard = ACCOUNTS + accountId * ACCOUNT_WORDS + ACCOUNT_GENERATION;
    result.bucketGenerationAddress = this.#memory.byteOffset + bucket * 4;
    result.wildcardGenerationAddress = this.#memory.byteOffset + wildcard * 4;
    // Read before the match, so that a change that comes in between makes the result stale, never wrongly fresh.
    result.bucketGeneration = Atomics.load(words, bucket);
    result.wildcardGeneration = Atomics.load(words, wildcard);
    for (let attempt = 0; attempt < ATTEMPT_COUNT_MAX; attempt++) {
      const version = lock.stableVersion();
      if ((version & 1) !== 0) continue;
      if (this.#matchAt(version, hash, accountId, bytes, start, end, result)) return;
    }
    lock.acquire(READER_OWNER);
    const isWhole = this.#matchAt(lock.stableVersion(), hash, accountId, bytes, start, end, result);
    lock.release();
    assert(isWhole, "interest: index changed under the lock, or is broken");
  }

  /**
   * Whether some pattern may match a subject that begins with `bytes[start, end)`, which ends with a dot, and has more
   * tokens.
   */
  hasPatternsBelow(accountId: number, bytes: Uint8Array, start: number, end: number): boolean {
    this.#lock.acquire(READER_OWNER);
    const root = this.#words[ACCOUNTS + accountId * ACCOUNT_WORDS + ACCOUNT_ROOT]!;
    const has = root !== 0 && this.#trie.reachesBelow(root, bytes, start, end - 1);
    this.#lock.release();
    return has;
  }

  /** A copy of the entry's subject, for a node that has interest in it. */
  subjectOf(entryId: number): Uint8Array {
    return this.#entries.subjectOf(this.#entryHeld(entryId));
  }

  /** The entry's subject as a byte string, for a node that has interest in it. */
  byteStringOf(entryId: number): string {
    return this.#entries.byteStringOf(this.#entryHeld(entryId));
  }

  /** The entry's account, for a node that has interest in it. */
  accountOf(entryId: number): number {
    return this.#entries.accountOf(this.#entryHeld(entryId));
  }

  /** A copy of the queue's name, for a node that has a member in it. */
  queueNameOf(queueId: number): Uint8Array {
    return this.#texts.textOf(queueId);
  }

  /** A copy of the filter's patterns, for a node that has a subscription under it. */
  filterOf(filterId: number): Uint8Array {
    return this.#texts.textOf(filterId);
  }

  /** Whether a filter holds back the literal subject, for a node that has a subscription under it. */
  isHeldBack(filterId: number, bytes: Uint8Array, start: number, end: number): boolean {
    return this.#texts.matchesAny(filterId, this.#texts.lengthOf(filterId), bytes, start, end);
  }

  /** Reads the entry into `view`; false if the id is free. Called once for each change that the journal tells. */
  read(entryId: number, view: EntryView): boolean {
    this.#lock.acquire(READER_OWNER);
    const entry = this.#entries.byId(entryId);
    if (entry !== 0) {
      const subject = this.#entries.byteStringOf(entry);
      view.clear(this.#entries.accountOf(entry), subject, this.#words[entry + ENTRY_NODES]!);
      this.#members.read(entry, view);
    }
    this.#lock.release();
    return entry !== 0;
  }

  /** Every entry's id is below this one. */
  get entryIdEnd(): number {
    return this.#words[ENTRY_NEXT]!;
  }

  /** The node that holds the write lock now, `READER_OWNER` for a reader, −1 if nobody does. */
  lockOwner(): number {
    return this.#lock.owner();
  }

  /** Throws unless all parts of the index agree. Reads the whole index under the lock; for tests. */
  invariants(): void {
    this.#lock.acquire(READER_OWNER);
    this.#arena.invariants(this.#memory.pageCount);
    const entries = this.#entries.invariants();
    this.#members.invariants(entries);
    const patterns = new Set(entries.filter((entry) => this.#entries.isWildcard(entry)));
    for (const entry of entries) assert(this.#hasInterest(entry), "interest: entry without interest is kept");
    this.#trie.invariants(ACCOUNT_COUNT_MAX, (accountId, entry) => {
      assert(patterns.delete(entry), "interest: trie names an entry that is no pattern");
      assert(accountId === this.#entries.accountOf(entry), "interest: pattern is in another account's trie");
    });
    assert(patterns.size === 0, "interest: pattern is in no trie");
    this.#lock.release();
  }

  /**
   * Does what `addPlain` does, by this thread's engine. Returns −1 if that cannot do it: there is no engine, the
   * subject lies outside the shared memory or has wildcards, or a table must grow.
   */
  #fileByEngine(node: number, accountId: number, bytes: Uint8Array, start: number, end: number): number {
    const { engine, byteOffset } = this.#memory;
    const words = this.#words;
    if (engine === null || bytes.buffer !== words.buffer) return -1;
    assertNode(node);
    assertAccount(accountId);
    this.#lock.acquire(node);
    const insertCount = words[INSERT_COUNT];
    const id = engine.fileLiteral(byteOffset, node, accountId, bytes.byteOffset + start, end - start);
    if (words[INSERT_COUNT] !== insertCount) this.journal?.note(id, node);
    this.#lock.release();
    return id;
  }

  /** Does what `addFiltered` does, or with empty texts what `addQueue` and `addPlain` do. */
  #add(
    node: number,
    accountId: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    queueBytes: Uint8Array,
    queueStart: number,
    queueEnd: number,
    filter: Uint8Array,
    members: number,
  ): number {
    assertNode(node);
    assertAccount(accountId);
    const isWildcard = isWildcardPattern(bytes, start, end);
    const isCounted = queueEnd > queueStart || filter.length > 0;
    const hash = this.#entries.hash(accountId, bytes, start, end);
    const lock = this.#lock;
    lock.acquire(node);
    const found = this.#entries.find(hash, accountId, bytes, start, end);
    let id = INDEX_FULL;
    // Tables grow before the change begins, so that readers can go on meanwhile.
    if (
      (found !== 0 || this.#reserveEntry(isWildcard, bytes, start, end)) &&
      (!isCounted || this.#members.reserve(this.#arena, lock))
    ) {
      lock.beginChange();
      const entry = found !== 0 ? found : this.#addEntry(hash, accountId, isWildcard, bytes, start, end);
      if (entry !== 0) {
        const isAdded = isCounted
          ? this.#addMembers(entry, node, queueBytes, queueStart, queueEnd, filter, members)
          : this.#addNode(entry, node);
        if (isAdded) id = this.#words[entry + ENTRY_ID]!;
        else this.#removeIfWithoutInterest(entry);
      }
      lock.endChange();
    }
    lock.release();
    return id;
  }

  #reserveEntry(isWildcard: boolean, bytes: Uint8Array, start: number, end: number): boolean {
    return (
      this.#entries.reserve(1, this.#arena, this.#lock) &&
      (!isWildcard || this.#trie.reserve(bytes, start, end, this.#arena, this.#lock))
    );
  }

  /** Adds an entry, still without interest. Returns 0 when the region is full. */
  #addEntry(
    hash: number,
    accountId: number,
    isWildcard: boolean,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): number {
    const entry = this.#entries.add(hash, accountId, isWildcard, bytes, start, end, this.#arena);
    if (entry === 0 || !isWildcard) return entry;
    if (this.#trie.insert(accountId, bytes, start, end, entry, this.#arena)) return entry;
    this.#entries.remove(entry, this.#arena);
    return 0;
  }

  #addNode(entry: number, node: number): true {
    if ((this.#words[entry + ENTRY_NODES]! & (1 << node)) === 0) {
      this.#words[entry + ENTRY_NODES]! |= 1 << node;
      this.#words[INSERT_COUNT]! += 1;
      this.#noteChange(entry, node);
    }
    return true;
  }

  /** False when the region is full. */
  #addMembers(
    entry: number,
    node: number,
    queueBytes: Uint8Array,
    start: number,
    end: number,
    filter: Uint8Array,
    members: number,
  ): boolean {
    if (!this.#members.add(entry, node, queueBytes, start, end, filter, members, this.#arena)) return false;
    this.#words[INSERT_COUNT]! += 1;
    this.#noteChange(entry, node);
    return true;
  }

  #removeMember(node: number, entryId: number, queueId: number, filterId: number, members: number): void {
    assertNode(node);
    const entry = this.#entryHeld(entryId);
    this.#lock.acquire(node);
    this.#lock.beginChange();
    if (this.#members.remove(entry, queueId, filterId, node, members, this.#arena)) {
      this.#finishRemoval(entry, node);
    }
    this.#lock.endChange();
    this.#lock.release();
  }

  /** The entry of an id in which the caller's node has interest, so that it cannot go meanwhile. */
  #entryHeld(entryId: number): number {
    const entry = this.#entries.byId(entryId);
    assert(entry !== 0, "interest: entry does not exist");
    return entry;
  }

  #removeNodeFrom(node: number, entry: number): void {
    const words = this.#words;
    const pairs = this.#members.pairsOf(entry).filter((pair) => pair.node === node);
    const hasPlain = (words[entry + ENTRY_NODES]! & (1 << node)) !== 0;
    if (!hasPlain && pairs.length === 0) return;
    this.#lock.beginChange();
    words[entry + ENTRY_NODES]! &= ~(1 << node);
    for (const { queueId, filterId, members } of pairs) {
      this.#members.remove(entry, queueId, filterId, node, members, this.#arena);
    }
    this.#finishRemoval(entry, node);
    this.#lock.endChange();
  }

  #finishRemoval(entry: number, node: number): void {
    this.#words[REMOVE_COUNT]! += 1;
    this.#noteChange(entry, node);
    this.#removeIfWithoutInterest(entry);
  }

  #hasInterest(entry: number): boolean {
    return this.#words[entry + ENTRY_NODES] !== 0 || this.#words[entry + ENTRY_PAIRS] !== 0;
  }

  #removeIfWithoutInterest(entry: number): void {
    if (this.#hasInterest(entry)) return;
    if (this.#entries.isWildcard(entry)) {
      const start = (entry + ENTRY_SUBJECT) * 4;
      const end = start + this.#words[entry + ENTRY_SUBJECT_BYTES]!;
      this.#trie.remove(this.#entries.accountOf(entry), this.#memory.bytes, start, end, this.#arena);
    }
    this.#entries.remove(entry, this.#arena);
  }

  /** Makes plans that the entry may be part of stale, and tells the journal. Called inside a change. */
  #noteChange(entry: number, node: number): void {
    const words = this.#words;
    this.journal?.note(words[entry + ENTRY_ID]!, node);
    const generation = this.#entries.isWildcard(entry)
      ? ACCOUNTS + this.#entries.accountOf(entry) * ACCOUNT_WORDS + ACCOUNT_GENERATION
      : BUCKETS + (words[entry + ENTRY_HASH]! >>> (32 - BUCKET_BITS));
    Atomics.store(words, generation, (words[generation]! + 1) | 0);
  }

  /** Makes one attempt to match. Returns false, with the result void, if a writer came in between. */
  #matchAt(
    version: number,
    hash: number,
    accountId: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    result: MatchResult,
  ): boolean {
    const words = this.#words;
    const entries = this.#entries;
    result.clear();
    const literal = entries.find(hash, accountId, bytes, start, end);
    // A subject published as `foo.*` also finds that pattern's entry here. The trie reports that one.
    if (literal !== 0 && !entries.isWildcard(literal)) result.addEntry(literal);
    const root = words[ACCOUNTS + accountId * ACCOUNT_WORDS + ACCOUNT_ROOT]!;
    if (root !== 0 && !this.#trie.match(root, bytes, start, end, result, this.#lock, version)) return false;
    // So far these are references. What is read through them may be torn, until the version says otherwise.
    let withPairsCount = 0;
    for (let index = 0; index < result.entryCount; index++) {
      const entry = result.entryIds[index]!;
      if (!isInside(this.#memory, entry, ENTRY_SUBJECT)) return false;
      result.entryIds[index] = words[entry + ENTRY_ID]!;
      result.plainNodes |= words[entry + ENTRY_NODES]!;
      if (words[entry + ENTRY_PAIRS] === 0) continue;
      withPairsCount++;
      if (!this.#members.collect(entry, bytes, start, end, result, this.#lock, version)) return false;
    }
    if (!this.#lock.isUnchanged(version)) return false;
    if (withPairsCount > 1 || result.hasFiltered) result.mergeQueues();
    return true;
  }
}

function assertNode(node: number): void {
  assert(node >= 0 && node < NODE_COUNT_MAX, "interest: node id is out of bounds");
}

function assertAccount(accountId: number): void {
  assert(accountId >= 0 && accountId < ACCOUNT_COUNT_MAX, "interest: account id is out of bounds");
}
