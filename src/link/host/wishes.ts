/**
 * What peers want, as subscriptions of the links shard: records that the engine delivers to, found by entry of the shared
 * index, where they make this shard a node with interest like any other.
 *
 * A group that only leaf nodes or other clusters serve is interest of NODE_FAR: other shards leave it to this one where
 * nobody nearer serves it.
 */
import { INDEX_FULL } from "../../interest/interest_index.ts";
import type { MatchResult } from "../../interest/match_result.ts";
import { NODE_FAR } from "../../memory/map.ts";
import type { Connection } from "../../shard/connection.ts";
import type { ShardContext } from "../../shard/context.ts";
import { LocalGenerations } from "../../shard/local_generations.ts";
import { NO_SUBSCRIPTION } from "../../shard/subscription_table.ts";
import { bytesOf } from "../../subject/byte_string.ts";
import type { InterestKey, Link } from "../core/link.ts";
import type { LinkInterest } from "../core/routing.ts";

interface Wish extends LinkInterest {
  readonly connection: Connection;
  readonly account: number;
  readonly subject: string;
  weight: number;
  readonly record: number;
  readonly entry: number;
  /** Queue id, 0 for a plain one. */
  readonly queueId: number;
  readonly generationWord: number;
}

const NO_QUEUE = new Uint8Array(0);

export class LinkWishes {
  readonly #shard: ShardContext;
  readonly #generations: LocalGenerations;
  /** Where subjects lie while they are hashed: the engine reads the shared memory alone. */
  readonly #scratch: number;
  readonly #byLink = new Map<Link, Map<string, Wish>>();
  readonly #byRecord = new Map<number, Wish>();
  /** Plain wishes of an entry. */
  readonly #plainCounts = new Map<number, number>();
  #lastNumber = 0;

  constructor(shard: ShardContext) {
    this.#shard = shard;
    this.#generations = new LocalGenerations(shard.shared, shard.engine, shard.node);
    this.#scratch = shard.shared.map.area(shard.node).scratch;
  }

  /**
   * A link wants what `key` says, in the account of that id; `weight` 0: no more. False where the index or the memory has
   * no room.
   */
  set(link: Link, connection: Connection, account: number, key: InterestKey, weight: number): boolean {
    const wishes = this.#byLink.getOrInsertComputed(link, () => new Map());
    const name = `${account} ${key.subject} ${key.queue} ${key.origin}`;
    const known = wishes.get(name);
    if (known !== undefined) {
      if (weight === 0) {
        wishes.delete(name);
        this.#remove(known);
      } else if (weight !== known.weight) this.#change(known, weight);
      return true;
    }
    if (weight === 0) return true;
    const added = this.#add(link, connection, account, key, weight);
    if (added === null) return false;
    wishes.set(name, added);
    return true;
  }

  /** A link is gone. */
  forget(link: Link): void {
    for (const wish of this.#byLink.get(link)?.values() ?? []) this.#remove(wish);
    this.#byLink.delete(link);
  }

  /** The wish that a record stands for. */
  ofRecord(record: number): LinkInterest | undefined {
    return this.#byRecord.get(record);
  }

  /** Every wish for a subject that was matched. */
  of(match: MatchResult): LinkInterest[] {
    const { table } = this.#shard;
    const found: LinkInterest[] = [];
    for (let i = 0; i < match.entryCount; i++) {
      let record = table.firstOfEntry(match.entryIds[i]!);
      for (; record !== NO_SUBSCRIPTION; record = table.nextOfEntry(record)) {
        const wish = this.#byRecord.get(record);
        if (wish !== undefined) found.push(wish);
      }
    }
    return found;
  }

  /** How many a link has. */
  countOf(link: Link): number {
    return this.#byLink.get(link)?.size ?? 0;
  }

  /** What a link wants, for monitoring. */
  list(link: Link): { readonly account: number; readonly subject: string; readonly queue: string; readonly record: number }[] {
    return [...(this.#byLink.get(link)?.values() ?? [])];
  }

  /** Plans that a link's wishes are part of are void: it lets other subjects through than before. */
  bumpAll(link: Link): void {
    const words = new Set([...(this.#byLink.get(link)?.values() ?? [])].map(({ generationWord }) => generationWord));
    for (const word of words) this.#generations.bump(word);
  }

  #add(link: Link, connection: Connection, account: number, key: InterestKey, weight: number): Wish | null {
    const { index, table, node, shared } = this.#shard;
    const { subject, queue, origin } = key;
    const bytes = bytesOf(subject);
    const queueBytes = queue === "" ? NO_QUEUE : bytesOf(queue);
    const far = isFar(link, key) ? NODE_FAR : node;
    const entry =
      queue === ""
        ? index.addPlain(node, account, bytes, 0, bytes.length)
        : index.addQueue(far, account, bytes, 0, bytes.length, queueBytes, 0, queueBytes.length, weight);
    if (entry === INDEX_FULL) return null;
    const queueId = queue === "" ? 0 : index.lastQueueId;
    if (queueId === 0) this.#plainCounts.set(entry, (this.#plainCounts.get(entry) ?? 0) + 1);
    // Sids spread the records over the table's chains; no peer sees them.
    const sid = bytesOf(`${++this.#lastNumber}`);
    const head = connection.firstSubscription;
    const queueWord = queueId === 0 ? 0 : queueId + 1;
    const record = table.add(connection.address, head, entry, queueWord, sid, 0, sid.length);
    if (record === NO_SUBSCRIPTION) {
      this.#withdraw(entry, queueId, far, weight);
      return null;
    }
    connection.firstSubscription = record;
    connection.subscriptionCount++;
    shared.bytes.set(bytes, this.#scratch);
    const generationWord = this.#generations.wordOf(
      account,
      shared.bytes,
      this.#scratch,
      this.#scratch + bytes.length,
    );
    const wish: Wish = {
      link,
      connection,
      account,
      subject,
      queue,
      origin,
      weight,
      record,
      entry,
      queueId,
      generationWord,
    };
    this.#byRecord.set(record, wish);
    this.#generations.bump(generationWord);
    return wish;
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
    const { connection, record, link, entry, queueId, weight } = wish;
    connection.firstSubscription = this.#shard.table.remove(record, connection.firstSubscription);
    connection.subscriptionCount--;
    this.#byRecord.delete(record);
    this.#generations.bump(wish.generationWord);
    this.#withdraw(entry, queueId, isFar(link, wish) ? NODE_FAR : this.#shard.node, weight);
  }

  #withdraw(entry: number, queueId: number, node: number, weight: number): void {
    const { index } = this.#shard;
    if (queueId !== 0) {
      index.removeQueue(node, entry, queueId, weight);
      return;
    }
    const left = this.#plainCounts.get(entry)! - 1;
    if (left > 0) this.#plainCounts.set(entry, left);
    else {
      this.#plainCounts.delete(entry);
      index.removePlain(node, entry);
    }
  }
}

/** Served by members of this server and its cluster first. */
function isFar(link: Link, { queue, origin }: { readonly queue: string; readonly origin: string }): boolean {
  return queue !== "" && (link.kind !== "route" || origin !== "");
}
