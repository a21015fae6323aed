/**
 * Gives accounts connections of their own, and takes those away, while servers stay up: after a reload here or at
 * another member.
 *
 *   here: account pinned ─▶ members asked, interest forgotten on both ends ─▶ all have answered, or 2 s ─▶ dialled
 *
 * A member that is asked pins the account as well. Otherwise interest in it could still come over a pool, after other
 * interest that came over its own connection. Source: nats-server `reloadClusterPoolAndAccounts`, `processRouteInfo`.
 */
import { newNuid } from "../../base/nuid.ts";
import { byteStringOfText } from "../../subject/byte_string.ts";
import type { Link, LinkClock, LinkLog } from "../core/link.ts";
import { EMPTY_LINK_INFO, type LinkInfo, ownInfoLine } from "../core/link_info.ts";
import { quoted } from "../core/quoted.ts";
import { AccountRoutes, poolIndexOf } from "./account_routes.ts";
import type { RouteLink } from "./route_link.ts";
import type { RouteMembers } from "./route_members.ts";
import type { RouteSettings } from "./route_settings.ts";

const ANSWERS_MS = 2000;

export interface AccountChangesHost {
  readonly clock: LinkClock;
  readonly log: LinkLog;
  hasAccount(account: string): boolean;
  /** A link carries an account from now on, or no longer. */
  reassigned(link: Link, account: string): void;
}

type PoolSettings = Pick<RouteSettings, "poolSize" | "pinnedAccounts">;

export class AccountChanges {
  readonly #members: RouteMembers;
  readonly #host: AccountChangesHost;
  readonly #drop: (route: RouteLink) => void;
  /** The change that waits for answers of members. */
  #request = { id: "", awaited: 0, finish: () => {} };
  #cancelTimeout = () => {};

  /** `drop` closes a connection and frees its place. */
  constructor(members: RouteMembers, host: AccountChangesHost, drop: (route: RouteLink) => void) {
    this.#members = members;
    this.#host = host;
    this.#drop = drop;
  }

  /**
   * Applies a changed configuration. `done` is called once connections may be dialled; `isPoolNew` says that the pool
   * size has changed.
   */
  reload(old: PoolSettings, now: PoolSettings, done: (isPoolNew: boolean) => void): void {
    const added = without(now.pinnedAccounts, old.pinnedAccounts);
    const removed = without(old.pinnedAccounts, now.pinnedAccounts);
    const isPoolNew = Math.max(old.poolSize, 0) !== Math.max(now.poolSize, 0);
    if (!isPoolNew && added.length === 0 && removed.length === 0) return;
    this.#request.finish();
    const id = newNuid();
    const finish = () => {
      this.#cancelTimeout();
      this.#request = { id: "", awaited: 0, finish: () => {} };
      this.#apply(now, removed, isPoolNew);
      done(isPoolNew);
    };
    const awaited = added.reduce((sum, account) => sum + this.#ask(account, id), 0);
    if (awaited === 0) {
      finish();
      return;
    }
    this.#request = { id, awaited, finish };
    this.#cancelTimeout = this.#host.clock.after(ANSWERS_MS, () => {
      this.#host.log(
        "warning",
        "Timed out waiting for confirmation from all routes regarding per-account routes changes",
      );
      finish();
    });
  }

  /** Takes an INFO in which a member moves an account to a connection of its own, or answers such a request. */
  take(route: RouteLink, info: LinkInfo): void {
    const { routeAccount: account, routeAccountRequestId } = info;
    if (account === "") {
      if (routeAccountRequestId === this.#request.id && --this.#request.awaited === 0) this.#request.finish();
      return;
    }
    if (!this.#host.hasAccount(account)) {
      this.#host.log("error", `Error looking up account ${quoted(account)}: account missing`);
      return;
    }
    this.#members.accounts.pin(account);
    for (const each of this.#pooled()) each.forgetAccount(account);
    route.sendLine(ownInfoLine({ ...info, routeAccount: "" }));
  }

  stop(): void {
    this.#cancelTimeout();
  }

  /** Asks members to give an account a connection of its own. Returns how many have to answer. */
  #ask(account: string, id: string): number {
    const { accounts } = this.#members;
    const index = poolIndexOf(account, accounts.poolSize);
    accounts.pin(account);
    const request = {
      ...EMPTY_LINK_INFO,
      routePoolSize: accounts.poolSize,
      routeAccount: account,
      routeAccountRequestId: id,
    };
    const pooled = this.#pooled();
    for (const route of pooled) route.forgetAccount(account);
    const carriers = pooled.filter(({ poolIndex }) => poolIndex === index);
    for (const route of carriers) route.sendLine(ownInfoLine(request));
    return carriers.length;
  }

  #apply(now: PoolSettings, removed: readonly string[], isPoolNew: boolean): void {
    const members = this.#members;
    for (const route of members.connections) {
      if (route.account === null ? !isPoolNew : !removed.includes(route.account)) continue;
      // The side that dialled builds its pool again; connections of accounts that are no longer pinned are not needed.
      route.mayReconnect &&= route.account === null;
      this.#drop(route);
    }
    // Accounts that other members have pinned stay pinned.
    const kept = [...members.accounts.pinned].filter((account) => !removed.includes(account));
    members.accounts = new AccountRoutes(now.poolSize, now.pinnedAccounts);
    if (now.poolSize > 0) for (const account of kept) members.accounts.pin(account);
    for (const account of removed) {
      for (const route of this.#pooled()) if (route.carries(account)) route.tellAccount(account);
    }
  }

  /** All connections of pools. */
  #pooled(): RouteLink[] {
    return this.#members.all.flatMap(({ pool }) => pool).filter(({ isPooled }) => isPooled);
  }
}

/** The names in the first list that are not in the other, as byte strings. */
function without(names: readonly string[], others: readonly string[]): string[] {
  return names.filter((name) => !others.includes(name)).map(byteStringOfText);
}
