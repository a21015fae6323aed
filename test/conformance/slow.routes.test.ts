import { expect } from "bun:test";
import { linkPort } from "../support/links.ts";
import { joinRoute } from "../support/raw_route.ts";
import { row } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";
import { expectRecovery, flood, RETRIED_WRITES } from "../support/slow_reader.ts";

row("clusters 24: a route that misses write deadlines stays, and is said to have caught up", async () => {
  await using server = await ServerProcess.start({
    config: `cluster { name: C1, listen: "127.0.0.1:-1", ${RETRIED_WRITES} }`,
    monitoring: true,
  });
  const route = await joinRoute(await linkPort(server, "route"));
  route.send("RS+ $G flood");
  await route.roundTrip();
  const publisher = await server.connectAs();
  route.client.pause();
  const flooding = flood(publisher);
  await expectRecovery(server, route.client);
  await flooding;
  const { slow_consumer_stats } = await server.json<{ slow_consumer_stats: { routes: number } }>("/varz");
  expect(slow_consumer_stats.routes).toBeGreaterThan(0);
  expect(server.log).toMatch(/ - rid:\d+ - Slow Consumer Recovered: /);
});
