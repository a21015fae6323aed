import { linkPort } from "../support/links.ts";
import { joinRoute } from "../support/raw_route.ts";
import { row } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";
import { expectLinkRecovery, RETRIED_WRITES, UNSTALLED } from "../support/slow_reader.ts";

row("clusters 24: a route that misses write deadlines stays, and is said to have caught up", async () => {
  await using server = await ServerProcess.start({
    config: `${UNSTALLED}cluster { name: C1, listen: "127.0.0.1:-1", ${RETRIED_WRITES} }`,
    monitoring: true,
  });
  const route = await joinRoute(await linkPort(server, "route"));
  route.send("RS+ $G flood");
  await route.roundTrip();
  await expectLinkRecovery(server, route.client, "routes", "rid");
});
