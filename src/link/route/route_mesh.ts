/**
 * All routes of this server: whom to dial and to dial again, which of two connections to one peer stays, who is told of
 * whom, and what the cluster's members make known through each other.
 *
 * Source: nats-server route.go; clusters.md 3.6 to 3.8.
 */
import type { LineLimit } from "../../log/line_limit.ts";
import { CloseReason } from "../../protocol/close_reason.ts";
import { byteStringOfText, textOf } from "../../subject/byte_string.ts";
import type {
  InterestKey,
  Link,
  LinkClock,
  LinkConnection,
  LinkDialer,
  LinkEvents,
  LinkLog,
  LinkLogLevel,
  LinkPeer,
} from "../core/link.ts";
import type { CertificateVerdict } from "../core/link_certificate.ts";
import { type LinkInfo, ownInfoLine } from "../core/link_info.ts";
import { quoted } from "../core/quoted.ts";
import { isAddress } from "../core/url_parts.ts";
import { ClusterName } from "./cluster_name.ts";
import { gossipedUrl, gossipLine } from "./gossip.ts";
import { MemberUrls, type MemberUrlsSink } from "./member_urls.ts";
import { RouteDialler, type RouteTarget } from "./route_dialler.ts";
import { routeInfo } from "./route_info.ts";
import { RouteLink } from "./route_link.ts";
import type { RouteOwner } from "./route_owner.ts";
import { exportFilter, importFilter, isSamePermission, type RouteFilter } from "./route_permissions.ts";
import { type RouteReport, routeReport } from "./route_report.ts";
import type { RouteSettings } from "./route_settings.ts";
import { parseRouteUrl, type RouteUrl, redacted, routeUrlOf } from "./route_url.ts";

/** The rest of the server, as the mesh sees it. */
export interface RouteMeshHost extends MemberUrlsSink {
  readonly clock: LinkClock;
  readonly dialer: LinkDialer;
  readonly events: LinkEvents;
  readonly log: LinkLog;
  hasAccount(account: string): boolean;
  /** Everything that has been announced over a link, permitted or not. */
  announced(link: Link): Iterable<{ readonly key: InterestKey; readonly weight: number }>;
  /** What the peer's certificate decides; null where the configuration leaves it to credentials. */
  certificateVerdict(connection: LinkConnection): CertificateVerdict | null;
  /** The cluster is called otherwise from now on: clients are told, and leaf nodes' connections to hubs made anew. */
  clusterRenamed(name: string): void;
  /** A member knows of another cluster; false without gateways. */
  gatewayGossip(info: LinkInfo): boolean;
}

/** Async INFO is understood from this `proto` on. */
const ASYNC_INFO_PROTOCOL = 1;

export class RouteMesh implements RouteOwner {
  readonly clock: LinkClock;
  readonly events: LinkEvents;
  readonly cluster: ClusterName;
  readonly #host: RouteMeshHost;
  readonly #dialler: RouteDialler;
  readonly #urls: MemberUrls;
  #settings: RouteSettings;
  #importFilter: RouteFilter;
  #exportFilter: RouteFilter;
  /** Registered, by the peer's server id. */
  readonly #routes = new Map<string, RouteLink>();
  /** Those still in their handshake. */
  readonly #newcomers = new Set<RouteLink>();
  /** No client is to be sent here any more. */
  #isLameDuck = false;
  #isStopped = false;
  /** The first host name among the configured routes: what certificates of bare addresses are checked by. */
  #tlsServerName = "";

  /** `generatedName` names the cluster where the configuration does not. */
  constructor(settings: RouteSettings, generatedName: string, host: RouteMeshHost) {
    this.#host = host;
    this.#settings = settings;
    this.clock = host.clock;
    this.events = host.events;
    const isGenerated = settings.clusterName === "";
    this.cluster = new ClusterName(
      byteStringOfText(isGenerated ? generatedName : settings.clusterName),
      isGenerated,
    );
    this.#urls = new MemberUrls(host);
    this.#importFilter = importFilter(settings.permissions);
    this.#exportFilter = exportFilter(settings.permissions);
    this.#dialler = new RouteDialler(
      host.clock,
      host.dialer,
      host.log,
      () => this.#settings,
      (connection, target, isWanted) => this.#dialled(connection, target, isWanted),
    );
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

