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

/** What a route asks of the rest of the server. */
export interface RouteHost {
  readonly clock: LinkClock;
  readonly log: LinkLog;
  readonly events: LinkEvents;
  hasAccount(account: string): boolean;
  /** Everything that has been announced over a link, permitted or not. */
  announced(link: Link): Iterable<{ readonly key: InterestKey; readonly weight: number }>;
  /** What a peer wants, as `events.interest` was told it, and how much that is. */
  wanted(link: Link): readonly InterestKey[];
  wantedCount(link: Link): number;
  /** A registered link carries an account from now on, or no more. */
  reassigned(link: Link, account: string): void;
  readonly judge: JudgeServer;
}

/** What a route asks of whoever keeps all of them. */
export interface RouteOwner {
  readonly host: RouteHost;
  readonly settings: RouteSettings;
  readonly cluster: ClusterName;
  /** Of `settings.permissions`: what is announced, what is taken. */
  readonly importFilter: RouteFilter;
  readonly exportFilter: RouteFilter;
  /** Which connection to a member each account goes by. */
  readonly accounts: AccountRoutes;
  /** The connection to a member that carries an account, if it is there. */
  routeTo(memberId: string, account: string): RouteLink | undefined;
  /** What this server says of itself. */
  ownInfo(): LinkInfo;
  /** The name to check certificates of bare addresses by; "" for none. */
  tlsServerName(): string;
  /** The cluster's name is now that of the peer with this id. */
  clusterAdopted(byId: string): void;
  /** The first INFO has passed all checks of its own: finds the connection its place. */
  admit(route: RouteLink): Admission;
  /** It has said who it is, and is about to announce interest. `isFirst`: the peer was not there before. */
  entered(route: RouteLink, isFirst: boolean): void;
  /** Whether this side is to open more connections to the peer. */
  isIncomplete(route: RouteLink): boolean;
  /** Opens them, or the next. */
  complete(route: RouteLink): void;
  /** The peer sent another INFO. */
  update(route: RouteLink, info: LinkInfo): void;
  /** It has ended; called once. */
  gone(route: RouteLink): void;
}

/** How a connection came about. */
export interface RouteOrigin {
  /** What was dialled; null for an accepted connection. */
  readonly url: RouteUrl | null;
  /** The URL stands in the configuration. */
  readonly isExplicit: boolean;
  /** The account it was dialled for, null for a place in the pool. */
  readonly account: string | null;
  /** Configured no more since it was dialled: to be closed at once. */
  readonly isUnwanted: boolean;
}
