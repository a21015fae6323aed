/**
 * The sockets of the links shard as links see them: accepted or dialled, secured where the protocol says so, and given
 * their bytes.
 *
 *   dialled ─▶ CONNECTING (─▶ TUNNEL) ─▶ OPEN ⇄ SECURING (─▶ PEER_CHECK)      accepted ─▶ OPEN
 */
import {
  AREA_IN_MESSAGES,
  AREA_OUT_MESSAGES,
  CONNECTION_IN_MESSAGES,
  CONNECTION_OUT_MESSAGES,
  LINK_COUNTERS_IN,
  LINK_COUNTERS_OUT,
} from "../../memory/layout.ts";
import { countMessage } from "../../memory/shared_memory.ts";
import type { CloseReason as CloseReasonType } from "../../protocol/close_reason.ts";
import { CloseReason } from "../../protocol/close_reason.ts";
import type { PayloadTraceOptions } from "../../protocol/trace.ts";
import { CONNECT_FAILED, CONNECTED, type Dialler, dialErrorText } from "../../runtime/dialling.ts";
import { type StreamSource, WOULD_BLOCK } from "../../runtime/poller.ts";
import { hostPortText } from "../../runtime/posix/socket_address.ts";
import type { S2Effort, S2Layer } from "../../runtime/s2/s2_layer.ts";
import { S2_BETTER, S2_BLOCK_BYTES_MAX, S2_FAST, S2_STORED } from "../../runtime/s2/s2_region.ts";
import type { TlsLayer } from "../../runtime/tls.ts";
import type { WebSocketLayer } from "../../runtime/websocket/websocket_layer.ts";
import {
  type Connection,
  PHASE_HANDSHAKE,
  PHASE_PEER_CHECK,
  PHASE_SETTLED,
  STATE_CLOSING,
} from "../../shard/connection.ts";
import { arrivalOf, type HandedLeaf } from "../../shard/links/handed_leaf.ts";
import type { LinkShard } from "../../shard/links/link_host.ts";
import { bytesOf } from "../../subject/byte_string.ts";
import type { CompressionLevel } from "../core/compression.ts";
import type {
  DialTarget,
  Link,
  LinkClock,
  LinkConnection,
  LinkDialer,
  LinkKind,
  LinkLog,
  LinkPeer,
  LinkTls,
  LinkUpgrade,
  LinkUpgradeOutcome,
} from "../core/link.ts";
import { linkLabel } from "../core/link_channel.ts";
import type { LinkOperation } from "../core/operation.ts";
import type { LeafWebSocket } from "../leaf/leaf_channel.ts";
import type { AccountTraffic } from "./account_traffic.ts";
import { LinkHandshakes } from "./link_handshakes.ts";
import type { LinkTlsContexts } from "./link_tls.ts";
import { traceSent, traceTaken } from "./link_trace.ts";
import { LinkUpgrades } from "./link_upgrades.ts";
import { ProxyTunnels } from "./proxy_tunnels.ts";
import type { ReceivingLink } from "./receiving.ts";
import type { LinkWishes } from "./wishes.ts";

export interface ConnectionsOptions {
  readonly shard: LinkShard;
  readonly traffic: AccountTraffic;
  readonly wishes: LinkWishes;
  readonly dialler: Dialler;
  readonly tls: TlsLayer;
  readonly tlsContexts: LinkTlsContexts;
  readonly frames: WebSocketLayer;
  readonly compression: S2Layer;
  readonly clock: LinkClock;
  readonly log: LinkLog;
  /** Nobody else is to hear what peers want. */
  hasRoutesOnly(): boolean;
  /** The addresses of a host, or why there are none. */
  resolve(host: string, done: (addresses: readonly string[], problem: string) => void): void;
  /** Whether this server itself listens there for links of that kind. */
  isOwn(kind: LinkKind, ip: string, port: number): boolean;
  /** The protocol for a connection that a listener took; `webSocket` is null but for the WebSocket one. */
  accepted(kind: LinkKind, connection: LinkConnection, webSocket: LeafWebSocket | null): LinkPeer;
}

