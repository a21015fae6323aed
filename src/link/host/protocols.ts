/** The protocols of a server's links, created as its setup asks, and the connections between them. */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import type { ServerKind } from "../../auth/login.ts";
import { newNuid } from "../../base/nuid.ts";
import type { LinkAuthorization } from "../../config/authorization.ts";
import type { TlsOptions } from "../../config/tls.ts";
import type { LinksNews, LinksSetup } from "../../shard/links/links_setup.ts";
import { byteStringOfText, textOf } from "../../subject/byte_string.ts";
import type { InterestLedger } from "../core/ledger.ts";
import type {
  InterestKey,
  Link,
  LinkClock,
  LinkConnection,
  LinkDialer,
  LinkEvents,
  LinkKind,
  LinkLog,
  LinkPeer,
} from "../core/link.ts";
import type { JudgeServer } from "../core/server_login.ts";
import { GatewayGroup } from "../gateway/gateway_group.ts";
import { nameHash } from "../gateway/name_hash.ts";
import type { LeafWebSocket } from "../leaf/leaf_channel.ts";
import type { LeafAccount, LeafLogins, LeafNotices } from "../leaf/leaf_context.ts";
import { LeafNodes } from "../leaf/leaf_nodes.ts";
import type { RouteLink } from "../route/route_link.ts";
import { RouteMesh } from "../route/route_mesh.ts";
import { certificateVerdict } from "./certificates.ts";
import type { HostLink } from "./host_link.ts";
import type { ServerLogins } from "./link_logins.ts";
import { gatewaySettings, leafOptions, leafUrl, routeSettings } from "./settings.ts";

/** 11 random bytes, 15 characters. Source: nats-server `generateNonce`. */
const NONCE_BYTES = 11;

export interface ProtocolsHost {
  readonly clock: LinkClock;
  readonly dialer: LinkDialer;
  readonly log: LinkLog;
  readonly events: LinkEvents;
  readonly ledger: InterestLedger;
  readonly logins: LeafLogins & ServerLogins;
  readonly notices: LeafNotices;
  /** Whether there is an account with this name. */
  hasAccount(name: string): boolean;
  account(name: string): LeafAccount | undefined;
  /** The interest that `events.interest` was told of a link's peer; whether `key` is among it; and its number. */
  wanted(link: Link): readonly InterestKey[];
  isWanted(link: Link, key: InterestKey): boolean;
  wantedCount(link: Link): number;
  tell(news: LinksNews): void;
}

/** What a block says about servers that connect; `urls` are those of the servers that it names. */
interface ServerBlock {
  readonly authorization: LinkAuthorization | undefined;
  readonly tls: TlsOptions | undefined;
  readonly urls: readonly string[];
}

export class Protocols {
  readonly routes: RouteMesh | null;
  readonly gateways: GatewayGroup | null;
  #leafs: LeafNodes | null;
  #setup: LinksSetup;
  readonly #host: ProtocolsHost;
  /** A cache, because every mapped reply that comes over a gateway needs these hashes. */
  readonly #memberHashes = new WeakMap<RouteLink, string>();
  #clusterName: string;
  /** The leaf URLs of the cluster's other members. */
  #leafUrls: readonly string[] = [];
  #webSocketUrls: readonly string[] = [];

  constructor(setup: LinksSetup, host: ProtocolsHost) {
    this.#setup = setup;
    this.#host = host;
    const { cluster, gateway, leafnodes } = setup;
    this.routes = cluster === null ? null : this.#createRoutes(cluster);
    this.#clusterName = this.routes?.cluster.name ?? byteStringOfText(setup.clusterName);
    this.gateways = gateway === null ? null : this.#createGateways(gateway);
    this.#leafs = leafnodes === null ? null : this.#createLeafs(leafnodes);
  }

  /** Null until there are leaf nodes or hubs; a reload may bring the first hub. */
  get leafs(): LeafNodes | null {
    return this.#leafs;
  }

  /** Logs who this server is, and dials. */
  start(): void {
    if (this.routes?.cluster.isDynamic) {
      this.#host.tell({ type: "clusterName", name: textOf(this.routes.cluster.name) });
    }
    const { leafnodes, isLameDuck } = this.#setup;
    if (isLameDuck) this.enterLameDuck();
    this.gateways?.start();
    this.routes?.start();
    if (leafnodes !== null) this.leafs?.setRemotes(leafnodes.options.remotes);
  }

  /** The protocol for a connection that a listener took. */
  accept(kind: LinkKind, connection: LinkConnection, webSocket: LeafWebSocket | null): LinkPeer {
    switch (kind) {
      case "route":
        return this.routes!.accept(connection);
      case "gateway":
        return this.gateways!.accept(connection);
      case "leaf":
        return this.leafs!.accept(connection, webSocket);
    }
  }

  /** The route for an account to the member of the cluster whose id has this hash. */
  routeTo(serverHash: string, account: string): Link | undefined {
    const member = this.routes?.members.find((route) => this.#hashOf(route) === serverHash);
    return member?.carrierOf(account);
  }

  #hashOf(member: RouteLink): string {
    return this.#memberHashes.getOrInsertComputed(member, ({ remoteId }) => nameHash(remoteId));
  }

  enterLameDuck(): void {
    this.routes?.enterLameDuck();
    this.leafs?.enterLameDuck();
  }

