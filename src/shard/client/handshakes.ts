/**
 * What comes before the client protocol: INFO, the header of a proxy if the server takes those, and TLS if it is
 * configured.
 *
 *   accepted ─▶ AWAITS_HELLO ──bytes──▶ (AWAITS_HEADER ─▶) HANDSHAKE ─▶ (PEER_CHECK ─▶) SETTLED
 *                   │ moment over: INFO                        ▲
 *                   ▼                                          │ the first byte is TLS's
 *           (AWAITS_HEADER ─▶) AWAITS_FIRST_BYTE ──────────────┘
 *                                  └ another, or none in time ─▶ SETTLED, plain
 *
 * A server without `handshake_first` sends INFO at once; one without `allow_non_tls` leaves AWAITS_FIRST_BYTE out; one
 * with `ocsp_peer` asks main about the client's certificates once the handshake has verified them. Source: nats-server
 * `createClientEx`, `doTLSHandshake`.
 */
import { assert } from "../../base/assert.ts";
import {
  HEADER_HANDSHAKE_COUNT,
  HEADER_HANDSHAKE_WINDOW,
  HEADER_HANDSHAKES_REJECTED,
} from "../../memory/map.ts";
import { CloseReason } from "../../protocol/close_reason.ts";
import * as errors from "../../protocol/errors.ts";
import { WOULD_BLOCK } from "../../runtime/poller.ts";
import { hostPortText } from "../../runtime/posix/socket_address.ts";
import { CLIENT_CONTEXT, HANDSHAKE_DONE, type TlsLayer } from "../../runtime/tls.ts";
import { writeByteString } from "../../subject/byte_string.ts";
import {
  type Connection,
  PHASE_AWAITS_FIRST_BYTE,
  PHASE_AWAITS_HEADER,
  PHASE_AWAITS_HELLO,
  PHASE_HANDSHAKE,
  PHASE_PEER_CHECK,
  PHASE_SETTLED,
  STATE_CLOSING,
} from "../connection.ts";
import type { ShardContext } from "../context.ts";
import type { KeptInput } from "../input/kept_input.ts";
import type { ShardTls } from "../shard_options.ts";
import { TIMER_AUTHENTICATION, timerId } from "../timers.ts";
import type { ClientProtocol } from "./client_protocol.ts";
import { isPinned, peerKeyId } from "./peer_identity.ts";
import { ProxyHeader } from "./proxy_header.ts";

/** Handshake steps taken in one turn. Each lasts up to a millisecond; other connections are served in between. */
const STEPS_PER_TURN = 4;
/** First byte of a TLS record that carries a handshake. */
const TLS_HANDSHAKE_BYTE = 0x16;
const RATE_WINDOW_MS = 1000;
/** Time for the header of a proxy, or for the first bytes of a client without one. */
const PROXY_HEADER_MS = 5000;
const NOT_TLS = "tls: first record does not look like a TLS handshake";

export class Handshakes {
  readonly #shard: ShardContext;
  readonly #protocol: ClientProtocol;
  readonly #kept: KeptInput;
  readonly #layer: TlsLayer | null;
  #stepsLeft = STEPS_PER_TURN;

  constructor(shard: ShardContext, protocol: ClientProtocol, kept: KeptInput, layer: TlsLayer | null) {
    this.#shard = shard;
    this.#protocol = protocol;
    this.#kept = kept;
    this.#layer = layer;
  }

  /** Applies new options to the handshakes that begin from now on. */
  configure(): void {
    const context = this.#shard.options.tls?.context ?? null;
    assert(context === null || this.#layer !== null, "a shard with TLS has a poller that can do it");
    try {
      this.#layer?.useContext(CLIENT_CONTEXT, context);
    } catch (error) {
      const what = this.#hasContext ? "TLS certificates stay as they were" : "TLS has no certificates";
      this.#shard.log("error", `${what}: ${(error as Error).message}`);
    }
  }

  /** Whether there are certificates to make handshakes with. */
  get #hasContext(): boolean {
    return this.#layer?.hasContext(CLIENT_CONTEXT) ?? false;
  }

  startTurn(): void {
    this.#stepsLeft = STEPS_PER_TURN;
  }

