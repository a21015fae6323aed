/** The streams that leaf nodes of this server receive through the imports of their accounts. */
import type { ShardAccounts } from "../../shard/accounts.ts";
import { textOf } from "../../subject/byte_string.ts";
import { ANY_CLUSTER, type InterestKey, type Link } from "../core/link.ts";
import type { LinkCore } from "../core/link_core.ts";
import { type Shadow, StreamShadows } from "./stream_shadows.ts";

/** A wish of a leaf node in its own account. */
export interface LeafWish {
  readonly subject: string;
  readonly queue: string;
  readonly weight: number;
}

interface Wish {
  readonly key: InterestKey;
  readonly shadows: readonly Shadow[];
  readonly weight: number;
}

export class LeafImports {
  readonly #accounts: ShardAccounts;
  readonly #shadows: StreamShadows;
  readonly #wishes = new Map<Link, Map<string, Wish>>();

  constructor(accounts: ShardAccounts, core: LinkCore) {
    this.#accounts = accounts;
    // Imports are done here, not in the cluster of the leaf node.
    this.#shadows = new StreamShadows(core, "imports of leaf nodes", ANY_CLUSTER);
  }

  /** A leaf node wants this, with `weight` members; 0 takes it back. */
  set(link: Link, key: InterestKey, weight: number): void {
    const name = `${key.subject} ${key.queue}`;
    const before = this.#wishes.get(link)?.get(name);
    const shadows = before?.shadows ?? this.#shadowsOf(key);
    this.#replace(link, name, before, { key, shadows, weight });
  }

  /** Accounts were defined again. `wanted` is everything that the leaf node wants in its own account. */
  refresh(link: Link, wanted: Iterable<LeafWish>): void {
    for (const { subject, queue, weight } of wanted) {
      const key = { account: link.account!, subject, queue, origin: "" };
      const name = `${subject} ${queue}`;
      const before = this.#wishes.get(link)?.get(name);
      const shadows = this.#shadowsOf(key);
      if (!StreamShadows.areSame(before?.shadows ?? [], shadows))
        this.#replace(link, name, before, { key, shadows, weight });
    }
  }

  forget(link: Link): void {
    for (const { key, shadows, weight } of this.#wishes.get(link)?.values() ?? []) {
      this.#shadows.add(shadows, key.queue, -weight);
    }
    this.#wishes.delete(link);
  }

  #shadowsOf({ account, subject }: InterestKey): readonly Shadow[] {
    return StreamShadows.of(this.#accounts.byName(textOf(account)), subject);
  }

  #replace(link: Link, name: string, before: Wish | undefined, { key, shadows, weight }: Wish): void {
    if (shadows === before?.shadows) this.#shadows.add(shadows, key.queue, weight - before.weight);
    else {
      this.#shadows.add(shadows, key.queue, weight);
      if (before !== undefined) this.#shadows.add(before.shadows, key.queue, -before.weight);
    }
    if (shadows.length > 0 && weight > 0)
      this.#wishes.getOrInsertComputed(link, () => new Map()).set(name, { key, shadows, weight });
    else this.#wishes.get(link)?.delete(name);
  }
}
