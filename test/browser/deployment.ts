/**
 * The deployment that the live page has to show: a cluster of three, two more clusters, two leaf nodes, and busy
 * clients.
 */
import type { Midge } from "../../src/mod.ts";
import { until } from "../support/deadline.ts";
import { connectTo, startEmbedded } from "../support/embedded.ts";
import type { RawClient } from "../support/raw_client.ts";

/** A name that a hostile client may give itself. */
export const HOSTILE_NAME = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>`;

const PAYLOAD = "x".repeat(128);
const PUBLISH_MS = 20;
/** Gateways beside leaf nodes need a system account, and with one configured clients need another account. */
const ACCOUNTS = `accounts {
    SYS { users: [ { user: sys, password: p } ] }
    SHOP { users: [ { user: shop, password: p } ] }
  }
  system_account: SYS
  no_auth_user: shop`;
const NAMES = ["orders", "billing", "shipping", "audit", "search", "mailer"];

export interface Deployment {
  /** The server whose page is looked at. */
  readonly server: Midge;
  /** Ends the load; clients stay connected. */
  rest(): void;
  stop(): Promise<void>;
}

export async function startDeployment(): Promise<Deployment> {
  const east = await startEmbedded({
    config: `${ACCOUNTS}
      server_name: east-1, http: "127.0.0.1:-1"
      cluster { name: east, listen: "127.0.0.1:-1" }
      gateway { name: east, listen: "127.0.0.1:-1" }
      leafnodes { listen: "127.0.0.1:-1" }`,
    midge: { shards: 2, transport: "auto" },
  });
  const port = (what: string) => {
    const line = east.log.find((text) => text.includes(`Listening for ${what} connections on`));
    return /:(\d+)$/.exec(line ?? "")?.[1];
  };
  const gateways = `gateways: [ { name: east, url: "nats://127.0.0.1:${port("gateways")}" } ]`;
  const others = await Promise.all(
    [
      `${ACCOUNTS}
        server_name: east-2
        cluster { name: east, listen: "127.0.0.1:-1", routes: [ "nats://127.0.0.1:${port("route")}" ] }
        gateway { name: east, listen: "127.0.0.1:-1" }`,
      `${ACCOUNTS}
        server_name: west-1, gateway { name: west, listen: "127.0.0.1:-1", ${gateways} }`,
      `server_name: harbour, leafnodes { remotes: [ { url: "nats://shop:p@127.0.0.1:${port("leafnode")}" } ] }`,
      `${ACCOUNTS}
        server_name: east-3
        cluster { name: east, listen: "127.0.0.1:-1", routes: [ "nats://127.0.0.1:${port("route")}" ] }
        gateway { name: east, listen: "127.0.0.1:-1" }`,
      `${ACCOUNTS}
        server_name: north-1, gateway { name: north, listen: "127.0.0.1:-1", ${gateways} }`,
      `server_name: pier, leafnodes { remotes: [ { url: "nats://shop:p@127.0.0.1:${port("leafnode")}" } ] }`,
    ].map((config) => startEmbedded({ config })),
  );
  const { server } = east;
  await until(
    async () => {
      const { remotes, leafnodes } = await server.varz();
      return remotes === 2 && leafnodes === 2;
    },
    () => "the servers are not linked",
  );

  const clients: RawClient[] = [await connectTo(server, { name: HOSTILE_NAME })];
  for (const name of NAMES) clients.push(await connectTo(server, { name, lang: "go", version: "1.48.0" }));
  for (const { server: other } of others) clients.push(await connectTo(other, { name: "pump" }));
  for (const client of clients) {
    client.send("SUB work.* 1\r\nSUB jobs q 2\r\n");
    // What it gets is counted by the server, and read by nobody.
    client.release();
    client.socket.on("error", () => {});
    client.socket.resume();
  }
  const timer = setInterval(() => {
    const wave = 6 + Math.round(4 * Math.sin(Date.now() / 4000));
    for (const [at, client] of clients.entries()) {
      client.send(`PUB work.${at} ${PAYLOAD.length}\r\n${PAYLOAD}\r\n`.repeat(wave));
    }
  }, PUBLISH_MS);
  return {
    server,
    rest: () => clearInterval(timer),
    stop: async () => {
      clearInterval(timer);
      for (const client of clients) client.destroy();
      await Promise.all([east, ...others].map((started) => started.server.stop()));
    },
  };
}