  /** Whether another handshake step may be taken in this turn. If so, the step is counted. */
  takeStep(): boolean {
    if (this.#stepsLeft === 0) return false;
    this.#stepsLeft--;
    return true;
  }

  /** Begins a connection that has no handshake to make, such as an upgraded WebSocket. One too many is told so. */
  skip(connection: Connection, isTooMany: boolean): void {
    this.#protocol.greet(connection);
    if (isTooMany) this.#shard.fail(connection, errors.ERROR_MAXIMUM_CONNECTIONS);
    else this.#settle(connection);
  }

  /** Begins a fresh connection. One too many is told so, in clear text. */
  begin(connection: Connection, isTooMany: boolean): void {
    const { tls } = this.#shard.options;
    connection.isTlsFirst = tls?.isFirst ?? false;
    if (!connection.isTlsFirst) this.#greetPlainly(connection);
    if (isTooMany) this.#shard.fail(connection, errors.ERROR_MAXIMUM_CONNECTIONS);
    else if (tls !== null && connection.isTlsFirst && tls.fallbackDelayMs > 0) {
      connection.phase = PHASE_AWAITS_HELLO;
      this.#setTimer(connection, tls.fallbackDelayMs);
    } else this.#awaitHeader(connection);
  }

  /**
   * Handles an event of the socket. Returns true if the connection is settled and may have something to read; false if
   * there is more to wait for, or the connection is lost.
   */
  proceed(connection: Connection): boolean {
    const { tls } = this.#shard.options;
    if (connection.phase === PHASE_AWAITS_HELLO && this.#shard.options.takesProxyHeaders) {
      if (this.#layer!.peek(connection.slot) === WOULD_BLOCK) return false;
      this.#awaitHeader(connection);
    }
    if (connection.phase === PHASE_AWAITS_HEADER) {
      if (!this.#takeHeader(connection)) return false;
      this.#afterHeader(connection);
      return this.#goOn(connection);
    }
    if (connection.phase !== PHASE_HANDSHAKE) {
      const first = this.#layer!.peek(connection.slot);
      if (first === WOULD_BLOCK) return false;
      // The options may have changed while the connection waited.
      const isTls = connection.phase === PHASE_AWAITS_HELLO || first === TLS_HANDSHAKE_BYTE;
      if (!isTls || tls === null) {
        // A reload has removed TLS, and INFO is still due.
        if (connection.phase === PHASE_AWAITS_HELLO) this.#greetPlainly(connection);
        this.#settle(connection);
        return true;
      }
      if (!this.#start(connection, tls)) return false;
    }
    if (!this.takeStep()) return false;
    const result = this.#layer!.handshake(connection.slot);
    if (result === WOULD_BLOCK) return false;
    return result === HANDSHAKE_DONE ? this.#onShaken(connection) : this.#failHandshake(connection);
  }

  /** Proceeds in the phase that has just begun, since its bytes may have arrived already. */
  #goOn(connection: Connection): boolean {
    if (connection.state >= STATE_CLOSING) return false;
    return connection.phase === PHASE_SETTLED || this.proceed(connection);
  }

  /** Handles the end of the time for the connection's phase. */
  onTimer(connection: Connection): void {
    if (connection.state >= STATE_CLOSING) return;
    if (connection.phase === PHASE_HANDSHAKE || connection.phase === PHASE_PEER_CHECK) {
      this.#shard.log(
        "debug",
        `${connection.label} - TLS handshake error: ${this.#onSocket(connection, "i/o timeout")}`,
      );
      this.#shard.log("debug", `${connection.label} - TLS handshake timeout`);
      this.#shard.close(connection, CloseReason.TlsHandshakeFailure);
    } else if (connection.phase === PHASE_AWAITS_HEADER) {
      const { text } = connection.proxyHeader!;
      this.#failHeader(connection, text === "" ? "EOF" : this.#onSocket(connection, "i/o timeout"));
    } else if (connection.phase === PHASE_AWAITS_HELLO) {
      this.#greetPlainly(connection);
      this.#awaitHeader(connection);
    } else this.#settle(connection);
  }

  /** Takes main's answer about a client's certificates. */
  onPeerChecked(connection: Connection, isValid: boolean): void {
    if (connection.state >= STATE_CLOSING || connection.phase !== PHASE_PEER_CHECK) return;
    if (isValid) {
      if (this.#finish(connection)) this.#shard.resumeInput(connection);
      return;
    }
    this.#shard.log("error", `${connection.label} - TLS handshake error: client not OCSP valid`);
    this.#shard.close(connection, CloseReason.TlsHandshakeFailure);
  }

  /**
   * Sends INFO in clear text. If the server takes headers of proxies, the known address may be a proxy's, so INFO
   * leaves it out.
   */
  #greetPlainly(connection: Connection): void {
    connection.isTlsFirst = false;
    this.#protocol.greet(connection, !this.#shard.options.takesProxyHeaders);
  }

  /** Begins to wait for a proxy's header, if the server takes those. */
  #awaitHeader(connection: Connection): void {
    if (!this.#shard.options.takesProxyHeaders) {
      this.#afterHeader(connection);
      return;
    }
    connection.proxyHeader = new ProxyHeader();
    connection.phase = PHASE_AWAITS_HEADER;
    this.#setTimer(connection, PROXY_HEADER_MS);
  }

  #afterHeader(connection: Connection): void {
    const { tls } = this.#shard.options;
    connection.proxyHeader = null;
    if (tls === null) this.#settle(connection);
    else if (connection.isTlsFirst) this.#start(connection, tls);
    else this.#afterInfo(connection, tls);
  }

