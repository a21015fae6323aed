/**
 * TLS handshakes of links, on either side: at once or with the peer's first byte, within a time, with a check for
 * pinned keys.
 *
 *   startTls ─▶ (AWAITS_HELLO ─▶) SHAKING ─▶ secured, or closed
 *                    └ moment over: the fallback in clear
 *
 * Log lines are nats-server's. Source: nats-server `doTLSHandshake`.
 */
import { CloseReason } from "../../protocol/close_reason.ts";
import type { Dialler } from "../../runtime/dialling.ts";
import { WOULD_BLOCK } from "../../runtime/poller.ts";
import { connectionEndsText } from "../../runtime/posix/socket_address.ts";
import { HANDSHAKE_DONE, type TlsLayer } from "../../runtime/tls.ts";
import {
  type Connection,
  PHASE_HANDSHAKE,
  PHASE_PEER_CHECK,
  PHASE_SETTLED,
  STATE_CLOSING,
} from "../../shard/connection.ts";
import type { LinkShard } from "../../shard/links/link_host.ts";
import type { LinkClock, LinkKind, LinkLog, LinkTls } from "../core/link.ts";
import type { LinkTlsContexts } from "./link_tls.ts";

export interface LinkHandshakesOptions {
  readonly shard: Pick<LinkShard, "close" | "holdInput" | "askAboutPeer"> & {
    readonly outbound: Pick<LinkShard["outbound"], "flush">;
  };
  readonly dialler: Pick<Dialler, "localAddress">;
  readonly tls: TlsLayer;
  readonly tlsContexts: LinkTlsContexts;
  readonly clock: LinkClock;
  readonly log: LinkLog;
}

/** A connection that can be secured. */
export interface SecurableLink {
  readonly kind: LinkKind;
  /** Its name in log lines. */
  readonly label: string;
  readonly connection: Connection;
  readonly remoteIp: string;
  readonly remotePort: number;
  readonly isDialled: boolean;
}

interface Handshake {
  readonly options: LinkTls;
  readonly then: () => void;
  /** Whether it waits for a peer that has not begun and need not begin. */
  isAwaited: boolean;
  /** Cancels the timeout. */
  stopTimeout: () => void;
}

export class LinkHandshakes {
  readonly #options: LinkHandshakesOptions;
  readonly #underWay = new Map<SecurableLink, Handshake>();
  /** The name of the context with which each handshake was done. */
  readonly #secured = new Map<SecurableLink, string>();

  constructor(options: LinkHandshakesOptions) {
    this.#options = options;
  }

