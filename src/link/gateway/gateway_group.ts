import { CloseReason } from "../../protocol/close_reason.ts";
import { textOf } from "../../subject/byte_string.ts";
import type { LinkConnection, LinkPeer, LinkTls } from "../core/link.ts";
import type { LinkInfo } from "../core/link_info.ts";
import { quoted } from "../core/quoted.ts";
import {
  GATEWAY_COMMAND,
  gossipToGateway,
  gossipToRoute,
  ownGatewayInfo,
  ownGatewayUrl,
} from "./gateway_info.ts";
import type { GatewayHooks, GatewaySettings, RemoteSettings } from "./gateway_settings.ts";
import type { GatewayGroupStatus, GatewayStatusQuery } from "./gateway_status.ts";
import type { GatewayUrl } from "./gateway_url.ts";
import { InboundGateway, type InboundHost } from "./inbound_gateway.ts";
import { OutboundGateway, type OutboundHost } from "./outbound_gateway.ts";
import { RemoteGateway, type RemoteGatewayHost } from "./remote_gateway.ts";

/**
 * The pause before remote clusters are dialled. It lets this cluster form first, so that the servers that are dialled
 * learn of all its gateways.
 */
const SOLICIT_DELAY_MS = 1000;

/**
 * All gateways of a server: one outbound connection to each other cluster, all inbound connections that those open, and
 * what clusters tell each other about their addresses. Source: nats-server srvGateway, processImplicitGateway,
 * forwardNewGatewayToLocalCluster.
 */
export class GatewayGroup implements InboundHost, OutboundHost, RemoteGatewayHost {
  #settings: GatewaySettings;
  readonly hooks: GatewayHooks;
  /** The TLS settings of inbound connections; null without TLS. */
  inboundTls: LinkTls | null;
  /** The gateway URLs of this cluster's members, this server's own first. */
  #clusterUrls: readonly string[];
  readonly #remotes = new Map<string, RemoteGateway>();
  /** Includes unregistered connections. */
  readonly #inbounds = new Set<InboundGateway>();
  /** By cluster. */
  readonly #outbounds = new Map<string, OutboundGateway>();
  /** The clusters that `clustersChanged` was last told of. */
  #toldClusters: readonly string[] = [];
  /** The accounts of this server. */
  readonly accounts: Set<string> = new Set();
  #isStopped = false;
  #cancelStart = () => {};

  constructor(settings: GatewaySettings, hooks: GatewayHooks) {
    this.#settings = settings;
    this.hooks = hooks;
    this.inboundTls = settings.tls;
    this.#clusterUrls = [ownGatewayUrl(settings)];
    for (const remote of settings.remotes) {
      // A remote with this cluster's own name only appears in reports.
      if (remote.name !== settings.name) this.#addRemote(remote, false);
    }
  }

