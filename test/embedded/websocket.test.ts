/** WebSockets of a server inside the process, and what a shard that fails does to them. */
import { describe, expect, test } from "bun:test";
import { until } from "../support/deadline.ts";
import { startEmbedded } from "../support/embedded.ts";
import { RawClient } from "../support/raw_client.ts";
import { UPGRADE_LINES } from "../support/websocket_peer.ts";

const CLIENTS = 8;
const REQUEST = `GET / HTTP/1.1\r\n${UPGRADE_LINES.join("\r\n")}\r\n\r\n`;

for (const transport of ["epoll", "runtime"] as const) {
  describe(`with ${transport} sockets`, () => {
    test("the port is known, and a shard that fails takes its WebSockets with it, and no more", async () => {
      const { server, log } = await startEmbedded({
        config: 'websocket { listen: "127.0.0.1:-1", no_tls: true }',
        midge: { shards: 2, transport },
      });
      expect(server.webSocketPort).toBeGreaterThan(0);
      expect((await server.varz()).websocket.port).toBe(server.webSocketPort);
      const clients: RawClient[] = [];
      const asking: RawClient[] = [];
      for (let i = 0; i < CLIENTS; i++) {
        const client = await RawClient.open(server.webSocketPort);
        client.send(REQUEST);
        await client.readUntil("} \r\n");
        clients.push(client);
        const half = await RawClient.open(server.webSocketPort);
        await half.sendAll(REQUEST.slice(0, 20));
        asking.push(half);
      }
      expect((await server.varz()).connections).toBe(CLIENTS);
      server.failShard(0);
      await until(
        () => log.includes("info Shard 0 is replaced"),
        () => "the shard is not replaced",
      );
      const left = () => clients.filter(({ isClosed }) => !isClosed).length;
      expect((await server.varz()).connections).toBe(left());
      // Those that were about to ask ask now, as far as they are left, and new ones come.
      for (const half of asking) if (!half.isClosed) half.send(REQUEST.slice(20));
      for (const half of asking) if (!half.isClosed) await half.readUntil("} \r\n");
      const fresh = await RawClient.open(server.webSocketPort);
      fresh.send(REQUEST);
      await fresh.readUntil("} \r\n");
      const served = left() + asking.filter(({ isClosed }) => !isClosed).length + 1;
      expect((await server.varz()).connections).toBe(served);
      for (const client of [...clients, ...asking, fresh]) client.destroy();
      await until(
        async () => (await server.varz()).connections === 0,
        () => "connections are left",
      );
      await server.stop();
    });

    test("leaf nodes that come by it end with the links shard, and come back to its successor", async () => {
      const { server, log } = await startEmbedded({
        config: `websocket { listen: "127.0.0.1:-1", no_tls: true }
          leafnodes { listen: "127.0.0.1:-1" }`,
        midge: { shards: 2, transport },
      });
      const ask = async () => {
        const leaf = await RawClient.open(server.webSocketPort);
        leaf.send(REQUEST.replace("/ ", "/leafnode "));
        return leaf;
      };
      const settled: RawClient[] = [];
      for (let i = 0; i < CLIENTS; i++) {
        const leaf = await ask();
        await leaf.readUntil("} \r\n");
        settled.push(leaf);
      }
      server.failShard(2);
      for (const leaf of settled) await leaf.readToEnd();
      await until(
        () => log.some((line) => / is replaced$/.test(line)),
        () => "the links shard is not replaced",
      );
      const fresh = await ask();
      await fresh.readUntil("} \r\n");
      fresh.destroy();
      await server.stop();
    }, 20_000);
  });
}
