/**
 * Connections of the WebSocket port that are not clients yet: TLS if the port has it, then a request to upgrade.
 *
 *   accepted ─▶ handshake ─▶ (check ─▶) request ─▶ upgraded: a client of the shard, or a leaf node for the links shard
 *                                        ▲  └ refused: the peer may ask again, or is gone
 *                                        └──────┘
 *
 * Such connections hold a slot of the poller and nothing else; only the log tells of those that come to nothing.
 * Source: nats-server `startWebsocketServer`, which leaves all this to Go's net/http. Cold.
 */

import { type BadHead, HeadReader, type HttpHead, isBadHead } from "../../protocol/websocket/http_head.ts";
import {
  answerUpgrade,
  type Refusal,
  refuseFirstLine,
  refuseHead,
  type Upgrade,
} from "../../protocol/websocket/upgrade.ts";
import { WOULD_BLOCK, writeOnce } from "../../runtime/poller.ts";
import { HANDSHAKE_DONE, type TlsLayer, type TlsSession, WEBSOCKET_CONTEXT } from "../../runtime/tls.ts";
import type { WebSocketLayer } from "../../runtime/websocket/websocket_layer.ts";
import type { Arrival, WebSocketPeer } from "../connection.ts";
import type { AskedAbout, ShardContext } from "../context.ts";
import type { ShardWebSocket } from "../shard_options.ts";
import { TIMER_AUTHENTICATION, timerId } from "../timers.ts";
import { isPinned } from "./peer_identity.ts";

/** Bytes of a request taken at a time. */
const READ_BYTES = 4096;
/** Most time that a connection may hold a slot if `handshake_timeout` sets none; nats-server waits for ever then. */
const HANDSHAKE_MS_MAX = 60_000;
/** First letters of HTTP's methods: a plain request to a port with TLS begins with one of them. */
const HTTP_FIRST_LETTERS = "GHPO";
const HTTP_ON_TLS = new TextEncoder().encode(
  "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n",
);

/** What upgrades need of their shard. */
export interface UpgradeHost
  extends Pick<
    ShardContext,
    "askAboutPeer" | "log" | "nowMs" | "options" | "poller" | "receiveBuffers" | "shared" | "timers"
  > {
  /** Whether another step of a TLS handshake may be taken in this turn. */
  takeHandshakeStep(): boolean;
  /** Makes the connection a client. */
  admit(slot: number, peer: Arrival, webSocket: WebSocketPeer): void;
  /**
   * Hands a leaf node's connection over to the links shard, and frees its slot. Returns false if the links shard takes
   * none.
   */
  handLeafOver(slot: number, peer: Arrival, upgrade: Upgrade): boolean;
  /** Closes the connection and frees its slot. */
  dismiss(slot: number): void;
}

interface Visitor {
  readonly slot: number;
  /** An id below 0, which no client has. */
  readonly clientId: number;
  readonly ip: string;
  readonly port: number;
  /**
   * The peer has sent nothing yet, is in the TLS handshake, has its certificates checked by main, or may ask to
   * upgrade.
   */
  phase: "silent" | "shaking" | "checked" | "asking";
  tls: TlsSession | null;
  readonly head: HeadReader;
}

export class Upgrades {
  readonly #host: UpgradeHost;
  readonly #tls: TlsLayer | null;
  readonly #layer: WebSocketLayer;
  /** The connections that are not clients yet, by slot. */
  readonly #visitors = new Map<number, Visitor>();
  #lastId = 0;

  constructor(host: UpgradeHost, tls: TlsLayer | null, layer: WebSocketLayer) {
    this.#host = host;
    this.#tls = tls;
    this.#layer = layer;
  }

  /** Applies new options to the handshakes that begin from now on. */
  configure(): void {
    const { options } = this.#host;
    const context = options.webSocket?.tls?.context ?? null;
    this.#layer.messageBytesMax = options.maxPayloadBytes;
    try {
      this.#tls?.useContext(WEBSOCKET_CONTEXT, context);
    } catch (error) {
      const what = this.#hasContext ? "stay as they were" : "are missing";
      this.#host.log("error", `WebSocket TLS certificates ${what}: ${(error as Error).message}`);
    }
  }