/** What is as long as this is not copied into outboxes. */
const ATTACHED_BYTES_MIN = 64 * 1024;
/** nats-server's best searches twice as long as its better, for a few per cent. */
const EFFORTS: Readonly<Record<CompressionLevel, S2Effort>> = {
  s2_uncompressed: S2_STORED,
  s2_fast: S2_FAST,
  s2_better: S2_BETTER,
  s2_best: S2_BETTER,
};
/** What a chunk of one who has not logged in may hold; what is said until then is a few KiB. */
const BLOCK_BYTES_BEFORE_LOGIN = 128 * 1024;
const NO_PROXY = "failed to connect to proxy";
/** What keeps a link up is not what it is there for. */
const KEEP_ALIVE: ReadonlySet<LinkOperation["kind"]> = new Set(["ping", "pong", "ok"]);

/** How a link came to be. */
interface LinkOrigin {
  readonly isDialled: boolean;
  readonly isWebSocket: boolean;
}

/** One socket. */
export class HostLink implements LinkConnection, ReceivingLink {
  readonly kind: LinkKind;
  readonly connection: Connection;
  readonly remoteIp: string;
  readonly remotePort: number;
  readonly isDialled: boolean;
  /** It is to speak WebSocket, if it does not yet. */
  readonly isWebSocket: boolean;
  /** Null until it is connected. */
  protocol: LinkPeer | null = null;
  /** The link whose connection it is, once its handshake is done. */
  registered: Link | null = null;
  /** It is for one account, which is not defined here now: what it sends is for nobody. */
  isOfUnknownAccount = false;
  collected: ReceivingLink["collected"] = null;
  isCompressed = false;
  /** This server has chosen it, or it has logged in: then much of it may wait here. */
  isTrusted: boolean;
  hasTurned = false;
  /** Counters of messages, as they were when it was last active. */
  #activityMark = 0;
  /** It has sent something else than messages since. */
  #wasActive = false;
  readonly #owner: LinkConnections;

  constructor(
    owner: LinkConnections,
    kind: LinkKind,
    connection: Connection,
    { isDialled, isWebSocket }: LinkOrigin,
  ) {
    this.#owner = owner;
    this.kind = kind;
    this.connection = connection;
    this.remoteIp = connection.ip;
    this.remotePort = connection.port;
    this.isDialled = isDialled;
    this.isTrusted = isDialled;
    this.isWebSocket = isWebSocket;
  }

  get id(): number {
    return this.connection.clientId;
  }

  /** How log lines name it. */
  get label(): string {
    return linkLabel(this.kind, this, this.isWebSocket);
  }

  get peer(): LinkPeer {
    return this.protocol!;
  }

  /** Messages of links that others only send to are scanned by the engine. */
  get isRegistered(): boolean {
    const isScanned = this.registered !== null && this.registered.role !== "outbound";
    return isScanned && !this.isOfUnknownAccount && !this.#owner.isTraced;
  }

  send(bytes: Uint8Array | string): void {
    if (this.#owner.isTraced) {
      const sent = typeof bytes === "string" ? bytesOf(bytes) : bytes;
      this.#owner.trace(this, traceSent(sent, this.#owner.traceOptions));
    }
    this.#owner.send(this, bytes);
  }

  countSent(account: string, contentBytes: number): void {
    this.#owner.count(this, CONNECTION_OUT_MESSAGES, AREA_OUT_MESSAGES, contentBytes);
    this.#owner.traffic.count(account, this.kind, LINK_COUNTERS_OUT, contentBytes);
  }

  get filesPlain(): boolean {
    return this.#owner.hasRoutesOnly && (this.registered?.takesAllPlain ?? false);
  }

  filePlain(start: number, end: number): number {
    this.connection.lastActivityMs = this.#owner.wallMs();
    return this.#owner.wishes.file(this.registered!, this.connection.slot, start, end);
  }

  /** What the engine takes it counts by itself. */
  note(operation: LinkOperation): void {
    if (this.#owner.isTraced) {
      this.#owner.trace(this, traceTaken(operation, this.kind, this.#owner.traceOptions));
    }
    if (operation.kind === "message") {
      const { bytes } = operation.content;
      this.#owner.count(this, CONNECTION_IN_MESSAGES, AREA_IN_MESSAGES, bytes.length);
      const account = this.registered?.account ?? operation.account;
      this.#owner.traffic.count(account, this.kind, LINK_COUNTERS_IN, bytes.length);
    } else if (!KEEP_ALIVE.has(operation.kind)) this.#wasActive = true;
  }

