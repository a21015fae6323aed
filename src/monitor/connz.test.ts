import { describe, expect, test } from "bun:test";
import { type Connz, type ConnzOptions, connz } from "./connz.ts";
import { encodeGoJson } from "./go_json.ts";
import type { ConnectionSnapshot } from "./snapshots/connections.ts";
import {
  accountDetailSnapshot,
  connectionSnapshot,
  FakeSource,
  NOW_MS,
  START_MS,
  subscriptionSnapshot,
} from "./testing/fake_source.ts";

async function report(source: FakeSource, options: Partial<ConnzOptions> = {}): Promise<Connz> {
  const result = await connz(source, options);
  if (!result.ok) throw new Error(result.message);
  return result.report;
}

async function refusal(options: Partial<ConnzOptions>): Promise<string> {
  const result = await connz(new FakeSource(), options);
  return result.ok ? "accepted" : result.message;
}

async function ids(source: FakeSource, options: Partial<ConnzOptions> = {}): Promise<number[]> {
  return ((await report(source, options)).connections ?? []).map(({ cid }) => cid);
}

function sourceOf(open: ConnectionSnapshot[], closed: ConnectionSnapshot[] = []): FakeSource {
  const source = new FakeSource();
  source.open = open;
  source.closed = closed;
  return source;
}

function closedSnapshot(id: number, changes: Partial<ConnectionSnapshot> = {}): ConnectionSnapshot {
  return connectionSnapshot(id, { stop: { atMs: START_MS + 63_000, reason: "Client Closed" }, ...changes });
}

describe("connz() envelope", () => {
  test("shows an idle server with an empty list", async () => {
    expect(encodeGoJson(await report(new FakeSource()))).toBe(`{
  "server_id": "NSERVER",
  "now": "2026-03-02T09:19:26.49Z",
  "num_connections": 0,
  "total": 0,
  "offset": 0,
  "limit": 1024,
  "connections": []
}`);
  });

  test("shows nothing, not even its id, for an unknown account", async () => {
    expect(encodeGoJson(await report(sourceOf([connectionSnapshot(1)]), { account: "X" }), 0)).toBe(
      '{"server_id":"","now":"2026-03-02T09:19:26.49Z","num_connections":0,"total":0,"offset":0,"limit":1024,"connections":null}',
    );
  });

  test("counts what is there before the user and client filters, but after the account's", async () => {
    const source = sourceOf([
      connectionSnapshot(1, { account: "A", user: "ann" }),
      connectionSnapshot(2, { account: "A", user: "bob", mqttClient: "m" }),
      connectionSnapshot(3, { account: "B", user: "ann" }),
    ]);
    source.accountList = [accountDetailSnapshot("A")];
    const all = await report(source, { user: "ann" });
    expect([all.total, all.num_connections]).toEqual([3, 2]);
    const inAccount = await report(source, { user: "ann", account: "A" });
    expect([inAccount.total, inAccount.num_connections]).toEqual([2, 1]);
    const mqtt = await report(source, { mqttClient: "m" });
    expect([mqtt.total, mqtt.num_connections]).toEqual([3, 1]);
  });

  test("pages without overflow", async () => {
    const source = sourceOf([1, 2, 3, 4, 5].map((id) => connectionSnapshot(id)));
    expect(await ids(source, { offset: 1, limit: 2 })).toEqual([2, 3]);
    expect(await ids(source, { offset: 4, limit: 2 })).toEqual([5]);
    expect(await ids(source, { offset: 9 })).toEqual([]);
    expect(await ids(source, { offset: -3, limit: -1 })).toEqual([1, 2, 3, 4, 5]);
    const huge = await report(source, { offset: 2n ** 63n - 1n, limit: 2n ** 63n - 1n });
    expect([huge.num_connections, huge.total, huge.offset]).toEqual([0, 5, 2n ** 63n - 1n]);
  });
});

