/** Ports of 127.0.0.1 that servers are started on. */
import { once } from "node:events";
import { type AddressInfo, createConnection, createServer } from "node:net";

export async function findFreePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, "close");
  return port;
}

/** Whether a server greets on the port; waits a moment when nobody listens. */
export async function sendsInfo(port: number): Promise<boolean> {
  const socket = createConnection({ host: "127.0.0.1", port });
  const greeting = new Promise<boolean>((resolve) => {
    socket.on("data", (bytes) => resolve(bytes.toString().startsWith("INFO ")));
    socket.on("error", () => setTimeout(() => resolve(false), 20));
  });
  const isReady = await greeting;
  socket.destroy();
  return isReady;
}