  /** See `LinkConnection.startTls`. */
  start(link: SecurableLink, options: LinkTls, then: () => void): void {
    const { clock, tlsContexts } = this.#options;
    if (!tlsContexts.has(options.context)) {
      this.#fail(link, "tls: no library for it; see the log of the start");
      return;
    }
    link.connection.phase = PHASE_HANDSHAKE;
    const { fallback } = options;
    const handshake: Handshake = { options, then, isAwaited: fallback !== undefined, stopTimeout: () => {} };
    this.#underWay.set(link, handshake);
    if (fallback !== undefined) {
      handshake.stopTimeout = clock.after(fallback.afterMs, () => {
        fallback.send();
        this.#begin(link, handshake);
      });
      return;
    }
    // The side that dialled sends first. What comes right after a handshake is read in the event that ends the
    // handshake, and no event follows this call. So a server waits for the event that brings the hello.
    if (this.#begin(link, handshake) && link.isDialled) this.#goOn(link, handshake);
  }

  /** The socket has an event. Returns true if the link is secured and may have something to read. */
  proceed(link: SecurableLink): boolean {
    const handshake = this.#underWay.get(link);
    if (handshake === undefined) return false;
    if (!handshake.isAwaited) return this.#goOn(link, handshake);
    if (this.#options.tls.peek(link.connection.slot) === WOULD_BLOCK) return false;
    handshake.stopTimeout();
    return this.#begin(link, handshake) && this.#goOn(link, handshake);
  }

  /** The socket is gone. */
  ended(link: SecurableLink): void {
    this.#underWay.get(link)?.stopTimeout();
    this.#underWay.delete(link);
    this.#secured.delete(link);
  }

  /** Closes links whose key is not among the pinned ones after a reload. Returns how many. */
  closeUnpinned(): number {
    const { shard, tls, tlsContexts } = this.#options;
    let count = 0;
    for (const [{ connection }, context] of this.#secured) {
      if (connection.state >= STATE_CLOSING) continue;
      if (tlsContexts.isPinned(context, tls.session(connection.slot))) continue;
      shard.close(connection, CloseReason.TlsHandshakeFailure);
      count++;
    }
    return count;
  }

  /** Returns false if the connection is lost. */
  #begin(link: SecurableLink, handshake: Handshake): boolean {
    const { shard, tls, clock } = this.#options;
    const { connection, isDialled, remoteIp } = link;
    const { context, timeoutMs, serverName } = handshake.options;
    handshake.isAwaited = false;
    // TLS records must follow what was sent unencrypted.
    shard.outbound.flush(connection.slot);
    if (connection.state >= STATE_CLOSING) return false;
    if (connection.pending !== null) {
      shard.close(connection, CloseReason.WriteError);
      return false;
    }
    this.#say(link, "debug", `Starting TLS ${NAMES[link.kind]} ${isDialled ? "client" : "server"} handshake`);
    handshake.stopTimeout = clock.after(timeoutMs, () => {
      this.#fail(link, "read: i/o timeout");
      this.#say(link, "error", "TLS handshake timeout");
    });
    // Without a name, the server is verified by its address.
    tls.startTls(connection.slot, context, isDialled ? { serverName: serverName || remoteIp } : null);
    return true;
  }

  #goOn(link: SecurableLink, handshake: Handshake): boolean {
    const { shard, tls, tlsContexts } = this.#options;
    const { connection } = link;
    const outcome = tls.handshake(connection.slot);
    if (outcome === WOULD_BLOCK) return false;
    if (outcome !== HANDSHAKE_DONE) {
      this.#stop(link, handshake);
      this.#fail(link, tls.handshakeError().text);
      return false;
    }
    const { context } = handshake.options;
    if (!tlsContexts.checksPeers(context)) return this.#finish(link, handshake);
    connection.phase = PHASE_PEER_CHECK;
    shard.holdInput(connection);
    shard.askAboutPeer(connection, context, tls.session(connection.slot).verifiedChain);
    return false;
  }

  /** Takes main's answer about the other side's certificates. Returns true if the link is secured now. */
  peerChecked(link: SecurableLink, isValid: boolean): boolean {
    const handshake = this.#underWay.get(link);
    if (handshake === undefined) return false;
    if (isValid) return this.#finish(link, handshake);
    this.#stop(link, handshake);
    this.#fail(link, `${link.isDialled ? "server" : "client"} not OCSP valid`);
    return false;
  }

  /** The handshake is done, and the other side's certificates are valid. Checks the pinned keys. */
  #finish(link: SecurableLink, handshake: Handshake): boolean {
    const { tls, tlsContexts } = this.#options;
    const { connection } = link;
    const { context } = handshake.options;
    this.#stop(link, handshake);
    const session = tls.session(connection.slot);
    if (!tlsContexts.isPinned(context, session)) {
      this.#fail(link, "certificate not pinned");
      return false;
    }
    this.#say(link, "debug", "TLS handshake complete");
    this.#say(link, "debug", `TLS version ${session.version}, cipher suite ${session.cipherSuite}`);
    this.#secured.set(link, context);
    connection.tls = session;
    connection.phase = PHASE_SETTLED;
    handshake.then();
    return true;
  }

  #stop(link: SecurableLink, handshake: Handshake): void {
    handshake.stopTimeout();
    this.#underWay.delete(link);
  }

  /**
   * Logs a failed handshake and closes the connection. A problem `read: <what>` is written as Go writes it, with both
   * ends of the socket.
   */
  #fail(link: SecurableLink, problem: string): void {
    const { shard, dialler } = this.#options;
    const { kind, connection, remoteIp, remotePort } = link;
    const local = dialler.localAddress(connection.slot);
    const ends = connectionEndsText(local, { ip: remoteIp, port: remotePort });
    const text = problem.replace(/^read: /, `read tcp ${ends}: `);
    this.#say(link, "error", `TLS ${NAMES[kind]} handshake error: ${text}`);
    shard.close(connection, CloseReason.TlsHandshakeFailure);
  }

  #say({ label }: SecurableLink, level: "debug" | "error", text: string): void {
    this.#options.log(level, `${label} - ${text}`);
  }
}

const NAMES: Readonly<Record<LinkKind, string>> = { route: "route", gateway: "gateway", leaf: "leafnode" };
