import { expect, test } from "bun:test";
import { type LiveData, liveData } from "../live_data.ts";
import {
  accountDetailSnapshot,
  COUNTERS,
  connectionSnapshot,
  FakeSource,
  serverSnapshot,
  shardSnapshot,
} from "../testing/fake_source.ts";
import { figuresOf } from "./figures.js";
import { linksOf, peersOf } from "./peers.js";
import {
  accountCounters,
  accountRows,
  CONNECTION_COLUMNS,
  connectionRows,
  linkRows,
  shardRows,
  slowRows,
} from "./tables.js";

const RATES = { inMessages: 30, outMessages: 10, inBytes: 3000, outBytes: 1000 };

async function dataOf(source: FakeSource): Promise<LiveData> {
  const result = await liveData(source, "pending");
  if (!result.ok) throw new Error(result.message);
  return JSON.parse(JSON.stringify(result.report)) as LiveData;
}

test("liveData() has the reports of one moment, cut to a page, without what people logged in with", async () => {
  const source = new FakeSource();
  let snapshots = 0;
  source.server = async () => serverSnapshot({ nowMs: 1_000_000 + snapshots++ });
  source.open = Array.from({ length: 40 }, (_, at) =>
    connectionSnapshot(at + 1, { pendingBytes: at, user: "secret", jwt: "secret", issuerKey: "secret" }),
  );
  source.accountList = Array.from({ length: 100 }, (_, at) =>
    accountDetailSnapshot(`A${at}`, { clients: at }),
  );
  const data = await dataOf(source);
  expect(snapshots).toBe(1);
  expect([data.varz.now, data.subsz.now, data.connz.now, data.shardz.now]).toEqual(
    Array(4).fill(data.varz.now),
  );
  expect(data.connz.connections.map(({ cid }) => cid)).toEqual(
    Array.from({ length: 16 }, (_, at) => 40 - at),
  );
  expect(data.connz.total).toBe(40);
  expect(data.accstatz.total).toBe(100);
  expect(data.accstatz.account_statz.map(({ acc }) => acc).slice(0, 2)).toEqual(["A99", "A98"]);
  expect(data.accstatz.account_statz.length).toBe(64);
  expect(JSON.stringify(data)).not.toContain("secret");
});

test("liveData() refuses an order that /connz refuses", async () => {
  const result = await liveData(new FakeSource(), "bad");
  expect(result).toEqual({ ok: false, message: "invalid sorting option: bad" });
});

test("each row has a cell for each column", async () => {
  const source = new FakeSource();
  source.open = [
    connectionSnapshot(1, {
      name: "<b>",
      language: "go",
      version: "1.2",
      ip: "::1",
      inMessages: 5,
      inBytes: 50,
    }),
  ];
  source.shardList = [shardSnapshot("0"), shardSnapshot("1", { isUp: false })];
  source.accountList = [accountDetailSnapshot("A")];
  const { connz, shardz, accstatz } = await dataOf(source);
  const [connection] = connectionRows(connz.connections, new Map([[1, RATES]]));
  expect(connection!.length).toBe(CONNECTION_COLUMNS.length);
  expect(connection!.slice(0, 7)).toEqual(["<b>", "1", "$G", "[::1]:50001", "go 1.2", "0 B", "5 (30/s)"]);
  expect(shardRows(shardz.shards, new Map([["0", RATES]])).map((row) => [row[1], row[6]])).toEqual([
    ["up", "100%"],
    ["being replaced", "0%"],
  ]);
  expect(accountRows(accstatz.account_statz, new Map([["A", RATES]]))[0]!.slice(4, 6)).toEqual([
    "30/s, 3.00 kB/s",
    "10/s, 1.00 kB/s",
  ]);
  expect(accountCounters(accstatz.account_statz[0]!)).toEqual({
    acc: "A",
    in_msgs: 0,
    out_msgs: 0,
    in_bytes: 0,
    out_bytes: 0,
  });
});

test("what clients say of themselves is cut", async () => {
  const source = new FakeSource();
  const long = "x".repeat(3000);
  source.open = [connectionSnapshot(1, { name: long, language: long, version: long })];
  const { connz } = await dataOf(source);
  const [connection] = connectionRows(connz.connections, new Map());
  expect([connection![0]!.length, connection![4]!.length]).toEqual([128, 32]);
  const slow = { cid: 1, ip: "::1", port: 1, name: long, reason: "Slow Consumer", pending_bytes: 0 };
  expect(slowRows([slow])[0]![2]!.length).toBe(128);
});

test("figuresOf() shows what /varz says, and new slow consumers as an alarm", async () => {
  const source = new FakeSource();
  source.snapshot = serverSnapshot({ counters: { ...COUNTERS, connections: 1234, slowConsumers: 1 } });
  const before = await dataOf(source);
  source.snapshot = serverSnapshot({ counters: { ...COUNTERS, connections: 1234, slowConsumers: 3 } });
  const figures = figuresOf(await dataOf(source), before, 1);
  expect(figures.find(({ field }) => field === "connections")!.value).toBe("1,234");
  expect(figures.filter(({ isAlarming }) => isAlarming).map(({ field }) => field)).toEqual([
    "slow_consumers",
  ]);
  expect(figuresOf(before, null, null).some(({ isAlarming }) => isAlarming)).toBe(false);
});

test("slowRows() shows the last slow consumer first, and no other closed connection", () => {
  const closed = (cid: number, reason: string, stop: string) => ({
    cid,
    ip: "1.2.3.4",
    port: 5,
    reason,
    stop,
    pending_bytes: 1000,
  });
  const rows = slowRows([
    closed(1, "Slow Consumer (Pending Bytes)", "2026-01-01T00:00:01.5Z"),
    closed(2, "Client Closed", "2026-01-01T00:00:03Z"),
    closed(3, "Slow Consumer (Write Deadline)", "2026-01-01T00:00:02Z"),
  ]);
  expect(rows.map((row) => [row[0], row[1], row[4]])).toEqual([
    ["2026-01-01T00:00:02Z", "3", "1.00 kB"],
    ["2026-01-01T00:00:01Z", "1", "1.00 kB"],
  ]);
});

test("linksOf() names links of every kind, peersOf() draws each cluster once", async () => {
  const source = new FakeSource();
  const connection = connectionSnapshot(7);
  const gateway = (id: number) => ({
    name: "B",
    isConfigured: true,
    connection: { ...connection, id },
    accounts: [],
  });
  source.gatewaysSnapshot = {
    name: "A",
    host: "h",
    port: 1,
    outbound: [gateway(7)],
    inbound: [gateway(8), gateway(9)],
  };
  const links = linksOf(await dataOf(source));
  expect(links.map(({ kind, name, id, direction }) => [kind, name, id, direction])).toEqual([
    ["gateway", "B", 7, "out"],
    ["gateway", "B", 8, "in"],
    ["gateway", "B", 9, "in"],
  ]);
  const rates = new Map([7, 8].map((id) => [id, RATES] as const));
  expect(peersOf(links, "gateway", rates)).toEqual([{ kind: "gateway", name: "B", note: "80/s" }]);
  expect(peersOf(links, "leaf", rates)).toEqual([]);
  expect(linkRows(links, rates).map((row) => row[7])).toEqual(["30/s, 3.00 kB/s", "30/s, 3.00 kB/s", "–"]);
});
