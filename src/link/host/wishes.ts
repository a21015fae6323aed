/**
 * What peers want, by entry of the shared index. There it is interest of the links shard, a node like any other.
 *
 * A group that only leaf nodes or other clusters serve is interest of NODE_FAR: other shards pass a message to this one
 * if nobody nearer serves the group.
 */
import { grown } from "../../base/grown_array.ts";
import { INDEX_FULL, MEMBERS_MAX, NOT_FOUND } from "../../interest/interest_index.ts";
import type { MatchResult } from "../../interest/match_result.ts";
import { NODE_FAR, SCRATCH_BYTES } from "../../memory/map.ts";
import type { ShardContext } from "../../shard/context.ts";
import { LocalGenerations } from "../../shard/plans/local_generations.ts";
import { bytesOf, writeByteString } from "../../subject/byte_string.ts";
import type { InterestKey, Link } from "../core/link.ts";
import type { LinkInterest } from "../core/routing.ts";

type WishKind = Pick<InterestKey, "queue" | "origin">;

/** A wish that needs an object: it shares its entry, or is for a group or for leaf nodes, or is being looked at. */
interface Wish extends LinkInterest {
  readonly wisher: Wisher;
  readonly account: number;
  readonly subject: string;
  weight: number;
  readonly entry: number;
  /** The queue id; 0 for plain interest. */
  readonly queueId: number;
  readonly generationWord: number;
  /** The next wish of the same entry. */
  next: Wish | null;
}

/** The wishes of one link. */
interface Wisher {
  readonly link: Link;
  /** The number that stands for the link in `#byEntry`, > 0. */
  readonly number: number;
  /**
   * Stands for each wish that is plain, without origin and alone at its entry. There may be millions of wishes, nearly
   * all of this kind, and each takes only a number.
   */
  readonly alone: LinkInterest;
  aloneCount: number;
  /** The entry of the last such wish that was added, NO_ENTRY for none. */
  lastAlone: number;
  readonly listed: Set<Wish>;
}

/** The description of a wish. */
export interface ListedWish {
  readonly account: number;
  readonly subject: string;
  readonly queue: string;
  readonly origin: string;
  readonly weight: number;
}

const PLAIN: WishKind = { queue: "", origin: "" };

/** The values of `#byEntry` other than a link's number: nobody wants the entry, or its wishes are in `#lists`. */
const NOBODY = 0;
const LISTED = -1;

const NO_ENTRY = -1;

/** The most entries that the engine writes while it holds the lock. */
export const FILED_AT_ONCE = 128;

type WishesShard = Pick<ShardContext, "node" | "shared" | "engine" | "index">;

export class LinkWishes {
  readonly #shard: WishesShard;
  readonly #generations: LocalGenerations;
  /** Where a subject lies while it is written into the index, because the engine reads only the shared memory. */
  readonly #scratch: number;
  readonly #byLink = new Map<Link, Wisher>();
  /** By their numbers; null if a number is free. */
  readonly #wishers: (Wisher | null)[] = [null];
  /** By entry id (ids are dense): NOBODY, LISTED, or the number of the only link that wants it. */
  #byEntry = new Int32Array(1024);
  /** For entries that one link alone wants: the previous and the next one of the same link, NO_ENTRY for none. */
  #earlier = new Int32Array(1024);
  #later = new Int32Array(1024);
  /** For LISTED entries: the wish that was added last, which leads to the others. */
  readonly #lists = new Map<number, Wish>();

  constructor(shard: WishesShard) {
    this.#shard = shard;
    this.#generations = new LocalGenerations(shard.shared, shard.engine, shard.node);
    this.#scratch = shard.shared.map.area(shard.node).scratch;
  }

