/** Streams that leaf nodes of this server take through the imports of their accounts. */
import type { ShardAccounts } from "../../shard/accounts.ts";
import { textOf } from "../../subject/byte_string.ts";
import type { InterestKey, Link } from "../core/link.ts";
import type { LinkCore } from "../core/link_core.ts";
import { type Shadow, StreamShadows } from "./stream_shadows.ts";

/** Interest of leaf nodes whose cluster does not matter: imports happen here, not there. */
const NO_CLUSTER = "_";

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
    this.#shadows = new StreamShadows(core, "imports of leaf nodes", NO_CLUSTER);
  }

  /** A leaf node wants this. */
  set(link: Link, key: InterestKey, weight: number): void {
    const account = this.#accounts.byName(textOf(key.account));
    const wishes = this.#wishes.getOrInsertComputed(link, () => new Map());
    const name = `${key.subject} ${key.queue}`;
    const before = wishes.get(name);
    const shadows = before?.shadows ?? StreamShadows.of(account, key.subject);
    if (shadows.length === 0) return;
    if (weight > 0) wishes.set(name, { key, shadows, weight });
    else wishes.delete(name);
    this.#shadows.add(shadows, key.queue, weight - (before?.weight ?? 0));
  }

  forget(link: Link): void {
    for (const { key, shadows, weight } of this.#wishes.get(link)?.values() ?? []) {
      this.#shadows.add(shadows, key.queue, -weight);
    }
    this.#wishes.delete(link);
  }
}
