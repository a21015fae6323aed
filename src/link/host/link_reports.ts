/** What monitoring shows of the links of this shard: what their protocols know, and what their connections count. Cold. */
import { CloseReason } from "../../protocol/close_reason.ts";
import { tlsRecord } from "../../shard/client/peer_identity.ts";
import type { LinkShard } from "../../shard/links/link_host.ts";
import type {
  GatewayRecord,
  GatewaysRecord,
  LeafRecord,
  LinkAccounts,
  LinkCountByKind,
  LinkCounts,
  LinkRecord,
  LinkSubscription,
  LinkTraffic,
  RouteRecord,
} from "../../shard/links/link_records.ts";
import { connectionTraffic, withTraffic } from "../../shard/watch/account_counters.ts";
import type { LinkQuery, ShardQuery } from "../../shard/watch/shard_queries.ts";
import { byteStringOfText, textOf } from "../../subject/byte_string.ts";
import { isSubset } from "../../subject/subset.ts";
import { isLiteralText } from "../../subject/text.ts";
import type { Link, LinkKind } from "../core/link.ts";
import type { GatewayLinkStatus, GatewayStatusQuery } from "../gateway/gateway_status.ts";
import type { FailedLeaf, LeafReport } from "../leaf/leaf_report.ts";
import type { AccountTraffic } from "./account_traffic.ts";
import type { LinkConnections } from "./connections.ts";
import type { ShardFabric } from "./fabric.ts";
import type { HostLink } from "./host_link.ts";
import type { Protocols } from "./protocols.ts";
import type { LinkWishes } from "./wishes.ts";

const NS_PER_MS = 1e6;
const COUNTED_AS: Readonly<Record<LinkKind, keyof LinkCountByKind>> = {
  route: "routes",
  gateway: "gateways",
  leaf: "leafnodes",
};

const NO_TRAFFIC: LinkTraffic = { inMessages: 0, inBytes: 0, outMessages: 0, outBytes: 0 };

export class LinkReports {
  readonly #shard: LinkShard;
  readonly #connections: LinkConnections;
  readonly #wishes: LinkWishes;
  readonly #fabric: Pick<ShardFabric, "wanted">;
  readonly #traffic: AccountTraffic;
  readonly #slowConsumers = { routes: 0, gateways: 0, leafnodes: 0 };
  /** What leaf links that are over have counted, by account. */
  readonly #goneLeafs = new Map<string, LinkTraffic>();
  readonly #staleConnections = { routes: 0, gateways: 0, leafnodes: 0 };

  constructor(
    shard: LinkShard,
    connections: LinkConnections,
    wishes: LinkWishes,
    fabric: Pick<ShardFabric, "wanted">,
    traffic: AccountTraffic,
  ) {
    this.#shard = shard;
    this.#traffic = traffic;
    this.#connections = connections;
    this.#wishes = wishes;
    this.#fabric = fabric;
  }

  /** A link has missed a write deadline. Of those that a route misses one after the other the first counts alone. */
  noteSlow(kind: LinkKind, isAgain: boolean): void {
    if (kind !== "route" || !isAgain) this.#slowConsumers[COUNTED_AS[kind]]++;
  }

  /** A link is over: counts those that were silent for too long. */
  noteEnd(kind: LinkKind, reason: CloseReason): void {
    if (reason === CloseReason.StaleConnection) this.#staleConnections[COUNTED_AS[kind]]++;
  }

  /** A leaf link is over: what monitoring keeps of it. What it counted its account keeps. */
  noteLeafEnd(report: LeafReport): LeafRecord {
    const record = this.#leaf(report, true);
    const { account } = record;
    this.#goneLeafs.set(account, withTraffic(this.#goneLeafs.get(account) ?? NO_TRAFFIC, record));
    return record;
  }

  /** The same of a connection that never was a link. */
  failedLeaf({ id, verdict, ...leaf }: FailedLeaf): LeafRecord {
    return {
      ...this.#record(this.#connections.byId(id), 0),
      name: textOf(leaf.serverName),
      version: textOf(leaf.version),
      isSpoke: false,
      isSolicited: leaf.isSolicited,
      isIsolated: false,
      account: textOf(leaf.account),
      user: verdict?.user ?? "",
      compression: "",
      isWebSocket: leaf.isWebSocket,
      proxyKey: verdict?.proxyKey ?? "",
      subscriptionCount: 0,
      subscriptions: [],
    };
  }

  /** What is to be shown of the links as they are. */
  answer(query: LinkQuery, protocols: Protocols): unknown {
    switch (query.what) {
      case "links":
        return this.#counts(protocols);
      case "linkAccounts":
        return this.#accounts(protocols);
      case "routes":
        return this.#routes(protocols, query.subscriptions);
      case "gateways":
        return this.#gateways(protocols, query);
      case "leafs":
        return this.#leafs(protocols, query.account, query.subscriptions);
    }
  }

  /** Subscriptions of leaf nodes of this server, counted as those of clients are. */
  countSubscribers(
    links: Iterable<Link>,
    { account, subject, queue }: Extract<ShardQuery, { what: "subscribers" }>,
  ): number {
    const isLiteral = isLiteralText(subject);
    const pattern = byteStringOfText(subject);
    const wanted = queue === null ? null : byteStringOfText(queue);
    let count = 0;
    for (const link of links) {
      if (link.role !== "spoke" || link.account !== byteStringOfText(account)) continue;
      for (const wish of this.#wishes.list(link)) {
        if (wanted !== null && wish.queue !== wanted) continue;
        if (isLiteral ? isSubset(pattern, wish.subject) : isSubset(wish.subject, pattern)) count++;
      }
    }
    return count;
  }

