/**
 * All routes of this server: which members are told of which others, and what members of the cluster announce through
 * each other. `RouteSolicitor` decides whom to dial, `RouteMembers` which of two connections stays.
 *
 * Source: nats-server route.go; clusters.md 3.6 to 3.8.
 */
import { isSameCompression } from "../../config/compression.ts";
import { CloseReason } from "../../protocol/close_reason.ts";
import { byteStringOfText, textOf } from "../../subject/byte_string.ts";
import type { LinkConnection, LinkPeer } from "../core/link.ts";
import { type LinkInfo, ownInfoLine } from "../core/link_info.ts";
import { quoted } from "../core/quoted.ts";
import { AccountChanges, type AccountChangesHost } from "./account_changes.ts";
import { AccountRoutes } from "./account_routes.ts";
import { ClusterName } from "./cluster_name.ts";
import { gossipLine } from "./gossip.ts";
import { MemberUrls, type MemberUrlsSink } from "./member_urls.ts";
import { routeInfo } from "./route_info.ts";
import { RouteLink } from "./route_link.ts";
import { type Admission, RouteMembers } from "./route_members.ts";
import type { RouteHost, RouteOrigin, RouteOwner } from "./route_owner.ts";
import { exportFilter, importFilter, isSamePermission, type RouteFilter } from "./route_permissions.ts";
import { type RouteReport, routeReport } from "./route_report.ts";
import type { RouteSettings } from "./route_settings.ts";
import { RouteSolicitor, type RouteSolicitorHost, type RouteSolicitorOwner } from "./route_solicitor.ts";
import { redacted, routeUrlOf } from "./route_url.ts";

/** The rest of the server, as the mesh sees it. */
export interface RouteMeshHost extends RouteHost, MemberUrlsSink, AccountChangesHost, RouteSolicitorHost {
  /** The cluster has another name from now on. Clients are told, and leaf nodes' connections to hubs are made again. */
  clusterRenamed(name: string): void;
  /** A member tells of another cluster. Returns false without gateways. */
  gatewayGossip(info: LinkInfo): boolean;
  /** The lines that tell a new member of the clusters that this server is connected to; "" for none. */
  gatewayLines(): string;
}

/** The first `proto` whose servers understand INFO at any time. */
const ASYNC_INFO_PROTOCOL = 1;

export class RouteMesh implements RouteOwner, RouteSolicitorOwner {
  readonly host: RouteMeshHost;
  readonly cluster: ClusterName;
  readonly #solicitor: RouteSolicitor;
  readonly #urls: MemberUrls;
  #settings: RouteSettings;
  #importFilter: RouteFilter;
  #exportFilter: RouteFilter;
  /** The members that are connected. */
  readonly #members: RouteMembers;
  readonly #accountChanges: AccountChanges;
  readonly newcomers = new Set<RouteLink>();
  /** Whether clients must no longer be sent here. */
  #isLameDuck = false;
  #isStopped = false;

  /** `generatedName` names the cluster if the configuration does not. */
  constructor(settings: RouteSettings, generatedName: string, host: RouteMeshHost) {
    this.host = host;
    this.#settings = settings;
    const isGenerated = settings.clusterName === "";
    this.cluster = new ClusterName(
      byteStringOfText(isGenerated ? generatedName : settings.clusterName),
      isGenerated,
    );
    this.#urls = new MemberUrls(host);
    this.#members = new RouteMembers(new AccountRoutes(settings.poolSize, settings.pinnedAccounts));
    this.#accountChanges = new AccountChanges(this.#members, host, (route) => this.#drop(route));
    this.#importFilter = importFilter(settings.permissions);
    this.#exportFilter = exportFilter(settings.permissions);
    this.#solicitor = new RouteSolicitor(this, this.#members, host);
  }

  get settings(): RouteSettings {
    return this.#settings;
  }

  get importFilter(): RouteFilter {
    return this.#importFilter;
  }

  get exportFilter(): RouteFilter {
    return this.#exportFilter;
  }