  /** Begins a fresh connection, in a slot that the poller already serves. */
  begin(slot: number, ip: string, port: number): void {
    const phase = this.#settings.tls === null ? "asking" : "silent";
    const clientId = --this.#lastId;
    const visitor: Visitor = { slot, clientId, ip, port, phase, tls: null, head: new HeadReader() };
    this.#visitors.set(slot, visitor);
    this.#startTimer(visitor);
  }

  /** Handles an event of the slot. */
  serve(slot: number): void {
    const visitor = this.#visitors.get(slot);
    if (visitor === undefined) return;
    if (visitor.phase === "silent" && !this.#beginTls(visitor)) return;
    if (visitor.phase === "shaking" && !this.#shake(visitor)) return;
    // During the check nothing is read, so the event means that the peer has hung up.
    if (visitor.phase === "checked") this.#dismiss(visitor);
    else this.#serveRequests(visitor);
  }

  #serveRequests(visitor: Visitor): void {
    const { slot } = visitor;
    const count = this.#read(slot);
    if (count === WOULD_BLOCK) return;
    const { receiveBuffers, shared } = this.#host;
    if (count <= 0) this.#dismiss(visitor);
    else if (visitor.head.add(shared.bytes, receiveBuffers.current, receiveBuffers.current + count))
      this.#takeRequests(visitor);
    else this.#refuse(visitor, refuseHead({ isTooLong: true, text: "" }));
  }

  /** Takes main's answer about a visitor's certificates. */
  onPeerChecked({ slot, clientId }: AskedAbout, isValid: boolean): void {
    const visitor = this.#visitors.get(slot);
    if (visitor?.clientId !== clientId) return;
    if (!isValid) {
      this.#failTls(visitor, "client not OCSP valid");
      return;
    }
    visitor.phase = "asking";
    this.#host.poller.setInterest(slot, true, false);
    // TLS may have read ahead; no socket event will tell of that.
    this.#serveRequests(visitor);
  }

  /** Ends a connection whose time for the handshake is over. */
  onTimer(slot: number): void {
    const visitor = this.#visitors.get(slot);
    if (visitor === undefined) return;
    if (visitor.phase !== "asking") this.#logTlsError(visitor, "i/o timeout");
    this.#dismiss(visitor);
  }

  /** Whether there are certificates to make handshakes with. */
  get #hasContext(): boolean {
    return this.#tls?.hasContext(WEBSOCKET_CONTEXT) ?? false;
  }

