/**
 * One connection to another server of the cluster, from its first byte to its last. Its owner (`route_mesh.ts`) knows
 * the other members of the cluster, and decides what happens after a route has ended.
 *
 *   accepted:  TLS → INFO sent → CONNECT → INFO → registered      or, after CONNECT or INFO, refused → closed
 *   dialled:   TLS → CONNECT sent → INFO → registered, INFO sent
 *
 * A route is registered by its INFO, never by CONNECT, because members open several connections under one name. The
 * side that dials says in its INFO which place of the pool the connection takes, or which account it is for. So it
 * waits for the other side's INFO first; a server without pools sends its own right after CONNECT. If both sides
 * compress, each sends INFO once more, in S2 (`core/compression.ts`), and the second one registers the route.
 *
 * Source: nats-server route.go; clusters.md 3.
 */
import { CloseReason } from "../../protocol/close_reason.ts";
import { textOf } from "../../subject/byte_string.ts";
import { LinkCompression } from "../core/compression.ts";
import { frameMessage } from "../core/frame_message.ts";
import { Heartbeat, linkPingIntervalMs } from "../core/heartbeat.ts";
import {
  ANY_CLUSTER,
  type InterestKey,
  type Link,
  type LinkConnection,
  type LinkLogLevel,
  type LinkMessage,
  type LinkPeer,
} from "../core/link.ts";
import { LinkChannel } from "../core/link_channel.ts";
import { AUTHENTICATION_TIMEOUT, authorizationFault, type LinkFault, violation } from "../core/link_fault.ts";
import {
  decodeLinkConnect,
  decodeLinkInfo,
  EMPTY_LINK_INFO,
  type LinkConnect,
  type LinkInfo,
  ownInfoLine,
  TRACE_PROTOCOL,
} from "../core/link_info.ts";
import type { LinkOperation } from "../core/operation.ts";
import type { OperationRules } from "../core/operation_parser.ts";
import { quoted } from "../core/quoted.ts";
import { isAddress } from "../core/url_parts.ts";
import type { ClusterName } from "./cluster_name.ts";
import { clusterNameFault, connectFault, duplicateNameFault } from "./connect_checks.ts";
import { routeConnectLine } from "./route_info.ts";
import { RouteInterest } from "./route_interest.ts";
import type { RouteOrigin, RouteOwner } from "./route_owner.ts";
import { peerFilter, type RouteFilter } from "./route_permissions.ts";
import type { RouteUrl } from "./route_url.ts";

export class RouteLink implements LinkPeer, Link {
  readonly kind = "route";
  readonly role = "both";
  readonly isIsolated = false;
  readonly connection: LinkConnection;

  // How to dial the route again. If a connection is a duplicate, the owner copies these to the connection that stays.
  url: RouteUrl | null;
  isSolicited: boolean;
  isExplicit: boolean;
  /**
   * Whether it is dialled again even if it was accepted, because both sides may have dropped the connection that the
   * other one kept.
   */
  isRetried = false;
  mayReconnect = true;
  /** Whether its handshake succeeded. */
  wasRegistered = false;

  /** The account it is dedicated to; null for a connection of the pool. An accepted connection learns it from INFO. */
  account: string | null;
  /** Its place in the pool, -1 before it has one, 0 if there is no pool. */
  poolIndex = -1;

  /** The peer's server id; "" until the peer has told it. */
  remoteId = "";
  /** The peer's last INFO about itself. */
  info: LinkInfo = EMPTY_LINK_INFO;

  readonly #owner: RouteOwner;
  readonly #origin: RouteOrigin;
  readonly #channel: LinkChannel;
  readonly #heartbeat: Heartbeat;
  readonly #compression: LinkCompression;
  /** Whether this side's INFO is sent only when the route is registered. */
  #sendsInfoLater = false;
  /** What to do at the next PONG. A PONG shows that the peer has let this connection in, and so will let in others. */
  #onPong = () => {};
  #state: "handshake" | "refused" | "registered" = "handshake";
  #rules: OperationRules;
  /** The CONNECT of a peer that connected to this server; null before it has come. */
  #login: LinkConnect | null = null;
  /** Whether the login is being judged, and whether the rules have changed since that began. */
  #judging: "no" | "yes" | "by old rules" = "no";
  /** Cancels the timer that ends the handshake: because CONNECT is overdue, or because a refusal is due. */
  #cancelTimer = () => {};
  /** Null until the route is registered. */
  #interest: RouteInterest | null = null;

