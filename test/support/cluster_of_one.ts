import { linkPort } from "./links.ts";
import type { RawClient } from "./raw_client.ts";
import type { RawLink } from "./raw_link.ts";
import { type Fields, joinRoute } from "./raw_route.ts";
import { sharedServer } from "./row.ts";

/** Ends a client so that the next member hears nothing of it: returns once the server has closed it. */
export async function dismiss(client: RawClient): Promise<void> {
  client.send("GOODBYE\r\n");
  await client.readToEnd().catch(() => "");
  client.destroy();
}

/** The only server of a cluster, shared by the rows of a file. Raw members join it; it takes leaf nodes, too. */
export function clusterOfOne() {
  const server = sharedServer({
    config: `
      server_name: N
      no_system_account: true
      cluster { name: C1, listen: "127.0.0.1:-1" }
      leafnodes { listen: "127.0.0.1:-1" }
    `,
  });

  /** Another member of the server's cluster. */
  const join = async (info: Fields = {}): Promise<RawLink> =>
    await joinRoute(await linkPort(server(), "route"), info);

  /** A member and a client of the server, closed after `body`. */
  const withRoute = async (
    body: (route: RawLink, client: RawClient) => Promise<void>,
    info: Fields = {},
  ): Promise<void> => {
    const route = await join(info);
    const client = await server().connectAs();
    try {
      await body(route, client);
    } finally {
      route.destroy();
      await dismiss(client);
    }
  };

  return { server, join, withRoute };
}
