import { expect } from "bun:test";
import { until } from "../support/deadline.ts";
import { row, sharedServer } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";

const server = sharedServer({ monitoring: true });

type Varz = Record<string, unknown> & { http_req_stats: Record<string, number> };

const RFC_3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$/;

row("§12.10 an idle server shows the defaults", async () => {
  await using idle = await ServerProcess.start({ monitoring: true });
  const varz = await idle.json<Varz>("/varz");
  const client = await idle.connect();
  const wanted: Record<string, unknown> = {
    server_id: client.info.server_id,
    server_name: client.info.server_id,
    version: client.info.version,
    proto: 1,
    host: "127.0.0.1",
    port: idle.clientPort,
    max_connections: 65536,
    ping_interval: 120_000_000_000,
    ping_max: 2,
    http_host: "127.0.0.1",
    http_base_path: "",
    https_port: 0,
    auth_timeout: 2,
    max_control_line: 4096,
    max_payload: 1048576,
    max_pending: 67108864,
    cluster: {},
    gateway: {},
    leaf: {},
    mqtt: {},
    websocket: {},
    jetstream: {},
    tls_timeout: 2,
    write_deadline: 10_000_000_000,
    connections: 0,
    total_connections: 0,
    routes: 0,
    remotes: 0,
    leafnodes: 0,
    in_msgs: 0,
    out_msgs: 0,
    in_bytes: 0,
    out_bytes: 0,
    in_client_msgs: 0,
    in_client_bytes: 0,
    out_client_msgs: 0,
    out_client_bytes: 0,
    slow_consumers: 0,
    stale_connections: 0,
    stalled_clients: 0,
    http_req_stats: { "/varz": 1 },
    config_digest: "",
    slow_consumer_stats: { clients: 0, routes: 0, gateways: 0, leafs: 0 },
    stale_connection_stats: { clients: 0, routes: 0, gateways: 0, leafs: 0 },
  };
  for (const [key, value] of Object.entries(wanted)) expect([key, varz[key]]).toEqual([key, value]);
});

row("§12.10 the flags of features are shown, as configured and otherwise as they are", async () => {
  const flags = async (config: string) => {
    await using own = await ServerProcess.start({ config, monitoring: true });
    return (await own.json<Varz>("/varz")).feature_flags;
  };
  const defaults = {
    js_ack_fc_v2: false,
    js_api_reply_v2: false,
    js_raft_delete_range: true,
    js_snapshot_sources: false,
  };
  expect(await flags("")).toEqual(defaults);
  expect(await flags("feature_flags { js_ack_fc_v2: true, zzz: true }")).toEqual({
    ...defaults,
    js_ack_fc_v2: true,
  });
});

row("§12.10 INFO and /varz name the cluster of a server without routes", async () => {
  const remotes = 'leafnodes { remotes: [ { url: "nats-leaf://127.0.0.1" } ] }';
  for (const [config, inInfo, cluster] of [
    ["cluster { name: c }", "c", { name: "c" }],
    ['gateway { name: g, listen: "127.0.0.1:-1" }', "g", { name: "g" }],
    [`cluster { name: c }\nserver_name: s\n${remotes}`, "c", { name: "c" }],
    [`server_name: s\n${remotes}`, "s", {}],
    [remotes, undefined, {}],
  ] as const) {
    await using alone = await ServerProcess.start({ config, monitoring: true });
    const client = await alone.connect();
    const varz = await alone.json<Varz>("/varz");
    expect([config, client.info.cluster, varz.cluster]).toEqual([config, inInfo, cluster]);
    client.destroy();
  }
});

row("§12.10 a leaf node's remote has the port that is dialled", async () => {
  await using leaf = await ServerProcess.start({
    config: 'leafnodes { remotes: [ { urls: [ "nats-leaf://127.0.0.1", "nats-leaf://127.0.0.1:1" ] } ] }',
    monitoring: true,
  });
  expect((await leaf.json<Varz>("/varz")).leaf).toEqual({
    remotes: [{ local_account: "$G", urls: ["127.0.0.1:7422", "127.0.0.1:1"] }],
  });
});

row("§12.10 fields that are off are left out", async () => {
  const varz = await server().json<Varz>("/varz");
  for (const key of [
    "auth_required",
    "tls_required",
    "tls_verify",
    "connect_urls",
    "ws_connect_urls",
    "max_subscriptions",
    "write_timeout",
    "tags",
    "metadata",
    "trusted_operators_jwt",
    "trusted_operators_claim",
    "proxies",
    "tls_cert_not_after",
    "pinned_account_fails",
  ]) {
    expect([key, varz[key]]).toEqual([key, undefined]);
  }
});

row("§2 times, numbers and texts have their types", async () => {
  const varz = await server().json<Varz>("/varz");
  for (const key of ["start", "now", "config_load_time"])
    expect([key, RFC_3339.test(String(varz[key]))]).toEqual([key, true]);
  for (const key of ["mem", "cores", "gomaxprocs", "cpu", "subscriptions"])
    expect([key, typeof varz[key]]).toEqual([key, "number"]);
  expect(varz.mem).toBeGreaterThan(1_000_000);
  expect(varz.cores).toBeGreaterThan(0);
  expect(typeof varz.go).toBe("string");
  expect(Math.abs(Date.parse(String(varz.now)) - Date.now())).toBeLessThan(60_000);
});

