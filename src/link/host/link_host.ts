/**
 * The links of a server, put together: the protocols of routes, gateways and leaf nodes on the sockets of the links shard,
 * their interest in its index, their messages in its rings.
 */
import type { ClientInfo } from "../../account/client_info.ts";
import { encodeRemoteLatency } from "../../account/latency.ts";
import { remoteLatencySubject } from "../../account/reply_subject.ts";
import type { AccountTerms } from "../../auth/account_terms.ts";
import type { Verdict } from "../../auth/login.ts";
import { FABRIC_SLOT, type HeldMessage } from "../../fabric/held_message.ts";
import type { LinkListenerKind } from "../../fabric/listeners.ts";
import type { Delivery } from "../../fabric/message_record.ts";
import {
  CONNECTION_ACCOUNT,
  CONNECTION_CONTEXT,
  CONNECTION_FLAGS,
  CONNECTION_HAS_NO_ECHO,
  CONNECTION_IS_GATEWAY,
  CONNECTION_IS_LINK,
  CONNECTION_IS_ROUTE,
  CONNECTION_PAYLOAD_MAX,
  CONNECTION_TAKES_HEADERS,
  CONTEXT_ACCOUNTS,
  CONTEXT_FROM_GATEWAY,
  CONTEXT_FROM_ROUTE,
  MESSAGE_LINE_BYTES_MAX,
} from "../../memory/layout.ts";
import { accountWord, leafnodesElsewhereWord } from "../../memory/map.ts";
import { type CloseReason as CloseReasonType, closeReasonEntry } from "../../protocol/close_reason.ts";
import type { Dialler } from "../../runtime/dialling.ts";
import type { StreamSource } from "../../runtime/poller.ts";
import type { WebSocketLayer } from "../../runtime/websocket/websocket_layer.ts";
import type { Connection } from "../../shard/connection.ts";
import type { HandedLeaf } from "../../shard/links/handed_leaf.ts";
import type { LinkHost, LinkShard } from "../../shard/links/link_host.ts";
import type { LinksNews, LinksSetup } from "../../shard/links/links_setup.ts";
import type { LinkControl, LinkQuery, ShardQuery } from "../../shard/shard_options.ts";
import { TIMER_LINKS } from "../../shard/timers.ts";
import { byteStringOf, byteStringOfText, textOf } from "../../subject/byte_string.ts";
import type { InterestKey, Link, LinkEvents, LinkKind, LinkMessage } from "../core/link.ts";
import { LinkCore } from "../core/link_core.ts";
import { GatewayReplies } from "../gateway/gateway_replies.ts";
import { ReplyAddress } from "../gateway/reply_mapping.ts";
import type { LeafAccount, LeafNotices } from "../leaf/leaf_context.ts";
import type { LeafReport } from "../leaf/leaf_report.ts";
import { AccountNames } from "./account_names.ts";
import { AccountTraffic } from "./account_traffic.ts";
import { type HostLink, LinkConnections } from "./connections.ts";
import { ShardFabric } from "./fabric.ts";
import { HostNames } from "./host_names.ts";
import { leafInfoOf, refusedInfo, requestorOf } from "./leaf_client_info.ts";
import { LeafImports } from "./leaf_imports.ts";
import { ShardLeafLogins } from "./leaf_logins.ts";
import { LinkReports } from "./link_reports.ts";
import { LinkTlsContexts } from "./link_tls.ts";
import { LocalWishes } from "./local_wishes.ts";
import { MeasuredRequests } from "./measured_requests.ts";
import { CONTEXT_FROM_LEAF, LinkPlanRules } from "./plan_rules.ts";
import { Protocols } from "./protocols.ts";
import { Receiving } from "./receiving.ts";
import { SharedReplies } from "./shared_replies.ts";
import { LinkTimers } from "./timers.ts";
import { TracedArrivals } from "./traced_arrivals.ts";
import { LinkWishes } from "./wishes.ts";

const NO_LIMIT = 0x7fffffff;
/** Messages of the largest size that a frame of another server may inflate to, and bytes in any case. */
const MESSAGES_PER_FRAME = 8;
const FRAME_BYTES_MAX = 64 * 1024 * 1024;
const KINDS: Readonly<Record<LinkListenerKind, LinkKind>> = {
  cluster: "route",
  gateway: "gateway",
  leafnodes: "leaf",
};

