import { createServer, type Server } from "node:net";

const HOST = "127.0.0.1";
/** Below those that systems give to connections that go out (from 32768 on Linux): none of these takes one meanwhile. */
const PORT_FIRST = 20_000;
const PORT_END = 32_768;

/** Ports of 127.0.0.1 that nobody listens on at the moment, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const servers: Server[] = [];
  const ports: number[] = [];
  try {
    while (ports.length < count) {
      const port = PORT_FIRST + Math.floor(Math.random() * (PORT_END - PORT_FIRST));
      const server = await listen(port);
      if (server === null) continue;
      servers.push(server);
      ports.push(port);
    }
    return ports;
  } finally {
    await Promise.all(servers.map((server) => new Promise((closed) => server.close(closed))));
  }
}

/** A listener on this port; null if somebody listens there already. */
function listen(port: number): Promise<Server | null> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) =>
      error.code === "EADDRINUSE" ? resolve(null) : reject(error),
    );
    server.listen(port, HOST, () => resolve(server));
  });
}