  /** The registered routes, one for each peer. */
  get routes(): Iterable<RouteLink> {
    return this.#routes.values();
  }

  /** Says who the cluster is, and dials the configured routes. */
  start(): void {
    this.#host.log("info", `Cluster name is ${textOf(this.cluster.name)}`);
    if (this.cluster.isDynamic) {
      this.#host.log("warning", "Cluster name was dynamically generated, consider setting one");
    }
    this.#solicit(this.#settings.routes);
  }

  /** Somebody connected to the route port. */
  accept(connection: LinkConnection): LinkPeer {
    return this.#newcomer(connection, { url: null, isExplicit: false, isUnwanted: this.#isStopped });
  }

  /** Takes a changed configuration. Who may log in holds for new connections. */
  reload(settings: RouteSettings): void {
    const old = this.#settings;
    const oldImport = this.#importFilter;
    this.#settings = settings;
    this.#importFilter = importFilter(settings.permissions);
    this.#exportFilter = exportFilter(settings.permissions);
    if (settings.clusterName !== "" && byteStringOfText(settings.clusterName) !== this.cluster.name) {
      this.cluster.configure(byteStringOfText(settings.clusterName));
      this.#host.clusterRenamed(this.cluster.name);
    }
    for (const url of old.routes) if (!settings.routes.includes(url)) this.#removeRoute(url);
    this.#solicit(settings.routes.filter((url) => !old.routes.includes(url)));
    if (JSON.stringify(old.permissions) !== JSON.stringify(settings.permissions)) {
      this.#permissionsChanged(oldImport);
    }
  }

  /** Clients are to go elsewhere: other members stop naming this server to theirs. Routes stay. */
  enterLameDuck(): void {
    this.#tellAll(ownInfoLine({ ...this.ownInfo(), isLameDuck: true }));
    this.#isLameDuck = true;
  }

