import { byteStringOfText } from "../../subject/byte_string.ts";
import { fnv1a32 } from "../../subject/fnv.ts";

/** What `indexOf` says of an account that has connections of its own. */
export const DEDICATED = -1;

/**
 * Which of the connections to a member each account goes by: one of its own where it is pinned, else the one of the pool
 * that its name hashes to. One connection carries all there is of an account, so that its messages stay in order.
 *
 * Source: nats-server `setRouteInfo`, `computeRoutePoolIdx`.
 */
export class AccountRoutes {
  /** Connections of a pool; 0 where this server has none: one connection is for everything then. */
  readonly poolSize: number;
  readonly #pinned: Set<string>;

  /** `pinned` are texts; without pools there are none. */
  constructor(poolSize: number, pinned: readonly string[]) {
    this.poolSize = Math.max(poolSize, 0);
    this.#pinned = new Set(this.poolSize === 0 ? [] : pinned.map(byteStringOfText));
  }

  /** Accounts with connections of their own. */
  get pinned(): ReadonlySet<string> {
    return this.#pinned;
  }

  /** The index of an account in pools, or DEDICATED. */
  indexOf(account: string): number {
    return this.#pinned.has(account) ? DEDICATED : poolIndexOf(account, this.poolSize);
  }

  /** Another member has moved an account to a connection of its own; returns whether it was not there yet. */
  pin(account: string): boolean {
    if (this.#pinned.has(account)) return false;
    this.#pinned.add(account);
    return true;
  }
}

/** FNV-1a with 32 bits of the name, modulo the size: the same on every server. */
export function poolIndexOf(account: string, poolSize: number): number {
  return poolSize <= 1 ? 0 : fnv1a32(account) % poolSize;
}
