import type { SyslogTransport } from "../log/syslog_sink.ts";
import { AF_UNIX, EAGAIN, MSG_NOSIGNAL, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK } from "./posix/libc.ts";
import type { Posix } from "./posix/posix.ts";

/** What a datagram socket needs of libc. */
export type DatagramPosix = Pick<Posix, "addressOf" | "close" | "errno" | "functions" | "send">;

/** Bytes of `struct sockaddr_un`: the family, and a path with the zero at its end. */
const SOCKADDR_UN_BYTES = 110;

/**
 * Connects a Unix datagram socket to `path`, such as the /dev/log of a syslog daemon. `node:` has no such sockets.
 * Undefined if nobody listens there. A message that the daemon has no room for is lost, because a log must not hold the
 * server up.
 */
export function openUnixDatagram(posix: DatagramPosix, path: string): SyslogTransport | undefined {
  const address = encodeUnixAddress(path);
  if (address === undefined) return undefined;
  let fd = connect(posix, address);
  if (fd < 0) return undefined;
  let isClosed = false;
  return {
    send(message: Uint8Array): void {
      if (isClosed) return;
      // Only storage that nothing else owns keeps its address.
      const bytes = new Uint8Array(new ArrayBuffer(message.length));
      bytes.set(message);
      if (sendOn(posix, fd, bytes) >= 0 || posix.errno() === EAGAIN) return;
      // A daemon that was started again listens on another socket.
      if (fd >= 0) posix.close(fd);
      fd = connect(posix, address);
      sendOn(posix, fd, bytes);
    },
    close(): void {
      if (fd >= 0 && !isClosed) posix.close(fd);
      isClosed = true;
    },
  };
}

/** `struct sockaddr_un`, or undefined if the path does not fit into one. */
export function encodeUnixAddress(path: string): Uint8Array | undefined {
  const pathBytes = new TextEncoder().encode(path);
  if (pathBytes.length > SOCKADDR_UN_BYTES - 3) return undefined;
  const address = new Uint8Array(new ArrayBuffer(SOCKADDR_UN_BYTES));
  address[0] = AF_UNIX;
  address.set(pathBytes, 2);
  return address;
}

/** The connected socket, or −1. */
function connect(posix: DatagramPosix, address: Uint8Array): number {
  const { socket, connect: connectTo } = posix.functions;
  const fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0 || connectTo(fd, posix.addressOf(address), address.length) === 0) return fd;
  posix.close(fd);
  return -1;
}

function sendOn(posix: DatagramPosix, fd: number, bytes: Uint8Array): number {
  return posix.send(fd, posix.addressOf(bytes), bytes.length, MSG_NOSIGNAL);
}