row("§12.14 uptime is whole seconds, larger units first", async () => {
  expect(String((await server().json<Varz>("/varz")).uptime)).toMatch(/^((\d+y)?\d+d)?(\d+h)?(\d+m)?\d+s$/);
});

row("§12.12 one message of 5 bytes to one own subscription counts 1 and 5 everywhere", async () => {
  await using fresh = await ServerProcess.start({ monitoring: true });
  const client = await fresh.connectAs();
  client.send("SUB foo 1\r\nPUB foo 5\r\nhello\r\n");
  await client.expect("MSG foo 1 5\r\nhello\r\n");
  await client.roundTrip();
  // Counters may reach the page a moment later.
  let varz = await fresh.json<Varz>("/varz");
  await until(
    async () => {
      varz = await fresh.json<Varz>("/varz");
      return varz.out_client_msgs === 1 && varz.in_client_msgs === 1;
    },
    () => `in_client_msgs is ${varz.in_client_msgs}, out_client_msgs ${varz.out_client_msgs}`,
  );
  for (const key of ["in_msgs", "out_msgs", "in_client_msgs", "out_client_msgs"])
    expect([key, varz[key]]).toEqual([key, 1]);
  for (const key of ["in_bytes", "out_bytes", "in_client_bytes", "out_client_bytes"])
    expect([key, varz[key]]).toEqual([key, 5]);
  expect([varz.connections, varz.total_connections]).toEqual([1, 1]);
  client.send("PUB nobody 3\r\nabc\r\nHPUB foo 12 14\r\nNATS/1.0\r\n\r\nhi\r\n");
  await client.expect("HMSG foo 1 12 14\r\nNATS/1.0\r\n\r\nhi\r\n");
  await until(
    async () => {
      varz = await fresh.json<Varz>("/varz");
      return varz.in_msgs === 3 && varz.out_msgs === 2;
    },
    () => `in_msgs is ${varz.in_msgs}, out_msgs ${varz.out_msgs}`,
  );
  expect([varz.in_bytes, varz.out_bytes]).toEqual([5 + 3 + 14, 5 + 14]);
});

row("§2 connections falls when a client goes, total_connections stays", async () => {
  await using fresh = await ServerProcess.start({ monitoring: true });
  const clients = [await fresh.connectAs(), await fresh.connectAs(), await fresh.connect()];
  const untilConnections = (count: number) =>
    until(
      async () => (await fresh.json<Varz>("/varz")).connections === count,
      () => `connections is not ${count}`,
    );
  await untilConnections(3);
  clients[0]!.end();
  await untilConnections(2);
  expect((await fresh.json<Varz>("/varz")).total_connections).toBe(3);
});

row("§2 subscriptions rises and falls with SUB and UNSUB", async () => {
  const count = async () => Number((await server().json<Varz>("/varz")).subscriptions);
  const before = await count();
  const client = await server().connectAs();
  client.send("SUB a 1\r\nSUB b q 2\r\nSUB c.> 3\r\n");
  await client.roundTrip();
  expect(await count()).toBe(before + 3);
  client.send("UNSUB 1\r\n");
  await client.roundTrip();
  expect(await count()).toBe(before + 2);
  client.end();
  await until(
    async () => (await count()) === before,
    () => "subscriptions did not fall back",
  );
});

row("§12.12 the advertised host and port are shown", async () => {
  await using advertised = await ServerProcess.start({
    config: `client_advertise: "example.test:4333"`,
    monitoring: true,
  });
  const varz = await advertised.json<Varz>("/varz");
  expect([varz.host, varz.port]).toEqual(["example.test", 4333]);
});

row("§12.13 a reload changes config_load_time, config_digest and the limits in place", async () => {
  await using reloaded = await ServerProcess.start({ config: "max_payload: 1000", monitoring: true });
  const before = await reloaded.json<Varz>("/varz");
  expect(String(before.config_digest)).toMatch(/^sha256:[0-9a-f]{64}$/);
  await reloaded.reload(
    `max_payload: 2000\nmax_connections: 5\nmax_control_line: 512\nping_interval: "5s"\nping_max: 7\nwrite_deadline: "3s"\nserver_tags: t`,
  );
  const after = await reloaded.json<Varz>("/varz");
  expect(after.config_digest === before.config_digest).toBe(false);
  expect(after.config_load_time === before.config_load_time).toBe(false);
  expect(after.start).toBe(before.start);
  expect([after.max_payload, after.max_connections, after.max_control_line]).toEqual([2000, 5, 512]);
  expect([after.ping_interval, after.ping_max, after.write_deadline]).toEqual([5e9, 7, 3e9]);
  expect(after.tags).toEqual(["t"]);
});
