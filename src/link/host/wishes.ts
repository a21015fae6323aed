/**
 * What peers want, by entry of the shared index, where it makes the links shard a node with interest like any other.
 *
 * A group that only leaf nodes or other clusters serve is interest of NODE_FAR: other shards leave it to this one where
 * nobody nearer serves it.
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

/** A wish as an object: one that shares its entry, or is of a group or of leaf nodes, or that is looked at. */
interface Wish extends LinkInterest {
  readonly wisher: Wisher;
  readonly account: number;
  readonly subject: string;
  weight: number;
  readonly entry: number;
  /** Queue id, 0 for a plain one. */
  readonly queueId: number;
  readonly generationWord: number;
  /** The next wish of the same entry. */
  next: Wish | null;
}

/** What one link wants. */
interface Wisher {
  readonly link: Link;
  /** Stands for it in the list of entries, > 0. */
  readonly number: number;
  /** There may be millions, nearly all of them plain, for anybody, and alone at their entry: these are a number each. */
  readonly alone: LinkInterest;
  aloneCount: number;
  /** The entry of the one that was added last, NO_ENTRY for none. */
  lastAlone: number;
  readonly listed: Set<Wish>;
}

/** A wish, described. */
export interface ListedWish {
  readonly account: number;
  readonly subject: string;
  readonly queue: string;
  readonly origin: string;
  readonly weight: number;
}

const PLAIN: WishKind = { queue: "", origin: "" };

/** What stands for an entry beside a link's number: nobody wants it, or the wishes are listed. */
const NOBODY = 0;
const LISTED = -1;

const NO_ENTRY = -1;

/** Entries that the engine files while it has the lock. */
export const FILED_AT_ONCE = 128;

type WishesShard = Pick<ShardContext, "node" | "shared" | "engine" | "index">;

export class LinkWishes {
  readonly #shard: WishesShard;
  readonly #generations: LocalGenerations;
  /** Where the subject lies while it is filed: the engine reads the shared memory alone. */
  readonly #scratch: number;
  readonly #byLink = new Map<Link, Wisher>();
  /** By their numbers; null where one is free. */
  readonly #wishers: (Wisher | null)[] = [null];
  /** By entry id, which are dense: NOBODY, LISTED, or the number of the only link that wants it. */
  #byEntry = new Int32Array(1024);
  /** Of entries that one link alone wants: those of the same link that came before and after, NO_ENTRY for none. */
  #earlier = new Int32Array(1024);
  #later = new Int32Array(1024);
  /** Of entries that are LISTED: the wish that was added last, the others behind it. */
  readonly #lists = new Map<number, Wish>();

  constructor(shard: WishesShard) {
    this.#shard = shard;
    this.#generations = new LocalGenerations(shard.shared, shard.engine, shard.node);
    this.#scratch = shard.shared.map.area(shard.node).scratch;
  }

  /**
   * A link wants what `key` says, in the account of that id; `weight` 0: no more. False where the index has no room.
   */
  set(link: Link, account: number, key: InterestKey, wanted: number): boolean {
    const { shared, index } = this.#shard;
    const weight = Math.min(wanted, MEMBERS_MAX);
    const end = this.#writeSubject(key.subject);
    const isPlain = weight > 0 && key.queue === "";
    // Files a plain wish at once: the index takes it for the same again if it is known.
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
   * Files what a link wants plainly, as the lines in `[start, end)` of its input say, for as long as the engine can; see
   * there. Returns how many lines it took, or INTEREST_OF_UNKNOWN_ACCOUNT.
   */
  file(link: Link, slot: number, start: number, end: number): number {
    const { shared, engine, index, node } = this.#shard;
    // Behind whatever subject may be written.
    const ids = this.#scratch + SCRATCH_BYTES - FILED_AT_ONCE * 4;
    const count = index.fileMany(node, FILED_AT_ONCE, (region) =>
      engine.fileInterest(region, node, slot, start, end, ids, FILED_AT_ONCE),
    );
    const wisher = this.#wisher(link);
    for (let i = 0; i < count; i++) this.#noteAlone(wisher, shared.words[(ids >> 2) + i]!);
    return count;
  }

  /** A link is gone. */
  forget(link: Link): void {
    const wisher = this.#byLink.get(link);
    if (wisher === undefined) return;
    for (const wish of this.#wishesOf(wisher)) this.#remove(wish);
    this.#byLink.delete(link);
    this.#wishers[wisher.number] = null;
  }

  /** Every wish for a subject that was matched. */
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

  /** Whether a link wants what `key` says, in the account of that id. */
  has(link: Link, account: number, key: InterestKey): boolean {
    const entry = this.#find(account, this.#writeSubject(key.subject));
    return this.#wishOf(link, entry, key) !== null;
  }

  /** How many a link has. */
  countOf(link: Link): number {
    const wisher = this.#byLink.get(link);
    return wisher === undefined ? 0 : wisher.aloneCount + wisher.listed.size;
  }

  /** What a link wants. */
  list(link: Link): readonly ListedWish[] {
    const wisher = this.#byLink.get(link);
    return wisher === undefined ? [] : [...this.#wishesOf(wisher)];
  }

  /** Plans that a link's wishes are part of are void: it lets other subjects through than before. */
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

  /** Writes a subject where it is read from; returns its end there. */
  #writeSubject(subject: string): number {
    writeByteString(this.#shard.shared.bytes, this.#scratch, subject);
    return this.#scratch + subject.length;
  }

  #find(account: number, end: number): number {
    const { index, shared } = this.#shard;
    return index.find(account, shared.bytes, this.#scratch, end);
  }

  /** The wish of a link that `key` names, among those of an entry. */
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

  /** Notes that the index has a plain wish for anybody under `entry`, if it is not known. */
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

  /** A link alone wants an entry, plainly. */
  #addAlone(wisher: Wisher, entry: number): void {
    this.#byEntry[entry] = wisher.number;
    const last = wisher.lastAlone;
    this.#earlier[entry] = last;
    this.#later[entry] = NO_ENTRY;
    if (last !== NO_ENTRY) this.#later[last] = entry;
    wisher.lastAlone = entry;
    wisher.aloneCount++;
  }

  /** It does no more. */
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

  /** Puts a wish before the others of its entry. */
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

  /** Everything that a link wants. */
  *#wishesOf(wisher: Wisher): Iterable<Wish> {
    yield* wisher.listed;
    // The one that is looked at may be taken back meanwhile.
    for (let entry = wisher.lastAlone, earlier = NO_ENTRY; entry !== NO_ENTRY; entry = earlier) {
      earlier = this.#earlier[entry]!;
      yield this.#describe(wisher, entry, PLAIN, 1, 0);
    }
  }

  /** The entry id, or INDEX_FULL. */
  #addPlain(account: number, end: number): number {
    const { index, node, shared } = this.#shard;
    return index.addPlain(node, account, shared.bytes, this.#scratch, end);
  }

  /** The entry id, or INDEX_FULL. */
  #addMembers(far: boolean, account: number, end: number, queue: string, members: number): number {
    const { index, node, shared } = this.#shard;
    const queueBytes = bytesOf(queue);
    const queueEnd = queueBytes.length;
    const owner = far ? NODE_FAR : node;
    return index.addQueue(owner, account, shared.bytes, this.#scratch, end, queueBytes, 0, queueEnd, members);
  }

  /** A group has more members behind the link, or fewer. The subject is written. */
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

/** Served by members of this server and its cluster first. */
function isFar(link: Link, { queue, origin }: WishKind): boolean {
  return queue !== "" && (link.kind !== "route" || origin !== "");
}