  /** Reads a proxy's header. Returns true once it is known who the client is, or that no header comes. */
  #takeHeader(connection: Connection): boolean {
    const header = connection.proxyHeader!;
    const { poller, shared } = this.#shard;
    const first = header.text === "" ? this.#layer!.peek(connection.slot) : 0;
    if (first === WOULD_BLOCK) return false;
    if (first > 0 && !ProxyHeader.mayBeginWith(first)) return true;
    const receive = this.#shard.receiveBuffers.take(0);
    while (header.wantedBytes > 0) {
      const count = poller.read(connection.slot, receive, header.wantedBytes);
      if (count === WOULD_BLOCK) return false;
      if (count <= 0) {
        const failure = () => this.#onSocket(connection, `read: ${poller.lastError()}`);
        this.#failHeader(connection, count === 0 ? "EOF" : failure());
        return false;
      }
      header.add(shared.bytes.slice(receive, receive + count));
    }
    if (header.outcome === "absent") return this.#giveBack(connection, header.text);
    if (header.outcome === "broken") {
      this.#rejectHeader(connection, header.problem);
      return false;
    }
    if (header.source !== null) {
      connection.ip = header.source.ip;
      connection.port = header.source.port;
    }
    return true;
  }

  /**
   * What was read is no header but input of a client without TLS: keeps it for the protocol, if such clients are
   * allowed.
   */
  #giveBack(connection: Connection, text: string): boolean {
    const { tls } = this.#shard.options;
    if (tls !== null && !(tls.allowsPlain && !connection.isTlsFirst)) {
      this.#shard.log("error", `${connection.label} - TLS handshake error: ${NOT_TLS}`);
      this.#shard.close(connection, CloseReason.TlsHandshakeFailure);
      return false;
    }
    const { shared } = this.#shard;
    const receive = this.#shard.receiveBuffers.take(0);
    writeByteString(shared.bytes, receive, text);
    this.#kept.keep(connection, receive, receive + text.length);
    connection.proxyHeader = null;
    this.#settle(connection);
    this.#shard.resumeInput(connection);
    return false;
  }

  #failHeader(connection: Connection, cause: string): void {
    this.#rejectHeader(connection, connection.proxyHeader!.end(cause));
  }

  #rejectHeader(connection: Connection, problem: string): void {
    const { ip, port } = connection;
    this.#shard.log(
      "warning",
      `Error reading PROXY protocol header from ${hostPortText(ip, port)}: ${problem}`,
    );
    this.#shard.close(connection, CloseReason.ProtocolViolation);
  }

  /** After a reload, closes connections whose certificate is not pinned or that have none. Returns how many. */
  closeUnpinned(): number {
    let count = 0;
    for (const connection of this.#shard.connections) {
      if (connection === null || connection.state >= STATE_CLOSING) continue;
      // Connections in their handshake are checked at its end.
      if (connection.phase !== PHASE_SETTLED) continue;
      if (this.#isPinned(connection)) continue;
      this.#shard.close(connection, CloseReason.TlsHandshakeFailure);
      count++;
    }
    return count;
  }

  /** Goes on after INFO was sent in clear text. */
  #afterInfo(connection: Connection, tls: ShardTls): void {
    if (!tls.allowsPlain) {
      this.#start(connection, tls);
      return;
    }
    connection.phase = PHASE_AWAITS_FIRST_BYTE;
    this.#setTimer(connection, tls.timeoutMs);
  }

  /** Begins the handshake. Returns false if it cannot, for example because too many have begun. */
  #start(connection: Connection, tls: ShardTls): boolean {
    const { outbound } = this.#shard;
    if (!this.#hasContext) {
      this.#shard.close(connection, CloseReason.TlsHandshakeFailure);
      return false;
    }
    if (!this.#isWithinRate(tls)) {
      connection.phase = PHASE_SETTLED;
      this.#shard.fail(connection, errors.ERROR_CONNECTION_THROTTLING);
      return false;
    }
    this.#debug(connection, "Starting TLS client connection handshake");
    // Write what is still to be sent in clear text.
    outbound.flush(connection.slot);
    if (connection.state >= STATE_CLOSING) return false;
    if (connection.pending !== null) {
      this.#shard.close(connection, CloseReason.WriteError);
      return false;
    }
    connection.phase = PHASE_HANDSHAKE;
    this.#setTimer(connection, tls.timeoutMs);
    this.#layer!.startTls(connection.slot, CLIENT_CONTEXT, null);
    return true;
  }

  #onShaken(connection: Connection): boolean {
    connection.tls = this.#layer!.session(connection.slot);
    if (this.#shard.options.tls?.checksPeers !== true) return this.#finish(connection);
    connection.phase = PHASE_PEER_CHECK;
    this.#shard.holdInput(connection);
    this.#shard.askAboutPeer(connection, CLIENT_CONTEXT, connection.tls.verifiedChain);
    return false;
  }

  /** Finishes a handshake whose certificates were not objected to. */
  #finish(connection: Connection): boolean {
    if (!this.#isPinned(connection)) {
      this.#shard.log("error", `${connection.label} - TLS handshake error: certificate not pinned`);
      // Reports do not show a handshake that failed.
      connection.tls = null;
      this.#shard.close(connection, CloseReason.TlsHandshakeFailure);
      return false;
    }
    if (connection.isTlsFirst) this.#protocol.greet(connection);
    this.#settle(connection);
    this.#debug(connection, "TLS handshake complete");
    const { tls } = connection;
    if (tls !== null) {
      this.#debug(connection, `TLS version ${tls.version}, cipher suite ${tls.cipherSuite}`);
    }
    return true;
  }

  #failHandshake(connection: Connection): false {
    const { text, isNoise } = this.#layer!.handshakeError();
    const shown = text.startsWith("read: ") ? this.#onSocket(connection, text) : text;
    this.#shard.log(isNoise ? "debug" : "error", `${connection.label} - TLS handshake error: ${shown}`);
    this.#shard.close(connection, CloseReason.TlsHandshakeFailure);
    return false;
  }

  /** What happened to the socket, in the words of Go. */
  #onSocket({ ip, port }: Connection, what: string): string {
    const { info } = this.#shard;
    return `read tcp ${info.host}:${info.port}->${ip}:${port}: ${what}`;
  }

  #settle(connection: Connection): void {
    connection.phase = PHASE_SETTLED;
    this.#shard.timers.clear(timerId(connection, TIMER_AUTHENTICATION));
    this.#protocol.begin(connection);
  }

  #isPinned(connection: Connection): boolean {
    const { tls, webSocket } = this.#shard.options;
    const settings = connection.webSocket === null ? tls : webSocket?.tls;
    if (isPinned(connection, settings?.pinnedCerts ?? [])) return true;
    this.#debug(connection, `Failed pinned cert test for key id: ${peerKeyId(connection)}`);
    return false;
  }

  /**
   * Counts a handshake against the server's limit per second. All shards count in the same words. Two shards that count
   * at the turn of a window may let one handshake too many through.
   */
  #isWithinRate({ connectionRateLimit }: ShardTls): boolean {
    if (connectionRateLimit <= 0) return true;
    const { words } = this.#shard.shared;
    const now = Date.now() | 0;
    const sinceStart = (now - Atomics.load(words, HEADER_HANDSHAKE_WINDOW)) | 0;
    if (sinceStart < 0 || sinceStart > RATE_WINDOW_MS) {
      Atomics.store(words, HEADER_HANDSHAKE_WINDOW, now);
      Atomics.store(words, HEADER_HANDSHAKE_COUNT, 0);
    }
    if (Atomics.add(words, HEADER_HANDSHAKE_COUNT, 1) < connectionRateLimit) return true;
    Atomics.add(words, HEADER_HANDSHAKES_REJECTED, 1);
    return false;
  }

  #setTimer(connection: Connection, delayMs: number): void {
    const { nowMs, timers } = this.#shard;
    timers.set(timerId(connection, TIMER_AUTHENTICATION), nowMs + delayMs);
  }

  #debug(connection: Connection, text: string): void {
    if (this.#shard.options.logsDebug) this.#shard.log("debug", `${connection.label} - ${text}`);
  }
}
