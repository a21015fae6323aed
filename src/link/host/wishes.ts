/**
 * What peers want, by entry of the shared index, where it makes the links shard a node with interest like any other.
 *
 * A group that only leaf nodes or other clusters serve is interest of NODE_FAR: other shards leave it to this one where
 * nobody nearer serves it.
 */
import { INDEX_FULL, MEMBERS_MAX, NOT_FOUND } from "../../interest/interest_index.ts";
import type { MatchResult } from "../../interest/match_result.ts";
import { NODE_FAR } from "../../memory/map.ts";
import type { ShardContext } from "../../shard/context.ts";
import { LocalGenerations } from "../../shard/plans/local_generations.ts";
import { bytesOf } from "../../subject/byte_string.ts";
import type { InterestKey, Link } from "../core/link.ts";
import type { LinkInterest } from "../core/routing.ts";

/** There may be millions: a list of those of one entry is made of themselves. */
interface Wish extends LinkInterest {
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

const NO_WISHES: ReadonlySet<Wish> = new Set();

type WishesShard = Pick<ShardContext, "node" | "shared" | "engine" | "index">;

export class LinkWishes {
  readonly #shard: WishesShard;
  readonly #generations: LocalGenerations;
  /** Where the subject lies while it is filed: the engine reads the shared memory alone. */
  readonly #subject: number;
  readonly #byLink = new Map<Link, Set<Wish>>();
  /** By entry id, which are dense: the last wish that was added, the others after it. */
  readonly #byEntry: (Wish | null)[] = [];

  constructor(shard: WishesShard) {
    this.#shard = shard;
    this.#generations = new LocalGenerations(shard.shared, shard.engine, shard.node);
    this.#subject = shard.shared.map.area(shard.node).scratch;
  }

  /**
   * A link wants what `key` says, in the account of that id; `weight` 0: no more. False where the index has no room.
   */
  set(link: Link, account: number, key: InterestKey, wanted: number): boolean {
    const weight = Math.min(wanted, MEMBERS_MAX);
    const end = this.#writeSubject(key.subject);
    const isPlain = weight > 0 && key.queue === "";
    // Files a plain wish at once: the index takes it for the same again if it is known.
    const entry = isPlain ? this.#addPlain(account, end) : this.#find(account, end);
    if (entry === INDEX_FULL) return false;
    const known = this.#wishOf(link, entry, key);
    if (known !== null) {
      if (weight === 0) {
        this.#byLink.get(link)!.delete(known);
        this.#remove(known);
      } else if (weight !== known.weight) this.#change(known, end, weight);
      return true;
    }
    if (weight === 0) return true;
    const filed = isPlain ? entry : this.#addMembers(isFar(link, key), account, end, key.queue, weight);
    if (filed === INDEX_FULL) return false;
    this.#note(link, account, filed, end, key, weight);
    return true;
  }

  /** A link is gone. */
  forget(link: Link): void {
    for (const wish of this.#byLink.get(link) ?? NO_WISHES) this.#remove(wish);
    this.#byLink.delete(link);
  }

  /** Every wish for a subject that was matched. */
  of(match: MatchResult): LinkInterest[] {
    const found: LinkInterest[] = [];
    for (let i = 0; i < match.entryCount; i++) {
      let wish = this.#first(match.entryIds[i]!);
      for (; wish !== null; wish = wish.next) found.push(wish);
    }
    return found;
  }

  /** How many a link has. */
  countOf(link: Link): number {
    return this.#byLink.get(link)?.size ?? 0;
  }

  /** What a link wants. */
  list(link: Link): readonly {
    readonly account: number;
    readonly subject: string;
    readonly queue: string;
    readonly origin: string;
    readonly weight: number;
  }[] {
    return [...(this.#byLink.get(link) ?? NO_WISHES)];
  }

  /** Plans that a link's wishes are part of are void: it lets other subjects through than before. */
  bumpAll(link: Link): void {
    const words = new Set<number>();
    for (const { generationWord } of this.#byLink.get(link) ?? NO_WISHES) words.add(generationWord);
    for (const word of words) this.#generations.bump(word);
  }

  /** Writes a subject where it is read from; returns its end there. */
  #writeSubject(subject: string): number {
    const { bytes } = this.#shard.shared;
    const start = this.#subject;
    for (let i = 0; i < subject.length; i++) bytes[start + i] = subject.charCodeAt(i);
    return start + subject.length;
  }

  #first(entry: number): Wish | null {
    return this.#byEntry[entry] ?? null;
  }

  #setFirst(entry: number, wish: Wish | null): void {
    const wishes = this.#byEntry;
    while (wishes.length <= entry) wishes.push(null);
    wishes[entry] = wish;
  }

  #find(account: number, end: number): number {
    const { index, shared } = this.#shard;
    return index.find(account, shared.bytes, this.#subject, end);
  }

  /** The wish of a link that `key` names, among those of an entry. */
  #wishOf(link: Link, entry: number, { queue, origin }: InterestKey): Wish | null {
    let wish = entry === NOT_FOUND ? null : this.#first(entry);
    while (wish !== null && (wish.link !== link || wish.queue !== queue || wish.origin !== origin))
      wish = wish.next;
    return wish;
  }

  /** Notes a wish that the index has under `entry`. */
  #note(link: Link, account: number, entry: number, end: number, key: InterestKey, weight: number): void {
    const { index, shared } = this.#shard;
    const { subject, queue, origin } = key;
    const queueId = queue === "" ? 0 : index.lastQueueId;
    const generationWord = this.#generations.wordOf(account, shared.bytes, this.#subject, end);
    const next = this.#first(entry);
    const wish = { link, account, subject, queue, origin, weight, entry, queueId, generationWord, next };
    this.#setFirst(entry, wish);
    this.#generations.bump(generationWord);
    const ofLink = this.#byLink.get(link);
    if (ofLink === undefined) this.#byLink.set(link, new Set([wish]));
    else ofLink.add(wish);
  }

  /** The entry id, or INDEX_FULL. */
  #addPlain(account: number, end: number): number {
    const { index, node, shared } = this.#shard;
    return index.addPlain(node, account, shared.bytes, this.#subject, end);
  }

  /** The entry id, or INDEX_FULL. */
  #addMembers(far: boolean, account: number, end: number, queue: string, members: number): number {
    const { index, node, shared } = this.#shard;
    const queueBytes = bytesOf(queue);
    const queueEnd = queueBytes.length;
    const owner = far ? NODE_FAR : node;
    return index.addQueue(owner, account, shared.bytes, this.#subject, end, queueBytes, 0, queueEnd, members);
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
    this.#unlink(wish);
    this.#generations.bump(wish.generationWord);
    if (queueId !== 0) index.removeQueue(isFar(link, wish) ? NODE_FAR : node, entry, queueId, weight);
    else if (!this.#isWantedPlainly(entry)) index.removePlain(node, entry);
  }

  /** Takes a wish out of the list of its entry. */
  #unlink(wish: Wish): void {
    const first = this.#first(wish.entry)!;
    if (first !== wish) {
      let before = first;
      while (before.next !== wish) before = before.next!;
      before.next = wish.next;
    } else this.#setFirst(wish.entry, wish.next);
  }

  #isWantedPlainly(entry: number): boolean {
    let wish = this.#first(entry);
    while (wish !== null && wish.queueId !== 0) wish = wish.next;
    return wish !== null;
  }
}

/** Served by members of this server and its cluster first. */
function isFar(link: Link, { queue, origin }: { readonly queue: string; readonly origin: string }): boolean {
  return queue !== "" && (link.kind !== "route" || origin !== "");
}
