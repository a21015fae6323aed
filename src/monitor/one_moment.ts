import type { ServerSnapshot } from "./snapshots/server.ts";
import type { MonitorSource } from "./source.ts";

/**
 * A source whose snapshots of the server all show one moment; other data is fetched when it is asked for. The figures
 * of shards are read at once, before the reports' own questions keep the shards busy.
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
