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

interface Wish extends LinkInterest {
  readonly account: number;
  readonly subject: string;
  weight: number;
  readonly entry: number;
  /** Queue id, 0 for a plain one. */
  readonly queueId: number;
  readonly generationWord: number;
}

const NO_WISHES: readonly Wish[] = [];

export class LinkWishes {
  readonly #shard: ShardContext;
  readonly #generations: LocalGenerations;
  /** Where subjects lie while they are hashed: the engine reads the shared memory alone. */
  readonly #scratch: number;
  readonly #byLink = new Map<Link, Map<string, Wish>>();
  readonly #byEntry = new Map<number, Wish[]>();

  constructor(shard: ShardContext) {
    this.#shard = shard;
    this.#generations = new LocalGenerations(shard.shared, shard.engine, shard.node);
    this.#scratch = shard.shared.map.area(shard.node).scratch;
  }

  /**
   * A link wants what `key` says, in the account of that id; `weight` 0: no more. False where the index has no room.
   */
  set(link: Link, account: number, key: InterestKey, wanted: number): boolean {
    const weight = Math.min(wanted, MEMBERS_MAX);
    if (weight === 0) {
      this.takeBack(link, key);
      return true;
    }
    const wishes = this.#byLink.getOrInsertComputed(link, () => new Map());
    const name = nameOf(key);
    const known = wishes.get(name);
    if (known !== undefined) {
      if (weight !== known.weight) this.#change(known, weight);
      return true;
    }
    const added = this.#add(link, account, key, weight);
    if (added === null) return false;
    wishes.set(name, added);
    return true;
  }

  /** A link wants this no more, whether or not its account is still there. */
  takeBack(link: Link, key: InterestKey): void {
    const wishes = this.#byLink.get(link);
    const name = nameOf(key);
    const known = wishes?.get(name);
    if (known === undefined) return;
    wishes!.delete(name);
    this.#remove(known);
  }

  /** A link is gone. */
  forget(link: Link): void {
    for (const wish of this.#byLink.get(link)?.values() ?? []) this.#remove(wish);
    this.#byLink.delete(link);
  }

  /** Every wish for a subject that was matched. */
  of(match: MatchResult): LinkInterest[] {
    const found: LinkInterest[] = [];
    for (let i = 0; i < match.entryCount; i++)
      found.push(...(this.#byEntry.get(match.entryIds[i]!) ?? NO_WISHES));
    return found;
  }

  /** How many a link has. */
  countOf(link: Link): number {
    return this.#byLink.get(link)?.size ?? 0;
  }

  /** What a link wants. */
  list(link: Link): readonly (Pick<Wish, "account" | "subject" | "queue"> & { readonly weight: number })[] {
    return [...(this.#byLink.get(link)?.values() ?? [])];
  }

  /** Plans that a link's wishes are part of are void: it lets other subjects through than before. */
  bumpAll(link: Link): void {
    const words = new Set(
      [...(this.#byLink.get(link)?.values() ?? [])].map(({ generationWord }) => generationWord),
    );
    for (const word of words) this.#generations.bump(word);
  }

  #add(link: Link, account: number, key: InterestKey, weight: number): Wish | null {
    const { index, node } = this.#shard;
    const { subject, queue, origin } = key;
    const bytes = bytesOf(subject);
    const queueBytes = bytesOf(queue);
    const far = isFar(link, key) ? NODE_FAR : node;
    const entry =
      queue === ""
        ? index.addPlain(node, account, bytes, 0, bytes.length)
        : index.addQueue(far, account, bytes, 0, bytes.length, queueBytes, 0, queueBytes.length, weight);
    if (entry === INDEX_FULL) return null;
    const queueId = queue === "" ? 0 : index.lastQueueId;
    const generationWord = this.#generationWord(account, bytes);
    const wish: Wish = { link, account, subject, queue, origin, weight, entry, queueId, generationWord };
    this.#byEntry.getOrInsertComputed(entry, () => []).push(wish);
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
    const others = this.#byEntry.get(entry)!.filter((other) => other !== wish);
    if (others.length > 0) this.#byEntry.set(entry, others);
    else this.#byEntry.delete(entry);
    this.#generations.bump(wish.generationWord);
    if (queueId !== 0) index.removeQueue(isFar(link, wish) ? NODE_FAR : node, entry, queueId, weight);
    else if (!others.some((other) => other.queueId === 0)) index.removePlain(node, entry);
  }
}

function nameOf({ account, subject, queue, origin }: InterestKey): string {
  return `${account} ${subject} ${queue} ${origin}`;
}

/** Served by members of this server and its cluster first. */
function isFar(link: Link, { queue, origin }: { readonly queue: string; readonly origin: string }): boolean {
  return queue !== "" && (link.kind !== "route" || origin !== "");
}
