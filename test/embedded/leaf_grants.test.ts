/** A hub that changes what its leaf node may take. */
import { expect, test } from "bun:test";
import { createServer, type Socket } from "node:net";
import { until } from "../support/deadline.ts";
import { connectTo, roundTripText, startEmbedded } from "../support/embedded.ts";
import { RawClient } from "../support/raw_client.ts";

test("what a hub takes back holds for messages that came before as well", async () => {
  const accepted = Promise.withResolvers<Socket>();
  const listener = createServer((socket) => accepted.resolve(socket));
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", () => resolve()));
  const { port } = listener.address() as { port: number };
  const { server } = await startEmbedded({
    config: `leafnodes { remotes [ { url: "nats-leaf://127.0.0.1:${port}" } ] }`,
  });
  const hub = RawClient.over(await accepted.promise);
  const info = { server_id: "HUB", server_name: "HUB", headers: true, client_id: 1, info_on_connect: true };
  const tell = (more: object) => hub.send(`INFO ${JSON.stringify({ ...info, ...more })} \r\n`);
  tell({ leafnode_urls: [] });
  await hub.readUntil("CONNECT ");
  tell({ connect_info: true });
  await hub.readUntil("LS+ $LDS.");

  const client = await connectTo(server);
  client.send("SUB a 1\r\nSUB b 2\r\nSUB c.> 3\r\n");
  await client.roundTrip();
  const publish = async (payload: string) => {
    for (let i = 0; i < 4; i++) hub.send(`LMSG a 1\r\n${payload}\r\nLMSG b 1\r\n${payload}\r\n`);
    hub.send("LMSG c.end 1\r\nz\r\n");
    await until(
      () => client.waitingText.endsWith("MSG c.end 3 1\r\nz\r\n"),
      () => `everything permitted arrives: ${client.waitingText}`,
    );
    const text = await roundTripText(client);
    return [text.match(/MSG a /g)?.length ?? 0, text.match(/MSG b /g)?.length ?? 0];
  };
  expect(await publish("1")).toEqual([4, 4]);
  tell({ import: { deny: ["a"] } });
  expect(await publish("2")).toEqual([0, 4]);
  tell({ import: { deny: ["b"] } });
  expect(await publish("3")).toEqual([4, 0]);
  hub.destroy();
  await server.stop();
  listener.close();
});