  /**
   * A link wants what `key` says, in the account with this id; `wanted` 0 takes it back. Returns false if the index has
   * no room.
   */
  set(link: Link, account: number, key: InterestKey, wanted: number): boolean {
    const { shared, index } = this.#shard;
    const weight = Math.min(wanted, MEMBERS_MAX);
    const end = this.#writeSubject(key.subject);
    const isPlain = weight > 0 && key.queue === "";
    // A plain wish is written at once; if it is known, the index treats it as a repetition.
    const entry = isPlain ? this.#addPlain(account, end) : this.#find(account, end);
    if (entry === INDEX_FULL) return false;
    const known = this.#wishOf(link, entry, key);
    if (known !== null) {
      if (weight === 0) this.#remove(known);
      else if (weight !== known.weight) this.#change(known, end, weight);
      return true;
    }
    if (weight === 0) return true;
    const filed = isPlain ? entry : this.#addMembers(isFar(link, key), account, end, key.queue, weight);
    if (filed === INDEX_FULL) return false;
    this.#generations.bump(this.#generations.wordOf(account, shared.bytes, this.#scratch, end));
    const wisher = this.#wisher(link);
    if (isPlain && key.origin === "") this.#noteAlone(wisher, filed);
    else this.#list(this.#describe(wisher, filed, key, weight, isPlain ? 0 : index.lastQueueId));
    return true;
  }