  /** Something was read or written: whether messages were, the counters tell. */
  noteActivity(): void {
    const mark = this.#owner.messageMark(this);
    if (mark === this.#activityMark && !this.#wasActive) return;
    this.#activityMark = mark;
    this.#wasActive = false;
    this.connection.lastActivityMs = this.#owner.wallMs();
  }

  close(reason: CloseReasonType): void {
    this.#owner.close(this, reason);
  }

  startTls(options: LinkTls, then: () => void): void {
    this.#owner.startTls(this, options, then);
  }

  startWebSocket(options: LinkUpgrade, then: (outcome: LinkUpgradeOutcome) => void): void {
    this.#owner.startWebSocket(this, options, then);
  }

  compress(level: CompressionLevel): void {
    this.#owner.compress(this, level);
  }

  trust(): void {
    this.#owner.trust(this);
  }

  returnRest(start: number, end: number): void {
    this.#owner.returnRest(this, start, end);
  }
}

/** The socket of a link of this shard. */
export function hostOf(link: Link): HostLink {
  return link.connection as HostLink;
}

interface Dial {
  readonly target: DialTarget;
  readonly opened: (connection: LinkConnection) => LinkPeer;
  readonly failed: (reason: string, isSelf: boolean) => void;
  problem: string;
}

export class LinkConnections implements LinkDialer {
  readonly #options: ConnectionsOptions;
  readonly #bySlot: (HostLink | null)[] = [];
  readonly #byId = new Map<number, HostLink>();
  readonly #dials = new Map<HostLink, Dial>();
  readonly #handshakes: LinkHandshakes;
  readonly #upgrades: LinkUpgrades;
  readonly #tunnels: ProxyTunnels;
  /** Calls off what ends a connection that takes too long to connect. */
  readonly #timeouts = new Map<HostLink, () => void>();

  constructor(options: ConnectionsOptions) {
    this.#options = options;
    this.#handshakes = new LinkHandshakes(options);
    this.#upgrades = new LinkUpgrades(options);
    this.#tunnels = new ProxyTunnels(options);
  }

  ofSlot(slot: number): HostLink {
    return this.#bySlot[slot]!;
  }

  of(connection: Connection): HostLink {
    return this.#bySlot[connection.slot]!;
  }

  /** By the number that log lines show; there is one. */
  byId(id: number): HostLink {
    return this.#byId.get(id)!;
  }

  accept(kind: LinkKind, source: StreamSource, ip: string, port: number): void {
    const connection = this.#options.shard.openLink(source, { ip, port, tls: null });
    this.#beginAccepted(kind, connection, null);
  }

