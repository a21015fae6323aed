/**
 * The sockets of the links shard: accepted or dialled, and secured if the protocol asks for it.
 *
 *   dialled ─▶ CONNECTING (─▶ TUNNEL) ─▶ OPEN ⇄ SECURING (─▶ PEER_CHECK)      accepted ─▶ OPEN
 */
import { CloseReason } from "../../protocol/close_reason.ts";
import { CONNECT_FAILED, CONNECTED, type Dialler, dialErrorText } from "../../runtime/dialling.ts";
import { type StreamSource, WOULD_BLOCK } from "../../runtime/poller.ts";
import { hostPortText } from "../../runtime/posix/socket_address.ts";
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
import type { DialTarget, LinkClock, LinkConnection, LinkDialer, LinkKind, LinkPeer } from "../core/link.ts";
import type { LeafWebSocket } from "../leaf/leaf_channel.ts";
import { HostLink, type HostLinkParts, type LinkOrigin } from "./host_link.ts";
import { LinkHandshakes } from "./link_handshakes.ts";
import type { LinkTlsContexts } from "./link_tls.ts";
import { LinkUpgrades } from "./link_upgrades.ts";
import { ProxyTunnels } from "./proxy_tunnels.ts";

export interface ConnectionsOptions extends Omit<HostLinkParts, "handshakes" | "upgrades"> {
  readonly dialler: Dialler;
  readonly tls: TlsLayer;
  readonly tlsContexts: LinkTlsContexts;
  readonly frames: WebSocketLayer;
  readonly clock: LinkClock;
  /** Looks up the addresses of a host; without any, `problem` says why. */
  resolve(host: string, done: (addresses: readonly string[], problem: string) => void): void;
  /** Whether this server itself listens there for links of this kind. */
  isOwn(kind: LinkKind, ip: string, port: number): boolean;
  /** The protocol for a connection that a listener took. `webSocket` is null unless that was the WebSocket listener. */
  accepted(kind: LinkKind, connection: LinkConnection, webSocket: LeafWebSocket | null): LinkPeer;
}

const NO_PROXY = "failed to connect to proxy";

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
  readonly #parts: HostLinkParts;
  readonly #tunnels: ProxyTunnels;
  /** Cancels the timers of connections that are being opened. */
  readonly #timeouts = new Map<HostLink, () => void>();

  constructor(options: ConnectionsOptions) {
    this.#options = options;
    this.#handshakes = new LinkHandshakes(options);
    this.#upgrades = new LinkUpgrades(options);
    this.#parts = { ...options, handshakes: this.#handshakes, upgrades: this.#upgrades };
    this.#tunnels = new ProxyTunnels(options);
  }

  ofSlot(slot: number): HostLink {
    return this.#bySlot[slot]!;
  }

  of(connection: Connection): HostLink {
    return this.#bySlot[connection.slot]!;
  }

  /** Finds a link by the number that log lines show; it must exist. */
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
    // There is nothing to do, but the shard should see whether the connection is still there.
    if (connection.phase === PHASE_PEER_CHECK) return true;
    const dial = this.#dials.get(link);
    if (this.#tunnels.isUnderWay(connection)) this.#tunnels.proceed(connection);
    else if (dial !== undefined) this.#goOnConnecting(link, dial);
    else if (this.#upgrades.isUnderWay(link)) this.#upgrades.proceed(link);
    else this.#handshakes.proceed(link);
    // The end of one step may be the beginning of the next.
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
    } else link.protocol!.ended(connection.closeReason as CloseReason);
    this.#byId.delete(link.id);
  }

  /** Closes links whose key is not among the pinned ones after a reload. Returns how many. */
  closeUnpinned(): number {
    return this.#handshakes.closeUnpinned();
  }

  #add(kind: LinkKind, connection: Connection, origin: LinkOrigin): HostLink {
    const link = new HostLink(this.#parts, kind, connection, origin);
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

  /** The connection has reached the dialled server. */
  #opened(link: HostLink, dial: Dial): void {
    this.#dials.delete(link);
    link.connection.phase = PHASE_SETTLED;
    link.protocol = dial.opened(link);
    link.protocol.begin();
  }

  #notConnected(dial: Dial, problem: string): void {
    dial.problem = dial.target.proxy === undefined ? problem : `${NO_PROXY}: ${problem}`;
  }

  /** Takes main's answer about the other side's certificates. */
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
