/**
 * The links of a server, put together: the protocols of routes, gateways and leaf nodes on the sockets of the links shard,
 * their interest in its index, their messages in its rings.
 */
import type { ClientInfo } from "../../account/client_info.ts";
import { encodeRemoteLatency } from "../../account/latency.ts";
import { remoteLatencySubject } from "../../account/reply_subject.ts";
import type { AccountTerms } from "../../auth/account_terms.ts";
import type { Verdict } from "../../auth/login.ts";
import type { Collected } from "../../fabric/collected.ts";
import { FABRIC_SLOT, type HeldMessage } from "../../fabric/held_message.ts";
import type { LinkListenerKind } from "../../fabric/listeners.ts";
import type { Delivery } from "../../fabric/message_record.ts";
import { CONTEXT_ACCOUNTS, MESSAGE_LINE_BYTES_MAX } from "../../memory/layout.ts";
import type { CloseReason } from "../../protocol/close_reason.ts";
import type { Dialler } from "../../runtime/dialling.ts";
import type { StreamSource } from "../../runtime/poller.ts";
import { isEveryAddress } from "../../runtime/posix/socket_address.ts";
import type { S2Layer } from "../../runtime/s2/s2_layer.ts";
import type { WebSocketLayer } from "../../runtime/websocket/websocket_layer.ts";
import type { Connection } from "../../shard/connection.ts";
import type { HandedLeaf } from "../../shard/links/handed_leaf.ts";
import type { LinkHost, LinkShard, WriteLimits } from "../../shard/links/link_host.ts";
import type { LinksSetup } from "../../shard/links/links_setup.ts";
import type { LinkControl } from "../../shard/shard_messages.ts";
import { TIMER_LINKS } from "../../shard/timers.ts";
import type { LinkQuery, ShardQuery } from "../../shard/watch/shard_queries.ts";
import { byteStringOf, byteStringOfText, textOf } from "../../subject/byte_string.ts";
import type { InterestKey, Link, LinkEvents, LinkKind, LinkMessage } from "../core/link.ts";
import { LinkCore } from "../core/link_core.ts";
import { GatewayReplies } from "../gateway/gateway_replies.ts";
import { ReplyAddress } from "../gateway/reply_mapping.ts";
import { AccountNames } from "./account_names.ts";
import { AccountTraffic } from "./account_traffic.ts";
import { AwaitedAccounts } from "./awaited_accounts.ts";
import { LinkConnections } from "./connections.ts";
import { ShardFabric } from "./fabric.ts";
import { HostNames } from "./host_names.ts";
import { KnownAccounts } from "./known_accounts.ts";
import { LeafEvents } from "./leaf_events.ts";
import { LeafImports } from "./leaf_imports.ts";
import { ShardLinkLogins } from "./link_logins.ts";
import { LinkReports } from "./link_reports.ts";
import { LinkTlsContexts } from "./link_tls.ts";
import { LocalWishes } from "./local_wishes.ts";
import { MeasuredRequests } from "./measured_requests.ts";
import { LinkPlanRules } from "./plan_rules.ts";
import { Protocols } from "./protocols.ts";
import { Receiving } from "./receiving.ts";
import { Registration } from "./registration.ts";
import { SharedReplies } from "./shared_replies.ts";
import { LinkTimers } from "./timers.ts";
import { TracedArrivals } from "./traced_arrivals.ts";
import { LinkWishes } from "./wishes.ts";

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
  /** And its compression. */
  readonly compression: S2Layer;
}

/** What there is once main has told what to be. */
interface Running {
  /** As of the last reload. */
  setup: LinksSetup;
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
  readonly #accounts: KnownAccounts;
  readonly #names: AccountNames;
  readonly #tlsContexts: LinkTlsContexts;
  readonly #wishes: LinkWishes;
  readonly #connections: LinkConnections;
  readonly #receiving: Receiving;
  readonly #reports: LinkReports;
  readonly #measuredRequests = new MeasuredRequests();
  readonly #traced: TracedArrivals;
  readonly #awaited: AwaitedAccounts;
  readonly #logins: ShardLinkLogins;
  readonly #registration: Registration;
  readonly #fabric: ShardFabric;
  readonly #replies: SharedReplies;
  #running: Running | null = null;
  /** Sockets that came before the setup. */
  #early: (() => void)[] = [];

