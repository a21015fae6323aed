/** What the clients of one server subscribe to: in an index as shards share it, from which the links read what they tell. */
import { EntryView } from "../../src/interest/entry_view.ts";
import { createInterestIndex } from "../../src/interest/interest_index.ts";
import { journaledRegion } from "../../src/interest/testing/journaled_region.ts";
import type { LinkCore } from "../../src/link/core/link_core.ts";
import { LocalWishes } from "../../src/link/host/local_wishes.ts";
import { PAGE_BYTES, REGION_PAGES_MIN } from "../../src/memory/interest_layout.ts";
import { NODE_SHARD_FIRST } from "../../src/memory/map.ts";
import { ShardAccounts } from "../../src/shard/accounts.ts";
import { accountDefinition } from "../../src/shard/testing/shard_harness.ts";
import { bytesOf } from "../../src/subject/byte_string.ts";

/** One wish of a client, on the shard that has it. */
export interface OwnWish {
  readonly account: string;
  readonly subject: string;
  /** "" for a plain one. */
  readonly queue: string;
  /** 0 or 1. */
  readonly shard: number;
}

const LINKS_NODE = NODE_SHARD_FIRST + 2;
const FIRST_ACCOUNT = 7;
const INDEX_BYTES = (REGION_PAGES_MIN + 64) * PAGE_BYTES;

export class OwnInterest {
  readonly #index = createInterestIndex(journaledRegion(INDEX_BYTES), { hashSeed: [1, 2, 3, 4] });
  readonly #accounts: readonly string[];
  readonly #wishes: LocalWishes;
  /** Plain ones by shard, account and subject: an index knows of each shard whether it has any. */
  readonly #plainCounts = new Map<string, number>();
  readonly #view = new EntryView();

  constructor(accounts: readonly string[], core: LinkCore) {
    this.#accounts = accounts;
    const known = new ShardAccounts([], undefined);
    known.configure(
      accounts.map((name, i) => accountDefinition(FIRST_ACCOUNT + i, name)),
      undefined,
    );
    this.#wishes = new LocalWishes(this.#index, LINKS_NODE, known, core);
    this.#wishes.start();
  }

  get hasNews(): boolean {
    return this.#wishes.hasNews;
  }

  /** Tells the links of what has changed. */
  read(): void {
    this.#wishes.read();
  }

  add(wish: OwnWish): void {
    const node = NODE_SHARD_FIRST + wish.shard;
    const [subject, queue] = [bytesOf(wish.subject), bytesOf(wish.queue)];
    const account = this.#idOf(wish);
    if (wish.queue !== "")
      this.#index.addQueue(node, account, subject, 0, subject.length, queue, 0, queue.length);
    else if (this.#countPlain(wish, 1) === 1) this.#index.addPlain(node, account, subject, 0, subject.length);
  }

  remove(wish: OwnWish): void {
    const node = NODE_SHARD_FIRST + wish.shard;
    const subject = bytesOf(wish.subject);
    const entry = this.#index.find(this.#idOf(wish), subject, 0, subject.length);
    if (wish.queue === "") {
      if (this.#countPlain(wish, -1) === 0) this.#index.removePlain(node, entry);
      return;
    }
    this.#index.read(entry, this.#view);
    const at = this.#view.queues.indexOf(wish.queue);
    this.#index.removeQueue(node, entry, this.#view.queueIds[at]!);
  }

  /** How many there are, with this one or without it. */
  #countPlain({ account, subject, shard }: OwnWish, more: number): number {
    const key = `${shard} ${account} ${subject}`;
    const count = (this.#plainCounts.get(key) ?? 0) + more;
    this.#plainCounts.set(key, count);
    return count;
  }

  #idOf({ account }: OwnWish): number {
    return FIRST_ACCOUNT + this.#accounts.indexOf(account);
  }
}
