/**
 * Decides whom this server dials: configured routes, members that it learns of by gossip, what is missing of a pool
 * that it has begun, and what was lost.
 *
 * A pool is dialled one connection after the other, each once the previous one has answered a ping, which shows that
 * the credentials are right. Connections for pinned accounts follow the first connection, so that a member without
 * pools is not asked for any; nats-server dials them at once. Source: nats-server `solicitRoutes`,
 * `processImplicitRoute`, `reconnect`; clusters.md 3.7, 3.9.
 */
import { byteStringOfText } from "../../subject/byte_string.ts";
import type { LinkClock, LinkConnection, LinkDialer, LinkLog, LinkPeer } from "../core/link.ts";
import type { LinkInfo } from "../core/link_info.ts";
import { quoted } from "../core/quoted.ts";
import { isAddress } from "../core/url_parts.ts";
import type { AccountRoutes } from "./account_routes.ts";
import { gossipedUrl } from "./gossip.ts";
import { RouteDialler, type RouteDiallerOwner, type RouteTarget } from "./route_dialler.ts";
import type { RouteLink } from "./route_link.ts";
import { inherit, type RouteMembers } from "./route_members.ts";
import type { RouteOrigin } from "./route_owner.ts";
import type { RouteSettings } from "./route_settings.ts";
import { parseRouteUrl, redacted } from "./route_url.ts";

/** What the solicitor needs from the owner of all routes. */
export interface RouteSolicitorOwner {
  readonly settings: RouteSettings;
  /** The connections that are still in their handshake. */
  readonly newcomers: ReadonlySet<RouteLink>;
  /** Takes a connection that was opened. */
  newcomer(connection: LinkConnection, origin: RouteOrigin): LinkPeer;
}

export interface RouteSolicitorHost {
  readonly clock: LinkClock;
  readonly dialer: LinkDialer;
  readonly log: LinkLog;
}

export class RouteSolicitor implements RouteDiallerOwner {
  readonly #owner: RouteSolicitorOwner;
  readonly #members: RouteMembers;
  readonly #log: LinkLog;
  readonly #dialler: RouteDialler;
  #isStopped = false;
  /**
   * The first host name among the configured routes, by which certificates are checked if a URL has only an address; ""
   * for none.
   */
  tlsServerName = "";

  constructor(owner: RouteSolicitorOwner, members: RouteMembers, { clock, dialer, log }: RouteSolicitorHost) {
    this.#owner = owner;
    this.#members = members;
    this.#log = log;
    this.#dialler = new RouteDialler(clock, dialer, log, this);
  }

  /** Dials configured routes. */
  solicit(routes: readonly string[]): void {
    for (const text of routes) {
      const url = parseRouteUrl(text);
      if (url === undefined) {
        const name = JSON.stringify(text);
        this.#log("error", `Error trying to connect to route: ${name} names no host and port`);
        continue;
      }
      if (this.tlsServerName === "" && !isAddress(url.host)) this.tlsServerName = url.host;
      this.#dialler.connect({ url, isExplicit: true, account: null, member: "" });
    }
  }

  /** A member tells of another member, or that it has a connection for an account. */
  follow(info: LinkInfo): void {
    const { serverId, routeAccount } = info;
    const account = routeAccount || null;
    if (account === null ? this.#members.has(serverId) : !this.#wants(account, serverId)) return;
    const met = gossipedUrl(info, this.#owner.settings);
    if (met.kind === "new") {
      const member = account === null ? "" : serverId;
      const target = { url: met.url, isExplicit: false, account, member };
      if (account === null || !this.#isOnItsWay(target)) this.#dialler.connect(target);
    } else if (met.kind === "malformed") {
      this.#log("error", `Error parsing URL from INFO: ${quoted(info.ip)}`);
    }
  }

  /** Whether more connections to the same member have to be dialled. */
  isIncomplete(route: RouteLink): boolean {
    return this.#missing(route).length > 0;
  }

  /** Dials the connections that are missing to the same member, of the pool only the next one. */
  complete(route: RouteLink): void {
    for (const target of this.#missing(route)) if (!this.#isOnItsWay(target)) this.#dialler.connect(target);
  }

  /** A connection has ended. Dials it again if that is this side's task and no other connection has taken its place. */
  reconnect(route: RouteLink): void {
    const { url, remoteId, account, isSolicited, isExplicit } = route;
    if (url === null || this.#isStopped || !route.mayReconnect) return;
    if (!isSolicited && !route.isRetried) return;
    if (this.#members.isComplete(route)) {
      const known = this.#members.get(remoteId)!;
      if (isSolicited) for (const kept of account === null ? known.pool : []) inherit(kept, route);
      const name = quoted(remoteId);
      this.#log("debug", `Not attempting reconnect for solicited route, already connected to ${name}`);
      return;
    }
    const name = JSON.stringify(redacted(url));
    if (remoteId === byteStringOfText(this.settings.serverId)) {
      this.#log("debug", `Detected route to self, ignoring ${name}`);
      return;
    }
    this.#log("debug", `Attempting reconnect for solicited route ${name}`);
    // nats-server is also hasty with a member known by gossip that does not let it in, and never stops. If both ends
    // have dropped the connection that the other one kept, it waits a second, during which no connection carries the
    // accounts of that place.
    const isHasty = route.isRetried || (!isExplicit && route.wasRegistered);
    this.#dialler.reconnect({ url, isExplicit, account, member: remoteId }, isHasty);
  }

  stop(): void {
    this.#isStopped = true;
    this.#dialler.stop();
  }

  // What the dialler asks.

  get settings(): RouteSettings {
    return this.#owner.settings;
  }

  get accounts(): AccountRoutes {
    return this.#members.accounts;
  }

  isMember(id: string): boolean {
    return this.#members.has(id);
  }

  dialled(
    connection: LinkConnection,
    { url, isExplicit, account }: RouteTarget,
    isWanted: boolean,
  ): LinkPeer {
    return this.#owner.newcomer(connection, { url, isExplicit, account, isUnwanted: !isWanted });
  }

  #missing(route: RouteLink): RouteTarget[] {
    const { url, isExplicit, remoteId } = route;
    if (url === null) return [];
    return this.#members.missing(route).map((account) => ({ url, isExplicit, account, member: remoteId }));
  }

  /** Whether a member should have a connection for an account but has none. */
  #wants(account: string, memberId: string): boolean {
    if (!this.accounts.pinned.has(account)) return false;
    return this.#members.get(memberId)?.dedicatedTo(account) === undefined;
  }

  /** Whether such a connection is in its handshake or is being dialled. */
  #isOnItsWay(target: RouteTarget): boolean {
    const { url, account } = target;
    const isSame = (other: RouteLink) => other.url?.text === url.text && other.account === account;
    return this.#dialler.isUnderWay(target) || [...this.#owner.newcomers].some(isSame);
  }
}