  constructor(shard: LinkShard, dependencies: LinkHostDependencies) {
    this.#shard = shard;
    this.#dependencies = dependencies;
    this.#timers = new LinkTimers(
      () => performance.now(),
      (dueMs) => shard.timers.set(TIMER_LINKS, dueMs),
    );
    this.#hostNames = new HostNames((host) => shard.report({ type: "resolve", host }));
    this.#accounts = new KnownAccounts(shard);
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
      compression: dependencies.compression,
      tlsContexts: this.#tlsContexts,
      clock: this.#timers,
      log,
      resolve: (host, done) => this.#hostNames.resolve(host, done),
      isOwn: (kind, ip, port) => this.#isOwn(kind, ip, port),
      accepted: (kind, connection, webSocket) => this.#running!.protocols.accept(kind, connection, webSocket),
    });
    this.#receiving = new Receiving(shard, this.#names);
    this.#traced = new TracedArrivals(shard);
    this.#awaited = new AwaitedAccounts(this.#timers, (account) =>
      shard.report({ type: "links", news: { type: "accountAwaited", account: textOf(account) } }),
    );
    this.#logins = new ShardLinkLogins(shard);
    this.#registration = new Registration(shard);
    this.#replies = new SharedReplies(shard, this.#timers);
    this.#fabric = new ShardFabric(shard, this.#wishes, this.#replies, log);
    this.#reports = new LinkReports(shard, this.#connections, this.#wishes, this.#fabric, traffic);
    this.#fabric.onRequest = (account, reply) =>
      this.#measuredRequests.note(textOf(account), textOf(reply), shard.wallMs());
    this.plans = new LinkPlanRules({
      shard,
      wishes: this.#wishes,
      core: () => this.#running?.core ?? null,
      traffic,
      linkOfSlot: (slot) => this.#connections.ofSlot(slot),
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

  collected(connection: Connection): Collected | null {
    return this.#connections.of(connection).collected;
  }

  labelOf(connection: Connection): string {
    return this.#connections.of(connection).label;
  }

  /** Unless the configuration has it otherwise, a link that takes anything at all stays. */
  writeLimits(connection: Connection): WriteLimits {
    const setup = this.#running?.setup;
    const options = setup && blockOf(setup, this.#connections.of(connection).kind)?.options;
    const deadlineMs = options?.writeDeadlineMs ?? 0;
    return {
      deadlineMs: deadlineMs > 0 ? deadlineMs : this.#shard.options.writeDeadlineMs,
      isRetried: options?.writeTimeout !== "close",
    };
  }

  noteSlow(connection: Connection): void {
    this.#reports.noteSlow(this.#connections.of(connection).kind, connection.isSlow);
  }

  ended(connection: Connection): void {
    this.#logins.forget(connection.slot);
    const { kind } = this.#connections.of(connection);
    this.#reports.noteEnd(kind, connection.closeReason as CloseReason);
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

  takeMessage({ message, isPlain, goesBack, queues }: Delivery): number {
    const carried = this.#carried(message);
    if (carried === null) return 0;
    const named = Array.from(queues, (queueId) => byteStringOf(this.#shard.index.queueNameOf(queueId)));
    const { core } = this.#running!;
    return goesBack ? core.answer(carried) : core.fromHere(carried, isPlain, named);
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
    for (const link of this.#running.core.links) this.#registration.limit(link);
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
            this.#running.core.leafsMayCome((link) => this.#fabric.weighedWishes(link));
          this.#running.setup = message.setup;
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
    return this.#running === null ? null : this.#reports.answer(query, this.#running.protocols);
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

  endSurplus(id: number): void {
    this.#running?.protocols.leafs?.endSurplus(id);
  }

  kick(id: number): boolean {
    return this.#running?.protocols.leafs?.kick(id) ?? false;
  }

  wrote(connection: Connection): void {
    this.#connections.of(connection).noteActivity();
  }

  // What protocols tell.

  joined(link: Link): void {
    this.#registration.join(link);
    // Plans say which kinds of links there are.
    this.#shard.plans.forgetAll();
    this.#running!.core.joined(link);
  }

  left(link: Link): void {
    this.#registration.leave(link);
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
    if (this.#waitsForAccount(link, message)) {
      // Nothing else is collected where its bytes are.
      this.#shard.outbound.payloads.hold(message.content.bytes);
      this.#awaited.hold({ link, message, queues });
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
      notices: new LeafEvents(shard, this.#connections, this.#reports),
      hasAccount: (name) => shard.accounts.byByteName(name) !== undefined,
      account: (name) => this.#accounts.leafAccount(name),
      wanted: (link) => this.#fabric.wanted(link),
      isWanted: (link, key) => this.#fabric.isWanted(link, key),
      wantedCount: (link) => this.#fabric.wantedCount(link),
      tell: (news) => shard.report({ type: "links", news }),
    });
    const local = new LocalWishes(shard.index, shard.node, shard.accounts, core);
    this.#fabric.local = local;
    const leafImports = new LeafImports(shard.accounts, core);
    this.#running = { setup, core, protocols, local, leafImports };
    this.#accountsChanged(this.#running);
    local.start();
    protocols.start();
    for (const accept of this.#early.splice(0)) accept();
  }

  /**
   * Accounts were defined anew, or some of them. The order matters: what leaf links ask for last, what their accounts always
   * want, has in it the answers that announceReplies() has found to be waited for.
   */
  #accountsChanged({ core, protocols, local, leafImports }: Running): void {
    const known = this.#accounts;
    this.#names.forgetAll();
    const { come, gone, changed } = known.refresh();
    for (const { byteName } of come) protocols.gateways?.accountKnown(byteName);
    for (const { byteName } of gone) {
      protocols.gateways?.accountGone(byteName);
      protocols.leafs?.expel(byteName);
    }
    for (const link of core.links) this.#registration.refresh(link);
    const answered = known.announceReplies(core);
    this.#fabric.accountsChanged();
    local.accountsChanged(new Set([...changed, ...gone].map(({ id }) => id)));
    const names = new Set(changed.map(({ byteName }) => byteName));
    for (const link of core.links)
      if (link.role === "spoke" && names.has(link.account!))
        leafImports.refresh(link, this.#wishes.list(link));
    for (const name of names.union(new Set(answered))) protocols.leafs?.refreshAccount(name);
    for (const { byteName } of come) {
      for (const { link, message, queues } of this.#awaited.take(byteName))
        if (core.links.has(link)) this.message(link, message, queues);
    }
  }

  /** Whether a message of another cluster is wanted here, in an account that is to be found first. */
  #waitsForAccount({ kind }: Link, { account, subject }: LinkMessage): boolean {
    if (kind !== "gateway" || !this.#running!.setup.isOperatorMode) return false;
    // A reply says where it goes.
    return this.#fabric.isAwaited(account) && !subject.startsWith("_GR_.");
  }

  #carried(message: HeldMessage): LinkMessage | null {
    const account = this.#accounts.nameOf(message.context & (CONTEXT_ACCOUNTS - 1));
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
    const block = setup && blockOf(setup, kind);
    if (block == null || block.port !== port) return false;
    const { host } = block.options;
    return isEveryAddress(host) ? setup!.ownAddresses.includes(ip) : ip === host;
  }
}

/** What the configuration says of links of that kind; null where it says nothing. */
function blockOf({ cluster, gateway, leafnodes }: LinksSetup, kind: LinkKind) {
  return kind === "route" ? cluster : kind === "gateway" ? gateway : leafnodes;
}

/** Whoever sends by WebSocket may put all that it has to say into one compressed message, which is many of ours. */
function messageBytesMax(payloadBytesMax: number): number {
  return Math.min(payloadBytesMax * MESSAGES_PER_FRAME, FRAME_BYTES_MAX);
}
