import type { InterestKey, Link, LinkClock, LinkEvents, LinkLog } from "../core/link.ts";
import type { LinkInfo } from "../core/link_info.ts";
import type { JudgeServer } from "../core/server_login.ts";
import type { AccountRoutes } from "./account_routes.ts";
import type { ClusterName } from "./cluster_name.ts";
import type { RouteLink } from "./route_link.ts";
import type { Admission } from "./route_members.ts";
import type { RouteFilter } from "./route_permissions.ts";
import type { RouteSettings } from "./route_settings.ts";
import type { RouteUrl } from "./route_url.ts";

/** What a route needs from the rest of the server. */
export interface RouteHost {
  readonly clock: LinkClock;
  readonly log: LinkLog;
  readonly events: LinkEvents;
  hasAccount(account: string): boolean;
  /** Everything that has been announced over a link, whether permissions let it through or not. */
  announced(link: Link): Iterable<{ readonly key: InterestKey; readonly weight: number }>;
  /** The interest that `events.interest` was told of a peer; `wantedCount` is its number. */
  wanted(link: Link): readonly InterestKey[];
  wantedCount(link: Link): number;
  /** A registered link carries an account from now on, or no longer. */
  reassigned(link: Link, account: string): void;
  readonly judge: JudgeServer;
}

/** What a route needs from the owner of all routes. */
export interface RouteOwner {
  readonly host: RouteHost;
  readonly settings: RouteSettings;
  readonly cluster: ClusterName;
  /**
   * The filters from `settings.permissions`: `importFilter` for what is announced, `exportFilter` for what is taken.
   */
  readonly importFilter: RouteFilter;
  readonly exportFilter: RouteFilter;
  /** By which connection to a member each account goes. */
  readonly accounts: AccountRoutes;
  /** The connection to a member that carries an account, if there is one. */
  routeTo(memberId: string, account: string): RouteLink | undefined;
  /** This server's INFO. */
  ownInfo(): LinkInfo;
  /** The name that certificates are checked by if the URL has only an address; "" for none. */
  tlsServerName(): string;
  /** The cluster's name is now that of the peer with this id. */
  clusterAdopted(byId: string): void;
  /** The route's first INFO has passed all checks that the route can make. Finds its place. */
  admit(route: RouteLink): Admission;
  /**
   * The route is registered and is about to announce interest. `isFirst`: the peer had no connection of the pool
   * before.
   */
  entered(route: RouteLink, isFirst: boolean): void;
  /** Whether this side is to open more connections to the peer. */
  isIncomplete(route: RouteLink): boolean;
  /** Opens the connections that are missing, of the pool only the next one. */
  complete(route: RouteLink): void;
  /** The peer sent another INFO. */
  update(route: RouteLink, info: LinkInfo): void;
  /** The connection has ended; called once. */
  gone(route: RouteLink): void;
}

/** How a connection came about. */
export interface RouteOrigin {
  /** The URL that was dialled; null for an accepted connection. */
  readonly url: RouteUrl | null;
  /** Whether the URL is in the configuration. */
  readonly isExplicit: boolean;
  /** The account that it was dialled for; null for a place in the pool. */
  readonly account: string | null;
  /** Whether the configuration no longer wants it since it was dialled, so that it has to be closed at once. */
  readonly isUnwanted: boolean;
}
