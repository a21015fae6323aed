/** /metrics and /shardz, which are Midge's own: what they say of a server with clients is what /varz says. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Midge } from "../../src/mod.ts";
import { connectTo, roundTripText, startEmbedded } from "../support/embedded.ts";
import { httpRequest } from "../support/http_request.ts";

let server: Midge;

beforeAll(async () => {
  const config = `http: "127.0.0.1:-1"
    cluster { name: C, listen: "127.0.0.1:-1" }
    accounts { A { users: [ { user: a, password: a } ] }, 'q"} 1' {} }
    no_auth_user: a`;
  ({ server } = await startEmbedded({ config, midge: { shards: 2, transport: "auto" } }));
});

afterAll(() => server.stop());

function get(path: string) {
  return httpRequest({ host: "127.0.0.1", port: server.monitoringPort, path });
}

/** Values by name and labels, the server's id left out. */
async function scrape(): Promise<Map<string, number>> {
  const { body } = await get("/metrics");
  const samples = body.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    samples.map((line) => {
      const at = line.lastIndexOf(" ");
      const name = line.slice(0, at).replace(/server_id="[^"]*",?/, "");
      return [name.replace("{}", ""), Number(line.slice(at + 1))];
    }),
  );
}

test("/metrics says what /varz does, by shard and in all", async () => {
  const clients = await Promise.all(Array.from({ length: 5 }, () => connectTo(server)));
  const [publisher, ...subscribers] = clients;
  for (const subscriber of subscribers) {
    subscriber.send("SUB metrics.* 1\r\n");
    await roundTripText(subscriber);
  }
  publisher!.send("PUB metrics.a 5\r\nhello\r\n".repeat(10));
  await roundTripText(publisher!);
  for (const subscriber of subscribers) await subscriber.expect("MSG metrics.a 1 5\r\nhello\r\n".repeat(10));

  const response = await get("/metrics");
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");

  const samples = await scrape();
  const varz = await server.varz();
  for (const field of [
    "connections",
    "subscriptions",
    "in_msgs",
    "in_bytes",
    "out_msgs",
    "out_bytes",
  ] as const) {
    expect([field, samples.get(`gnatsd_varz_${field}`)]).toEqual([field, varz[field]]);
  }
  expect(varz.out_msgs).toBe(40);
  const sumOf = (name: string) =>
    ["0", "1", "links"].reduce((sum, shard) => sum + samples.get(`${name}{shard="${shard}"}`)!, 0);
  expect(sumOf("midge_shard_connections")).toBe(5);
  expect(sumOf("midge_shard_up")).toBe(3);
  expect(sumOf("midge_shard_received_messages_total")).toBe(varz.in_msgs);
  expect(sumOf("midge_shard_sent_bytes_total")).toBe(varz.out_bytes);
  // Equal shards take turns.
  expect(samples.get('midge_shard_connections{shard="0"}')).toBeGreaterThan(1);
  for (const client of clients) client.destroy();
});

test("the name of an account cannot end its label", async () => {
  const { body } = await get("/metrics");
  expect(body).toContain('account="q\\"} 1",account_id="q\\"} 1",account_name="q\\"} 1"} 0\n');
});

test("/shardz lists the shards, that for links last", async () => {
  const { shards } = JSON.parse((await get("/shardz")).body);
  expect(shards.map(({ shard, up }: { shard: string; up: boolean }) => [shard, up])).toEqual([
    ["0", true],
    ["1", true],
    ["links", true],
  ]);
});
