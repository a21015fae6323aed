/**
 * The tunnel through a proxy to what was dialled: asks for it, and reads the answer byte by byte, since what comes right
 * behind it is the hub's already. Source: nats-server `establishHTTPProxyTunnel`. Cold.
 */
import { assert } from "../../base/assert.ts";
import { tunnelProblem, tunnelRequest } from "../../protocol/proxy_tunnel.ts";
import { HeadReader } from "../../protocol/websocket/http_head.ts";
import type { Dialler } from "../../runtime/dialling.ts";
import { WOULD_BLOCK, writeOnce } from "../../runtime/poller.ts";
import { connectionEndsText } from "../../runtime/posix/socket_address.ts";
import type { Connection } from "../../shard/connection.ts";
import type { LinkShard } from "../../shard/link_host.ts";
import type { DialProxy, LinkClock } from "../core/link.ts";

export interface ProxyTunnelsOptions {
  readonly shard: Pick<LinkShard, "poller" | "receive" | "shared"> & {
    readonly outbound: Pick<LinkShard["outbound"], "flushAll" | "hasGathered">;
  };
  readonly dialler: Pick<Dialler, "localAddress">;
  readonly clock: LinkClock;
}

/** Null: there is a tunnel; else why there is none. */
type Done = (problem: string | null) => void;

interface Request {
  readonly head: HeadReader;
  readonly done: Done;
  readonly stopTimeout: () => void;
}

const FAILED = "failed to read proxy response";

export class ProxyTunnels {
  readonly #options: ProxyTunnelsOptions;
  readonly #underWay = new Map<Connection, Request>();

  constructor(options: ProxyTunnelsOptions) {
    this.#options = options;
  }

  /** Asks, over a connection to the proxy, for a tunnel to `target`, `host:port`. */
  start(connection: Connection, { user, password, timeoutMs }: DialProxy, target: string, done: Done): void {
    const { clock, shard } = this.#options;
    const stopTimeout = clock.after(timeoutMs, () =>
      this.#finish(connection, `${FAILED}: ${this.#readOf(connection)}: i/o timeout`),
    );
    this.#underWay.set(connection, { head: new HeadReader(), done, stopTimeout });
    if (!writeOnce(shard.poller, connection.slot, tunnelRequest(target, user, password)))
      this.#finish(connection, "failed to write CONNECT request");
  }

  isUnderWay(connection: Connection): boolean {
    return this.#underWay.has(connection);
  }

  /** The socket has an event. */
  proceed(connection: Connection): void {
    const request = this.#underWay.get(connection);
    assert(request !== undefined, "a tunnel is asked for");
    const { poller, receive, shared, outbound } = this.#options.shard;
    // The buffer is about to be written over.
    if (outbound.hasGathered) outbound.flushAll();
    for (;;) {
      const count = poller.read(connection.slot, receive, 1);
      if (count === WOULD_BLOCK) return;
      if (count <= 0) {
        const what =
          count === 0 ? "unexpected EOF" : `${this.#readOf(connection)}: read: ${poller.lastError()}`;
        this.#finish(connection, `${FAILED}: ${what}`);
        return;
      }
      if (!request.head.add(shared.bytes, receive, receive + count)) {
        this.#finish(connection, `${FAILED}: it is too long`);
        return;
      }
      const answer = request.head.take();
      if (answer === null) continue;
      this.#finish(connection, tunnelProblem(answer));
      return;
    }
  }

  /** The socket is gone. */
  ended(connection: Connection): void {
    this.#underWay.get(connection)?.stopTimeout();
    this.#underWay.delete(connection);
  }

  #finish(connection: Connection, problem: string | null): void {
    const request = this.#underWay.get(connection);
    this.ended(connection);
    request?.done(problem);
  }

  /** As Go begins what it tells of a read. */
  #readOf({ slot, ip, port }: Connection): string {
    return `read tcp ${connectionEndsText(this.#options.dialler.localAddress(slot), { ip, port })}`;
  }
}