  /** Logs this gateway's name and address, and dials the configured clusters a second later. */
  start(): void {
    const { name, isAdvertised } = this.settings;
    const url = ownGatewayUrl(this.settings);
    this.hooks.log("info", `Gateway name is ${textOf(name)}`);
    const address = isAdvertised
      ? `Advertise address for gateway ${quoted(name)} is set to ${url}`
      : `Address for gateway ${quoted(name)} is ${url}`;
    this.hooks.log("info", address);
    this.#cancelStart = this.hooks.clock.after(SOLICIT_DELAY_MS, () => {
      for (const remote of this.#remotes.values()) if (!remote.isImplicit) remote.solicit();
    });
  }

  /** Stops dialling. The caller closes the connections. */
  stop(): void {
    this.#isStopped = true;
    this.#cancelStart();
    for (const remote of this.#remotes.values()) remote.stop();
  }

  /** The protocol for a connection to the gateway port. */
  accept(connection: LinkConnection): InboundGateway {
    const inbound = new InboundGateway(this, connection);
    this.#inbounds.add(inbound);
    return inbound;
  }

  get settings(): GatewaySettings {
    return this.#settings;
  }

  /**
   * Applies a changed configuration: new connections use its TLS, all connections its ping intervals. The remotes must
   * be the same as before.
   */
  reload(settings: GatewaySettings): void {
    const { tls, remotes } = settings;
    this.#settings = settings;
    this.inboundTls = tls;
    for (const remote of this.#remotes.values()) {
      const configured = remotes.find(({ name }) => name === remote.name);
      remote.tls = configured === undefined ? tls : configured.tls;
    }
  }

  // ── accounts ──────────────────────────────────────────────────────────────────────────────────

  /**
   * This server has the account: its interest is told to inbound gateways, and outbound ones may be sent its messages.
   */
  accountKnown(account: string): void {
    if (this.accounts.has(account)) return;
    this.accounts.add(account);
    for (const inbound of this.#inbounds) inbound.accountKnown(account);
    for (const outbound of this.#outbounds.values()) outbound.accountKnown(account);
  }

  /** This server no longer has the account. */
  accountGone(account: string): void {
    if (!this.accounts.delete(account)) return;
    for (const outbound of this.#outbounds.values()) outbound.accountGone(account);
  }

  // ── messages ──────────────────────────────────────────────────────────────────────────────────

  /** The outbound connections, nearest first; those not measured yet come before all others. */
  outbounds(): OutboundGateway[] {
    return [...this.#outbounds.values()].sort((a, b) => a.rttMs - b.rttMs);
  }

  /** The connection to the cluster with that hash; undefined if there is none now. */
  outboundTo(clusterHash: string): OutboundGateway | undefined {
    for (const outbound of this.#outbounds.values()) {
      if (outbound.remote.hash === clusterHash) return outbound;
    }
    return undefined;
  }

  // ── the cluster ───────────────────────────────────────────────────────────────────────────────

  /** Takes the current `gateway_url`s of the members that routes lead to. */
  memberUrlsChanged(urls: readonly string[]): void {
    const all = [...new Set([ownGatewayUrl(this.settings), ...urls])];
    const before = this.#clusterUrls;
    if (all.length === before.length && all.every((url) => before.includes(url))) return;
    this.#clusterUrls = all;
    for (const inbound of this.#inbounds) inbound.sendInfo();
  }

  /** The lines that tell a new route of the clusters that this server is connected to. */
  infoForRoute(): string {
    return this.outbounds()
      .filter(({ remote }) => remote.addresses.length > 0)
      .map(({ remote }) => gossipToRoute(this.settings.serverId, "", remote.name, remote.addresses))
      .join("");
  }

  /** Takes an INFO with `gateway` that came over a route. */
  takeRouteInfo(info: LinkInfo, routeServerId: string): void {
    if (info.gatewayCommand === GATEWAY_COMMAND.gossip) this.#discovered(info.gateway, info.gatewayUrls);
    else this.hooks.log("error", `Unknown command ${info.gatewayCommand} from server ${routeServerId}`);
  }

  // ── reports ───────────────────────────────────────────────────────────────────────────────────

  status(query: GatewayStatusQuery): GatewayGroupStatus {
    const { name, host, port } = this.settings;
    return {
      name: textOf(name),
      host,
      port,
      outbound: this.outbounds().map((link) => link.status(!link.remote.isImplicit, query)),
      inbound: this.#registeredInbounds().map((link) => link.status(false, query)),
    };
  }

  /** All known clusters, configured and discovered, with their current addresses. */
  remotes(): { readonly name: string; readonly addresses: readonly string[] }[] {
    return Array.from(this.#remotes.values(), ({ name, addresses }) => ({ name, addresses }));
  }

  // ── what connections and remotes ask for ──────────────────────────────────────────────────────

  ownInfo(): string {
    return ownGatewayInfo(this.settings, this.#clusterUrls, this.inboundTls !== null);
  }

  isDuplicateName(serverName: string): boolean {
    return serverName === this.settings.serverName || this.hooks.isMemberName(serverName);
  }

  isRejected(cluster: string): boolean {
    return this.settings.rejectsUnknown && !this.#remotes.has(cluster);
  }

  inboundRegistered(cluster: string, urls: readonly string[]): string {
    this.#discovered(cluster, urls);
    return Array.from(this.#remotes.values())
      .filter(({ name, addresses }) => name !== cluster && addresses.length > 0)
      .map(({ name, addresses }) => gossipToGateway(this.settings.serverId, name, addresses))
      .join("");
  }

  inboundEnded(link: InboundGateway): void {
    this.#inbounds.delete(link);
  }

  outboundRegistered(link: OutboundGateway): boolean {
    if (this.#outbounds.has(link.remote.name)) return false;
    this.#outbounds.set(link.remote.name, link);
    this.#tellClusters();
    return true;
  }

  outboundMeasured(): void {
    this.#tellClusters();
  }

  remoteInfo({ remote }: OutboundGateway, urls: readonly string[]): void {
    if (urls.length > 0) remote.replaceUrls(urls);
    const { serverId, serverName } = this.settings;
    this.hooks.tellRoutes(gossipToRoute(serverId, serverName, remote.name, urls));
  }

  gossiped(cluster: string, urls: readonly string[]): void {
    if (!this.isRejected(cluster)) this.#discovered(cluster, urls);
  }

  outboundEnded(link: OutboundGateway): void {
    if (this.#outbounds.get(link.remote.name) === link) this.#outbounds.delete(link.remote.name);
    this.#tellClusters();
  }

  #tellClusters(): void {
    const names = this.outbounds().map(({ remote }) => remote.name);
    if (
      names.length === this.#toldClusters.length &&
      names.every((name, i) => name === this.#toldClusters[i])
    )
      return;
    this.#toldClusters = names;
    this.hooks.clustersChanged(names);
  }

  connected(remote: RemoteGateway, url: GatewayUrl, connection: LinkConnection): LinkPeer {
    const link = new OutboundGateway(this, connection, remote, url);
    if (this.#isStopped) link.close(CloseReason.ServerShutdown);
    return link;
  }

  hasInbound(cluster: string): boolean {
    return this.#registeredInbounds().some((inbound) => inbound.cluster === cluster);
  }

  gaveUp(remote: RemoteGateway): void {
    this.#remotes.delete(remote.name);
  }

  // ── within ────────────────────────────────────────────────────────────────────────────────────

  /** Somebody told of a cluster. Dials it if it is new, else adds its URLs. */
  #discovered(name: string, urls: readonly string[]): void {
    if (name === this.settings.name || this.#isStopped) return;
    const known = this.#remotes.get(name);
    if (known !== undefined) {
      known.addUrls(urls);
      return;
    }
    const remote = this.#addRemote({ name, urls, tls: this.inboundTls }, true);
    if (remote.addresses.length === 0) this.#remotes.delete(name);
    else remote.solicit();
  }

  #addRemote(remote: RemoteSettings, isImplicit: boolean): RemoteGateway {
    const added = new RemoteGateway({ ...remote, isImplicit }, this);
    this.#remotes.set(remote.name, added);
    return added;
  }

  #registeredInbounds(): InboundGateway[] {
    return [...this.#inbounds].filter(({ cluster }) => cluster !== "");
  }
}