  /** Closes everything and dials no more. */
  stop(): void {
    this.#isStopped = true;
    this.#dialler.stop();
    for (const route of [...this.#routes.values(), ...this.#newcomers]) {
      route.mayReconnect = false;
      route.close(CloseReason.ServerShutdown);
    }
  }

  /** What /routez shows of each route; the host adds what it counts. */
  reports(): RouteReport[] {
    return [...this.#routes.values()].map(routeReport);
  }

  // What a route asks of its owner.

  log(level: LinkLogLevel, text: string, limit?: LineLimit): void {
    this.#host.log(level, text, limit);
  }

  hasAccount(account: string): boolean {
    return this.#host.hasAccount(account);
  }

  announced(link: Link): Iterable<{ readonly key: InterestKey; readonly weight: number }> {
    return this.#host.announced(link);
  }

  certificateVerdict(connection: LinkConnection): CertificateVerdict | null {
    return this.#host.certificateVerdict(connection);
  }

  ownInfo(): LinkInfo {
    return routeInfo(this.#settings, this.cluster, !this.#isLameDuck);
  }

  tlsServerName(): string {
    return this.#tlsServerName;
  }

  clusterAdopted(byId: string): void {
    this.#host.log("info", `Cluster name updated to ${textOf(this.cluster.name)}`);
    this.#host.clusterRenamed(this.cluster.name);
    for (const route of [...this.#routes.values()]) {
      if (route.remoteId !== byId) route.close(CloseReason.ClusterNameConflict);
    }
  }

  admit(route: RouteLink): boolean {
    const known = this.#routes.get(route.remoteId);
    if (known !== undefined) {
      inherit(known, route);
      known.isRetried = true;
      route.mayReconnect = false;
      return false;
    }
    const { info, connection } = route;
    route.url ??= routeUrlOf(info.host, info.port);
    this.#newcomers.delete(route);
    const gossip = gossipLine(info, connection.remoteIp);
    if (gossip !== null) this.#tellAll(gossip);
    this.#routes.set(route.remoteId, route);
    this.#urls.add(route, !this.#settings.noAdvertise);
    return true;
  }

  update(route: RouteLink, info: LinkInfo): void {
    // Between servers with pools alone.
    if (info.routeAccountRequestId !== "") return;
    if (info.gateway !== "") {
      if (!this.#host.gatewayGossip(info)) {
        const what = `gateway ${quoted(info.gateway)} from ${textOf(route.remoteId)}`;
        this.#host.log("error", `Received information about ${what}, but gateway is not configured`);
      }
    } else if (info.serverId !== route.remoteId) {
      this.#meetByGossip(info);
    } else if (info.isLameDuck) {
      this.#urls.forgetClients(route);
    } else if (
      !isSamePermission(route.info.import, info.import) ||
      !isSamePermission(route.info.export, info.export)
    ) {
      route.adoptPermissions(info);
    }
  }

  gone(route: RouteLink): void {
    this.#newcomers.delete(route);
    if (this.#routes.get(route.remoteId) === route) {
      this.#routes.delete(route.remoteId);
      this.events.left(route);
      this.#urls.remove(route);
    }
    this.#reconnect(route);
  }

  #reconnect(route: RouteLink): void {
    const { url, remoteId, isSolicited, isExplicit } = route;
    if (url === null || this.#isStopped || !route.mayReconnect) return;
    if (!isSolicited && !route.isRetried) return;
    const known = this.#routes.get(remoteId);
    if (known !== undefined) {
      if (isSolicited) inherit(known, route);
      const name = quoted(remoteId);
      this.#host.log("debug", `Not attempting reconnect for solicited route, already connected to ${name}`);
      return;
    }
    if (remoteId === byteStringOfText(this.#settings.serverId)) {
      this.#host.log("debug", `Detected route to self, ignoring ${JSON.stringify(redacted(url))}`);
      return;
    }
    this.#host.log("debug", `Attempting reconnect for solicited route ${JSON.stringify(redacted(url))}`);
    // nats-server is as hasty with what gossip named and does not let this server in, and never stops.
    this.#dialler.reconnect({ url, isExplicit }, !isExplicit && route.wasRegistered);
  }

  #dialled(connection: LinkConnection, { url, isExplicit }: RouteTarget, isWanted: boolean): LinkPeer {
    return this.#newcomer(connection, { url, isExplicit, isUnwanted: !isWanted });
  }

  #newcomer(
    connection: LinkConnection,
    origin: { readonly url: RouteUrl | null; readonly isExplicit: boolean; readonly isUnwanted: boolean },
  ): RouteLink {
    const route = new RouteLink(connection, origin, this);
    this.#newcomers.add(route);
    return route;
  }

  #solicit(routes: readonly string[]): void {
    for (const text of routes) {
      const url = parseRouteUrl(text);
      if (url === undefined) {
        this.#host.log(
          "error",
          `Error trying to connect to route: ${JSON.stringify(text)} names no host and port`,
        );
        continue;
      }
      if (this.#tlsServerName === "" && !isAddress(url.host)) this.#tlsServerName = url.host;
      this.#dialler.connect({ url, isExplicit: true });
    }
  }

  #removeRoute(text: string): void {
    for (const route of [...this.#routes.values(), ...this.#newcomers]) {
      if (route.url?.text !== text) continue;
      route.mayReconnect = false;
      route.close(CloseReason.RouteRemoved);
      this.#host.log("info", `Removed route ${redacted(route.url)}`);
    }
  }

  #permissionsChanged(oldImport: RouteFilter): void {
    const line = ownInfoLine(this.ownInfo());
    for (const route of [...this.#routes.values()]) {
      if (route.info.protocol < ASYNC_INFO_PROTOCOL) {
        route.close(CloseReason.RouteRemoved);
        continue;
      }
      route.sendLine(line);
      route.permissionsChanged(oldImport);
    }
  }

  /** A member says that there is another one. */
  #meetByGossip(info: LinkInfo): void {
    if (this.#routes.has(info.serverId)) return;
    const met = gossipedUrl(info, this.#settings);
    if (met.kind === "new") this.#dialler.connect({ url: met.url, isExplicit: false });
    else if (met.kind === "malformed") {
      this.#host.log("error", `Error parsing URL from INFO: ${quoted(info.ip)}`);
    }
  }

  #tellAll(line: string): void {
    for (const route of this.#routes.values()) route.sendLine(line);
  }
}

/** How to dial again goes over from a connection that is dropped to the one that stays. */
function inherit(kept: RouteLink, dropped: RouteLink): void {
  if (dropped.isSolicited && (!kept.isSolicited || (dropped.isExplicit && !kept.isExplicit))) {
    kept.url = dropped.url;
  }
  kept.isSolicited ||= dropped.isSolicited;
  kept.isExplicit ||= dropped.isExplicit;
}