  constructor(connection: LinkConnection, origin: RouteOrigin, owner: RouteOwner) {
    this.connection = connection;
    this.url = origin.url;
    this.isSolicited = origin.url !== null;
    this.isExplicit = origin.isExplicit;
    this.account = origin.account;
    this.#owner = owner;
    this.#origin = origin;
    const { controlLineBytesMax } = owner.settings;
    const { clock, log } = owner.host;
    const heartbeat = () => {
      const { intervalMs, pingsOutMax } = owner.settings.heartbeat;
      return { intervalMs: linkPingIntervalMs("route", intervalMs), pingsOutMax };
    };
    this.#channel = new LinkChannel("route", connection, log, () => this.#stop());
    this.#heartbeat = new Heartbeat(this.#channel, clock, heartbeat, (fault) => this.refuse(fault));
    this.#compression = new LinkCompression(connection, clock, () => owner.settings.compression);
    this.#rules = {
      kind: "route",
      controlLineBytesMax,
      payloadBytesMax: null,
      isOfOneAccount: origin.account !== null,
      unsubscribeHasOrigin: false,
      firstLetters: origin.url === null ? "c" : "",
    };
  }

  get rules(): OperationRules {
    return this.#rules;
  }

  get isDeaf(): boolean {
    return this.#state === "refused";
  }

  /** Whether this side opened the connection. */
  get wasDialled(): boolean {
    return this.#origin.url !== null;
  }

  /** Whether both sides have pools. If not, this is the only connection between them. */
  get isPooled(): boolean {
    return this.info.routePoolSize > 0 && this.#owner.accounts.poolSize > 0;
  }

  get cluster(): string {
    return this.info.cluster === "" ? this.#owner.cluster.name : this.info.cluster;
  }

  get takesHeaders(): boolean {
    return this.#owner.settings.headers && this.info.headers;
  }

  get serverName(): string {
    return this.info.serverName;
  }

  get tracesMessages(): boolean {
    return this.info.protocol >= TRACE_PROTOCOL;
  }

  get rttMs(): number {
    return this.#heartbeat.rttMs || this.#compression.estimatedRttMs;
  }

  get subscriptionCount(): number {
    return this.#owner.host.wantedCount(this);
  }

  /** The compression mode, as monitoring shows it. */
  get compression(): string {
    return this.#compression.mode;
  }

  begin(): void {
    if (this.#origin.isUnwanted) {
      this.close(CloseReason.RouteRemoved);
      return;
    }
    const { tlsTimeoutMs } = this.#owner.settings;
    if (tlsTimeoutMs === null) {
      this.#greet();
      return;
    }
    const options = { context: "cluster", timeoutMs: tlsTimeoutMs };
    const { url } = this.#origin;
    this.connection.startTls(
      url === null ? options : { ...options, serverName: this.#certificateName(url) },
      () => this.#greet(),
    );
  }

  take(operation: LinkOperation): void {
    if (this.#channel.isClosed || this.isDeaf) return;
    switch (operation.kind) {
      case "ping":
        this.#channel.send("PONG\r\n");
        break;
      case "pong": {
        this.#heartbeat.pong();
        this.#compression.measured(this.rttMs);
        const next = this.#onPong;
        this.#onPong = () => {};
        next();
        break;
      }
      case "connect":
        this.#connect(operation.json);
        break;
      case "info":
        this.#takeInfo(operation.json);
        break;
      case "error":
        this.#peerError(operation.text);
        break;
      case "subscribe":
      case "unsubscribe":
        this.#interest?.take(this.account === null ? operation : { ...operation, account: this.account });
        break;
      case "message":
        if (this.#state === "registered") this.#message(operation);
        break;
      case "ok":
      case "account":
        break;
    }
  }

  refuse(fault: LinkFault): void {
    this.#channel.refuse(fault);
  }

  close(reason: CloseReason): void {
    this.#channel.close(reason);
  }

  ended(reason: CloseReason): void {
    this.#channel.ended(reason);
    this.#owner.gone(this);
  }

  carries(account: string): boolean {
    if (this.account !== null || !this.isPooled) return this.account === null || account === this.account;
    return this.#owner.accounts.indexOf(account) === this.poolIndex;
  }

  carrierOf(account: string): Link {
    return this.carries(account) ? this : (this.#owner.routeTo(this.remoteId, account) ?? this);
  }

  announce(key: InterestKey, weight: number): void {
    this.#interest?.announce(key, weight);
  }

  get takesAllPlain(): boolean {
    return this.#interest?.takesAllPlain ?? false;
  }

  announcePlain(account: string, subjects: readonly string[]): void {
    this.#interest?.announcePlain(account, subjects);
  }

  maySend(): boolean {
    return true;
  }

  messagePrefix(account: string, subject: string, origin: string): string {
    const verb = this.#namesOrigin(origin) ? `LMSG ${origin}` : "RMSG";
    return this.account === null ? `${verb} ${account} ${subject} ` : `${verb} ${subject} `;
  }

  sendMessage(message: LinkMessage, queues: readonly string[]): boolean {
    if (this.#state !== "registered" || this.#channel.isClosed) return false;
    const { account, subject, origin } = message;
    const form = { hasOrigin: this.#namesOrigin(origin), takesHeaders: this.takesHeaders };
    const prefix = this.messagePrefix(account, subject, origin);
    this.#channel.send(frameMessage(prefix, message, queues, form));
    this.connection.countSent?.(account, message.content.bytes.length);
    return true;
  }

  /**
   * An account goes by another connection from now on. Forgets what the peer wants of it, as the peer does on its side.
   */
  forgetAccount(account: string): void {
    this.#interest?.forgetAccount(account);
    this.#owner.host.reassigned(this, account);
  }

  /** An account goes by this connection from now on. */
  tellAccount(account: string): void {
    this.#interest?.inBurst(() => this.#owner.host.reassigned(this, account));
  }

  /** Sends a line that is not part of the handshake: interest, gossip, news of this server. */
  sendLine(line: string | Uint8Array): void {
    if (this.#state === "registered") this.#channel.send(line);
  }

  /** This server's permissions have changed; `oldImport` is the previous filter. */
  permissionsChanged(oldImport: RouteFilter): void {
    this.#interest?.permissionsChanged(oldImport);
  }

  /** The rules for who may connect have changed. Ends a connection that this side accepted and would not accept now. */
  judgeAgain(): void {
    const login = this.#login;
    if (login === null || this.isSolicited || this.#state === "refused") return;
    if (this.#judging !== "no") {
      this.#judging = "by old rules";
      return;
    }
    this.#judge(login, true, (isAuthorized) => {
      if (isAuthorized) return;
      this.mayReconnect = false;
      this.refuse(authorizationFault(login.user));
    });
  }

  /** This server's compression settings have changed. Closes a connection whose ends have to agree on them again. */
  compressionChanged(): void {
    if (!this.#compression.reconsider()) this.close(CloseReason.ClientClosed);
  }

  /** The peer has told new permissions. */
  adoptPermissions(info: LinkInfo): void {
    const before = peerFilter(this.info.export);
    this.info = { ...this.info, import: info.import, export: info.export };
    this.#interest?.peerPermissionsChanged(before, peerFilter(info.export));
  }

  log(level: LinkLogLevel, text: string): void {
    this.#channel.say(level, text);
  }

  #greet(): void {
    if (this.#channel.isClosed) return;
    this.log("info", "Route connection created");
    if (this.#compression.isWanted) this.#heartbeat.watch();
    else this.#heartbeat.start();
    const { settings, cluster, accounts } = this.#owner;
    const { url } = this.#origin;
    if (url !== null) this.#channel.send(routeConnectLine(settings, cluster, url));
    this.#sendsInfoLater = url !== null && (accounts.poolSize > 0 || this.#compression.isWanted);
    if (!this.#sendsInfoLater) this.#sendInfo();
    const { credentials } = settings;
    if (url !== null || credentials === null) return;
    this.#cancelTimer = this.#owner.host.clock.after(credentials.timeoutMs, () => {
      this.refuse(AUTHENTICATION_TIMEOUT);
    });
  }

  /** Sends this server's INFO, with the place of the connection if this side dialled. */
  #sendInfo(): void {
    const { account, poolIndex } = this;
    const place = this.wasDialled
      ? { routePoolIndex: Math.max(poolIndex, 0), routeAccount: account ?? "" }
      : {};
    const compression = this.#compression.modeInInfo;
    this.#channel.send(ownInfoLine({ ...this.#owner.ownInfo(), ...place, compression }));
  }

  #certificateName({ host }: RouteUrl): string {
    return isAddress(host) ? this.#owner.tlsServerName() || host : host;
  }

  #connect(json: string): void {
    // Only the side that dials sends CONNECT.
    if (this.#origin.url !== null) return;
    this.#cancelTimer();
    this.#rules = { ...this.#rules, firstLetters: "" };
    const read = decodeLinkConnect(json);
    if (!read.ok) {
      this.refuse(violation(read.problem));
      return;
    }
    const connect = read.values;
    this.#login = connect;
    this.#judge(connect, false, (isAuthorized) => {
      if (isAuthorized) this.#welcome(connect);
      else this.#refuseLater(authorizationFault(connect.user));
    });
  }

  #judge(login: LinkConnect, isAgain: boolean, conclude: (isAuthorized: boolean) => void): void {
    this.#judging = "yes";
    this.#owner.host.judge(this.connection, login, isAgain, ({ isAuthorized, log }) => {
      const isOutdated = this.#judging === "by old rules";
      this.#judging = "no";
      if (this.#channel.isClosed) return;
      if (log !== null) this.log(log.level, log.text);
      if (isOutdated) this.#judge(login, isAgain, conclude);
      else conclude(isAuthorized);
    });
  }

  /** The login is accepted. Checks whether the peer is a route, and of this cluster. */
  #welcome(connect: LinkConnect): void {
    const { cluster } = this.#owner;
    const fault = connectFault(connect);
    if (fault !== null) {
      this.refuse(fault);
      return;
    }
    if (this.remoteId === "") this.remoteId = connect.name;
    switch (cluster.meet(connect.cluster, connect.isClusterDynamic, true)) {
      case "same":
        break;
      case "adopted":
        this.#owner.clusterAdopted(connect.name);
        break;
      case "conflict":
        this.refuse(clusterNameFault(connect.cluster, cluster.name));
        break;
    }
  }

  /**
   * Refuses, after a second, a peer whose next attempt will be no different. If refused at once, nats-server dials a
   * route that it knows by gossip ten times a second, and 2.15 dials a member without pools, which it has registered by
   * then, 2,000 times a second.
   */
  #refuseLater(fault: LinkFault): void {
    this.#state = "refused";
    this.#cancelTimer = this.#owner.host.clock.after(REFUSAL_MS, () => this.refuse(fault));
  }

  #takeInfo(json: string): void {
    const read = decodeLinkInfo(json);
    if (!read.ok) {
      this.refuse(violation(read.problem));
      return;
    }
    const info = withImplied(read.values);
    const { settings, cluster } = this.#owner;
    if (textOf(info.serverId) === settings.serverId) {
      this.remoteId = info.serverId;
      this.close(CloseReason.DuplicateRoute);
      return;
    }
    if (info.cluster !== "" && !this.#isOfCluster(info, cluster)) {
      this.close(CloseReason.ClusterNameConflict);
      return;
    }
    if (this.#state === "registered") this.#owner.update(this, info);
    else this.#register(info);
  }

  #isOfCluster(info: LinkInfo, cluster: ClusterName): boolean {
    if (info.cluster === ANY_CLUSTER) return false;
    const meeting = cluster.meet(info.cluster, info.isClusterDynamic, false);
    if (meeting === "adopted") this.#owner.clusterAdopted(info.serverId);
    return meeting !== "conflict";
  }

  #register(info: LinkInfo): void {
    if (this.#origin.url === null && textOf(info.serverName) === this.#owner.settings.serverName) {
      this.#refuseLater(duplicateNameFault(info.serverName));
      return;
    }
    if (!this.#compression.isSettled && !this.#settleCompression(info)) return;
    const account = this.wasDialled ? this.account : info.routeAccount || null;
    this.account = account;
    this.info = { ...info, routeAccount: account ?? "" };
    this.#channel.serverName = info.serverName;
    this.remoteId = info.serverId;
    this.#rules = {
      ...this.#rules,
      isOfOneAccount: account !== null,
      unsubscribeHasOrigin: info.lnocu,
    };
    const admission = this.#owner.admit(this);
    switch (admission.kind) {
      case "admitted":
        this.#enter(admission.isFirst);
        break;
      case "duplicate":
        this.log("debug", `Detected duplicate remote route ${quoted(info.serverId)}`);
        this.close(CloseReason.DuplicateRoute);
        break;
      case "surplus":
        this.log("debug", `Route pool size reached, closing extra connection to ${quoted(info.serverId)}`);
        this.close(CloseReason.DuplicateRoute);
        break;
      case "refused":
        this.refuse(admission.fault);
        break;
    }
  }

  /** Returns false if the peer is going to send INFO once more, compressed, or is refused. */
  #settleCompression({ compression }: LinkInfo): boolean {
    const outcome = this.#compression.settle(compression, this.wasDialled, () => this.#sendInfo());
    if (outcome.kind === "refused") this.refuse(outcome.fault);
    else if (!this.#channel.isClosed) this.#heartbeat.start();
    return outcome.kind === "clear";
  }

  /** The route has its place. This side tells its INFO, if it is still due, and its interest. */
  #enter(isFirst: boolean): void {
    this.#state = "registered";
    this.wasRegistered = true;
    const { account } = this;
    const ofAccount = account === null ? "" : ` for account ${quoted(account)}`;
    this.log("debug", `Registering remote route ${quoted(this.remoteId)}${ofAccount}`);
    if (this.#sendsInfoLater) this.#sendInfo();
    const interest = new RouteInterest(this, this.#owner);
    this.#interest = interest;
    this.#owner.entered(this, isFirst);
    interest.inBurst(() => this.#owner.host.events.joined(this));
    if (!this.#owner.isIncomplete(this)) return;
    this.#onPong = () => this.#owner.complete(this);
    this.#heartbeat.ping();
  }

  #message(operation: Extract<LinkOperation, { kind: "message" }>): void {
    const { origin, subject, reply, queues, content } = operation;
    const account = this.account ?? operation.account;
    this.#owner.host.events.message(this, { account, origin, subject, reply, content }, queues);
  }

  #peerError(text: string): void {
    const isUsual = this.#state === "handshake" && text.startsWith("Not possible to have a dedicated route");
    this.log(isUsual ? "debug" : "error", `Route Error '${textOf(text)}'`);
    this.close(CloseReason.ParseError);
  }

  #namesOrigin(origin: string): boolean {
    return origin !== "" && this.info.lnoc;
  }

  #stop(): void {
    this.#heartbeat.stop();
    this.#cancelTimer();
  }
}

const REFUSAL_MS = 1000;

/** A peer that knows the newest form of leaf nodes' interest knows the older ones. */
function withImplied(info: LinkInfo): LinkInfo {
  return info.ln ? { ...info, lnoc: true, lnocu: true } : info;
}
