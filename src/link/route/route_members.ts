/**
 * The members of the cluster that this server is connected to. Decides which of two connections stays if both ends
 * dialled.
 *
 * The side that dialled says which index of the pool a connection takes. Of two connections at one index, or for one
 * account, the first stays. Sizes may differ between members: a pool is then as large as the larger of the two sizes,
 * and each end tells its interest by the indexes of its own size. Source: nats-server `addRoute`; clusters.md 3.7, 3.9.
 */
import type { LinkFault } from "../core/link_fault.ts";
import type { AccountRoutes } from "./account_routes.ts";
import { dedicatedRouteFault, missingAccountFault, noRouteFault, poolIndexFault } from "./connect_checks.ts";
import { MemberRoutes } from "./member_routes.ts";
import type { RouteLink } from "./route_link.ts";

/**
 * A larger pool of another member counts as this large: a peer that asks for a million connections does not get them.
 */
const THEIR_POOL_SIZE_MAX = 256;

/** The decision about a connection whose first INFO is valid. */
export type Admission =
  /** `isFirst`: the member had no connection of the pool before. */
  | { readonly kind: "admitted"; readonly isFirst: boolean }
  | { readonly kind: "duplicate" }
  /** All places of its pool are taken. */
  | { readonly kind: "surplus" }
  | { readonly kind: "refused"; readonly fault: LinkFault };

const FIRST: Admission = { kind: "admitted", isFirst: true };
const FURTHER: Admission = { kind: "admitted", isFirst: false };
const DUPLICATE: Admission = { kind: "duplicate" };
const SURPLUS: Admission = { kind: "surplus" };

export class RouteMembers {
  /** By which connection each account goes. */
  accounts: AccountRoutes;
  readonly #byId = new Map<string, MemberRoutes>();

  constructor(accounts: AccountRoutes) {
    this.accounts = accounts;
  }

  /** Every member that there is a connection to, even if that is only one for an account. */
  get all(): readonly MemberRoutes[] {
    return [...this.#byId.values()];
  }

  /** One connection of each member's pool, which stands for the member. */
  get firsts(): RouteLink[] {
    return [...this.#byId.values()].flatMap(({ pool }) => pool.slice(0, 1));
  }

  /** All connections to all members. */
  get connections(): RouteLink[] {
    return [...this.#byId.values()].flatMap(({ connections }) => connections);
  }

  get(id: string): MemberRoutes | undefined {
    return this.#byId.get(id);
  }

  /** Whether there is a connection of the member's pool. */
  has(id: string): boolean {
    return (this.#byId.get(id)?.pool.length ?? 0) > 0;
  }

  /** Finds the place of a connection. `isKnown` says whether the account it is for exists on this server. */
  admit(route: RouteLink, isKnown: boolean): Admission {
    const { account, info } = route;
    if (account !== null && !isKnown) return { kind: "refused", fault: missingAccountFault(account) };
    if (!route.isPooled && account !== null) {
      route.mayReconnect = false;
      return { kind: "refused", fault: dedicatedRouteFault(account) };
    }
    const size = this.#poolSizeOf(route);
    if (route.isPooled) {
      const fault = poolIndexFault(info, route.wasDialled, size);
      if (fault !== null) return { kind: "refused", fault };
    }
    if (account !== null && !this.accounts.pinned.has(account)) {
      return { kind: "refused", fault: noRouteFault(account) };
    }
    const member = this.#byId.getOrInsertComputed(route.remoteId, () => new MemberRoutes());
    if (account !== null) return admitDedicated(member, route, account);
    return route.isPooled ? admitPooled(member, route, size) : admitAlone(member, route);
  }

  /**
   * The connections that the side that dialled a pool has to dial in addition: each an account, or null for a place in
   * the pool. Empty if `route` is not of such a pool.
   */
  missing(route: RouteLink): readonly (string | null)[] {
    if (!route.isPooled || !route.isSolicited || route.account !== null) return [];
    const member = this.#byId.get(route.remoteId);
    const accounts = [...this.accounts.pinned].filter((name) => member?.dedicatedTo(name) === undefined);
    return this.#isFull(route) ? accounts : [null, ...accounts];
  }

  /** Whether others have taken the place that a connection had or wanted: its account's, or any in the pool. */
  isComplete({ remoteId, account }: RouteLink): boolean {
    const member = this.#byId.get(remoteId);
    if (account !== null) return member?.dedicatedTo(account) !== undefined;
    const first = member?.pool[0];
    return first !== undefined && this.#isFull(first);
  }

  /** Removes a connection. Returns whether it had a place, and whether it was the last one of the member's pool. */
  remove(route: RouteLink): "none" | "one of several" | "last" {
    const member = this.#byId.get(route.remoteId);
    if (member === undefined || !member.remove(route)) return "none";
    if (member.connections.length === 0) this.#byId.delete(route.remoteId);
    return route.account === null && member.pool.length === 0 ? "last" : "one of several";
  }

  /** The size of the pool that a connection belongs to. */
  #poolSizeOf({ isPooled, info }: RouteLink): number {
    if (!isPooled) return 1;
    return Math.max(this.accounts.poolSize, Math.min(info.routePoolSize, THEIR_POOL_SIZE_MAX));
  }

  #isFull(route: RouteLink): boolean {
    return (this.#byId.get(route.remoteId)?.pool.length ?? 0) >= this.#poolSizeOf(route);
  }
}

function admitDedicated(member: MemberRoutes, route: RouteLink, account: string): Admission {
  const known = member.dedicatedTo(account);
  if (known !== undefined) return duplicate(known, route, false);
  member.add(route);
  return FURTHER;
}

/** Admits a connection without a pool, because one of the two servers has none. */
function admitAlone(member: MemberRoutes, route: RouteLink): Admission {
  const known = member.pool[0];
  if (known !== undefined) return duplicate(known, route, false);
  return placed(member, route, 0);
}

function admitPooled(member: MemberRoutes, route: RouteLink, size: number): Admission {
  if (route.wasDialled) {
    for (const other of member.pool) inherit(other, route);
    const index = member.freeIndex(size);
    if (index >= 0) return placed(member, route, index);
    route.mayReconnect = false;
    return SURPLUS;
  }
  const index = route.info.routePoolIndex;
  const known = member.at(index);
  if (known !== undefined) return duplicate(known, route, true);
  // If one connection of a pool is dialled again when lost, all are.
  const dialled = member.pool.find(({ isSolicited }) => isSolicited);
  if (dialled !== undefined) inherit(route, dialled);
  return placed(member, route, index);
}

function placed(member: MemberRoutes, route: RouteLink, index: number): Admission {
  const isFirst = member.pool.length === 0;
  route.poolIndex = index;
  member.add(route);
  return isFirst ? FIRST : FURTHER;
}

function duplicate(known: RouteLink, dropped: RouteLink, mayReconnect: boolean): Admission {
  inherit(known, dropped);
  // Both ends may have dropped what the other one kept.
  known.isRetried = true;
  dropped.mayReconnect &&= mayReconnect;
  return DUPLICATE;
}

/** Copies from one connection to a member to another how to dial it again. */
export function inherit(kept: RouteLink, other: RouteLink): void {
  if (other.isSolicited && (!kept.isSolicited || (other.isExplicit && !kept.isExplicit))) {
    kept.url = other.url;
  }
  kept.isSolicited ||= other.isSolicited;
  kept.isExplicit ||= other.isExplicit;
}
