/**
 * What peers want, by entry of the shared index, where it makes the links shard a node with interest like any other.
 *
 * A group that only leaf nodes or other clusters serve is interest of NODE_FAR: other shards leave it to this one where
 * nobody nearer serves it.
 */
import { INDEX_FULL, MEMBERS_MAX } from "../../interest/interest_index.ts";
import type { MatchResult } from "../../interest/match_result.ts";
import { NODE_FAR } from "../../memory/map.ts";
import type { ShardContext } from "../../shard/context.ts";
import { LocalGenerations } from "../../shard/local_generations.ts";
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
  /** Where subjects lie while they are hashed: the engine reads the shared memory alone. */
  readonly #scratch: number;
  readonly #byLink = new Map<Link, Set<Wish>>();
  /** The last wish that was added, the others after it. */
  readonly #byEntry = new Map<number, Wish>();

  constructor(shard: WishesShard) {
    this.#shard = shard;
    this.#generations = new LocalGenerations(shard.shared, shard.engine, shard.node);
    this.#scratch = shard.shared.map.area(shard.node).scratch;
  }

  /**
   * A link wants what `key` says, in the account of that id; `weight` 0: no more. False where the index has no room.
   */
  set(link: Link, account: number, key: InterestKey, wanted: number): boolean {
    const weight = Math.min(wanted, MEMBERS_MAX);
    const bytes = bytesOf(key.subject);
    const known = this.#find(link, account, bytes, key);
    if (known !== null) {
      if (weight === 0) {
        this.#byLink.get(link)!.delete(known);
        this.#remove(known);
      } else if (weight !== known.weight) this.#change(known, weight);
      return true;
    }
    if (weight === 0) return true;
    const added = this.#add(link, account, bytes, key, weight);
    if (added === null) return false;
    this.#byLink.getOrInsertComputed(link, () => new Set()).add(added);
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
      let wish = this.#byEntry.get(match.entryIds[i]!) ?? null;
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

  /** The wish of a link that `key` names, its subject as `bytes`. */
  #find(link: Link, account: number, bytes: Uint8Array, { queue, origin }: InterestKey): Wish | null {
    const entry = this.#shard.index.find(account, bytes, 0, bytes.length);
    let wish = this.#byEntry.get(entry) ?? null;
    while (wish !== null && (wish.link !== link || wish.queue !== queue || wish.origin !== origin))
      wish = wish.next;
    return wish;
  }

  #add(link: Link, account: number, bytes: Uint8Array, key: InterestKey, weight: number): Wish | null {
    const { index, node } = this.#shard;
    const { subject, queue, origin } = key;
    const queueBytes = bytesOf(queue);
    const far = isFar(link, key) ? NODE_FAR : node;
    const entry =
      queue === ""
        ? index.addPlain(node, account, bytes, 0, bytes.length)
        : index.addQueue(far, account, bytes, 0, bytes.length, queueBytes, 0, queueBytes.length, weight);
    if (entry === INDEX_FULL) return null;
    const queueId = queue === "" ? 0 : index.lastQueueId;
    const generationWord = this.#generationWord(account, bytes);
    const next = this.#byEntry.get(entry) ?? null;
    const wish: Wish = {
      link,
      account,
      subject,
      queue,
      origin,
      weight,
      entry,
      queueId,
      generationWord,
      next,
    };
    this.#byEntry.set(entry, wish);
    this.#generations.bump(generationWord);
    return wish;
  }

  #generationWord(account: number, subject: Uint8Array): number {
    const { bytes } = this.#shard.shared;
    bytes.set(subject, this.#scratch);
    return this.#generations.wordOf(account, bytes, this.#scratch, this.#scratch + subject.length);
  }

  /** A group has more members behind the link, or fewer. */
  #change(wish: Wish, weight: number): void {
    const { index, node } = this.#shard;
    const { link, account, subject, queue, entry, queueId } = wish;
    const far = isFar(link, wish) ? NODE_FAR : node;
    const more = weight - wish.weight;
    wish.weight = weight;
    if (queueId === 0) return;
    if (more < 0) index.removeQueue(far, entry, queueId, -more);
    else {
      const bytes = bytesOf(subject);
      const queueBytes = bytesOf(queue);
      index.addQueue(far, account, bytes, 0, bytes.length, queueBytes, 0, queueBytes.length, more);
    }
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
    const first = this.#byEntry.get(wish.entry)!;
    if (first !== wish) {
      let before = first;
      while (before.next !== wish) before = before.next!;
      before.next = wish.next;
    } else if (wish.next !== null) this.#byEntry.set(wish.entry, wish.next);
    else this.#byEntry.delete(wish.entry);
  }

  #isWantedPlainly(entry: number): boolean {
    let wish = this.#byEntry.get(entry) ?? null;
    while (wish !== null && wish.queueId !== 0) wish = wish.next;
    return wish !== null;
  }
}

/** Served by members of this server and its cluster first. */
function isFar(link: Link, { queue, origin }: { readonly queue: string; readonly origin: string }): boolean {
  return queue !== "" && (link.kind !== "route" || origin !== "");
}
