/**
 * Admits connections to a shard: clients, WebSockets that are to become clients or leaf nodes, and links. Cold: once
 * per connection.
 */
import { AREA_CLIENTS_EVER } from "../memory/layout.ts";
import { HEADER_CLIENT_ID, HEADER_CONNECTION_COUNT, NODE_IS_UP, NODE_STATE } from "../memory/map.ts";
import { increment, nodeWord } from "../memory/shared_memory.ts";
import type { Upgrade } from "../protocol/websocket/upgrade.ts";
import type { StreamSource } from "../runtime/poller.ts";
import type { ClientProtocol } from "./client/client_protocol.ts";
import type { Handshakes } from "./client/handshakes.ts";
import { type Arrival, Connection, STATE_CONNECTED, type WebSocketPeer } from "./connection.ts";
import type { ShardContext } from "./context.ts";
import { type HandedLeaf, handedLeaf } from "./links/handed_leaf.ts";
import type { Rings } from "./rings.ts";
import type { Slots } from "./slots.ts";

/**
 * Number of accepted connections after which recent garbage is freed. On Bun the objects that stay of a connection
 * would otherwise lie scattered over a heap of garbage and keep all of it: 7 KiB a connection instead of 3.
 */
const ACCEPTED_PER_COLLECTION = 256;

/** What admission needs from outside this thread's memory. */
export interface AdmissionActions {
  /** Hands a leaf node to the links shard by way of main, which owns the port from then on. */
  reportLeaf(leaf: HandedLeaf, port: MessagePort): void;
  /** Frees recent garbage. */
  collectRecentGarbage(): void;
}

export class Admission {
  readonly #shard: ShardContext;
  readonly #slots: Slots;
  readonly #protocol: ClientProtocol;
  readonly #handshakes: Handshakes;
  readonly #rings: Rings;
  readonly #actions: AdmissionActions;
  #acceptedSinceCollection = 0;

  constructor(
    shard: ShardContext,
    slots: Slots,
    protocol: ClientProtocol,
    handshakes: Handshakes,
    rings: Rings,
    actions: AdmissionActions,
  ) {
    this.#shard = shard;
    this.#slots = slots;
    this.#protocol = protocol;
    this.#handshakes = handshakes;
    this.#rings = rings;
    this.#actions = actions;
  }

  acceptClient(source: StreamSource, ip: string, port: number): void {
    this.#admit(this.#slots.take(source), source, { ip, port, tls: null }, null);
  }

  /** Takes a slot for a WebSocket, which is no connection before it is upgraded. */
  takeForUpgrade(source: StreamSource): number {
    const slot = this.#slots.take(source);
    this.#slots.markUpgrading(slot, true);
    this.#shard.poller.add(slot, source);
    return slot;
  }

  /** Makes an upgraded WebSocket a client. */
  admitUpgraded(slot: number, peer: Arrival, webSocket: WebSocketPeer): void {
    this.#slots.markUpgrading(slot, false);
    this.#admit(slot, null, peer, webSocket);
  }

  /** Closes a WebSocket that is not upgraded, and frees its slot. */
  dismiss(slot: number): void {
    this.#shard.poller.close(slot);
    this.#freeUpgraded(slot);
  }

  /** Hands a leaf node's WebSocket over to the links shard. Returns false if that takes none. */
  handLeafOver(slot: number, peer: Arrival, upgrade: Upgrade): boolean {
    const { poller, shared } = this.#shard;
    const { linksNode } = shared.map;
    const isUp =
      linksNode !== 0 && Atomics.load(shared.words, nodeWord(linksNode, NODE_STATE)) === NODE_IS_UP;
    if (!isUp || !this.#slots.reserveLink(linksNode)) return false;
    const stream = poller.handOver(slot);
    const leaf = handedLeaf(stream, peer, upgrade);
    if (stream.kind === "runtime") this.#actions.reportLeaf(leaf, stream.port);
    else if (!this.#rings.sendControl(linksNode, leaf)) {
      // The links shard died while its ring had no room.
      this.#slots.countOff(linksNode);
      poller.add(slot, stream);
      return false;
    }
    this.#freeUpgraded(slot);
    return true;
  }

  /** Frees the slot of a WebSocket that has not become a connection of this shard. */
  #freeUpgraded(slot: number): void {
    this.#slots.disownSocket(slot);
    this.#slots.markUpgrading(slot, false);
    this.#slots.release(slot);
  }

  /** Opens a link over an accepted socket. */
  openLink(source: StreamSource, peer: Arrival): Connection {
    const connection = this.#openLink(source, peer);
    connection.hasStream = true;
    return connection;
  }

  /** Opens a link to an address that is dialled; null if all slots are taken. */
  openDialled(ip: string, port: number): Connection | null {
    return this.#slots.reserveLink(this.#shard.node) ? this.#openLink(null, { ip, port, tls: null }) : null;
  }

  #openLink(source: StreamSource | null, peer: Arrival): Connection {
    const connection = this.#open(this.#slots.take(source), source, peer, null);
    connection.isLink = true;
    connection.state = STATE_CONNECTED;
    return connection;
  }

  /** Admits a client. Its stream is `source`; null if the poller has the stream already. */
  #admit(slot: number, source: StreamSource | null, peer: Arrival, webSocket: WebSocketPeer | null): void {
    const shard = this.#shard;
    const { words, map } = shard.shared;
    const open = Atomics.add(words, HEADER_CONNECTION_COUNT, 1) + 1;
    increment(words, map.area(shard.node).area + AREA_CLIENTS_EVER);
    const connection = this.#open(slot, source, peer, webSocket);
    if (shard.options.logsDebug) shard.log("debug", `${connection.label} - Client connection created`);
    this.#protocol.memberships.begin(connection);
    this.#protocol.applyOptions(connection);
    const isTooMany = open > shard.options.maxConnections;
    if (webSocket === null) this.#handshakes.begin(connection, isTooMany);
    else this.#handshakes.skip(connection, isTooMany);
    if (++this.#acceptedSinceCollection < ACCEPTED_PER_COLLECTION) return;
    this.#acceptedSinceCollection = 0;
    this.#actions.collectRecentGarbage();
  }

  /** Opens a connection. `source` is null if the poller has the stream already, or there is none yet. */
  #open(
    slot: number,
    source: StreamSource | null,
    { ip, port, tls }: Arrival,
    webSocket: WebSocketPeer | null,
  ): Connection {
    const shard = this.#shard;
    const connection = new Connection({
      slot,
      address: this.#slots.addressOf(slot),
      clientId: Atomics.add(shard.shared.words, HEADER_CLIENT_ID, 1) + 1,
      ip,
      port,
      startMs: shard.wallMs(),
      nonce: this.#protocol.logins.newNonce(),
      webSocket,
      tls,
      account: shard.accounts.global,
      maxPayloadBytes: shard.options.maxPayloadBytes,
      maxSubscriptions: -1,
    });
    this.#slots.put(connection);
    shard.plans.slotsUsed = shard.connections.length;
    if (source !== null) shard.poller.add(slot, source);
    connection.lastInputMs = shard.nowMs;
    return connection;
  }
}
