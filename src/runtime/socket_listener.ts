import { createServer, type Server, type Socket } from "node:net";
import { errnoTextOf } from "./posix/errno.ts";
import { lookupErrorText } from "./posix/listen.ts";
import { hostPortText, isEveryAddress, withoutMapping } from "./posix/socket_address.ts";

export interface SocketListenOptions {
  readonly host: string;
  /** 0 lets the kernel choose. */
  readonly port: number;
  readonly backlog: number;
  /** Lets several threads listen on one port. The kernel spreads connections over them (Linux). */
  readonly reusePort: boolean;
  /** Adds the socket to its `SocketPoller` before it returns, or destroys it. */
  onConnection(socket: Socket, ip: string, port: number): void;
}

export type SocketListenResult =
  | { readonly ok: true; readonly port: number; close(): void }
  | { readonly ok: false; readonly error: string };

/** Listens with the runtime's own sockets. Hosts and error texts are those of `listenTcp`. */
export async function listenWithRuntime(options: SocketListenOptions): Promise<SocketListenResult> {
  const { host, port, backlog, reusePort, onConnection } = options;
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    return { ok: false, error: `listen tcp: address ${port}: invalid port` };
  }
  const isWildcard = isEveryAddress(host);
  // With allowHalfOpen, the reader decides what the end of the stream means, as with epoll.
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    onConnection(socket, withoutMapping(socket.remoteAddress ?? ""), socket.remotePort ?? 0);
  });
  const listenOn = (address: string) => startListening(server, { host: address, port, backlog, reusePort });
  let error = await listenOn(isWildcard ? "::" : host);
  if (isWildcard && error?.code === "EAFNOSUPPORT") error = await listenOn("0.0.0.0");
  if (error?.syscall === "getaddrinfo") {
    return { ok: false, error: `listen tcp: lookup ${host}: ${lookupErrorText(error)}` };
  }
  if (error !== undefined) {
    return { ok: false, error: `listen tcp ${hostPortText(host, port)}: bind: ${errnoTextOf(error)}` };
  }
  const local = server.address();
  return {
    ok: true,
    port: typeof local === "object" && local !== null ? local.port : port,
    close: () => server.close(),
  };
}

type SystemError = Error & { code?: string; syscall?: string };

function startListening(server: Server, options: object): Promise<SystemError | undefined> {
  return new Promise((resolve) => {
    server.once("error", resolve);
    server.listen(options, () => {
      server.removeListener("error", resolve);
      // A failed accept (EMFILE) concerns one connection, not the server.
      server.on("error", () => {});
      resolve(undefined);
    });
  });
}
