/** One socket of the links shard, as its protocol sees it and as its bytes come in. */
import type { Collected } from "../../fabric/collected.ts";
import {
  AREA_IN_MESSAGES,
  AREA_OUT_MESSAGES,
  CONNECTION_IN_MESSAGES,
  CONNECTION_OUT_MESSAGES,
  LINK_COUNTERS_IN,
  LINK_COUNTERS_OUT,
} from "../../memory/layout.ts";
import { countMessage } from "../../memory/shared_memory.ts";
import type { CloseReason } from "../../protocol/close_reason.ts";
import type { PayloadTraceOptions } from "../../protocol/trace.ts";
import type { S2Effort, S2Layer } from "../../runtime/s2/s2_layer.ts";
import { S2_BETTER, S2_BLOCK_BYTES_MAX, S2_FAST, S2_STORED } from "../../runtime/s2/s2_region.ts";
import { type Connection, STATE_CLOSING } from "../../shard/connection.ts";
import type { LinkShard } from "../../shard/links/link_host.ts";
import { bytesOf } from "../../subject/byte_string.ts";
import type {
  CompressionLevel,
  Link,
  LinkConnection,
  LinkKind,
  LinkLog,
  LinkPeer,
  LinkTls,
  LinkUpgrade,
  LinkUpgradeOutcome,
} from "../core/link.ts";
import { linkLabel } from "../core/link_channel.ts";
import type { LinkOperation } from "../core/operation.ts";
import type { AccountTraffic } from "./account_traffic.ts";
import type { LinkHandshakes } from "./link_handshakes.ts";
import { traceSent, traceTaken } from "./link_trace.ts";
import type { LinkUpgrades } from "./link_upgrades.ts";
import type { ReceivingLink } from "./receiving.ts";
import type { LinkWishes } from "./wishes.ts";

/** What all sockets of links share. */
export interface HostLinkParts {
  readonly shard: LinkShard;
  readonly traffic: AccountTraffic;
  readonly wishes: LinkWishes;
  readonly compression: S2Layer;
  readonly handshakes: LinkHandshakes;
  readonly upgrades: LinkUpgrades;
  readonly log: LinkLog;
  /** Whether nobody else is told what peers want. */
  hasRoutesOnly(): boolean;
}

/** How a link came to be. */
export interface LinkOrigin {
  readonly isDialled: boolean;
  readonly isWebSocket: boolean;
}

/** Output from this length on is not copied into outboxes. */
const ATTACHED_BYTES_MIN = 64 * 1024;
/** nats-server's `best` searches twice as long as its `better`, and gains a few per cent. Here both are the same. */
const EFFORTS: Readonly<Record<CompressionLevel, S2Effort>> = {
  s2_uncompressed: S2_STORED,
  s2_fast: S2_FAST,
  s2_better: S2_BETTER,
  s2_best: S2_BETTER,
};
/** The size limit of a chunk from a peer that has not logged in; such a peer sends a few KiB. */
const BLOCK_BYTES_BEFORE_LOGIN = 128 * 1024;
/** Operations that only keep a link alive do not count as activity. */
const KEEP_ALIVE: ReadonlySet<LinkOperation["kind"]> = new Set(["ping", "pong", "ok"]);

export class HostLink implements LinkConnection, ReceivingLink {
  readonly kind: LinkKind;
  readonly connection: Connection;
  readonly remoteIp: string;
  readonly remotePort: number;
  readonly isDialled: boolean;
  /** Whether it speaks WebSocket, or is going to. */
  readonly isWebSocket: boolean;
  /** The protocol; null until the connection is open. */
  protocol: LinkPeer | null = null;
  /** The link on this connection; null until its handshake is done. */
  registered: Link | null = null;
  /** Whether it is for one account that is not defined here now, so that nobody gets what it sends. */
  isOfUnknownAccount = false;
  collected: Collected | null = null;
  hasTurned = false;
  #isCompressed = false;
  /** Whether this server dialled the peer, or the peer has logged in. More of its bytes may then wait here. */
  #isTrusted: boolean;
  /** The sum of the message counters when it was last active. */
  #activityMark = 0;
  /** Whether it has sent something other than messages since. */
  #wasActive = false;
  readonly #parts: HostLinkParts;

  constructor(
    parts: HostLinkParts,
    kind: LinkKind,
    connection: Connection,
    { isDialled, isWebSocket }: LinkOrigin,
  ) {
    this.#parts = parts;
    this.kind = kind;
    this.connection = connection;
    this.remoteIp = connection.ip;
    this.remotePort = connection.port;
    this.isDialled = isDialled;
    this.isWebSocket = isWebSocket;
    this.#isTrusted = isDialled;
  }

  get id(): number {
    return this.connection.clientId;
  }

  /** Its name in log lines. */
  get label(): string {
    return linkLabel(this.kind, this, this.isWebSocket);
  }

  get peer(): LinkPeer {
    return this.protocol!;
  }

  /**
   * Whether the engine may scan its input. It never does for outbound gateways, over which only this server sends
   * messages.
   */
  get isRegistered(): boolean {
    const isScanned = this.registered !== null && this.registered.role !== "outbound";
    return isScanned && !this.isOfUnknownAccount && !this.#isTraced;
  }