  #counts({ routes, gateways, leafs }: Protocols): LinkCounts {
    return {
      routes: routes?.connections.length ?? 0,
      routePeers: routes?.members.length ?? 0,
      leafnodes: leafs?.count ?? 0,
      slowConsumers: { ...this.#slowConsumers },
      staleConnections: { ...this.#staleConnections },
      remoteGateways: (gateways?.remotes() ?? []).map(({ name, addresses }) => ({
        name: textOf(name),
        urls: addresses.map(textOf),
      })),
    };
  }

  #accounts({ leafs }: Protocols): LinkAccounts {
    const ofLeafs = new Map(this.#goneLeafs);
    const counts = new Map<string, number>();
    for (const { id, account } of leafs?.reports() ?? []) {
      const name = textOf(account);
      const counters = connectionTraffic(this.#shard.shared, this.#connections.byId(id).connection);
      ofLeafs.set(name, withTraffic(ofLeafs.get(name) ?? NO_TRAFFIC, counters));
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    return Object.fromEntries(
      Array.from(this.#shard.accounts.all(), ({ id, name }) => [
        name,
        {
          leafnodes: counts.get(name) ?? 0,
          byRoutes: this.#traffic.of(id, "route"),
          byGateways: this.#traffic.of(id, "gateway"),
          byLeafnodes: ofLeafs.get(name) ?? NO_TRAFFIC,
        },
      ]),
    );
  }

  #routes({ routes }: Protocols, listsSubscriptions: boolean): RouteRecord[] {
    return (routes?.reports() ?? []).map(({ connection, subscriptionCount, roundTripNs, ...report }) => {
      const host = connection as HostLink;
      const subscriptions = listsSubscriptions ? this.#subscriptionsOf(host) : [];
      return { ...report, ...this.#record(host, roundTripNs), subscriptionCount, subscriptions };
    });
  }

  #gateways({ gateways }: Protocols, query: GatewayStatusQuery): GatewaysRecord | null {
    if (gateways === null) return null;
    const { outbound, inbound, ...own } = gateways.status(query);
    const record = (link: GatewayLinkStatus) => this.#gateway(link);
    return { ...own, outbound: outbound.map(record), inbound: inbound.map(record) };
  }

  /** Of one account, or of all (""). */
  #leafs({ leafs }: Protocols, account: string, listsSubscriptions: boolean): LeafRecord[] {
    const reports = (leafs?.reports() ?? []).filter(
      (leaf) => account === "" || textOf(leaf.account) === account,
    );
    return reports.map((report) => this.#leaf(report, listsSubscriptions));
  }

  #leaf(report: LeafReport, listsSubscriptions: boolean): LeafRecord {
    const { isSpoke, isSolicited, isIsolated, compression, isWebSocket, subscriptionCount } = report;
    const account = textOf(report.account);
    const link = this.#connections.byId(report.id);
    const wishes = listsSubscriptions ? this.#wishes.list(link.registered!) : [];
    return {
      ...this.#record(link, Math.round(report.rttMs * NS_PER_MS)),
      name: textOf(report.serverName),
      version: textOf(report.version),
      isSpoke,
      isSolicited,
      isIsolated,
      account,
      user: report.login?.user ?? "",
      compression,
      isWebSocket,
      proxyKey: report.login?.proxyKey ?? "",
      subscriptionCount,
      subscriptions: wishes.map(({ subject, queue }) => ({
        account,
        subject: textOf(subject),
        queue: textOf(queue),
        sid: textOf(queue === "" ? subject : `${subject} ${queue}`),
      })),
    };
  }

  #gateway(link: GatewayLinkStatus): GatewayRecord {
    const { name, isConfigured, id, remoteId, roundTripNs, subscriptionCount, accounts } = link;
    const connection = this.#record(this.#connections.byId(id), roundTripNs);
    return { ...connection, name, isConfigured, remoteId, accounts, subscriptionCount, subscriptions: [] };
  }

  #record(
    { connection }: HostLink,
    roundTripNs: number,
  ): Omit<LinkRecord, "subscriptionCount" | "subscriptions"> {
    return {
      id: connection.clientId,
      ip: connection.ip,
      port: connection.port,
      startMs: connection.startMs,
      lastActivityMs: connection.lastActivityMs,
      roundTripNs,
      pendingBytes: this.#shard.outbound.pendingBytes(connection),
      ...connectionTraffic(this.#shard.shared, connection),
      tls: tlsRecord(connection),
    };
  }

  /** What the peer of a route wants, under the names that nats-server files it by. */
  #subscriptionsOf({ registered }: HostLink): LinkSubscription[] {
    if (registered === null) return [];
    return this.#fabric.wanted(registered).map(({ account: name, subject, queue, origin }) => {
      const account = textOf(name);
      const kind = origin === "" ? "R" : `L ${textOf(origin)}`;
      const names = { subject: textOf(subject), queue: textOf(queue) };
      const group = queue === "" ? "" : ` ${names.queue}`;
      const ofAccount = registered.account === null ? ` ${account}` : "";
      return { account, ...names, sid: `${kind}${ofAccount} ${names.subject}${group}` };
    });
  }
}
