import { expect, test } from "bun:test";
import { COUNTERS, serverSnapshot } from "../monitor/testing/fake_source.ts";
import { statsz } from "./statistics.ts";

const SURROUNDINGS = {
  activeAccounts: 2,
  activeServers: 1,
  routes: { importPermission: null, exportPermission: null, routes: [] },
  gateways: null,
};

test("statsz() leaves out what did not happen", () => {
  expect(JSON.parse(JSON.stringify(statsz(serverSnapshot(), SURROUNDINGS)))).toEqual({
    start: "2026-03-02T09:15:04Z",
    mem: 41_000_000,
    cores: 2,
    cpu: 0.5,
    connections: COUNTERS.connections,
    total_connections: COUNTERS.connectionsEver,
    active_accounts: 2,
    subscriptions: COUNTERS.subscriptions,
    sent: { msgs: 0, bytes: 0 },
    sent_to_clients: { msgs: 0, bytes: 0 },
    received: { msgs: 0, bytes: 0 },
    received_from_clients: { msgs: 0, bytes: 0 },
    slow_consumers: 0,
    active_servers: 1,
    gomaxprocs: 2,
  });
});

test("statsz() tells clients' traffic apart, and slow and stale connections by kind", () => {
  const counters = {
    ...COUNTERS,
    traffic: { inMessages: 1, inBytes: 2, outMessages: 3, outBytes: 4 },
    clientTraffic: { inMessages: 5, inBytes: 6, outMessages: 7, outBytes: 8 },
    slowConsumers: 2,
    slowConsumersByKind: { clients: 1, routes: 1, gateways: 0, leafnodes: 0 },
    staleConnections: 1,
    staleConnectionsByKind: { clients: 0, routes: 0, gateways: 0, leafnodes: 1 },
    stalls: 9,
  };
  expect(statsz(serverSnapshot({ counters }), SURROUNDINGS)).toMatchObject({
    sent: { msgs: 3, bytes: 4 },
    received: { msgs: 1, bytes: 2 },
    sent_to_clients: { msgs: 7, bytes: 8 },
    received_from_clients: { msgs: 5, bytes: 6 },
    slow_consumer_stats: { clients: 1, routes: 1, gateways: 0, leafs: 0 },
    stale_connections: 1,
    stale_connection_stats: { clients: 0, routes: 0, gateways: 0, leafs: 1 },
    stalled_clients: 9,
  });
});