/** What the links shard's worker gives its links. */
export interface LinkHostDependencies {
  readonly dialler: Dialler;
  /** The framing of the shard's poller. */
  readonly frames: WebSocketLayer;
}

/** What there is once main has told what to be. */
interface Running {
  readonly setup: LinksSetup;
  readonly core: LinkCore;
  readonly protocols: Protocols;
  readonly local: LocalWishes;
  readonly leafImports: LeafImports;
}

export class ShardLinks implements LinkHost, LinkEvents {
  readonly plans: LinkPlanRules;
  readonly #shard: LinkShard;
  readonly #dependencies: LinkHostDependencies;
  readonly #timers: LinkTimers;
  readonly #hostNames: HostNames;
  readonly #names: AccountNames;
  readonly #tlsContexts: LinkTlsContexts;
  readonly #wishes: LinkWishes;
  readonly #connections: LinkConnections;
  readonly #receiving: Receiving;
  readonly #reports: LinkReports;
  readonly #measuredRequests = new MeasuredRequests();
  readonly #traced: TracedArrivals;
  readonly #logins: ShardLeafLogins;
  readonly #fabric: ShardFabric;
  readonly #replies: SharedReplies;
  #running: Running | null = null;
  /** Sockets that came before the setup. */
  #early: (() => void)[] = [];
  /** Accounts that are known, as links call them, by id. */
  #accounts: ReadonlyMap<number, string> = new Map();
  /** Answers to services that are waited for, as interest of the accounts that offer them. */
  #serviceReplies: ReadonlyMap<string, InterestKey> = new Map();

