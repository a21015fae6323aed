import type { RouteLink } from "./route_link.ts";

/** The connections to one other member of the cluster: those of a pool, and those for one account each. */
export class MemberRoutes {
  /**
   * Sorted by index. A member without a pool has one connection, at index 0. A list, not an array by index: a peer may
   * choose any index, and unused ones must cost nothing.
   */
  readonly #pool: RouteLink[] = [];
  readonly #dedicated = new Map<string, RouteLink>();

  /** All connections, those of the pool first. */
  get connections(): RouteLink[] {
    return [...this.#pool, ...this.#dedicated.values()];
  }

  /** The connections of the pool, in the order of their indexes. */
  get pool(): readonly RouteLink[] {
    return this.#pool;
  }

  at(index: number): RouteLink | undefined {
    return this.#pool.find(({ poolIndex }) => poolIndex === index);
  }

  dedicatedTo(account: string): RouteLink | undefined {
    return this.#dedicated.get(account);
  }

  /** The lowest index without a connection in a pool of that size; -1 if the pool is full. */
  freeIndex(poolSize: number): number {
    const taken = this.#pool.findIndex(({ poolIndex }, at) => poolIndex !== at);
    const free = taken < 0 ? this.#pool.length : taken;
    return free < poolSize ? free : -1;
  }

  /** Adds a connection at its index or for its account; that place must be free. */
  add(route: RouteLink): void {
    if (route.account !== null) {
      this.#dedicated.set(route.account, route);
      return;
    }
    this.#pool.push(route);
    this.#pool.sort((a, b) => a.poolIndex - b.poolIndex);
  }

  /** Removes a connection. Returns false if it is not among them. */
  remove(route: RouteLink): boolean {
    if (route.account !== null) {
      return this.#dedicated.get(route.account) === route && this.#dedicated.delete(route.account);
    }
    const at = this.#pool.indexOf(route);
    if (at >= 0) this.#pool.splice(at, 1);
    return at >= 0;
  }
}
