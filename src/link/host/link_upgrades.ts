/**
 * The HTTP upgrade of a leaf node that reaches its hub by WebSocket: asks for it, reads the answer, and switches to
 * frames.
 *
 *   start ─▶ ASKED ─answer─▶ frames both ways, or a problem      what came behind the answer is the first of the frames
 *
 * Source: nats-server `leafNodeSolicitWSConnection`. Cold.
 */
import { assert } from "../../base/assert.ts";
import { newWebSocketKey } from "../../protocol/websocket/accept_key.ts";
import {
  leafnodeUpgradeRequest,
  readUpgradeResponse,
  type UpgradeWish,
} from "../../protocol/websocket/client_upgrade.ts";
import { HeadReader, isBadHead } from "../../protocol/websocket/http_head.ts";
import type { Dialler } from "../../runtime/dialling.ts";
import { WOULD_BLOCK, writeOnce } from "../../runtime/poller.ts";
import { connectionEndsText } from "../../runtime/posix/socket_address.ts";
import type { WebSocketLayer } from "../../runtime/websocket/websocket_layer.ts";
import { type Connection, PHASE_HANDSHAKE, PHASE_SETTLED } from "../../shard/connection.ts";
import type { LinkShard } from "../../shard/links/link_host.ts";
import type { LinkClock, LinkUpgrade, LinkUpgradeOutcome } from "../core/link.ts";

/** The bytes of an answer that are read at once. */
const READ_BYTES = 4096;

export interface LinkUpgradesOptions {
  readonly shard: Pick<LinkShard, "poller" | "receiveBuffers" | "shared">;
  readonly dialler: Pick<Dialler, "localAddress">;
  readonly frames: Pick<WebSocketLayer, "startFrames">;
  readonly clock: LinkClock;
}

/** A connection that can be upgraded. */
export interface UpgradableLink {
  readonly connection: Connection;
  readonly remoteIp: string;
  readonly remotePort: number;
}

interface Request {
  readonly wish: UpgradeWish;
  readonly head: HeadReader;
  readonly then: (outcome: LinkUpgradeOutcome) => void;
  readonly stopTimeout: () => void;
}

export class LinkUpgrades {
  readonly #options: LinkUpgradesOptions;
  readonly #underWay = new Map<UpgradableLink, Request>();

  constructor(options: LinkUpgradesOptions) {
    this.#options = options;
  }

  /** See `LinkConnection.startWebSocket`. */
  start(link: UpgradableLink, options: LinkUpgrade, then: Request["then"]): void {
    const { timeoutMs, ...asked } = options;
    const wish = { ...asked, key: newWebSocketKey() };
    const stopTimeout = this.#options.clock.after(timeoutMs, () =>
      this.#fail(link, `${this.#readOf(link)}: i/o timeout`),
    );
    link.connection.phase = PHASE_HANDSHAKE;
    this.#underWay.set(link, { wish, head: new HeadReader(), then, stopTimeout });
    const { poller } = this.#options.shard;
    if (!writeOnce(poller, link.connection.slot, leafnodeUpgradeRequest(wish))) {
      this.#fail(link, "the request could not be written");
    }
  }

  isUnderWay(link: UpgradableLink): boolean {
    return this.#underWay.has(link);
  }

  /** The socket has an event. */
  proceed(link: UpgradableLink): void {
    const request = this.#underWay.get(link);
    assert(request !== undefined, "the link is being upgraded");
    const { poller, receiveBuffers, shared } = this.#options.shard;
    const receive = receiveBuffers.take(0);
    const count = poller.read(link.connection.slot, receive, READ_BYTES);
    if (count === WOULD_BLOCK) return;
    if (count === 0) this.#fail(link, "unexpected EOF");
    else if (count < 0) this.#fail(link, `${this.#readOf(link)}: read: ${poller.lastError()}`);
    else if (request.head.add(shared.bytes, receive, receive + count)) this.#takeAnswer(link, request);
    else this.#fail(link, "the answer to the upgrade is too long");
  }

  /** The socket is gone. */
  ended(link: UpgradableLink): void {
    this.#underWay.get(link)?.stopTimeout();
    this.#underWay.delete(link);
  }

  #takeAnswer(link: UpgradableLink, { head, wish, then }: Request): void {
    const answer = head.take();
    if (answer === null) return;
    const outcome = isBadHead(answer)
      ? ({ ok: false, problem: "malformed HTTP response" } as const)
      : readUpgradeResponse(answer, wish);
    if (!outcome.ok) {
      this.#fail(link, outcome.problem);
      return;
    }
    const { connection } = link;
    this.ended(link);
    this.#options.frames.startFrames(connection.slot, outcome.terms, "client", head.takeRest());
    connection.hasFrames = true;
    connection.phase = PHASE_SETTLED;
    const { isMasked, isCompressed } = outcome.terms;
    then({ ok: true, isMasked, isCompressed });
  }

  #fail(link: UpgradableLink, problem: string): void {
    const request = this.#underWay.get(link);
    this.ended(link);
    request?.then({ ok: false, problem });
  }

  /** The beginning of Go's text about a failed read. */
  #readOf({ connection, remoteIp, remotePort }: UpgradableLink): string {
    const local = this.#options.dialler.localAddress(connection.slot);
    return `read tcp ${connectionEndsText(local, { ip: remoteIp, port: remotePort })}`;
  }
}
