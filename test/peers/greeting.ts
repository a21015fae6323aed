import { createConnection } from "node:net";

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