describe("connz() by id", () => {
  const source = sourceOf(
    [connectionSnapshot(1, { user: "ann" }), connectionSnapshot(2, { kind: "Leafnode", type: "" })],
    [closedSnapshot(1, { user: "ann" }), closedSnapshot(7)],
  );

  test("finds clients and leafnodes, and reports a limit of 1", async () => {
    const found = await report(source, { id: 2, limit: 50 });
    expect(found.limit).toBe(1);
    expect(found.total).toBe(2);
    expect(found.connections?.map(({ cid, kind, type }) => [cid, kind, type])).toEqual([
      [2, "Leafnode", undefined],
    ]);
    expect(await ids(source, { id: 9 })).toEqual([]);
    expect(await ids(source, { id: 2, offset: 1 })).toEqual([]);
  });

  test("prefers an open connection to a closed one", async () => {
    const both = await report(source, { id: 1, state: "all" });
    expect(both.connections?.map(({ stop }) => stop)).toEqual([undefined]);
    expect(await ids(source, { id: 7, state: "all" })).toEqual([7]);
    expect(await ids(source, { id: 7, state: "closed" })).toEqual([7]);
    expect(await ids(source, { id: 7 })).toEqual([]);
  });

  test("still minds the other filters", async () => {
    expect(await ids(source, { id: 1, user: "bob" })).toEqual([]);
    expect(await ids(source, { id: 1, user: "ann" })).toEqual([1]);
  });
});

describe("connz() sort", () => {
  const source = sourceOf([
    connectionSnapshot(1, {
      subscriptionCount: 5,
      pendingBytes: 1,
      outMessages: 9,
      inMessages: 2,
      outBytes: 30,
      inBytes: 7,
      lastActivityMs: NOW_MS - 10,
      startMs: START_MS,
      roundTripNs: 20,
    }),
    connectionSnapshot(2, {
      subscriptionCount: 9,
      pendingBytes: 3,
      outMessages: 1,
      inMessages: 8,
      outBytes: 10,
      inBytes: 8,
      lastActivityMs: NOW_MS - 30,
      startMs: START_MS + 200,
      roundTripNs: 30,
    }),
    connectionSnapshot(3, {
      subscriptionCount: 7,
      pendingBytes: 2,
      outMessages: 5,
      inMessages: 4,
      outBytes: 20,
      inBytes: 9,
      lastActivityMs: NOW_MS - 20,
      startMs: START_MS + 100,
      roundTripNs: 10,
    }),
  ]);
  const orders: [string, number[]][] = [
    ["", [1, 2, 3]],
    ["cid", [1, 2, 3]],
    ["start", [1, 2, 3]],
    ["subs", [2, 3, 1]],
    ["pending", [2, 3, 1]],
    ["msgs_to", [1, 3, 2]],
    ["msgs_from", [2, 3, 1]],
    ["bytes_to", [1, 3, 2]],
    ["bytes_from", [3, 2, 1]],
    ["last", [1, 3, 2]],
    ["idle", [2, 3, 1]],
    ["uptime", [2, 3, 1]],
    ["rtt", [2, 1, 3]],
  ];
  for (const [sort, order] of orders) {
    test(`by "${sort}"`, async () => expect(await ids(source, { sort })).toEqual(order));
  }

  test("by stop and reason, among closed connections only", async () => {
    const closed = sourceOf(
      [],
      [
        closedSnapshot(1, { stop: { atMs: NOW_MS - 5, reason: "Stale Connection" } }),
        closedSnapshot(2, { stop: { atMs: NOW_MS - 1, reason: "Client Closed" } }),
        closedSnapshot(3, { stop: { atMs: NOW_MS - 9, reason: "Kicked" } }),
      ],
    );
    expect(await ids(closed, { sort: "stop", state: "closed" })).toEqual([2, 1, 3]);
    expect(await ids(closed, { sort: "reason", state: "closed" })).toEqual([2, 3, 1]);
    for (const state of ["open", "all"] as const) {
      expect(await refusal({ sort: "stop", state })).toBe("sort by stop only valid on closed connections");
      expect(await refusal({ sort: "reason", state })).toBe(
        "sort by reason only valid on closed connections",
      );
    }
  });

  test("by uptime counts a closed connection up to its end", async () => {
    const mixed = sourceOf(
      [connectionSnapshot(1, { startMs: NOW_MS - 500 })],
      [closedSnapshot(2, { startMs: START_MS, stop: { atMs: START_MS + 100, reason: "Kicked" } })],
    );
    expect(await ids(mixed, { sort: "uptime", state: "all" })).toEqual([2, 1]);
  });

  test("by anything else is refused", async () => {
    expect(await refusal({ sort: "CID" })).toBe("invalid sorting option: CID");
  });
});

