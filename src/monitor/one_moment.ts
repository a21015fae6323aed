import type { ServerSnapshot } from "./snapshots/server.ts";
import type { MonitorSource } from "./source.ts";

/**
 * A source whose reports all show the server at one moment; the rest is asked for when it is wanted. Shards are read at
 * once: what waits for them later are the questions of the reports themselves.
 */
export function atOneMoment(source: MonitorSource): MonitorSource {
  const shards = source.shards();
  let server: Promise<ServerSnapshot> | null = null;
  return {
    server: () => {
      server ??= source.server();
      return server;
    },
    connections: (query) => source.connections(query),
    subscriptions: (query) => source.subscriptions(query),
    health: () => source.health(),
    accountNames: () => source.accountNames(),
    accounts: () => source.accounts(),
    account: (name) => source.account(name),
    routes: (listSubscriptions) => source.routes(listSubscriptions),
    gateways: (query) => source.gateways(query),
    leafnodes: (query) => source.leafnodes(query),
    queues: () => source.queues(),
    shards: () => shards,
    threads: () => source.threads(),
  };
}