  get #settings(): ShardWebSocket {
    return this.#host.options.webSocket!;
  }

  /**
   * Begins TLS once the first byte has arrived. A peer that speaks plain HTTP is told so. Returns whether the handshake
   * has begun.
   */
  #beginTls(visitor: Visitor): boolean {
    const { slot } = visitor;
    const first = this.#tls!.peek(slot);
    if (first === WOULD_BLOCK) return false;
    if (first >= 0 && HTTP_FIRST_LETTERS.includes(String.fromCharCode(first))) {
      // With unread bytes the kernel would throw the answer away.
      this.#read(slot);
      this.#send(slot, HTTP_ON_TLS);
      this.#failTls(visitor, "client sent an HTTP request to an HTTPS server");
      return false;
    }
    if (!this.#hasContext) {
      this.#dismiss(visitor);
      return false;
    }
    visitor.phase = "shaking";
    this.#tls!.startTls(slot, WEBSOCKET_CONTEXT, null);
    return true;
  }

  /** Goes on with the TLS handshake. Returns true once it is done. */
  #shake(visitor: Visitor): boolean {
    if (!this.#host.takeHandshakeStep()) return false;
    const tls = this.#tls!;
    const result = tls.handshake(visitor.slot);
    if (result === WOULD_BLOCK) return false;
    if (result !== HANDSHAKE_DONE) {
      this.#failTls(visitor, tls.handshakeError().text);
      return false;
    }
    visitor.tls = tls.session(visitor.slot);
    if (!isPinned(visitor, this.#settings.tls?.pinnedCerts ?? [])) {
      this.#failTls(visitor, "certificate not pinned");
      return false;
    }
    if (this.#settings.tls?.checksPeers !== true) {
      visitor.phase = "asking";
      return true;
    }
    visitor.phase = "checked";
    this.#host.poller.setInterest(visitor.slot, false, false);
    this.#host.askAboutPeer(visitor, WEBSOCKET_CONTEXT, visitor.tls.verifiedChain);
    return false;
  }

  #failTls(visitor: Visitor, text: string): void {
    this.#logTlsError(visitor, text);
    this.#dismiss(visitor);
  }

  /** Like `Poller.read`, into a receive buffer of the shard. */
  #read(slot: number): number {
    const { poller, receiveBuffers } = this.#host;
    return poller.read(slot, receiveBuffers.take(0), READ_BYTES);
  }

  #takeRequests(visitor: Visitor): void {
    const { head } = visitor;
    while (true) {
      const firstLine = head.peekFirstLine();
      const early = firstLine === null ? null : refuseFirstLine(firstLine);
      const request = early === null ? head.take() : null;
      if (early === null && request === null) return;
      const answer = early ?? this.#judge(request!);
      if (answer.kind === "upgrade") {
        this.#upgrade(visitor, answer);
        return;
      }
      if (!this.#refuse(visitor, answer)) return;
    }
  }

  #judge(request: HttpHead | BadHead): Upgrade | Refusal {
    if (isBadHead(request)) return refuseHead(request);
    return answerUpgrade(request, this.#settings.rules, new Date().toUTCString());
  }

  /** Refuses a request. Returns true if the peer may ask again. */
  #refuse(visitor: Visitor, { response, problem, staysOpen }: Refusal): boolean {
    if (problem !== "") this.#logProblem(visitor, problem);
    if (!this.#send(visitor.slot, response) || !staysOpen) {
      this.#dismiss(visitor);
      return false;
    }
    this.#startTimer(visitor);
    return true;
  }

  #upgrade(visitor: Visitor, upgrade: Upgrade): void {
    const { slot, head } = visitor;
    if (head.restBytes > 0) {
      this.#logProblem(visitor, "client sent data before handshake is complete");
      this.#dismiss(visitor);
      return;
    }
    if (!this.#send(slot, upgrade.response)) {
      this.#dismiss(visitor);
      return;
    }
    this.#forget(visitor);
    if (upgrade.endpoint === "leafnode") {
      this.#passOn(visitor, upgrade);
      return;
    }
    this.#layer.startFrames(slot, upgrade.terms, "server");
    this.#host.admit(slot, visitor, upgrade);
  }

  #passOn(visitor: Visitor, upgrade: Upgrade): void {
    if (!this.#settings.takesLeafs) {
      this.#host.log("error", "Not configured to accept leaf node connections");
      this.#host.dismiss(visitor.slot);
    } else if (!this.#host.handLeafOver(visitor.slot, visitor, upgrade)) {
      this.#logProblem(visitor, "no more leaf nodes fit this server");
      this.#host.dismiss(visitor.slot);
    }
  }

  #send(slot: number, answer: Uint8Array): boolean {
    return writeOnce(this.#host.poller, slot, answer);
  }

  #startTimer({ slot }: Visitor): void {
    const { nowMs, timers } = this.#host;
    const timeoutMs = this.#settings.handshakeTimeoutMs || HANDSHAKE_MS_MAX;
    timers.set(timerId({ slot }, TIMER_AUTHENTICATION), nowMs + timeoutMs);
  }

  #forget({ slot }: Visitor): void {
    this.#visitors.delete(slot);
    this.#host.timers.clear(timerId({ slot }, TIMER_AUTHENTICATION));
  }

  #dismiss(visitor: Visitor): void {
    this.#forget(visitor);
    this.#host.dismiss(visitor.slot);
  }

  #logProblem({ ip, port }: Visitor, problem: string): void {
    this.#host.log("error", `${ip}:${port} - websocket handshake error: ${problem}`);
  }

  #logTlsError({ ip, port }: Visitor, text: string): void {
    this.#host.log("error", `websocket: TLS handshake error from ${ip}:${port}: ${text}`);
  }
}
