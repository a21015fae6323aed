import { describe, expect, test } from "bun:test";
import {
  accountDetailSnapshot,
  COUNTERS,
  connectionSnapshot,
  FakeSource,
  NOW_MS,
  OPTIONS,
  START_MS,
  serverSnapshot,
  shardSnapshot,
} from "../testing/fake_source.ts";
import { readMetrics, renderMetrics } from "./metrics.ts";

async function lines(source: FakeSource): Promise<string[]> {
  return renderMetrics(await readMetrics(source))
    .trimEnd()
    .split("\n");
}

/** The value of a sample, null if there is none. */
async function valueIn(source: FakeSource, sample: string): Promise<number | null> {
  const line = (await lines(source)).find((candidate) => candidate.startsWith(`${sample} `));
  return line === undefined ? null : Number(line.slice(sample.length + 1));
}

const SERVER = '{server_id="NSERVER"}';

describe("renderMetrics()", () => {
  test("each line is a comment or a sample of the format, and each metric stands once", async () => {
    const all = await lines(new FakeSource());
    const odd = all.filter(
      (line) =>
        !/^# TYPE [a-z_]+ (?:gauge|counter)$/.test(line) &&
        !/^[a-z_]+\{[a-z_]+="[^"]*"(?:,[a-z_]+="[^"]*")*\} [0-9.e+-]+$/.test(line),
    );
    expect(odd).toEqual([]);
    const types = all.filter((line) => line.startsWith("#"));
    expect(new Set(types).size).toBe(types.length);
    expect(types.length).toBeGreaterThan(60);
  });

  test("numbers of /varz are gauges, nested ones by their path; settings the exporter skips are not there", async () => {
    const source = new FakeSource();
    source.snapshot = serverSnapshot({
      counters: {
        ...COUNTERS,
        connections: 7,
        slowConsumersByKind: { clients: 3, routes: 0, gateways: 0, leafnodes: 0 },
      },
      httpRequestCounts: new Map([
        ["/", 2],
        ["/varz", 5],
      ]),
      options: {
        ...OPTIONS,
        cluster: { name: "C", port: 6222, authTimeoutMs: 2000, tlsTimeoutMs: 2000, poolSize: 3 },
        gateway: { name: "G", port: 7222, connectRetries: 4 },
        leafnodes: { port: 7422 },
      },
    });
    const text = (await lines(source)).join("\n");
    expect(text).toContain(`# TYPE gnatsd_varz_connections gauge\ngnatsd_varz_connections${SERVER} 7\n`);
    expect(text).toContain(`gnatsd_varz_slow_consumer_stats_clients${SERVER} 3`);
    expect(text).toContain(`gnatsd_varz_http_req_stats${SERVER} 2`);
    expect(text).toContain(`gnatsd_varz_http_req_stats_varz${SERVER} 5`);
    expect(text).toContain(`gnatsd_varz_cluster_pool_size${SERVER} 3`);
    expect(text).toContain('gnatsd_varz_cluster_name{server_id="NSERVER",value="C"} 1');
    expect(text).not.toMatch(/gnatsd_varz_(leaf_|cluster_(cluster_port|auth|tls)|gateway_(port|connect))/);
  });

  test("texts are labels of a 1, times are milliseconds, other texts and lists are left out", async () => {
    const source = new FakeSource();
    const text = (await lines(source)).join("\n");
    expect(text).toContain('gnatsd_varz_version{server_id="NSERVER",value="2.15.2"} 1');
    expect(text).toContain('gnatsd_varz_server_name{server_id="NSERVER",value="midge"} 1');
    expect(await valueIn(source, `gnatsd_varz_start${SERVER}`)).toBe(START_MS);
    expect(text).not.toMatch(/gnatsd_varz_(now|uptime|host|go|auth_required)\b/);
  });

  test("/connz is summed over its page", async () => {
    const source = new FakeSource();
    source.open = [
      connectionSnapshot(1, { pendingBytes: 5, inMessages: 1, inBytes: 10, subscriptionCount: 2 }),
      connectionSnapshot(2, { pendingBytes: 6, outMessages: 3, outBytes: 30, subscriptionCount: 1 }),
    ];
    const text = (await lines(source)).join("\n");
    for (const [name, value] of Object.entries({
      num_connections: 2,
      total: 2,
      limit: 1024,
      pending_bytes: 11,
      subscriptions: 3,
      in_msgs: 1,
      in_bytes: 10,
      out_msgs: 3,
      out_bytes: 30,
    })) {
      expect(text).toContain(`gnatsd_connz_${name}${SERVER} ${value}\n`);
    }
    expect(text).toContain("# TYPE gnatsd_connz_in_bytes counter");
  });

  test("accounts are named by id and by name tag, whatever these hold", async () => {
    const source = new FakeSource();
    const sent = { messages: 4, bytes: 40 };
    const none = { messages: 0, bytes: 0 };
    source.accountList = [
      accountDetailSnapshot('A"\n', {
        nameTag: "tag\\",
        clients: 2,
        leafnodes: 1,
        sent: { ...sent, routes: none, gateways: none, leafnodes: none },
      }),
    ];
    const labels = '{server_id="NSERVER",account="A\\"\\n",account_id="A\\"\\n",account_name="tag\\\\"}';
    expect(await valueIn(source, `gnatsd_accstatz_current_connections${labels}`)).toBe(2);
    expect(await valueIn(source, `gnatsd_accstatz_total_connections${labels}`)).toBe(3);
    expect(await valueIn(source, `gnatsd_accstatz_sent_bytes${labels}`)).toBe(40);
  });

  test("gateways and leaf nodes are told apart by the exporter's labels, times are seconds", async () => {
    const source = new FakeSource();
    const connection = connectionSnapshot(9, { startMs: NOW_MS - 1500, roundTripNs: 2_000_000 });
    const gateway = { name: "B", isConfigured: true, connection, accounts: [] };
    source.gatewaysSnapshot = { name: "A", host: "h", port: 1, outbound: [gateway], inbound: [gateway] };
    source.leafnodeList = [
      {
        id: 4,
        name: "leaf",
        isSpoke: false,
        isIsolated: false,
        account: "$G",
        ip: "127.0.0.1",
        port: 5,
        roundTripNs: 1_500_000,
        subscriptionCount: 6,
        subscriptions: [],
        compression: "",
        isWebSocket: false,
        proxyKey: "",
        inMessages: 7,
        outMessages: 0,
        inBytes: 0,
        outBytes: 0,
      },
    ];
    const gatewayLabels = '{gateway_name="A",cid="9",remote_gateway_name="B",server_id="NSERVER"}';
    for (const direction of ["outbound", "inbound"]) {
      const prefix = `gnatsd_gatewayz_${direction}_gateway_`;
      expect(await valueIn(source, `${prefix}configured${gatewayLabels}`)).toBe(1);
      expect(await valueIn(source, `${prefix}conn_uptime_seconds${gatewayLabels}`)).toBe(1);
      expect(await valueIn(source, `${prefix}conn_rtt${gatewayLabels}`)).toBe(0.002);
    }
    const leafLabels =
      '{server_id="NSERVER",account="$G",account_id="$G",ip="127.0.0.1",port="5",name="leaf"}';
    expect(await valueIn(source, `gnatsd_leafz_info${leafLabels}`)).toBe(1);
    expect(await valueIn(source, `gnatsd_leafz_conn_rtt${leafLabels}`)).toBe(0.0015);
    expect(await valueIn(source, `gnatsd_leafz_conn_in_msgs${leafLabels}`)).toBe(7);
    expect(await valueIn(source, `gnatsd_leafz_conn_nodes_total${SERVER}`)).toBe(1);
  });

  test("health is 0 and 1, and 1 and 0 where a listener is not ready", async () => {
    const source = new FakeSource();
    expect(await valueIn(source, `gnatsd_healthz_status${SERVER}`)).toBe(0);
    expect(await valueIn(source, 'gnatsd_healthz_status_value{server_id="NSERVER",value="ok"}')).toBe(1);
    source.listenersNotReady = ["route"];
    expect(await valueIn(source, `gnatsd_healthz_status${SERVER}`)).toBe(1);
    expect(await valueIn(source, 'gnatsd_healthz_status_value{server_id="NSERVER",value="error"}')).toBe(0);
  });

  test("each shard has samples of its own, with what they mean", async () => {
    const source = new FakeSource();
    source.shardList = [
      shardSnapshot("0", { connections: 3, inMessages: 10, waitingBytes: 64 }),
      shardSnapshot("links", { isUp: false, outBytes: 20 }),
    ];
    const text = (await lines(source)).join("\n");
    expect(text).toContain(
      "# HELP midge_shard_received_messages_total Messages that its connections sent.\n" +
        "# TYPE midge_shard_received_messages_total counter\n" +
        'midge_shard_received_messages_total{server_id="NSERVER",shard="0"} 10\n' +
        'midge_shard_received_messages_total{server_id="NSERVER",shard="links"} 0\n',
    );
    expect(await valueIn(source, 'midge_shard_up{server_id="NSERVER",shard="links"}')).toBe(0);
    expect(await valueIn(source, 'midge_shard_connections{server_id="NSERVER",shard="0"}')).toBe(3);
    expect(await valueIn(source, 'midge_shard_waiting_bytes{server_id="NSERVER",shard="0"}')).toBe(64);
  });
});