  send(bytes: Uint8Array | string): void {
    const { connection } = this;
    const { outbound } = this.#parts.shard;
    if (this.#isTraced) {
      const sent = typeof bytes === "string" ? bytesOf(bytes) : bytes;
      this.#trace(traceSent(sent, this.#traceOptions));
    }
    if (connection.state >= STATE_CLOSING) return;
    if (typeof bytes === "string") outbound.appendText(connection, bytes);
    else if (bytes.length < ATTACHED_BYTES_MIN) outbound.append(connection, bytes);
    else outbound.attach(connection, bytes, 0, bytes.length);
  }

  countSent(account: string, contentBytes: number): void {
    this.#count(CONNECTION_OUT_MESSAGES, AREA_OUT_MESSAGES, contentBytes);
    this.#parts.traffic.count(account, this.kind, LINK_COUNTERS_OUT, contentBytes);
  }

  get filesPlain(): boolean {
    return this.#parts.hasRoutesOnly() && (this.registered?.takesAllPlain ?? false);
  }

  filePlain(start: number, end: number): number {
    const { shard, wishes } = this.#parts;
    this.connection.lastActivityMs = shard.wallMs();
    return wishes.file(this.registered!, this.connection.slot, start, end);
  }

  /** Counts and traces an operation. The engine counts by itself what it takes. */
  note(operation: LinkOperation): void {
    if (this.#isTraced) this.#trace(traceTaken(operation, this.kind, this.#traceOptions));
    if (operation.kind === "message") {
      const { bytes } = operation.content;
      this.#count(CONNECTION_IN_MESSAGES, AREA_IN_MESSAGES, bytes.length);
      const account = this.registered?.account ?? operation.account;
      this.#parts.traffic.count(account, this.kind, LINK_COUNTERS_IN, bytes.length);
    } else if (!KEEP_ALIVE.has(operation.kind)) this.#wasActive = true;
  }

  /**
   * Something was read or written. Notes the time if the counters show a message, or if something else but keep-alives
   * came.
   */
  noteActivity(): void {
    const mark = this.#messageMark();
    if (mark === this.#activityMark && !this.#wasActive) return;
    this.#activityMark = mark;
    this.#wasActive = false;
    this.connection.lastActivityMs = this.#parts.shard.wallMs();
  }

  close(reason: CloseReason): void {
    this.#parts.shard.close(this.connection, reason);
  }

  startTls(options: LinkTls, then: () => void): void {
    this.#parts.handshakes.start(this, options, then);
  }

  startWebSocket(options: LinkUpgrade, then: (outcome: LinkUpgradeOutcome) => void): void {
    this.#parts.upgrades.start(this, options, then);
  }

  /**
   * What is queued is sent uncompressed. On WebSocket connections its frames have left by then, because the other side
   * has answered only the first few of them.
   */
  compress(level: CompressionLevel): void {
    const { connection } = this;
    const { shard, compression, log } = this.#parts;
    const effort = EFFORTS[level];
    if (this.#isCompressed) {
      compression.setS2Effort(connection.slot, effort);
      return;
    }
    shard.outbound.flush(connection.slot);
    // The flush may show that the connection is lost.
    if (connection.state >= STATE_CLOSING) return;
    const clearBytes = connection.hasFrames ? 0 : shard.outbound.pendingBytes(connection);
    compression.startS2(connection.slot, {
      effort,
      clearBytes,
      blockBytesMax: this.#isTrusted ? S2_BLOCK_BYTES_MAX : BLOCK_BYTES_BEFORE_LOGIN,
      onBroken: (problem) => {
        // For WebSocket connections, the shard logs every read that fails.
        if (!connection.hasFrames) log("error", `${this.label} - read error: ${problem}`);
      },
    });
    this.#isCompressed = true;
    // On WebSocket connections, what has been taken out of frames cannot go back to the stream.
    this.hasTurned = !connection.hasFrames;
  }

  /** The peer has logged in. */
  trust(): void {
    this.#isTrusted = true;
    if (this.#isCompressed) this.#parts.compression.setS2BlockMax(this.connection.slot, S2_BLOCK_BYTES_MAX);
  }

  returnRest(start: number, end: number): void {
    this.hasTurned = false;
    this.#parts.compression.returnS2(this.connection.slot, start, end);
  }

  /** Whether everything that crosses links is logged, so that the engine must not take it. */
  get #isTraced(): boolean {
    return this.#parts.shard.options.logsTrace;
  }

  get #traceOptions(): PayloadTraceOptions {
    const { maxTracedBytes, tracesHeadersOnly } = this.#parts.shard.options;
    return { maxTracedBytes, headersOnly: tracesHeadersOnly };
  }

  #trace(lines: readonly string[]): void {
    for (const line of lines) this.#parts.log("trace", `${this.label} - ${line}`);
  }

  /** Counts a message for the connection and for the shard. The counter of bytes follows that of messages. */
  #count(ofConnection: number, ofArea: number, contentBytes: number): void {
    const { shared, node } = this.#parts.shard;
    countMessage(shared.words, this.connection.address + ofConnection, contentBytes);
    countMessage(shared.words, shared.map.area(node).area + ofArea, contentBytes);
  }

  /** A number that changes with every message, in and out. */
  #messageMark(): number {
    const { address } = this.connection;
    const { words } = this.#parts.shard.shared;
    const inMessages = words[(address + CONNECTION_IN_MESSAGES) >> 2]!;
    return (inMessages + words[(address + CONNECTION_OUT_MESSAGES) >> 2]!) | 0;
  }
}

/** The socket of a link. */
export function hostOf(link: Link): HostLink {
  return link.connection as HostLink;
}
