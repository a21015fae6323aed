import { expect, test } from "bun:test";
import { accountDetailSnapshot } from "../monitor/testing/fake_source.ts";
import { encodeGoJson } from "../protocol/go_json.ts";
import { connectEvent, connectionCountEvent, disconnectEvent } from "./events.ts";

const AT_MS = Date.UTC(2026, 2, 2, 9, 15, 4, 118);
const HEAD = { id: "KLiMcVbpT4r5yHUig43kiJ", atMs: AT_MS, server: { name: "n1", seq: 26 } };
const CLIENT = { startedAtMs: AT_MS - 1, host: "10.0.0.9", clientId: 7, account: "APP", user: "alice" };

test("connectEvent() writes its keys in order, without those that are empty", () => {
  expect(encodeGoJson(connectEvent(HEAD, { ...CLIENT, name: "", kind: "Client" }), 0)).toBe(
    '{"type":"io.nats.server.advisory.v1.client_connect","id":"KLiMcVbpT4r5yHUig43kiJ",' +
      '"timestamp":"2026-03-02T09:15:04.118Z","server":{"name":"n1","seq":26},' +
      '"client":{"start":"2026-03-02T09:15:04.117Z","host":"10.0.0.9","id":7,"acc":"APP","user":"alice","kind":"Client"}}',
  );
});

test("disconnectEvent() counts from the client's side", () => {
  const traffic = { inMessages: 10, inBytes: 110, outMessages: 20, outBytes: 220 };
  const client = { ...CLIENT, stoppedAtMs: AT_MS };
  expect(disconnectEvent(HEAD, client, traffic, "Client Closed")).toMatchObject({
    type: "io.nats.server.advisory.v1.client_disconnect",
    client: { stop: "2026-03-02T09:15:04.118Z" },
    sent: { msgs: 10, bytes: 110 },
    received: { msgs: 20, bytes: 220 },
    reason: "Client Closed",
  });
});

test("connectionCountEvent() has the keys of an account's statistics", () => {
  const event = connectionCountEvent(HEAD, accountDetailSnapshot("APP", { clients: 3, leafnodes: 1 }));
  expect(Object.keys(event)).toEqual([
    ...["type", "id", "timestamp", "server", "acc", "name", "conns", "leafnodes", "total_conns"],
    ...["num_subscriptions", "sent", "received", "slow_consumers"],
  ]);
  expect(event).toMatchObject({ acc: "APP", conns: 3, leafnodes: 1, total_conns: 4 });
});
