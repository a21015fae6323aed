import { afterEach, describe, expect, test } from "bun:test";
import { connect } from "node:net";
import { listenWithRuntime, type SocketListenOptions } from "./socket_listener.ts";

describe("listenWithRuntime()", () => {
  const cleanups: (() => void)[] = [];
  afterEach(() => {
    for (const cleanup of cleanups.splice(0).reverse()) cleanup();
  });

  async function listen(options: Partial<SocketListenOptions>) {
    const result = await listenWithRuntime({
      host: "127.0.0.1",
      port: 0,
      backlog: 16,
      reusePort: false,
      onConnection: (socket) => socket.destroy(),
      ...options,
    });
    if (result.ok) cleanups.push(result.close);
    return result;
  }

  async function listenOnFreePort(options: Partial<SocketListenOptions>): Promise<number> {
    const result = await listen(options);
    if (!result.ok) throw new Error(result.error);
    return result.port;
  }

  for (const { host, dial } of [
    { host: "127.0.0.1", dial: "127.0.0.1" },
    { host: "0.0.0.0", dial: "127.0.0.1" },
    { host: "0.0.0.0", dial: "::1" },
    { host: "::1", dial: "::1" },
    { host: "localhost", dial: "localhost" },
  ]) {
    test(`on ${host} takes a client of ${dial} and names it`, async () => {
      const seen = Promise.withResolvers<{ ip: string; port: number }>();
      const port = await listenOnFreePort({
        host,
        onConnection(socket, ip, clientPort) {
          seen.resolve({ ip, port: clientPort });
          socket.destroy();
        },
      });
      const client = connect({ port, host: dial });
      const local = Promise.withResolvers<{ ip: string; port: number }>();
      client.on("error", () => {});
      client.on("connect", () => local.resolve({ ip: client.localAddress!, port: client.localPort! }));
      cleanups.push(() => client.destroy());
      expect(await seen.promise).toEqual(await local.promise);
    });
  }

  test("says in Go's words what is wrong", async () => {
    const port = await listenOnFreePort({});
    expect(await listen({ port })).toEqual({
      ok: false,
      error: `listen tcp 127.0.0.1:${port}: bind: address already in use`,
    });
    // Deno 2.9's node:net says EINVAL here, Bun EADDRNOTAVAIL.
    const foreign = await listen({ host: "192.0.2.1", port: 4222 });
    expect(foreign.ok ? "" : foreign.error).toMatch(/^listen tcp 192\.0\.2\.1:4222: bind: /);
    expect(await listen({ port: 70000 })).toEqual({
      ok: false,
      error: "listen tcp: address 70000: invalid port",
    });
  });

  test("reusePort lets a second listener share the port", async () => {
    const port = await listenOnFreePort({ reusePort: true });
    expect((await listen({ port, reusePort: true })).ok).toBe(true);
    expect((await listen({ port, reusePort: false })).ok).toBe(false);
  });
});