  /**
   * Writes plain interest of a link into the index, from the lines in `[start, end)` of its input, for as long as the
   * engine can: see `fileInterest`. Returns how many lines it took, or INTEREST_OF_UNKNOWN_ACCOUNT.
   */
  file(link: Link, slot: number, start: number, end: number): number {
    const { shared, engine, index, node } = this.#shard;
    // At the end of the scratch, after any subject that may be written.
    const ids = this.#scratch + SCRATCH_BYTES - FILED_AT_ONCE * 4;
    const count = index.fileMany(node, FILED_AT_ONCE, (region) =>
      engine.fileInterest(region, node, slot, start, end, ids, FILED_AT_ONCE),
    );
    const wisher = this.#wisher(link);
    this.#growTo(index.entryIdEnd - 1);
    // Nearly all are new, and the less this loop calls, the sooner a runtime has compiled it.
    for (let i = 0; i < count; i++) {
      const entry = shared.words[(ids >> 2) + i]!;
      if (this.#byEntry[entry] === NOBODY) this.#addAlone(wisher, entry);
      else this.#noteAlone(wisher, entry);
    }
    return count;
  }

  /** A link is gone. Removes all its wishes. */
  forget(link: Link): void {
    const wisher = this.#byLink.get(link);
    if (wisher === undefined) return;
    for (const wish of this.#wishesOf(wisher)) this.#remove(wish);
    this.#byLink.delete(link);
    this.#wishers[wisher.number] = null;
  }

  /** All wishes of the matched entries. */
  of(match: MatchResult): LinkInterest[] {
    const found: LinkInterest[] = [];
    for (let i = 0; i < match.entryCount; i++) {
      const entry = match.entryIds[i]!;
      const number = this.#byEntry[entry] ?? NOBODY;
      if (number > NOBODY) found.push(this.#wishers[number]!.alone);
      else if (number === LISTED)
        for (let wish: Wish | null = this.#lists.get(entry)!; wish !== null; wish = wish.next)
          found.push(wish);
    }
    return found;
  }

  /** Whether a link wants what `key` says, in the account with this id. */
  has(link: Link, account: number, key: InterestKey): boolean {
    const entry = this.#find(account, this.#writeSubject(key.subject));
    return this.#wishOf(link, entry, key) !== null;
  }

  /** The number of a link's wishes. */
  countOf(link: Link): number {
    const wisher = this.#byLink.get(link);
    return wisher === undefined ? 0 : wisher.aloneCount + wisher.listed.size;
  }

  /** The wishes of a link. */
  list(link: Link): readonly ListedWish[] {
    const wisher = this.#byLink.get(link);
    return wisher === undefined ? [] : [...this.#wishesOf(wisher)];
  }

  /** Makes void all plans that a link's wishes are part of, because the link now lets other subjects through. */
  bumpAll(link: Link): void {
    const wisher = this.#byLink.get(link);
    if (wisher === undefined) return;
    const words = new Set<number>();
    for (const { generationWord } of this.#wishesOf(wisher)) words.add(generationWord);
    for (const word of words) this.#generations.bump(word);
  }

  #wisher(link: Link): Wisher {
    return this.#byLink.getOrInsertComputed(link, () => {
      const free = this.#wishers.indexOf(null, 1);
      const number = free < 0 ? this.#wishers.length : free;
      const alone = { link, queue: "", origin: "", weight: 1 };
      const wisher: Wisher = { link, number, alone, aloneCount: 0, lastAlone: NO_ENTRY, listed: new Set() };
      this.#wishers[number] = wisher;
      return wisher;
    });
  }

  /** Writes a subject into the scratch, and returns its end there. */
  #writeSubject(subject: string): number {
    writeByteString(this.#shard.shared.bytes, this.#scratch, subject);
    return this.#scratch + subject.length;
  }

  #find(account: number, end: number): number {
    const { index, shared } = this.#shard;
    return index.find(account, shared.bytes, this.#scratch, end);
  }

  /** The wish of a link with this queue and origin, among those of an entry. */
  #wishOf(link: Link, entry: number, { queue, origin }: WishKind): Wish | null {
    const number = entry === NOT_FOUND ? NOBODY : (this.#byEntry[entry] ?? NOBODY);
    if (number > NOBODY) {
      const wisher = this.#wishers[number]!;
      const isSame = wisher.link === link && queue === "" && origin === "";
      return isSame ? this.#describe(wisher, entry, PLAIN, 1, 0) : null;
    }
    let wish = number === LISTED ? this.#lists.get(entry)! : null;
    while (wish !== null && (wish.link !== link || wish.queue !== queue || wish.origin !== origin))
      wish = wish.next;
    return wish;
  }

  /** Notes a plain wish without origin under `entry`, if it is not known. */
  #noteAlone(wisher: Wisher, entry: number): void {
    this.#growTo(entry);
    const number = this.#byEntry[entry]!;
    if (number === NOBODY) this.#addAlone(wisher, entry);
    else if (number !== wisher.number && this.#wishOf(wisher.link, entry, PLAIN) === null) {
      this.#list(this.#describe(wisher, entry, PLAIN, 1, 0));
    }
  }

  #growTo(entry: number): void {
    if (entry < this.#byEntry.length) return;
    this.#byEntry = grown(this.#byEntry, entry + 1);
    this.#earlier = grown(this.#earlier, entry + 1);
    this.#later = grown(this.#later, entry + 1);
  }

  /** Notes that one link alone has a plain wish for an entry. */
  #addAlone(wisher: Wisher, entry: number): void {
    this.#byEntry[entry] = wisher.number;
    const last = wisher.lastAlone;
    this.#earlier[entry] = last;
    this.#later[entry] = NO_ENTRY;
    if (last !== NO_ENTRY) this.#later[last] = entry;
    wisher.lastAlone = entry;
    wisher.aloneCount++;
  }

  /** Undoes `#addAlone`, except for `#byEntry`. */
  #removeAlone(wisher: Wisher, entry: number): void {
    const earlier = this.#earlier[entry]!;
    const later = this.#later[entry]!;
    if (earlier !== NO_ENTRY) this.#later[earlier] = later;
    if (later !== NO_ENTRY) this.#earlier[later] = earlier;
    else wisher.lastAlone = earlier;
    wisher.aloneCount--;
  }