  constructor(shard: LinkShard, dependencies: LinkHostDependencies) {
    this.#shard = shard;
    this.#dependencies = dependencies;
    this.#timers = new LinkTimers(
      () => performance.now(),
      (dueMs) => shard.timers.set(TIMER_LINKS, dueMs),
    );
    this.#hostNames = new HostNames((host) => shard.report({ type: "resolve", host }));
    this.#names = new AccountNames(shard);
    this.#tlsContexts = new LinkTlsContexts(shard.tls!);
    this.#wishes = new LinkWishes(shard);
    const log = shard.log.bind(shard);
    const traffic = new AccountTraffic(shard);
    this.#connections = new LinkConnections({
      shard,
      traffic,
      wishes: this.#wishes,
      hasRoutesOnly: () => this.#running?.core.hasRoutesOnly ?? false,
      dialler: dependencies.dialler,
      tls: shard.tls!,
      frames: dependencies.frames,
      tlsContexts: this.#tlsContexts,
      clock: this.#timers,
      log,
      resolve: (host, done) => this.#hostNames.resolve(host, done),
      isOwn: (kind, ip, port) => this.#isOwn(kind, ip, port),
      accepted: (kind, connection, webSocket) => this.#running!.protocols.accept(kind, connection, webSocket),
    });
    this.#reports = new LinkReports(shard, this.#connections, this.#wishes, traffic);
    this.#receiving = new Receiving(shard, this.#names);
    this.#traced = new TracedArrivals(shard, (link) => hostOf(link).label);
    this.#logins = new ShardLeafLogins(shard);
    this.#replies = new SharedReplies(shard, this.#timers);
    this.#fabric = new ShardFabric(
      shard,
      this.#wishes,
      this.#replies,
      (link) => hostOf(link).connection,
      log,
    );
    this.#fabric.onRequest = (account, reply) =>
      this.#measuredRequests.note(textOf(account), textOf(reply), shard.wallMs());
    this.plans = new LinkPlanRules({
      shard,
      wishes: this.#wishes,
      core: () => this.#running?.core ?? null,
      traffic,
      linkOfSlot: (slot) => this.#connections.ofSlot(slot),
      addressOf: (link) => hostOf(link).connection.address,
      isMapped: (account, subject) => this.#replies.recall(account, subject) !== undefined,
      gatewayTo: (hash) => this.#running?.protocols.gateways?.outboundTo(hash),
    });
  }

  // What the shard asks of its links.

  accept(kind: LinkListenerKind, source: StreamSource, ip: string, port: number): void {
    if (this.#running === null) this.#early.push(() => this.accept(kind, source, ip, port));
    else this.#connections.accept(KINDS[kind], source, ip, port);
  }

  acceptHanded(leaf: HandedLeaf): void {
    if (this.#running === null) this.#early.push(() => this.acceptHanded(leaf));
    else this.#connections.acceptHanded(leaf);
  }

  proceed(connection: Connection): boolean {
    return this.#connections.proceed(connection);
  }

  receive(connection: Connection, start: number, end: number): number {
    const link = this.#connections.of(connection);
    this.#replies.tick();
    const rest = this.#receiving.receive(link, start, end);
    this.#replies.sweepLater();
    link.noteActivity();
    return rest;
  }

  labelOf(connection: Connection): string {
    return this.#connections.of(connection).label;
  }

  ended(connection: Connection): void {
    this.#logins.forget(connection.slot);
    const { kind } = this.#connections.of(connection);
    this.#reports.noteEnd(kind, connection.closeReason as CloseReasonType);
    this.#connections.ended(connection);
  }

  answer(connection: Connection, verdict: Verdict): void {
    this.#logins.answer(connection.slot, connection.clientId, verdict);
  }

  peerChecked(connection: Connection, isValid: boolean): void {
    this.#connections.peerChecked(connection, isValid);
  }

  publish(message: HeldMessage): number {
    const carried = this.#carried(message);
    if (carried === null) return 0;
    const cause = message.origin === FABRIC_SLOT ? null : this.#connections.ofSlot(message.origin).registered;
    return this.#running!.core.publish(carried, cause);
  }

  takeMessage({ message, isPlain, queues }: Delivery): number {
    const carried = this.#carried(message);
    if (carried === null) return 0;
    const named = Array.from(queues, (queueId) => byteStringOf(this.#shard.index.queueNameOf(queueId)));
    return this.#running!.core.fromHere(carried, isPlain, named);
  }

  announce(): void {
    this.#replies.tick();
    this.#running?.local.read();
  }

  get hasNews(): boolean {
    return this.#running?.local.hasNews ?? false;
  }

  onTimer(): void {
    this.#timers.fire();
  }

  refresh(terms: readonly AccountTerms[]): void {
    this.#logins.refresh();
    if (this.#running === null) return;
    this.#accountsChanged(this.#running);
    this.#running.protocols.leafs?.applyTerms(terms);
  }

  control(message: LinkControl): void {
    switch (message.what) {
      case "start":
        for (const problem of this.#tlsContexts.configure(message.setup.tls))
          this.#shard.log("error", problem);
        this.#closeUnpinned();
        this.#dependencies.frames.messageBytesMax = messageBytesMax(message.setup.maxPayloadBytes);
        if (this.#running === null) this.#start(message.setup);
        else {
          if (message.setup.leafnodes !== null)
            this.#running.core.leafsMayCome((link) => this.#wishesOf(link));
          this.#running.protocols.reload(message.setup);
        }
        break;
      case "addresses":
        this.#hostNames.answer(message.host, message.addresses, message.problem);
        break;
      case "limitLeafs":
        this.#running?.protocols.leafs?.limit(byteStringOfText(message.account));
        break;
      case "lameDuck":
        this.#running?.protocols.enterLameDuck();
        break;
      case "closeLeafs":
        this.#running?.protocols.leafs?.closeAll();
        break;
    }
  }

  stop(): void {
    this.#running?.protocols.stop();
  }

  #closeUnpinned(): void {
    const count = this.#connections.closeUnpinned();
    if (count > 0) this.#shard.log("info", `Disconnect ${count} clients due to pinned certs reload`);
  }

  query(query: LinkQuery): unknown {
    if (this.#running === null) return null;
    const { protocols } = this.#running;
    switch (query.what) {
      case "links":
        return this.#reports.counts(protocols);
      case "linkAccounts":
        return this.#reports.accounts(protocols);
      case "routes":
        return this.#reports.routes(protocols, query.subscriptions);
      case "gateways":
        return this.#reports.gateways(protocols, query);
      case "leafs":
        return this.#reports.leafs(protocols, query.account, query.subscriptions);
    }
  }

  countSubscribers(query: Extract<ShardQuery, { what: "subscribers" }>): number {
    return this.#running === null ? 0 : this.#reports.countSubscribers(this.#running.core.links, query);
  }

  responds(reply: string, responder: ClientInfo): void {
    const latency = this.#measuredRequests.respond(reply, responder, this.#shard.wallMs());
    const subject = remoteLatencySubject(reply);
    if (latency !== null && subject !== null)
      this.#shard.publishSystem(subject, encodeRemoteLatency(latency));
  }

  kick(id: number): boolean {
    return this.#running?.protocols.leafs?.kick(id) ?? false;
  }

  wrote(connection: Connection): void {
    this.#connections.of(connection).noteActivity();
  }

  // What protocols tell.

  joined(link: Link): void {
    this.#register(link);
    // Plans say which kinds of links there are.
    this.#shard.plans.forgetAll();
    this.#running!.core.joined(link);
  }

  left(link: Link): void {
    const { connection } = hostOf(link);
    hostOf(link).registered = null;
    if (link.kind === "leaf") this.#leaveAccount(connection);
    this.#shard.plans.forgetAll();
    this.#running!.leafImports.forget(link);
    this.#running!.core.left(link);
  }

  interest(link: Link, key: InterestKey, weight: number): void {
    const { core, leafImports } = this.#running!;
    if (link.role === "spoke") leafImports.set(link, key, weight);
    core.interest(link, key, weight);
  }

  message(link: Link, message: LinkMessage, queues: readonly string[]): void {
    const { subject, reply } = message;
    // Records, plans and outboxes are laid out for the lines of clients.
    if (subject.length + reply.length > MESSAGE_LINE_BYTES_MAX) {
      const length = `${subject.length + reply.length} bytes`;
      this.#shard.log("error", `Dropped a message of a ${link.kind}: its subject and reply have ${length}`);
      return;
    }
    const begun = this.#traced.begin(link, message);
    if (begun === null) return;
    this.#running!.core.message(link, begun, queues);
    this.#shard.tracing.end(begun.trace ?? null);
  }

  changed(link: Link): void {
    // Plans say as well what may come over a leaf link.
    if (link.kind === "leaf") this.#shard.plans.forgetAll();
    this.#running!.core.changed(link);
  }

  // Within.

  #start(setup: LinksSetup): void {
    const shard = this.#shard;
    const clock = this.#timers;
    const clusterName = byteStringOfText(setup.gateway?.options.name ?? "");
    const address =
      setup.gateway === null ? null : new ReplyAddress(clusterName, byteStringOfText(setup.serverId));
    if (address !== null) this.#replies.prefix = address.prefix;
    const replies = new GatewayReplies(address, {
      wasSubscribedLately: (account, reply) => core.recent.covers(account, reply),
      routeTo: (hash, account) => protocols.routeTo(hash, account),
      gatewayTo: (hash) => protocols.gateways?.outboundTo(hash),
      memory: this.#replies,
    });
    const has = { gateways: setup.gateway !== null, leafs: setup.leafnodes !== null };
    const core: LinkCore = new LinkCore(this.#fabric, clock, replies, has);
    const protocols = new Protocols(setup, {
      clock,
      dialer: this.#connections,
      log: shard.log.bind(shard),
      events: this,
      ledger: core.ledger,
      logins: this.#logins,
      notices: this.#notices(),
      hasAccount: (name) => shard.accounts.byByteName(name) !== undefined,
      account: (name) => this.#leafAccount(name),
      wanted: (link) => this.#fabric.wanted(link),
      wantedCount: (link) => this.#wishes.countOf(link),
      tell: (news) => this.#tell(news),
    });
    const local = new LocalWishes(shard.index, shard.node, shard.accounts, core);
    this.#fabric.local = local;
    this.#fabric.mayLoadAccounts = setup.isOperatorMode;
    const leafImports = new LeafImports(shard.accounts, core);
    this.#running = { setup, core, protocols, local, leafImports };
    this.#accountsChanged(this.#running);
    local.start();
    protocols.start();
    for (const accept of this.#early.splice(0)) accept();
  }

  /** Tells the engine what it may do with the bytes of a link, and shows monitoring whose it is. */
  #register(link: Link): void {
    const { words } = this.#shard.shared;
    const host = hostOf(link);
    const { connection } = host;
    host.registered = link;
    let flags = CONNECTION_IS_LINK | CONNECTION_HAS_NO_ECHO;
    if (link.takesHeaders) flags |= CONNECTION_TAKES_HEADERS;
    if (link.kind === "gateway") flags |= CONNECTION_IS_GATEWAY;
    if (link.kind === "route") flags |= CONNECTION_IS_ROUTE;
    else if (link.kind === "leaf") this.#enterAccount(connection, link.account!);
    words[(connection.address + CONNECTION_FLAGS) >> 2]! |= flags;
    this.#setContext(link);
    words[(connection.address + CONNECTION_PAYLOAD_MAX) >> 2] = host.peer.rules.payloadBytesMax ?? NO_LIMIT;
  }

  /** Says how messages of a link are looked up, and of which account they are where they do not name it. */
  #setContext(link: Link): void {
    const host = hostOf(link);
    const { address, slot } = host.connection;
    let context = CONTEXT_FROM_LEAF | slot;
    if (link.kind === "gateway") context = CONTEXT_FROM_GATEWAY;
    else if (link.kind === "route") {
      const account = link.account === null ? undefined : this.#shard.accounts.byByteName(link.account);
      host.isOfUnknownAccount = link.account !== null && account === undefined;
      context = CONTEXT_FROM_ROUTE | (account?.id ?? 0);
    }
    this.#shard.shared.words[(address + CONNECTION_CONTEXT) >> 2] = context;
  }

  #enterAccount(connection: Connection, name: string): void {
    const { accounts, contexts } = this.#shard;
    connection.account = accounts.byByteName(name) ?? accounts.global;
    // What a leaf node may do its protocol says; accounts do the same to its messages as to clients'.
    connection.context = contexts.take(connection.account, null);
    this.#count(connection, connection.account.id);
  }

  #leaveAccount(connection: Connection): void {
    this.#shard.contexts.release(connection.context);
    this.#count(connection, 0);
  }

  /** Counts a leaf link as a connection of an account, 0 for none any more. */
  #count(connection: Connection, account: number): void {
    const { words, map } = this.#shard.shared;
    if (connection.countedIn !== 0) Atomics.sub(words, accountWord(map, connection.countedIn), 1);
    connection.countedIn = account;
    words[(connection.address + CONNECTION_ACCOUNT) >> 2] = account;
    if (account !== 0) Atomics.add(words, accountWord(map, account), 1);
  }

  #accountsChanged({ core, protocols, local, leafImports }: Running): void {
    const { accounts } = this.#shard;
    this.#names.forgetAll();
    const before = this.#accounts;
    const now = new Map<number, string>();
    for (const { id, byteName } of accounts.all()) now.set(id, byteName);
    this.#accounts = now;
    for (const [id, name] of now) if (!before.has(id)) protocols.gateways?.accountKnown(name);
    for (const [id, name] of before) {
      if (now.has(id)) continue;
      protocols.gateways?.accountGone(name);
      protocols.leafs?.expel(name);
    }
    for (const link of core.links) {
      // Leaf links are in one account each, whose definition they go by.
      const { connection } = hostOf(link);
      if (link.kind === "leaf")
        connection.account = accounts.byId(connection.account.id) ?? connection.account;
      else this.#setContext(link);
    }
    this.#announceServiceReplies(core);
    this.#fabric.accountsChanged();
    local.accountsChanged();
    for (const link of core.links)
      if (link.role === "spoke") leafImports.refresh(link, this.#wishes.list(link));
    for (const name of now.values()) {
      protocols.leafs?.refreshAccount(name);
      protocols.leafs?.limit(name);
    }
  }

  /** Answers to requests of this server's accounts come from wherever the service is. */
  #announceServiceReplies(core: LinkCore): void {
    const { accounts } = this.#shard;
    const replies = new Map<string, InterestKey>();
    for (const { definition } of accounts.all()) {
      for (const { exporter } of definition.serviceImports) {
        const account = this.#accounts.get(exporter);
        if (account === undefined) continue;
        replies.set(account, { account, subject: this.#shard.replyPattern(exporter), queue: "", origin: "" });
      }
    }
    for (const [account, key] of this.#serviceReplies)
      if (!replies.has(account)) core.wantsHere("answers", key, 0);
    for (const key of replies.values()) core.wantsHere("answers", key, 1);
    this.#serviceReplies = replies;
  }

  *#wishesOf(link: Link): Iterable<readonly [InterestKey, number]> {
    for (const { account: id, subject, queue, origin, weight } of this.#wishes.list(link)) {
      const account = this.#accounts.get(id);
      if (account !== undefined) yield [{ account, subject, queue, origin }, weight];
    }
  }

  #leafAccount(name: string): LeafAccount | undefined {
    const account = this.#shard.accounts.byByteName(name);
    if (account === undefined) return undefined;
    const { definition } = account;
    const { limits, serviceImports, mappings } = definition;
    const { words, map } = this.#shard.shared;
    const wanted = [...serviceImports.map(({ local }) => local), ...mappings.map(({ source }) => source)];
    const answers = this.#serviceReplies.get(name);
    return {
      label: definition.name,
      isSystem: definition.isSystem,
      leafsMax: limits.maxLeafnodes,
      leafsElsewhere: Atomics.load(words, leafnodesElsewhereWord(map, account.id)),
      payloadBytesMax: limits.maxPayloadBytes,
      subscriptionsMax: limits.maxSubscriptions,
      alwaysWanted: [...wanted.map(byteStringOfText), ...(answers === undefined ? [] : [answers.subject])],
    };
  }

  #carried(message: HeldMessage): LinkMessage | null {
    const account = this.#accounts.get(message.context & (CONTEXT_ACCOUNTS - 1));
    if (account === undefined) return null;
    return {
      account,
      origin: "",
      subject: byteStringOf(message.subject),
      reply: message.replyText,
      content: { bytes: message.bytes.subarray(0, -2), headerBytes: Math.max(message.headerLength, 0) },
      ...(message.trace === null ? {} : { trace: message.trace }),
    };
  }

  #isOwn(kind: LinkKind, ip: string, port: number): boolean {
    const setup = this.#running?.setup;
    const block = kind === "route" ? setup?.cluster : kind === "gateway" ? setup?.gateway : setup?.leafnodes;
    if (block == null || block.port !== port) return false;
    const { host } = block.options;
    const isEvery = host === "" || host === "0.0.0.0" || host === "::";
    return isEvery ? setup!.ownAddresses.includes(ip) : ip === host;
  }

  #notices(): LeafNotices {
    return {
      opened: (report, announces) => {
        const { connection } = this.#connections.byId(report.id);
        connection.leafDetails = requestorOf(report, connection.startMs);
        this.#tell({ type: "leafOpened", leaf: this.#infoOf(report), announces });
      },
      closed: (report, reason) => {
        const record = this.#reports.leaf(report, true);
        this.#reports.noteLeafEnd(record);
        const { text } = closeReasonEntry(reason);
        const leaf = { ...this.#infoOf(report), stoppedAtMs: this.#shard.wallMs() };
        this.#tell({ type: "leafClosed", leaf, record, reason: text });
      },
      refused: (connection, { user, eventReason }, { name, version }) => {
        const { startMs } = (connection as HostLink).connection;
        const leaf = refusedInfo(connection, { user, name, version, startedAtMs: startMs });
        this.#tell({ type: "leafRefused", leaf, reason: eventReason });
      },
      accountConnected: (account) => this.#tell({ type: "leafConnected", account: textOf(account) }),
    };
  }

  #infoOf(report: LeafReport): ClientInfo {
    const { startMs, account } = this.#connections.byId(report.id).connection;
    return leafInfoOf(report, startMs, account.definition.nameTag ?? account.name);
  }

  #tell(news: LinksNews): void {
    this.#shard.report({ type: "links", news });
  }
}

/** Whoever sends by WebSocket may put all that it has to say into one compressed message, which is many of ours. */
function messageBytesMax(payloadBytesMax: number): number {
  return Math.min(payloadBytesMax * MESSAGES_PER_FRAME, FRAME_BYTES_MAX);
}

/** The socket of a link of this shard. */
function hostOf(link: Link): HostLink {
  return link.connection as HostLink;
}
