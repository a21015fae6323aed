/** Connections that we open, on any poller. */
import { hostPortText, type SocketAddress } from "./posix/socket_address.ts";

/** The stream is connected. From now on it is read and written like one that was accepted. */
export const CONNECTED = 1;
/** There is no connection; `dialError()` says why. */
export const CONNECT_FAILED = -2;

/** The dialling of a poller. The caller limits how long it may take, because the kernel tries for minutes. */
export interface Dialler {
  /**
   * Begins a connection to an IP address. After WOULD_BLOCK the slot is taken, and has an event, WRITABLE or HANGUP,
   * once there is an outcome. After CONNECT_FAILED the slot is free.
   */
  connect(slot: number, ip: string, port: number): number;
  /**
   * The outcome, to be asked for at an event of a slot that is connecting. It is CONNECTED, after which READABLE is
   * reported, WOULD_BLOCK, or CONNECT_FAILED, after which the slot must be closed.
   */
  finishConnect(slot: number): number;
  /** Why the last attempt failed, in Go's words: `dial tcp 127.0.0.1:1: connect: connection refused`. */
  dialError(): string;
  /** Our end of a connection; empty if it is lost already. */
  localAddress(slot: number): SocketAddress;
  /** The descriptor of a connection, from `connect` on; −1 with the runtime's sockets. */
  fdOf(slot: number): number;
}

/** Go's words for a connection that was not made. `what` is `i/o timeout`, or what failed and why. */
export function dialErrorText(ip: string, port: number, what: string): string {
  return `dial tcp ${hostPortText(ip, port)}: ${what}`;
}

/**
 * Whether a connection has met itself. If nobody listens on a port of this machine, the kernel may choose that port for
 * our end. Like Go, we take it for refused.
 */
export function isToItself(local: SocketAddress, ip: string, port: number): boolean {
  return local.port === port && local.ip === ip;
}
