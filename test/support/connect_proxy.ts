import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** What a proxy answers to CONNECT; a tunnel is made behind "HTTP/1.1 200". Null: nothing, and it waits. */
type Answer = string | null;

const ESTABLISHED = "HTTP/1.1 200 Connection established\r\nVia: 1.1 test\r\n\r\n";

/** A proxy that a server under test reaches hubs by. */
export class ConnectProxy {
  /** The requests that came, whole heads. */
  readonly requests: string[] = [];
  answer: Answer = ESTABLISHED;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  static async open(): Promise<ConnectProxy> {
    const server = createServer();
    const proxy = new ConnectProxy(server);
    server.on("connection", (socket) => proxy.#serve(socket));
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
