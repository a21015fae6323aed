import { linkPort } from "../support/links.ts";
import { joinRoute } from "../support/raw_route.ts";
import { row } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";
import { expectLinkRecovery, RETRIED_WRITES, UNSTALLED } from "../support/slow_reader.ts";

const MESSAGE_BYTES = 64 * 1024;
/** More than `max_pending` and the socket buffers of both ends hold. */
const FLOOD_BYTES = 48 * 1024 * 1024;

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

row(
  "clusters 24: no_fast_producer_stall drops nothing that a route sends: who is too far behind goes",
  async () => {
    await using server = await ServerProcess.start({
      config: `${UNSTALLED}max_pending: 8MB\ncluster { name: C1, listen: "127.0.0.1:-1" }`,
    });
    const route = await joinRoute(await linkPort(server, "route"));
    const subscriber = await server.connectAs();
    subscriber.send("SUB flood 1\r\n");
    await subscriber.roundTrip();
    subscriber.pause();
    const message = `RMSG $G flood ${MESSAGE_BYTES}\r\n${"x".repeat(MESSAGE_BYTES)}\r\n`;
    const flooding = (async () => {
      for (let sent = 0; sent < FLOOD_BYTES; sent += MESSAGE_BYTES) await route.client.sendAll(message);
    })();
    await server.waitForLog(/ - cid:\d+ - Slow Consumer Detected: MaxPending of 8388608 Exceeded\n/);
    await flooding;
    await route.roundTrip();
  },
);