  acceptHanded(leaf: HandedLeaf): void {
    const { shard, frames } = this.#options;
    const connection = shard.openLink(leaf.stream, arrivalOf(leaf));
    frames.startFrames(connection.slot, leaf.terms, "server");
    connection.hasFrames = true;
    this.#beginAccepted("leaf", connection, {
      isCompressed: leaf.terms.isCompressed,
      forwardedFor: leaf.forwardedFor,
    });
  }

  #beginAccepted(kind: LinkKind, connection: Connection, webSocket: LeafWebSocket | null): void {
    const link = this.#add(kind, connection, { isDialled: false, isWebSocket: webSocket !== null });
    link.protocol = this.#options.accepted(kind, link, webSocket);
    link.protocol.begin();
  }

  dial(target: DialTarget, opened: Dial["opened"], failed: Dial["failed"]): void {
    const { resolve, isOwn, clock } = this.#options;
    const { kind, proxy } = target;
    const { host, port } = proxy ?? target;
    resolve(host, (addresses, problem) => {
      if (addresses.length === 0) {
        failed(proxy === undefined ? problem : `${NO_PROXY}: ${problem}`, false);
        return;
      }
      const others = addresses.filter((ip) => proxy !== undefined || !isOwn(kind, ip, port));
      const ip = others[Math.floor(clock.random() * others.length)];
      if (ip === undefined) failed("", true);
      else this.#connect(ip, { target, opened, failed, problem: "" });
    });
  }

  /** See `LinkHost`. */
  proceed(connection: Connection): boolean {
    const link = this.of(connection);
    if (connection.state >= STATE_CLOSING) return false;
    // Nothing to be done, but the shard is to see whether the connection is still there.
    if (connection.phase === PHASE_PEER_CHECK) return true;
    const dial = this.#dials.get(link);
    if (this.#tunnels.isUnderWay(connection)) this.#tunnels.proceed(connection);
    else if (dial !== undefined) this.#goOnConnecting(link, dial);
    else if (this.#upgrades.isUnderWay(link)) this.#upgrades.proceed(link);
    else this.#handshakes.proceed(link);
    // What one ends with may be the beginning of the next.
    return connection.phase === PHASE_SETTLED;
  }

  /** The socket is gone. */
  ended(connection: Connection): void {
    const link = this.of(connection);
    this.#bySlot[connection.slot] = null;
    this.#stopTimeout(link);
    this.#handshakes.ended(link);
    this.#upgrades.ended(link);
    this.#tunnels.ended(connection);
    const dial = this.#dials.get(link);
    if (dial !== undefined) {
      this.#dials.delete(link);
      dial.failed(dial.problem, false);
    } else link.protocol!.ended(connection.closeReason as CloseReasonType);
    this.#byId.delete(link.id);
  }

  send({ connection }: HostLink, bytes: Uint8Array | string): void {
    if (connection.state >= STATE_CLOSING) return;
    const { outbound } = this.#options.shard;
    if (typeof bytes === "string") outbound.appendText(connection, bytes);
    else if (bytes.length < ATTACHED_BYTES_MIN) outbound.append(connection, bytes);
    else outbound.attach(connection, bytes, 0, bytes.length);
  }

  close(link: HostLink, reason: CloseReasonType): void {
    this.#options.shard.close(link.connection, reason);
  }

  /** Counts a message where a connection and the shard count such: bytes stand behind messages. */
  count({ connection }: HostLink, ofConnection: number, ofArea: number, contentBytes: number): void {
    const { words, map } = this.#options.shard.shared;
    const { area } = map.area(this.#options.shard.node);
    for (const counter of [connection.address + ofConnection, area + ofArea]) {
      countMessage(words, counter, contentBytes);
    }
  }

  /** Moves with every message, in and out. */
  messageMark({ connection: { address } }: HostLink): number {
    const { words } = this.#options.shard.shared;
    const inMessages = words[(address + CONNECTION_IN_MESSAGES) >> 2]!;
    return (inMessages + words[(address + CONNECTION_OUT_MESSAGES) >> 2]!) | 0;
  }

  get wishes(): LinkWishes {
    return this.#options.wishes;
  }

  get hasRoutesOnly(): boolean {
    return this.#options.hasRoutesOnly();
  }

  get traffic(): AccountTraffic {
    return this.#options.traffic;
  }

  wallMs(): number {
    return this.#options.shard.wallMs();
  }

  /** What crosses links is to be logged: then nothing is left to the engine. */
  get isTraced(): boolean {
    return this.#options.shard.options.logsTrace;
  }

  get traceOptions(): PayloadTraceOptions {
    const { maxTracedBytes, tracesHeadersOnly } = this.#options.shard.options;
    return { maxTracedBytes, headersOnly: tracesHeadersOnly };
  }

  trace(link: HostLink, lines: readonly string[]): void {
    const { log } = this.#options;
    for (const line of lines) log("trace", `${link.label} - ${line}`);
  }

  startTls(link: HostLink, options: LinkTls, then: () => void): void {
    this.#handshakes.start(link, options, then);
  }

  startWebSocket(link: HostLink, options: LinkUpgrade, then: (outcome: LinkUpgradeOutcome) => void): void {
    this.#upgrades.start(link, options, then);
  }

  /**
   * Compresses a link, or compresses it otherwise from now on. What is queued goes in clear; by WebSocket its frames have left by
   * then, since the other side has answered nothing but the first few of them.
   */
  compress(link: HostLink, level: CompressionLevel): void {
    const { shard, compression, log } = this.#options;
    const { connection } = link;
    const effort = EFFORTS[level];
    if (link.isCompressed) {
      compression.setS2Effort(connection.slot, effort);
      return;
    }
    shard.outbound.flush(connection.slot);
    // It may turn out to be lost.
    if (connection.state >= STATE_CLOSING) return;
    const clearBytes = connection.hasFrames ? 0 : shard.outbound.pendingBytes(connection);
    compression.startS2(connection.slot, {
      effort,
      clearBytes,
      blockBytesMax: link.isTrusted ? S2_BLOCK_BYTES_MAX : BLOCK_BYTES_BEFORE_LOGIN,
      onBroken: (problem) => {
        // Of WebSockets the shard logs every read that fails.
        if (!connection.hasFrames) log("error", `${link.label} - read error: ${problem}`);
      },
    });
    link.isCompressed = true;
    // What frames held is no stream any more.
    link.hasTurned = !connection.hasFrames;
  }

  /** It has logged in. */
  trust(link: HostLink): void {
    link.isTrusted = true;
    if (link.isCompressed) this.#options.compression.setS2BlockMax(link.connection.slot, S2_BLOCK_BYTES_MAX);
  }

  returnRest(link: HostLink, start: number, end: number): void {
    link.hasTurned = false;
    this.#options.compression.returnS2(link.connection.slot, start, end);
  }

  /** Closes links whose key is not among the pinned ones, after a reload; returns how many. */
  closeUnpinned(): number {
    return this.#handshakes.closeUnpinned();
  }

  #add(kind: LinkKind, connection: Connection, origin: LinkOrigin): HostLink {
    const link = new HostLink(this, kind, connection, origin);
    this.#bySlot[connection.slot] = link;
    this.#byId.set(link.id, link);
    return link;
  }

  #connect(ip: string, dial: Dial): void {
    const { shard, dialler } = this.#options;
    const { kind, proxy, isWebSocket = false } = dial.target;
    const { port, timeoutMs } = proxy ?? dial.target;
    const connection = shard.openDialled(ip, port);
    if (connection === null) {
      dial.failed(dialErrorText(ip, port, "no more links fit this server"), false);
      return;
    }
    const link = this.#add(kind, connection, { isDialled: true, isWebSocket });
    this.#dials.set(link, dial);
    connection.phase = PHASE_HANDSHAKE;
    if (dialler.connect(connection.slot, ip, port) === CONNECT_FAILED) {
      this.#notConnected(dial, dialler.dialError());
      shard.close(connection, CloseReason.ReadError);
      return;
    }
    connection.hasStream = true;
    shard.ownSocket(connection, dialler.fdOf(connection.slot));
    this.#startTimeout(link, timeoutMs, () => {
      this.#notConnected(dial, dialErrorText(ip, port, "i/o timeout"));
      shard.close(connection, CloseReason.ReadError);
    });
  }

  #goOnConnecting(link: HostLink, dial: Dial): void {
    const { shard, dialler } = this.#options;
    const { connection } = link;
    const outcome = dialler.finishConnect(connection.slot);
    if (outcome === WOULD_BLOCK) return;
    this.#stopTimeout(link);
    if (outcome !== CONNECTED) {
      this.#notConnected(dial, dialler.dialError());
      shard.close(connection, CloseReason.ReadError);
      return;
    }
    const { proxy, host, port } = dial.target;
    if (proxy === undefined) {
      this.#opened(link, dial);
      return;
    }
    this.#tunnels.start(connection, proxy, hostPortText(host, port), (problem) => {
      if (problem === null) this.#opened(link, dial);
      else {
        dial.problem = problem;
        shard.close(connection, CloseReason.ReadError);
      }
    });
  }

  /** It has reached what was dialled. */
  #opened(link: HostLink, dial: Dial): void {
    this.#dials.delete(link);
    link.connection.phase = PHASE_SETTLED;
    link.protocol = dial.opened(link);
    link.protocol.begin();
  }

  #notConnected(dial: Dial, problem: string): void {
    dial.problem = dial.target.proxy === undefined ? problem : `${NO_PROXY}: ${problem}`;
  }

  /** Main's answer about the other side's certificates. */
  peerChecked(connection: Connection, isValid: boolean): void {
    if (connection.state >= STATE_CLOSING || connection.phase !== PHASE_PEER_CHECK) return;
    if (this.#handshakes.peerChecked(this.of(connection), isValid))
      this.#options.shard.resumeInput(connection);
  }

  #startTimeout(link: HostLink, ms: number, onTimeout: () => void): void {
    this.#timeouts.set(link, this.#options.clock.after(ms, onTimeout));
  }

  #stopTimeout(link: HostLink): void {
    this.#timeouts.get(link)?.();
    this.#timeouts.delete(link);
  }
}
