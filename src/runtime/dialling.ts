/** Connections that we open, on whichever poller. */
import { hostPortText, type SocketAddress } from "./posix/socket_address.ts";

/** The stream is connected: it is read and written like one that was accepted. */
export const CONNECTED = 1;
/** There is no connection; `dialError()` says why. */
export const CONNECT_FAILED = -2;

/** The dialling of a poller. How long it may take is for the caller to say: the kernel tries for minutes. */
export interface Dialler {
  /**
   * Begins a connection to an IP address. WOULD_BLOCK: the slot is taken, and has an event, WRITABLE or HANGUP, once
   * there is an outcome. CONNECT_FAILED: the slot is free.
   */
  connect(slot: number, ip: string, port: number): number;
  /**
   * The outcome, for an event of a slot that is connecting: CONNECTED, from when on READABLE is reported, WOULD_BLOCK, or
   * CONNECT_FAILED, after which the slot is for `close`.
   */
  finishConnect(slot: number): number;
  /** Why the last attempt failed, in Go's words: `dial tcp 127.0.0.1:1: connect: connection refused`. */
  dialError(): string;
  /** Our end of a connection; empty where it is lost already. */
  localAddress(slot: number): SocketAddress;
  /** The descriptor of a connection, from `connect` on; −1 where it is the runtime's. */
  fdOf(slot: number): number;
}

/** What Go says of a connection that was not made: `what` is `i/o timeout`, or what failed and why. */
export function dialErrorText(ip: string, port: number, what: string): string {
  return `dial tcp ${hostPortText(ip, port)}: ${what}`;
}

/**
 * Whether a connection to a port of this machine where nobody listens has met itself: the kernel may choose that port for
 * our end. Go takes it for refused, too.
 */
export function isToItself(local: SocketAddress, ip: string, port: number): boolean {
  return local.port === port && local.ip === ip;
}
