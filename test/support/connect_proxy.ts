import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type TlsOptions } from "node:tls";

/** What a proxy answers to CONNECT; it makes a tunnel after "HTTP/1.1 200". Null: it never answers. */
type Answer = string | null;

const ESTABLISHED = "HTTP/1.1 200 Connection established\r\nVia: 1.1 test\r\n\r\n";

/** A proxy through which a server under test reaches hubs. */
export class ConnectProxy {
  /** The requests that came, whole heads. */
  readonly requests: string[] = [];
  answer: Answer = ESTABLISHED;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  /** With a certificate it expects TLS. */
  static async open(identity?: Pick<TlsOptions, "cert" | "key">): Promise<ConnectProxy> {
    const server = identity === undefined ? createServer() : createTlsServer(identity);
    const proxy = new ConnectProxy(server);
    const event = identity === undefined ? "connection" : "secureConnection";
    server.on(event, (socket: Socket) => proxy.#serve(socket));
    server.on("tlsClientError", () => {});
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => {});
    socket.once("close", () => this.#sockets.delete(socket));
  }

  #serve(socket: Socket): void {
    this.#keep(socket);
    let head = "";
    const onData = (bytes: Buffer) => {
      head += bytes.toString("latin1");
      if (!head.endsWith("\r\n\r\n")) return;
      socket.off("data", onData);
      this.requests.push(head);
      this.#answer(socket, head);
    };
    socket.on("data", onData);
  }

  #answer(socket: Socket, head: string): void {
    const { answer } = this;
    if (answer === null) return;
    if (!answer.startsWith("HTTP/1.1 200")) {
      socket.end(answer, "latin1");
      return;
    }
    const [host, port] = head.split(" ")[1]!.split(":");
    socket.pause();
    const target = connect(Number(port), host!);
    this.#keep(target);
    target.once("connect", () => {
      // What the target says first may come in one piece with the answer.
      target.once("data", (first: Buffer) => {
        target.pause();
        socket.write(Buffer.concat([Buffer.from(answer, "latin1"), first]));
        target.pipe(socket);
      });
      // A hub by WebSocket does not speak first.
      const alone = setTimeout(() => {
        target.removeAllListeners("data");
        socket.write(answer, "latin1");
        target.pipe(socket);
      }, 50);
      target.once("data", () => clearTimeout(alone));
      socket.pipe(target);
    });
  }
}
