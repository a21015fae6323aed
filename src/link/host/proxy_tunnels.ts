/**
 * Tunnels through a proxy to the dialled server: asks for one, and reads the answer byte by byte, because what follows
 * the answer is from the hub.
 *
 *   start ─▶ (SHAKING ─▶) ASKED ─answer─▶ a tunnel, or a problem
 *
 * Source: nats-server `establishHTTPProxyTunnel`. Cold.
 */
import { assert } from "../../base/assert.ts";
import { tunnelProblem, tunnelRequest } from "../../protocol/proxy_tunnel.ts";
import { HeadReader } from "../../protocol/websocket/http_head.ts";
import type { Dialler } from "../../runtime/dialling.ts";
import { WOULD_BLOCK, writeOnce } from "../../runtime/poller.ts";
import { connectionEndsText } from "../../runtime/posix/socket_address.ts";
import { HANDSHAKE_DONE, type TlsLayer } from "../../runtime/tls.ts";
import type { Connection } from "../../shard/connection.ts";
import type { LinkShard } from "../../shard/links/link_host.ts";
import type { DialProxy, LinkClock } from "../core/link.ts";

export interface ProxyTunnelsOptions {
  readonly shard: Pick<LinkShard, "poller" | "receiveBuffers" | "shared">;
  readonly dialler: Pick<Dialler, "localAddress">;
  readonly tls: Pick<TlsLayer, "hasContext" | "startTls" | "handshake" | "handshakeError">;
  readonly clock: LinkClock;
}

/** `problem` says why there is no tunnel; null if there is one. */
type Done = (problem: string | null) => void;

interface Request {
  readonly proxy: DialProxy;
  readonly target: string;
  readonly head: HeadReader;
  /** Whether the TLS handshake with the proxy is not done yet. */
  isShaking: boolean;
  readonly done: Done;
  stopTimeout: () => void;
}

const UNSHAKEN = "proxy TLS handshake failed";
const FAILED = "failed to read proxy response";

export class ProxyTunnels {
  readonly #options: ProxyTunnelsOptions;
  readonly #underWay = new Map<Connection, Request>();

  constructor(options: ProxyTunnelsOptions) {
    this.#options = options;
  }

  /** Asks, over a connection to the proxy, for a tunnel to `target`, `host:port`. */
  start(connection: Connection, proxy: DialProxy, target: string, done: Done): void {
    const request = { proxy, target, head: new HeadReader(), isShaking: false, done, stopTimeout: () => {} };
    this.#underWay.set(connection, request);
    if (proxy.tls === null) this.#ask(connection, request);
    else this.#shake(connection, request, proxy.tls);
  }

  isUnderWay(connection: Connection): boolean {
    return this.#underWay.has(connection);
  }

  /** The socket has an event. */
  proceed(connection: Connection): void {
    const request = this.#underWay.get(connection);
    assert(request !== undefined, "a tunnel is asked for");
    if (request.isShaking) this.#goOnShaking(connection, request);
    if (!request.isShaking && this.isUnderWay(connection)) this.#readAnswer(connection, request);
  }

  /** The socket is gone. */
  ended(connection: Connection): void {
    this.#underWay.get(connection)?.stopTimeout();
    this.#underWay.delete(connection);
  }

  #shake(
    connection: Connection,
    request: Request,
    { context, timeoutMs }: NonNullable<DialProxy["tls"]>,
  ): void {
    const { clock, tls } = this.#options;
    if (!tls.hasContext(context)) {
      this.#finish(connection, `${UNSHAKEN}: no library for TLS; see the log of the start`);
      return;
    }
    request.isShaking = true;
    request.stopTimeout = clock.after(timeoutMs, () =>
      this.#finish(connection, `${UNSHAKEN}: ${this.#readOf(connection)}: i/o timeout`),
    );
    tls.startTls(connection.slot, context, { serverName: request.proxy.host });
    // The side that dialled sends first.
    this.#goOnShaking(connection, request);
  }

  #goOnShaking(connection: Connection, request: Request): void {
    const { tls } = this.#options;
    const outcome = tls.handshake(connection.slot);
    if (outcome === WOULD_BLOCK) return;
    if (outcome !== HANDSHAKE_DONE) {
      const text = tls.handshakeError().text.replace(/^read: /, `${this.#readOf(connection)}: read: `);
      this.#finish(connection, `${UNSHAKEN}: ${text}`);
      return;
    }
    request.isShaking = false;
    request.stopTimeout();
    this.#ask(connection, request);
  }

  #ask(connection: Connection, request: Request): void {
    const { clock, shard } = this.#options;
    const { user, password, timeoutMs } = request.proxy;
    request.stopTimeout = clock.after(timeoutMs, () =>
      this.#finish(connection, `${FAILED}: ${this.#readOf(connection)}: i/o timeout`),
    );
    if (!writeOnce(shard.poller, connection.slot, tunnelRequest(request.target, user, password)))
      this.#finish(connection, "failed to write CONNECT request");
  }

  #readAnswer(connection: Connection, { head }: Request): void {
    const { poller, receiveBuffers, shared } = this.#options.shard;
    const receive = receiveBuffers.take(0);
    for (;;) {
      const count = poller.read(connection.slot, receive, 1);
      if (count === WOULD_BLOCK) return;
      if (count <= 0) {
        const what =
          count === 0 ? "unexpected EOF" : `${this.#readOf(connection)}: read: ${poller.lastError()}`;
        this.#finish(connection, `${FAILED}: ${what}`);
        return;
      }
      if (!head.add(shared.bytes, receive, receive + count)) {
        this.#finish(connection, `${FAILED}: it is too long`);
        return;
      }
      const answer = head.take();
      if (answer === null) continue;
      this.#finish(connection, tunnelProblem(answer));
      return;
    }
  }

  #finish(connection: Connection, problem: string | null): void {
    const request = this.#underWay.get(connection);
    this.ended(connection);
    request?.done(problem);
  }

  /** The beginning of Go's text about a failed read. */
  #readOf({ slot, ip, port }: Connection): string {
    return `read tcp ${connectionEndsText(this.#options.dialler.localAddress(slot), { ip, port })}`;
  }
}
