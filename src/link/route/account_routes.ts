import { byteStringOfText } from "../../subject/byte_string.ts";
import { fnv1a32 } from "../../subject/fnv.ts";

/** The result of `indexOf` for an account that has connections of its own. */
export const DEDICATED = -1;

/**
 * Decides by which connection to a member each account goes: a pinned account by its own, any other by the connection
 * of the pool that its name hashes to. One connection carries everything of an account, so that its messages stay in
 * order.
 *
 * Source: nats-server `setRouteInfo`, `computeRoutePoolIdx`.
 */
export class AccountRoutes {
  /** The number of connections in a pool; 0 if this server has no pools, and one connection carries everything. */
  readonly poolSize: number;
  readonly #pinned: Set<string>;

  /** `pinned` are texts, which are ignored without pools. */
  constructor(poolSize: number, pinned: readonly string[]) {
    this.poolSize = Math.max(poolSize, 0);
    this.#pinned = new Set(this.poolSize === 0 ? [] : pinned.map(byteStringOfText));
  }

  /** The accounts that have connections of their own. */
  get pinned(): ReadonlySet<string> {
    return this.#pinned;
  }

  /** The index of an account in pools, or DEDICATED. */
  indexOf(account: string): number {
    return this.#pinned.has(account) ? DEDICATED : poolIndexOf(account, this.poolSize);
  }

  /**
   * Gives an account connections of its own, after a reload here or at another member. Returns whether it had none
   * before.
   */
  pin(account: string): boolean {
    if (this.#pinned.has(account)) return false;
    this.#pinned.add(account);
    return true;
  }
}

/** The 32-bit FNV-1a hash of the name, modulo the size: every server computes the same index. */
export function poolIndexOf(account: string, poolSize: number): number {
  return poolSize <= 1 ? 0 : fnv1a32(account) % poolSize;
}
