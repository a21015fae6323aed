import type { RouteLink } from "./route_link.ts";

/** The connections to one other member of the cluster: a pool, and those that are for one account each. */
export class MemberRoutes {
  /** By index; where the member has no pool there is one, at 0. */
  readonly #pool: (RouteLink | null)[] = [];
  readonly #dedicated = new Map<string, RouteLink>();

  /** All there are, the pool first. */
  get connections(): RouteLink[] {
    return [...this.pool, ...this.#dedicated.values()];
  }

  /** Those of the pool. */
  get pool(): RouteLink[] {
    return this.#pool.filter((route) => route !== null);
  }

  at(index: number): RouteLink | null {
    return this.#pool[index] ?? null;
  }

  dedicatedTo(account: string): RouteLink | undefined {
    return this.#dedicated.get(account);
  }

  /** The lowest index without a connection, in a pool of that size; -1 where it is full. */
  freeIndex(poolSize: number): number {
    for (let index = 0; index < poolSize; index++) if (this.at(index) === null) return index;
    return -1;
  }

  /** Takes a connection in, at its index or for its account. */
  add(route: RouteLink): void {
    if (route.account !== null) {
      this.#dedicated.set(route.account, route);
      return;
    }
    while (this.#pool.length <= route.poolIndex) this.#pool.push(null);
    this.#pool[route.poolIndex] = route;
  }

  /** Takes one out; false where it is not among them. */
  remove(route: RouteLink): boolean {
    if (route.account !== null) {
      return this.#dedicated.get(route.account) === route && this.#dedicated.delete(route.account);
    }
    if (this.at(route.poolIndex) !== route) return false;
    this.#pool[route.poolIndex] = null;
    return true;
  }
}
