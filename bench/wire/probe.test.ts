import { afterEach, describe, expect, test } from "bun:test";
import { createServer, type Server } from "node:net";
import { awaitCrossing, Probe } from "./probe.ts";

describe("Probe", () => {
  let server: Server | null = null;
  afterEach(() => server?.close());

  /** Starts a server that answers each line as `answer` says. Returns its port. */
  async function listen(answer: (line: string) => string): Promise<number> {
    const listening = createServer((socket) => {
      socket.write("INFO {}\r\n");
      socket.on("error", () => {});
      socket.on("data", (chunk) => {
        for (const line of chunk.toString().split("\r\n")) socket.write(answer(line));
      });
    });
    server = listening;
    await new Promise<void>((resolve) => listening.listen(0, "127.0.0.1", resolve));
    return (listening.address() as { port: number }).port;
  }

  test("sees a message cross, however often it is sent in vain", async () => {
    let published = 0;
    let subscribed = "";
    const port = await listen((line) => {
      if (line === "PING") return "PONG\r\n";
      if (line.startsWith("SUB ")) subscribed = line.split(" ")[1]!;
      return line.startsWith("PUB ") && ++published === 5 ? `MSG ${subscribed} 1 0\r\n\r\n` : "";
    });
    const probe = await Probe.connect(port);
    await awaitCrossing(probe, probe);
    expect(published).toBeGreaterThanOrEqual(5);
    probe.close();
  });

  test("says why a server does not let it in", async () => {
    const port = await listen((line) =>
      line.startsWith("CONNECT") ? "-ERR 'Authorization Violation'\r\n" : "",
    );
    await expect(Probe.connect(port, '"user":"nobody"')).rejects.toThrow("Authorization Violation");
  });

  test("does not wait for a server that is gone", async () => {
    const port = await listen((line) => (line === "PING" ? "PONG\r\n" : ""));
    const probe = await Probe.connect(port);
    const answered = probe.until(
      () => false,
      () => {},
      60_000,
    );
    probe.close();
    await expect(answered).rejects.toThrow("closed");
  });
});
