import type { RouteLink } from "./route_link.ts";

/** The connections to one other member of the cluster: a pool, and those that are for one account each. */
export class MemberRoutes {
  /** By index; where the member has no pool there is one, at 0. A peer may say any index: places without one take nothing. */
  readonly #pool: RouteLink[] = [];
  readonly #dedicated = new Map<string, RouteLink>();

  /** All there are, the pool first. */
  get connections(): RouteLink[] {
    return [...this.#pool, ...this.#dedicated.values()];
  }

  /** Those of the pool, in the order of their indexes. */
  get pool(): readonly RouteLink[] {
    return this.#pool;
  }

  at(index: number): RouteLink | undefined {
    return this.#pool.find(({ poolIndex }) => poolIndex === index);
  }

  dedicatedTo(account: string): RouteLink | undefined {
    return this.#dedicated.get(account);
  }

  /** The lowest index without a connection, in a pool of that size; -1 where it is full. */
  freeIndex(poolSize: number): number {
    const taken = this.#pool.findIndex(({ poolIndex }, at) => poolIndex !== at);
    const free = taken < 0 ? this.#pool.length : taken;
    return free < poolSize ? free : -1;
  }

  /** Takes a connection in, at its index or for its account, where there is none. */
  add(route: RouteLink): void {
    if (route.account !== null) {
      this.#dedicated.set(route.account, route);
      return;
    }
    this.#pool.push(route);
    this.#pool.sort((a, b) => a.poolIndex - b.poolIndex);
  }

  /** Takes one out; false where it is not among them. */
  remove(route: RouteLink): boolean {
    if (route.account !== null) {
      return this.#dedicated.get(route.account) === route && this.#dedicated.delete(route.account);
    }
    const at = this.#pool.indexOf(route);
    if (at >= 0) this.#pool.splice(at, 1);
    return at >= 0;
  }
}
