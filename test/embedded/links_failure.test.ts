/** The links shard fails, and another takes its place. */
import { describe, expect, test } from "bun:test";
import { until } from "../support/deadline.ts";
import { connectTo, roundTripText, startEmbedded } from "../support/embedded.ts";
import { untilReached } from "../support/links.ts";
import { RawClient } from "../support/raw_client.ts";
import { connectPeer } from "../support/raw_peer.ts";

const CONFIG = `
  cluster { name: C, listen: "127.0.0.1:-1" }
  leafnodes { listen: "127.0.0.1:-1" }
  lame_duck_duration: "60s"
  lame_duck_grace_period: "30s"
`;
/** Behind the one shard for clients. */
const LINKS = 1;

function listenerPort(log: readonly string[]): number {
  return Number(
    log.map((line) => /Listening for route connections on .*:(\d+)/.exec(line)?.[1]).find(Boolean),
  );
}

/** What the route listener says of the server to whoever comes. */
async function routeInfo(log: readonly string[]): Promise<Record<string, unknown>> {
  const client = await RawClient.open(listenerPort(log));
  const info = await client.readInfo();
  client.destroy();
  return info;
}

for (const transport of ["epoll", "runtime"] as const) {
  describe(`with ${transport} sockets a links shard that fails`, () => {
    test("leaves no connection that it dialled: its successor's are taken, and messages cross them", async () => {
      const hub = await startEmbedded({ config: CONFIG, midge: { shards: 1, transport } });
      const port = listenerPort(hub.log);
      const { server, log } = await startEmbedded({
        config: `cluster { name: C, listen: "127.0.0.1:-1", routes: ["nats://127.0.0.1:${port}"] }`,
        midge: { shards: 1, transport },
      });
      const near = await connectTo(server);
      const far = await connectTo(hub.server);
      await untilReached(near, far);
      server.failShard(LINKS);
      await until(
        () => log.includes("info Links shard is replaced"),
        () => "the links shard is replaced",
      );
      await untilReached(near, far);
      await untilReached(far, near);
      for (const client of [near, far]) client.destroy();
      await server.stop();
      await hub.server.stop();
    });

    test("is replaced without a file being read", async () => {
      const { server, log } = await startEmbedded({ config: CONFIG, midge: { shards: 1, transport } });
      const files = process.getBuiltinModule("node:fs");
      const { readFileSync } = files;
      files.readFileSync = () => {
        throw new Error("too many open files");
      };
      try {
        server.failShard(LINKS);
        await until(
          () => log.includes("info Links shard is replaced"),
          () => "the links shard is replaced",
        );
      } finally {
        files.readFileSync = readFileSync;
      }
      await server.stop();
    });

    test("is replaced in lame duck mode, too, and does not forget it", async () => {
      const { server, log } = await startEmbedded({ config: CONFIG, midge: { shards: 1, transport } });
      const client = await connectTo(server, { protocol: 1 });
      expect((await routeInfo(log)).connect_urls).toBeDefined();
      const ended = server.lameDuck();
      await until(
        () => client.waitingText.includes('"ldm":true'),
        () => "clients are told to go",
      );
      expect((await routeInfo(log)).connect_urls).toBeUndefined();
      server.failShard(LINKS);
      await until(
        () => log.includes("info Links shard is replaced"),
        () => "the links shard is replaced",
      );
      expect((await routeInfo(log)).connect_urls).toBeUndefined();
      // Members still come and are served; leaf nodes do not.
      const peer = await connectPeer("route", log);
      client.send("SUB a 1\r\n");
      await client.readUntil('"ldm":true');
      await roundTripText(client);
      peer.send("RMSG $G a 2\r\nhi\r\n");
      await client.readUntil("MSG a 1 2\r\nhi\r\n");
      await expect(connectPeer("leaf", log)).rejects.toThrow();
      client.destroy();
      await server.stop();
      await ended;
    });
  });
}