describe("connz() connection", () => {
  test("shows an open client", async () => {
    const source = sourceOf([
      connectionSnapshot(5, {
        name: "app",
        language: "go",
        version: "1.2.3",
        inMessages: 1,
        inBytes: 5,
        subscriptionCount: 2,
        user: "ann",
        jwt: "ey",
        issuerKey: "A1",
        tags: ["t"],
        userNameTag: "u",
        subscriptions: [subscriptionSnapshot("foo.>", { queue: "q", sid: "7", deliveriesMax: 3 })],
      }),
    ]);
    expect(encodeGoJson((await report(source)).connections)).toBe(`[
  {
    "cid": 5,
    "kind": "Client",
    "type": "nats",
    "ip": "127.0.0.1",
    "port": 50005,
    "start": "2026-03-02T09:15:05Z",
    "last_activity": "2026-03-02T09:15:06Z",
    "rtt": "482µs",
    "uptime": "4m21s",
    "idle": "4m20s",
    "pending_bytes": 0,
    "in_msgs": 1,
    "out_msgs": 0,
    "in_bytes": 5,
    "out_bytes": 0,
    "subscriptions": 2,
    "name": "app",
    "lang": "go",
    "version": "1.2.3"
  }
]`);
  });

  test("adds who it is with auth, except for the global account", async () => {
    const source = sourceOf([
      connectionSnapshot(1, { user: "ann", jwt: "ey", issuerKey: "A1", tags: ["t"], userNameTag: "u" }),
      connectionSnapshot(2, { user: "[REDACTED]", account: "ACC", accountNameTag: "acc" }),
    ]);
    const { connections } = await report(source, { showsCredentials: true });
    const shown = connections!.map((c) => [
      c.authorized_user,
      c.account,
      c.jwt,
      c.issuer_key,
      c.name_tag,
      c.tags,
    ]);
    expect(shown).toEqual([
      ["ann", undefined, "ey", "A1", "$G", ["t"]],
      ["[REDACTED]", "ACC", undefined, undefined, "acc", undefined],
    ]);
  });

  test("adds TLS, and the peer's certificates with auth", async () => {
    const peerCertificates = [{ subject: "CN=a,O=b", publicKeySha256Hex: "aa", certificateSha256Hex: "bb" }];
    const tls = { version: "1.3", cipherSuite: "TLS_AES_128_GCM_SHA256", isFirst: true, peerCertificates };
    const source = sourceOf([connectionSnapshot(1, { tls })]);
    const text = encodeGoJson((await report(source, { showsCredentials: true })).connections, 0);
    expect(text).toContain(
      '"tls_version":"1.3","tls_cipher_suite":"TLS_AES_128_GCM_SHA256","tls_peer_certs":[{"subject":"CN=a,O=b","spki_sha256":"aa","cert_sha256":"bb"}],"tls_first":true',
    );
    expect((await report(source)).connections![0]!.tls_peer_certs).toBe(undefined);
  });

  test("lists subscriptions as subjects or in detail, without their account while open", async () => {
    const subscriptions = [subscriptionSnapshot("foo.>", { queue: "q", sid: "7", deliveriesMax: 3 })];
    const source = sourceOf(
      [connectionSnapshot(5, { subscriptions })],
      [closedSnapshot(5, { subscriptions })],
    );
    const [plain] = (await report(source, { subscriptions: "subjects" })).connections!;
    expect(plain!.subscriptions_list).toEqual(["foo.>"]);
    expect(plain!.subscriptions_list_detail).toBe(undefined);
    const detail = { subscriptions: "detail" } as const;
    expect(encodeGoJson((await report(source, detail)).connections![0]!.subscriptions_list_detail, 0)).toBe(
      '[{"subject":"foo.\\u003e","qgroup":"q","sid":"7","msgs":0,"max":3,"cid":5}]',
    );
    const [closed] = (await report(source, { ...detail, state: "closed" })).connections!;
    expect(encodeGoJson(closed!.subscriptions_list_detail, 0)).toBe(
      '[{"account":"$G","account_tag":"$G","subject":"foo.\\u003e","qgroup":"q","sid":"7","msgs":0,"cid":5}]',
    );
  });

  test("shows rtt 0s before CONNECT, the mqtt client, the proxy and stalls", async () => {
    const source = sourceOf([
      connectionSnapshot(1, { roundTripNs: 0, type: "mqtt", mqttClient: "m", proxyKey: "U1", stalls: 2 }),
    ]);
    const [shown] = (await report(source)).connections!;
    expect([shown!.rtt, shown!.type, shown!.mqtt_client, shown!.proxy, shown!.stalls]).toEqual([
      "0s",
      "mqtt",
      "m",
      { key: "U1" },
      2,
    ]);
  });

  test("of the closed kind ends at its stop and keeps its user's credentials", async () => {
    const source = sourceOf(
      [],
      [
        closedSnapshot(3, {
          jwt: "ey",
          issuerKey: "A1",
          tags: ["t"],
          userNameTag: "u",
          subscriptionCount: 4,
        }),
      ],
    );
    const [shown] = (await report(source, { state: "closed" })).connections!;
    expect([shown!.stop, shown!.reason, shown!.uptime, shown!.idle, shown!.subscriptions]).toEqual([
      "2026-03-02T09:16:07Z",
      "Client Closed",
      "1m2s",
      "1m1s",
      4,
    ]);
    expect([shown!.jwt, shown!.issuer_key, shown!.tags, shown!.name_tag]).toEqual(["ey", "A1", ["t"], "u"]);
    expect(shown!.authorized_user).toBe(undefined);
  });

  test("of the closed kind is found by its account, but never by the global one", async () => {
    const source = sourceOf(
      [],
      [closedSnapshot(1, { account: "A", accountNameTag: "tag" }), closedSnapshot(2)],
    );
    source.accountList = [accountDetailSnapshot("A"), accountDetailSnapshot("$G")];
    expect(await ids(source, { state: "closed", account: "A" })).toEqual([1]);
    const global = await report(source, { state: "closed", account: "$G" });
    expect([global.total, global.connections]).toEqual([0, []]);
    const [tagged] = (await report(source, { state: "closed", account: "A", showsCredentials: true }))
      .connections!;
    expect([tagged!.account, tagged!.name_tag]).toEqual(["A", "tag"]);
  });

  test("never holds null", async () => {
    const source = sourceOf([connectionSnapshot(1)], [closedSnapshot(2)]);
    const text = encodeGoJson(
      await report(source, { state: "all", showsCredentials: true, subscriptions: "detail" }),
    );
    expect(text).not.toContain("null");
  });
});

test("connz() filters open connections by subject only inside an account", async () => {
  expect(await refusal({ subject: "foo" })).toBe("filter by subject only valid with account filtering");
  expect(await refusal({ subject: ">" })).toBe("accepted");
  const source = sourceOf([
    connectionSnapshot(1, { account: "A", subscriptions: [subscriptionSnapshot("foo")] }),
    connectionSnapshot(2, { account: "A", subscriptions: [subscriptionSnapshot("bar")] }),
  ]);
  source.accountList = [accountDetailSnapshot("A")];
  expect(await ids(source, { account: "A", subject: "foo" })).toEqual([1]);
});