  stop(): void {
    this.gateways?.stop();
    this.routes?.stop();
    this.leafs?.closeAll();
  }

  /** Applies a changed configuration, without closing any link that may stay. */
  reload(setup: LinksSetup): void {
    const before = this.#setup;
    this.#setup = setup;
    const { cluster, gateway, leafnodes } = setup;
    if (cluster !== null) this.routes?.reload(routeSettings(setup, cluster));
    else if (setup.clusterName !== before.clusterName && setup.clusterName !== "") {
      this.#host.log("info", `Cluster name updated to ${setup.clusterName}`);
      this.#rename(byteStringOfText(setup.clusterName));
    }
    // Comparing a password with its hash is expensive, so it is not done at every reload.
    if (JSON.stringify(before.cluster) !== JSON.stringify(cluster)) this.routes?.judgeAgain();
    if (gateway !== null) this.gateways?.reload(gatewaySettings(setup, gateway));
    if (leafnodes === null) {
      this.#leafs?.setRemotes([]);
      return;
    }
    this.#leafs ??= this.#createLeafs(leafnodes);
    this.#leafs.setOptions(leafOptions(setup, leafnodes));
    this.#leafs.setRemotes(leafnodes.options.remotes);
  }

  #rename(name: string): void {
    this.#clusterName = name;
    this.#host.tell({ type: "clusterName", name: textOf(name) });
    this.leafs?.reconnectRemotes();
  }

  #createRoutes(cluster: NonNullable<LinksSetup["cluster"]>): RouteMesh {
    const { clock, dialer, log, events, ledger, tell, hasAccount, wanted, wantedCount } = this.#host;
    return new RouteMesh(routeSettings(this.#setup, cluster), newNuid(), {
      clock,
      dialer,
      log,
      events,
      hasAccount: (name) => hasAccount(name) || this.#setup.isOperatorMode,
      judge: this.#judge("route", () => {
        const { options } = this.#setup.cluster ?? cluster;
        return { ...options, urls: options.routes };
      }),
      announced: (link) => ledger.announcedTo(link),
      wanted,
      wantedCount,
      reassigned: (link, account) => ledger.reassign(link, account),
      clusterRenamed: (name) => this.#rename(name),
      gatewayLines: () => this.gateways?.infoForRoute() ?? "",
      gatewayGossip: (info) => {
        this.gateways?.takeRouteInfo(info, "");
        return this.gateways !== null;
      },
      clientUrlsChanged: (urls) => tell({ type: "clientUrls", listener: "client", urls }),
      webSocketUrlsChanged: (urls) => {
        this.#webSocketUrls = urls;
        tell({ type: "clientUrls", listener: "websocket", urls });
      },
      gatewayUrlsChanged: (urls) => this.gateways?.memberUrlsChanged(urls),
      leafNodeUrlsChanged: (urls) => {
        this.#leafUrls = urls;
        this.leafs?.tellUrls();
      },
    });
  }

  #createGateways(gateway: NonNullable<LinksSetup["gateway"]>): GatewayGroup {
    const { clock, dialer, log, events } = this.#host;
    return new GatewayGroup(gatewaySettings(this.#setup, gateway), {
      clock,
      dialer,
      log,
      events,
      judge: this.#judge("gateway", () => {
        const { options } = this.#setup.gateway ?? gateway;
        return { ...options, urls: options.gateways.flatMap((remote) => remote.urls) };
      }),
      isMemberName: (name) => (this.routes?.members ?? []).some(({ info }) => info.serverName === name),
      tellRoutes: (line) => {
        for (const route of this.routes?.members ?? []) route.sendLine(line);
      },
      clustersChanged: (names) => this.#host.tell({ type: "otherClusters", names: names.map(textOf) }),
    });
  }

  /** Judges servers by `block`, which returns the current configuration. */
  #judge(kind: ServerKind, block: () => ServerBlock): JudgeServer {
    return (connection, login, isAgain, answer) => {
      const { authorization, tls, urls } = block();
      const verdict = certificateVerdict(connection, tls, authorization?.user ?? "", urls);
      if (verdict !== null) {
        if (verdict.isAuthorized) (connection as HostLink).trust();
        answer(verdict);
      } else {
        this.#host.logins.judgeServer(kind, connection, login, isAgain, (isAuthorized) =>
          answer({ isAuthorized, log: null }),
        );
      }
    };
  }

  #createLeafs(leafnodes: NonNullable<LinksSetup["leafnodes"]>): LeafNodes {
    const { clock, dialer, log, events, logins, notices, account, wanted, isWanted, wantedCount } =
      this.#host;
    const own = leafUrl(this.#setup);
    return new LeafNodes(
      {
        options: leafOptions(this.#setup, leafnodes),
        clusterName: () => this.#clusterName,
        leafUrls: () => (own === "" ? this.#leafUrls : [own, ...this.#leafUrls]),
        webSocketUrls: () => this.#webSocketUrls,
        account,
        logins,
        events,
        wanted,
        isWanted,
        wantedCount,
        notices,
        readFile: (path) => readFileSync(path, "utf8"),
        newNonce: () => randomBytes(NONCE_BYTES).toString("base64url"),
        wallMs: Date.now,
        clock,
        log,
      },
      dialer,
    );
  }
}
