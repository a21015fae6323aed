import { expect, test } from "bun:test";
import { AppliedServiceImport } from "../../account/applied_imports.ts";
import type { ServiceImport } from "../../account/definition.ts";
import type { Connection } from "../connection.ts";
import { OPTIONS, ShardHarness } from "../testing/shard_harness.ts";
import { Disclosures } from "./disclosures.ts";

function importSharing(share: boolean): AppliedServiceImport {
  const definition: ServiceImport = {
    exporter: 5,
    exporterName: "EXP",
    local: "ask",
    remote: "svc",
    exported: "svc",
    share,
    responseType: "singleton",
    responseThresholdMs: 1000,
    allowTrace: false,
    isSystemExport: false,
  };
  return new AppliedServiceImport(definition);
}

/** A client, and the disclosures of its shard, which is in a cluster. */
function setUp() {
  const shard = new ShardHarness(1);
  shard.connect(0, { name: "me" });
  const [{ info, connections }] = shard.shards as [(typeof shard.shards)[0]];
  const client: Connection = connections.find((connection) => connection != null)!;
  const place = { info, options: { ...OPTIONS, clusterName: "C1" }, otherClusters: ["C2"] };
  return { client, importer: client.account, place, disclosures: new Disclosures(place) };
}

test("of() tells all of a client that is shared, else its account and round trip; of the server its account", () => {
  const { client, importer, disclosures } = setUp();
  client.rttMs = 2;
  expect(disclosures.of(client, importer, importSharing(false), null).header).toBe(
    '{"acc":"$G","rtt":2000000}',
  );
  const shared = disclosures.of(client, importer, importSharing(true), null).info.client;
  expect(shared).toMatchObject({ name: "me", clientId: client.clientId, server: "test", cluster: "C1" });
  expect(shared.alternates).toEqual(["C2"]);
  expect(disclosures.of(null, importer, importSharing(false), null).header).toBe('{"acc":"$G"}');
});

test("of() works out what a client's service is told once, until the client is somebody else or other clusters are near", () => {
  const { client, importer, place, disclosures } = setUp();
  const service = importSharing(true);
  const told = disclosures.of(client, importer, service, null);
  expect(disclosures.of(client, importer, service, null)).toBe(told);
  expect(disclosures.of(client, importer, importSharing(true), null)).not.toBe(told);
  client.rttMs += 1;
  const later = disclosures.of(client, importer, service, null);
  expect(later.header).not.toBe(told.header);
  expect(disclosures.of(client, importer, service, null)).toBe(later);
  place.otherClusters = ["C3", "C2"];
  expect(disclosures.of(client, importer, service, null).info.client.alternates).toEqual(["C3", "C2"]);
});

test("of() tells at a further hop what the one before has told, and names the account between", () => {
  const { client, importer, disclosures } = setUp();
  const { info } = disclosures.of(client, importer, importSharing(false), null);
  const further = disclosures.of(client, importer, importSharing(false), info);
  expect(further.info.client).toEqual({ ...info.client, serviceAccount: importer.name });
});

test("requestor() tells what that import lets be known, whatever the ones before did", () => {
  const { client, disclosures } = setUp();
  client.rttMs = 2;
  expect(disclosures.requestor(client, importSharing(false))).toEqual({ account: "$G", rttNs: 2e6 });
  expect(disclosures.requestor(client, importSharing(true))).toMatchObject({ name: "me", cluster: "C1" });
});
