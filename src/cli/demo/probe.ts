import type { Buffer } from "node:buffer";
import { connect, type Socket } from "node:net";
import type { DemoServer } from "./topology.ts";

/** What probes of all servers publish to, and listen on. */
const SUBJECT = "midge.demo.links";
const ROUND_MS = 50;

/**
 * Waits until a message published on any of these servers reaches a client of every other one: then all links are up, and
 * know what is wanted. Tries until `signal` ends it; says whether it came to pass.
 */
export async function untilConnected(servers: readonly DemoServer[], signal: AbortSignal): Promise<boolean> {
  const probes = servers.map((server) => new Probe(server));
  try {
    while (!signal.aborted) {
      for (const probe of probes) probe.speak();
      await new Promise((wait) => setTimeout(wait, ROUND_MS));
      if (probes.every(({ heard }) => servers.every(({ name }) => heard.has(name)))) return true;
    }
    return false;
  } finally {
    for (const probe of probes) probe.close();
  }
}

/** A client of one server that says its server's name to all others, and notes whose it hears. */
class Probe {
  readonly heard = new Set<string>();
  readonly #server: DemoServer;
  #socket: Socket | null = null;
  #isClosed = false;

  constructor(server: DemoServer) {
    this.#server = server;
  }

  /** Connects if it is not connected; a server that does not answer yet is asked again the next time. */
  speak(): void {
    const { name } = this.#server;
    const socket = this.#socket ?? this.#open();
    if (!socket.connecting) socket.write(`PUB ${SUBJECT} ${name.length}\r\n${name}\r\n`);
  }

  close(): void {
    this.#isClosed = true;
    this.#socket?.destroy();
  }

  #open(): Socket {
    const { ports, user } = this.#server;
    const socket = connect({ host: "127.0.0.1", port: ports.client });
    this.#socket = socket;
    const login = { verbose: false, name: "midge demo", lang: "midge", version: "1", user, pass: user };
    let received = "";
    let isName = false;
    socket.once("connect", () => socket.write(`CONNECT ${JSON.stringify(login)}\r\nSUB ${SUBJECT} 1\r\n`));
    socket.on("data", (chunk: Buffer) => {
      const lines = (received + chunk.toString("latin1")).split("\r\n");
      received = lines.pop() ?? "";
      for (const line of lines) {
        if (line === "PING") socket.write("PONG\r\n");
        // Names are no words of the protocol, and nothing else is said on the subject.
        else if (isName) this.heard.add(line);
        isName = line.startsWith("MSG ");
      }
    });
    socket.on("error", () => {});
    socket.once("close", () => {
      if (!this.#isClosed) this.#socket = null;
    });
    return socket;
  }
}