  #describe(wisher: Wisher, entry: number, key: WishKind, weight: number, queueId: number): Wish {
    const { index, shared } = this.#shard;
    const account = index.accountOf(entry);
    const subject = index.byteStringOf(entry);
    const end = this.#writeSubject(subject);
    const generationWord = this.#generations.wordOf(account, shared.bytes, this.#scratch, end);
    const { queue, origin } = key;
    return {
      wisher,
      link: wisher.link,
      account,
      subject,
      queue,
      origin,
      weight,
      entry,
      queueId,
      generationWord,
      next: null,
    };
  }

  /** Adds a wish to the list of its entry, before the others. */
  #list(wish: Wish): void {
    const { entry, wisher } = wish;
    this.#growTo(entry);
    const number = this.#byEntry[entry]!;
    if (number > NOBODY) {
      const other = this.#wishers[number]!;
      this.#byEntry[entry] = LISTED;
      this.#removeAlone(other, entry);
      this.#list(this.#describe(other, entry, PLAIN, 1, 0));
    }
    this.#byEntry[entry] = LISTED;
    wish.next = this.#lists.get(entry) ?? null;
    this.#lists.set(entry, wish);
    wisher.listed.add(wish);
  }

  /** All wishes of a link. */
  *#wishesOf(wisher: Wisher): Iterable<Wish> {
    yield* wisher.listed;
    // The caller may remove the wish that it looks at.
    for (let entry = wisher.lastAlone, earlier = NO_ENTRY; entry !== NO_ENTRY; entry = earlier) {
      earlier = this.#earlier[entry]!;
      yield this.#describe(wisher, entry, PLAIN, 1, 0);
    }
  }

  /** Returns the entry id, or INDEX_FULL. */
  #addPlain(account: number, end: number): number {
    const { index, node, shared } = this.#shard;
    return index.addPlain(node, account, shared.bytes, this.#scratch, end);
  }

  /** Returns the entry id, or INDEX_FULL. */
  #addMembers(far: boolean, account: number, end: number, queue: string, members: number): number {
    const { index, node, shared } = this.#shard;
    const queueBytes = bytesOf(queue);
    const queueEnd = queueBytes.length;
    const owner = far ? NODE_FAR : node;
    return index.addQueue(owner, account, shared.bytes, this.#scratch, end, queueBytes, 0, queueEnd, members);
  }

  /** The number of a group's members behind the link has changed. The subject is in the scratch, up to `end`. */
  #change(wish: Wish, end: number, weight: number): void {
    const { index, node } = this.#shard;
    const { link, account, queue, entry, queueId } = wish;
    const more = weight - wish.weight;
    wish.weight = weight;
    if (queueId === 0) return;
    if (more < 0) index.removeQueue(isFar(link, wish) ? NODE_FAR : node, entry, queueId, -more);
    else this.#addMembers(isFar(link, wish), account, end, queue, more);
    this.#generations.bump(wish.generationWord);
  }

  #remove(wish: Wish): void {
    const { link, entry, queueId, weight } = wish;
    const { index, node } = this.#shard;
    this.#unlist(wish);
    this.#generations.bump(wish.generationWord);
    if (queueId !== 0) index.removeQueue(isFar(link, wish) ? NODE_FAR : node, entry, queueId, weight);
    else if (!this.#isWantedPlainly(entry)) index.removePlain(node, entry);
  }

  #unlist(wish: Wish): void {
    const { wisher, entry } = wish;
    if (this.#byEntry[entry] !== LISTED) {
      this.#byEntry[entry] = NOBODY;
      this.#removeAlone(wisher, entry);
      return;
    }
    wisher.listed.delete(wish);
    const first = this.#lists.get(entry)!;
    if (first !== wish) {
      let before = first;
      while (before.next !== wish) before = before.next!;
      before.next = wish.next;
    } else if (wish.next !== null) this.#lists.set(entry, wish.next);
    else {
      this.#lists.delete(entry);
      this.#byEntry[entry] = NOBODY;
    }
  }

  #isWantedPlainly(entry: number): boolean {
    let wish = this.#lists.get(entry) ?? null;
    while (wish !== null && wish.queueId !== 0) wish = wish.next;
    return wish !== null;
  }
}

/** Whether a wish is for a group that members of this server and its cluster serve first. */
function isFar(link: Link, { queue, origin }: WishKind): boolean {
  return queue !== "" && (link.kind !== "route" || origin !== "");
}