  get accounts(): AccountRoutes {
    return this.#members.accounts;
  }

  /** All registered connections, several for each member. */
  get connections(): readonly RouteLink[] {
    return this.#members.connections;
  }

  /** One connection of each member. */
  get members(): readonly RouteLink[] {
    return this.#members.firsts;
  }

  routeTo(memberId: string, account: string): RouteLink | undefined {
    return this.#members.get(memberId)?.connections.find((route) => route.carries(account));
  }

  /** Logs the cluster's name, and dials the configured routes. */
  start(): void {
    this.host.log("info", `Cluster name is ${textOf(this.cluster.name)}`);
    if (this.cluster.isDynamic) {
      this.host.log("warning", "Cluster name was dynamically generated, consider setting one");
    }
    this.#solicitor.solicit(this.#settings.routes);
  }

  /** Takes a connection to the route port. */
  accept(connection: LinkConnection): LinkPeer {
    return this.newcomer(connection, {
      url: null,
      isExplicit: false,
      account: null,
      isUnwanted: this.#isStopped,
    });
  }

  /** Applies a changed configuration, except for the rules of who may connect: see `judgeAgain()`. */
  reload(settings: RouteSettings): void {
    const old = this.#settings;
    const oldImport = this.#importFilter;
    this.#settings = settings;
    this.#importFilter = importFilter(settings.permissions);
    this.#exportFilter = exportFilter(settings.permissions);
    if (settings.clusterName !== "" && byteStringOfText(settings.clusterName) !== this.cluster.name) {
      this.cluster.configure(byteStringOfText(settings.clusterName));
      this.host.clusterRenamed(this.cluster.name);
    }
    for (const url of old.routes) if (!settings.routes.includes(url)) this.#removeRoute(url);
    this.#solicitor.solicit(settings.routes.filter((url) => !old.routes.includes(url)));
    if (JSON.stringify(old.permissions) !== JSON.stringify(settings.permissions)) {
      this.#permissionsChanged(oldImport);
    }
    if (!isSameCompression(old.compression, settings.compression)) {
      for (const route of this.connections) route.compressionChanged();
    }
    this.#accountChanges.reload(old, settings, (isPoolNew) => {
      if (isPoolNew) this.#solicitor.solicit(settings.routes);
      else for (const route of this.members) this.complete(route);
    });
  }

  /**
   * The rules for who may connect have changed. Ends accepted connections of peers that may no longer connect.
   * Source: nats-server `reloadAuthorization`.
   */
  judgeAgain(): void {
    for (const route of [...this.connections, ...this.newcomers]) route.judgeAgain();
  }

  /** Tells other members to stop announcing this server to their clients. Routes stay. */
  enterLameDuck(): void {
    this.#tellAll(ownInfoLine({ ...this.ownInfo(), isLameDuck: true }));
    this.#isLameDuck = true;
  }

  /** Closes all routes and stops dialling. */
  stop(): void {
    this.#isStopped = true;
    this.#accountChanges.stop();
    this.#solicitor.stop();
    for (const route of [...this.connections, ...this.newcomers]) {
      route.mayReconnect = false;
      route.close(CloseReason.ServerShutdown);
    }
  }

  /** What /routez shows of each route; the host adds its counters. */
  reports(): RouteReport[] {
    return this.connections.map(routeReport);
  }

  // What a route asks of its owner.

  ownInfo(): LinkInfo {
    return routeInfo(this.#settings, this.cluster, !this.#isLameDuck);
  }

  tlsServerName(): string {
    return this.#solicitor.tlsServerName;
  }

  clusterAdopted(byId: string): void {
    this.host.log("info", `Cluster name updated to ${textOf(this.cluster.name)}`);
    this.host.clusterRenamed(this.cluster.name);
    for (const route of this.connections) {
      if (route.remoteId !== byId) route.close(CloseReason.ClusterNameConflict);
    }
  }

  admit(route: RouteLink): Admission {
    const isKnown = route.account === null || this.host.hasAccount(route.account);
    const { info } = route;
    route.url ??= routeUrlOf(info.host, info.port);
    const admission = this.#members.admit(route, isKnown);
    if (admission.kind === "admitted") this.newcomers.delete(route);
    return admission;
  }

  entered(route: RouteLink, isFirst: boolean): void {
    const { account, info, remoteId } = route;
    if (account !== null) this.#gossipOfAccount(route, account);
    if (!isFirst) return;
    this.#gossip(route);
    const lines = this.host.gatewayLines();
    if (lines !== "") route.sendLine(lines);
    this.#urls.add(remoteId, info, !this.#settings.noAdvertise);
  }

  isIncomplete(route: RouteLink): boolean {
    return this.#solicitor.isIncomplete(route);
  }

  complete(route: RouteLink): void {
    this.#solicitor.complete(route);
  }

  update(route: RouteLink, info: LinkInfo): void {
    if (info.routeAccountRequestId !== "") {
      this.#accountChanges.take(route, info);
      for (const first of this.members) if (first.remoteId === route.remoteId) this.complete(first);
    } else if (info.gateway !== "") {
      if (!this.host.gatewayGossip(info)) {
        const what = `gateway ${quoted(info.gateway)} from ${textOf(route.remoteId)}`;
        this.host.log("error", `Received information about ${what}, but gateway is not configured`);
      }
    } else if (info.serverId !== route.remoteId) {
      this.#solicitor.follow(info);
    } else if (info.isLameDuck) {
      this.#urls.forgetClients(route.remoteId);
    } else if (
      !isSamePermission(route.info.import, info.import) ||
      !isSamePermission(route.info.export, info.export)
    ) {
      route.adoptPermissions(info);
    }
  }

  gone(route: RouteLink): void {
    this.newcomers.delete(route);
    this.#leave(route);
    this.#solicitor.reconnect(route);
  }

  /** Closes a connection and frees its place at once. */
  #drop(route: RouteLink): void {
    this.#leave(route);
    route.close(CloseReason.RouteRemoved);
  }

  #leave(route: RouteLink): void {
    const left = this.#members.remove(route);
    if (left !== "none") this.host.events.left(route);
    if (left === "last") this.#urls.remove(route.remoteId);
  }

  newcomer(connection: LinkConnection, origin: RouteOrigin): RouteLink {
    const route = new RouteLink(connection, origin, this);
    this.newcomers.add(route);
    return route;
  }

  #removeRoute(text: string): void {
    for (const route of [...this.connections, ...this.newcomers]) {
      if (route.url?.text !== text) continue;
      route.mayReconnect = false;
      route.close(CloseReason.RouteRemoved);
      this.host.log("info", `Removed route ${redacted(route.url)}`);
    }
  }

  #permissionsChanged(oldImport: RouteFilter): void {
    const line = ownInfoLine(this.ownInfo());
    for (const route of this.connections) {
      if (route.info.protocol < ASYNC_INFO_PROTOCOL) {
        route.close(CloseReason.RouteRemoved);
        continue;
      }
      route.sendLine(line);
      route.permissionsChanged(oldImport);
    }
  }

  /** Tells the other members of a new one. */
  #gossip(route: RouteLink): void {
    const line = gossipLine(route.info, route.connection.remoteIp);
    if (line === null) return;
    for (const other of this.members) if (other.remoteId !== route.remoteId) other.sendLine(line);
  }

  /**
   * Tells the other members that a member has a connection for an account, over their own connections for it if there
   * are any.
   */
  #gossipOfAccount(route: RouteLink, account: string): void {
    const line = gossipLine(route.info, route.connection.remoteIp);
    if (line === null) return;
    for (const member of this.#members.all) {
      const other = member.dedicatedTo(account) ?? member.pool[0];
      if (other?.isPooled && other.remoteId !== route.remoteId) other.sendLine(line);
    }
  }

  #tellAll(line: string): void {
    for (const route of this.members) route.sendLine(line);
  }
}
