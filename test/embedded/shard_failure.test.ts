/** A shard that throws takes its clients with it and nothing else, and another takes its place. */
import { describe, expect, test } from "bun:test";
import type { Midge } from "../../src/mod.ts";
import { until } from "../support/deadline.ts";
import { connectTo, roundTripText, startEmbedded } from "../support/embedded.ts";
import type { RawClient } from "../support/raw_client.ts";

const CLIENTS = 16;

for (const transport of ["epoll", "runtime"] as const) {
  describe(`with ${transport} sockets a shard that fails`, () => {
    test("loses its own clients alone, while the others miss no message", async () => {
      const { server, log } = await startEmbedded({ midge: { shards: 2, transport } });
      const clients = await connectMany(server);
      for (const [i, client] of clients.entries()) client.send(`SUB all 1\r\nSUB own.${i} 2\r\n`);
      for (const client of clients) await client.roundTrip();
      expect((await server.varz()).subscriptions).toBe(2 * CLIENTS);

      let sent = 0;
      const publishers = clients.slice();
      const publish = () => {
        for (const [i, client] of publishers.entries()) client.send(`PUB seq.${i} 1\r\n${sent % 10}\r\n`);
        sent++;
      };
      for (const [i, client] of clients.entries()) client.send(`SUB seq.${i} 3\r\n`);
      for (let i = 0; i < 20; i++) publish();
      server.failShard(0);
      for (let i = 0; i < 20; i++) {
        publish();
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      await until(
        () => log.some((line) => line === "info Shard 0 is replaced"),
        () => "the shard is replaced",
      );
      for (let i = 0; i < 20; i++) publish();
      const wanted = Array.from({ length: sent }, (_, i) => i % 10).join("");
      const survivors = clients.filter((client) => !client.isClosed);
      for (const client of survivors) {
        const text = await roundTripText(client);
        const payloads = [...text.matchAll(/MSG seq\.\d+ 3 1\r\n(\d)\r\n/g)].map(([, digit]) => digit);
        expect(payloads.join("")).toBe(wanted);
      }
      expect(survivors.length).toBeGreaterThan(0);
      expect(clients.length - survivors.length).toBeGreaterThan(0);
      expect(log.join("\n")).toMatch(
        new RegExp(`error Shard 0 failed, its ${clients.length - survivors.length} connections are closed: `),
      );
      expect(log.join("\n")).toMatch(/the shard was told to fail\n\s+at /);
      const varz = await server.varz();
      expect([varz.connections, varz.subscriptions]).toEqual([survivors.length, 3 * survivors.length]);
      await server.stop();
    });

    test("leaves no interest behind, and its successor serves new clients", async () => {
      const { server, log } = await startEmbedded({ midge: { shards: 2, transport } });
      const old = await connectMany(server);
      for (const [i, client] of old.entries()) client.send(`SUB gone.${i} 1\r\nSUB gone.${i} q 2\r\n`);
      for (const client of old) await client.roundTrip();
      server.failShard(0);
      server.failShard(1);
      for (const client of old) await client.readToEnd();
      await until(
        () => [0, 1].every((i) => log.includes(`info Shard ${i} is replaced`)),
        () => "both are replaced",
      );

      const fresh = await connectMany(server);
      const asker = fresh[0]!;
      for (const i of old.keys()) asker.send(`PUB gone.${i} answer 0\r\n\r\n`);
      asker.send("SUB answer 9\r\n");
      await asker.roundTrip();
      for (const i of old.keys()) asker.send(`PUB gone.${i} answer 0\r\n\r\n`);
      const answers = await roundTripText(asker);
      expect(answers.match(/HMSG answer 9 \d+ \d+\r\nNATS\/1\.0 503\r\n/g)?.length).toBe(CLIENTS);

      for (const client of fresh) client.send("SUB hello 1\r\nSUB work q 2\r\n");
      for (const client of fresh) await client.roundTrip();
      for (const client of fresh) client.send("PUB hello 2\r\nhi\r\nPUB work 2\r\ndo\r\n");
      for (const client of fresh) {
        await until(
          () => count(client.waitingText, /MSG hello /g) === CLIENTS,
          () => "everybody hears everybody",
        );
      }
      await until(
        () => count(fresh.map((client) => client.waitingText).join(""), /MSG work /g) === CLIENTS,
        () => "each job once",
      );
      const varz = await server.varz();
      expect([varz.connections, varz.subscriptions]).toEqual([CLIENTS, 2 * CLIENTS + 1]);
      for (const client of fresh) client.destroy();
      await until(
        async () => (await server.varz()).connections === 0,
        () => "all are counted off",
      );
      expect((await server.varz()).subscriptions).toBe(0);
      await server.stop();
    });
  });
}

/** Enough for both shards to have some, wherever the kernel puts them. */
function connectMany(server: Midge): Promise<RawClient[]> {
  return Promise.all(Array.from({ length: CLIENTS }, () => connectTo(server)));
}

function count(text: string, pattern: RegExp): number {
  return text.match(pattern)?.length ?? 0;
}
