import type { MonitorSource } from "./snapshot.ts";

/** A source whose reports all show the server at one moment; the rest is asked for when it is wanted. */
export function atOneMoment(source: MonitorSource): MonitorSource {
  const server = source.server();
  return {
    server: () => server,
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
    shards: () => source.shards(),
    threads: () => source.threads(),
  };
}
