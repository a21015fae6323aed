import { expect } from "bun:test";
import { checkConfig } from "../support/config_check.ts";
import { rowsInParallel } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";

/** Files that `-t` accepts. */
const GOOD: Record<string, string> = {
  "listen with host and port": `listen: "127.0.0.1:4222"`,
  "listen with a port only": "listen: 4222",
  "listen with an empty host": `listen: ":4222"`,
  "listen on a random port": `listen: "127.0.0.1:-1"`,
  "host and port": "host: 127.0.0.1\nport: -1",
  "net for host": "net: 127.0.0.1",
  "client_advertise with and without port": `client_advertise: "example.test"`,
  "client_advertise with a port": `client_advertise: "example.test:4333"`,
  server_name: "server_name: some-name",
  "server_tags as one string": `server_tags: "a:b"`,
  "server_tags as an array": `server_tags: ["a", "b:C"]`,
  server_metadata: `server_metadata { a: b, c: "d" }`,
  "feature_flags with unknown names": "feature_flags { whatever: true, other: false }",
  "log flags":
    "debug: true\ntrace: false\ntrace_verbose: off\ntrace_headers: no\nlogtime: on\nlogtime_utc: true",
  "log file keys": `log_file: "/tmp/x.log"\nlog_size_limit: 1MB\nlog_max_num: 3`,
  "log file aliases": `logfile: "/tmp/x.log"\nlogfile_size_limit: 1k\nlogfile_max_num: 3`,
  "syslog keys": `syslog: false\nremote_syslog: "udp://localhost:514"`,
  max_traced_msg_len: "max_traced_msg_len: 10",
  "pid_file and ports_file_dir": `pid_file: "/tmp/x.pid"\nports_file_dir: "/tmp"`,
  pidfile: `pidfile: "/tmp/x.pid"`,
  "http as a port": "http: 8222",
  "http as an address": `http: "127.0.0.1:8222"`,
  http_port: "http_port: 8222",
  monitor_port: "monitor_port: 8222",
  "https_port without tls, checked only at start": "https_port: 8222",
  http_base_path: `http_base_path: "mon"`,
  prof_port: "prof_port: 6060\nprof_block_rate: 1",
  limits:
    "max_connections: 10\nmax_payload: 1MB\nmax_pending: 8MB\nmax_control_line: 2k\nmax_subscriptions: 5\nmax_subscription_tokens: 8",
  "limit aliases": "max_conn: 10\nmax_subs: 5\nmax_sub_tokens: 255",
  max_closed_clients: "max_closed_clients: 10",
  "max_connections 0 and negative": "max_connections: -1",
  "max_payload of 2^31 - 1": "max_payload: 2147483647\nmax_pending: 2147483647",
  durations: `ping_interval: "1m30s"\nwrite_deadline: "1.5s"\nping_max: 3`,
  "durations of every unit": `write_deadline: "1h1m1s1ms1us1ns"\nping_interval: "1µs"`,
  "unquoted durations": "ping_interval: 10s\nwrite_deadline: 500ms",
  write_timeout: "write_timeout: retry",
  "write_timeout close": "write_timeout: close",
  "write_timeout default": "write_timeout: default",
  no_fast_producer_stall: "no_fast_producer_stall: true",
  "allow_non_tls without tls": "allow_non_tls: true",
  proxy_protocol: "proxy_protocol: true",
  no_header_support: "no_header_support: true",
  disable_sublist_cache: "disable_sublist_cache: true",
  no_sublist_cache: "no_sublist_cache: true",
  "error report counts": "connect_error_reports: 10\nreconnect_error_reports: 2",
  "lame duck": `lame_duck_duration: "30s"\nlame_duck_grace_period: "5s"`,
  "a grace period as long as the duration, checked only at start": `lame_duck_duration: "30s"\nlame_duck_grace_period: "30s"`,
  "max_payload above max_pending, checked only at start": "max_payload: 2000\nmax_pending: 1000",
  "ocsp modes and cache types in any case": "ocsp { mode: NEVER }, ocsp_cache { type: Local }",
  "one account with routes of its own": "accounts { A { } }, cluster { accounts: A }",
  "files without a name": `tls { cert_file: "", key_file: "", ca_file: "" }`,
  "keys in any case": "PORT: 4222\nMax_Payload: 100\nPing_Interval: 1s",
};

/** Files that `-t` refuses, and what it says. Texts marked with a pattern of their own are exact in nats-server. */
const BAD: Record<string, [text: string, message?: RegExp]> = {
  "a server name with spaces": [`server_name: "a b"`, /server name cannot contain spaces/],
  "a listen address without colon": [`listen: "localhost"`, /could not parse address string "localhost"/],
  "a listen address with a bad port": [`listen: "localhost:abc"`, /could not parse port "abc"/],
  "a bad http address": [`http: "x"`],
  "a payload limit above 2^31 - 1": ["max_payload: 2147483648", /max_payload value is too big/],
  "a control line limit above 2^31 - 1": ["max_control_line: 2147483648", /value is too big/],
  "a negative token limit": ["max_subscription_tokens: -1", /value can not be negative/],
  "a token limit above 255": ["max_subscription_tokens: 256", /value is too big/],
  "a short lame duck duration": [
    `lame_duck_duration: "10s"`,
    /invalid lame_duck_duration of 10s, minimum is 30 seconds/,
  ],
  "a negative grace period": [`lame_duck_grace_period: "-1s"`],
  "a lame duck duration that is a number": ["lame_duck_duration: 60"],
  "a duration that is a number is a warning": [
    "ping_interval: 10",
    /invalid use of field "ping_interval": ping_interval should be converted to a duration/,
  ],
  "a duration with an unknown unit": [
    `ping_interval: "10x"`,
    /error parsing ping_interval: (time: )?unknown unit "x" in duration "10x"/,
  ],
  "a duration without unit": [`write_deadline: "10"`, /error parsing write_deadline/],
  "an empty duration": [`ping_interval: ""`],
  "an unknown write_timeout": ["write_timeout: maybe"],
  "server_tags of a wrong type": ["server_tags: 5"],
  "server_metadata of a wrong type": ["server_metadata: 5"],
  "feature_flags of a wrong type": ["feature_flags { a: 5 }"],
  "a route that is no URL": [`cluster { routes: ["ht!tp://%%%"] }`, /error parsing route url/],
  "a route without a scheme": [`cluster { routes: ["127.0.0.1:6222"] }`, /error parsing route url/],
  "a route of percent signs": [`cluster { routes: ["%%%"] }`, /error parsing route url/],
  "a route with a bad escape": [`cluster { routes: ["nats://u:p%zz@h:1"] }`, /error parsing route url/],
  "a gateway's URLs that are none": [
    `gateway { name: A, port: 7222, gateways: [ { name: B, urls: ["ht!tp://%%%"] } ] }`,
    /error parsing gateway url/,
  ],
  "a gateway's URL that is none": [
    `gateway { name: A, port: 7222, gateways: [ { name: B, url: "%%%" } ] }`,
    /error parsing gateway url/,
  ],
  "a hub's URLs that are none": [
    `leafnodes { remotes: [ { urls: ["nats://h:1", "ht!tp://%%%"] } ] }`,
    /error parsing leafnode url/,
  ],
  "a hub's URL with a bad escape": [
    `leafnodes { remotes: [ { url: "nats://u:p%zz@h:1" } ] }`,
    /error parsing leafnode url/,
  ],
  "a hub's URL with an IPv4 address in brackets": [
    `leafnodes { remotes: [ { url: "nats://[1.2.3.4]:1" } ] }`,
    /error parsing leafnode url/,
  ],
  "several errors are all reported": [
    `debug: 1\nserver_name: "a b"`,
    /main\.conf:1:0[\s\S]*main\.conf:2:1|main\.conf:2:1[\s\S]*main\.conf:1:0/,
  ],
};

/** Configurations that fail at start though `-t` accepts them. */
const BAD_AT_START: Record<string, [text: string, message: RegExp]> = {
  "max_payload above max_pending": [
    "max_payload: 2000\nmax_pending: 1000",
    /^nats-server: max_payload \(2000\) cannot be higher than max_pending \(1000\)/m,
  ],
  "grace period not below the duration": [
    `lame_duck_duration: "30s"\nlame_duck_grace_period: "30s"`,
    /^nats-server: lame duck grace period \(30s\) should be strictly lower than lame duck duration \(30s\)/m,
  ],
  "no_auth_user without users": [
    "no_auth_user: x",
    /^nats-server: no_auth_user: "x" present, but users\/nkeys are not defined/m,
  ],
  "both monitoring ports": [
    "http_port: -1\nhttps_port: -1",
    /\[FTL\] Can't start monitoring: can't specify both HTTP \(-1\) and HTTPs \(-1\) ports/,
  ],
  "https without tls": [
    "https_port: -1",
    /\[FTL\] Can't start monitoring: TLS cert and key required for HTTPS/,
  ],
  "a pid file that cannot be written": [
    `pid_file: "DIRECTORY/none/x.pid"`,
    /Could not write pidfile: open \S+\/none\/x\.pid: no such file or directory/,
  ],
  "an address of the cluster that is none": [
    `cluster { listen: "127.0.0.1:-1", advertise: "a:b:c" }`,
    /Error setting route INFO with Cluster\.Advertise value of a:b:c, err=/,
  ],
  "an address for clients that is none": [
    `client_advertise: "a:b:c"`,
    /Error setting server INFO with ClientAdvertise value of a:b:c, err=/,
  ],
  "a trusted proxy without a key": [
    "proxies { trusted: [ { } ] }",
    /^nats-server: proxy trusted key "" is invalid/m,
  ],
  "leaf nodes and gateways without a system account": [
    "gateway { name: G, port: -1 }, leafnodes { port: -1 }",
    /leaf nodes and gateways \(both being defined\) require a system account to also be configured/,
  ],
  "a resolver without an operator": [
    `resolver { type: full, dir: "DIRECTORY/jwt" }`,
    /Could not start resolver: no operator key found/,
  ],
  "a bad remote syslog network": [
    `remote_syslog: "http://127.0.0.1:1"`,
    /error invalid network type: "http"/,
  ],
};

const rows: Record<string, () => Promise<void>> = {};

for (const [name, text] of Object.entries(GOOD)) {
  rows[`§4 accepted: ${name}`] = async () => {
    const check = await checkConfig(text);
    expect(check.stderr).toMatch(/^nats-server: configuration file \S+ is valid \(sha256:[0-9a-f]{64}\)\n$/);
    expect(check.code).toBe(0);
  };
}

for (const [name, [text, message]] of Object.entries(BAD)) {
  rows[`§4 refused: ${name}`] = async () => {
    const check = await checkConfig(text);
    expect(check.stderr).toMatch(message ?? /main\.conf:1:\d+: ./);
    expect(check.code).toBe(1);
  };
}

for (const [name, [text, message]] of Object.entries(BAD_AT_START)) {
  rows[`§5.8 refused at start: ${name}`] = async () => {
    const server = ServerProcess.spawn({ config: text });
    try {
      const exit = await server.waitForExit();
      expect(exit.stderr).toMatch(message);
      expect(exit.code).toBe(1);
    } finally {
      await server.stop();
    }
  };
}

rows["§4 what the file says is what varz shows"] = async () => {
  await using server = await ServerProcess.start({
    monitoring: true,
    config: `
      server_name: shown
      server_tags: ["A:b", c]
      server_metadata { rack: "7" }
      max_conn: 77
      max_payload: 2k
      max_pending: 3MB
      max_control_line: 1kb
      max_subs: 9
      ping_interval: "1m30s"
      ping_max: 5
      write_deadline: "1500ms"
      write_timeout: retry
      http_base_path: "mon"
    `,
  });
  const varz = await server.json<Record<string, unknown>>("/mon/varz");
  const shown = {
    server_name: "shown",
    tags: ["a:b", "c"],
    metadata: { rack: "7" },
    max_connections: 77,
    max_payload: 2000,
    max_pending: 3145728,
    max_control_line: 1024,
    max_subscriptions: 9,
    ping_interval: 90_000_000_000,
    ping_max: 5,
    write_deadline: 1_500_000_000,
    write_timeout: "retry",
    http_base_path: "mon",
  };
  for (const [key, value] of Object.entries(shown)) expect([key, varz[key]]).toEqual([key, value]);
};

rows["§4 varz shows what the file says of listeners that are off"] = async () => {
  await using server = await ServerProcess.start({
    monitoring: true,
    config: `
      cluster {
        name: C, host: localhost, pool_size: 5, write_deadline: "3s", write_timeout: retry
        authorization { user: u, password: p, timeout: 3 }
        routes: ["nats://u:p@127.0.0.1:1"]
      }
      leafnodes {
        host: localhost
        remotes: [ { url: "nats://127.0.0.1", disabled: true }, { url: "nats://[::1]:1", disabled: true } ]
      }
      websocket { host: localhost, no_tls: true, same_origin: true, compression: true, handshake_timeout: "3s" }
    `,
  });
  const { cluster, gateway, leaf, websocket } = await server.json<Record<string, unknown>>("/varz");
  const written = { write_deadline: 3e9, write_timeout: "retry" };
  expect([cluster, gateway, leaf, websocket]).toEqual([
    { name: "C", addr: "localhost", auth_timeout: 3, urls: ["127.0.0.1:1"], pool_size: 5, ...written },
    written,
    {
      host: "localhost",
      remotes: [
        { local_account: "$G", urls: ["127.0.0.1:7422"] },
        { local_account: "$G", urls: ["[::1]:1"] },
      ],
      ...written,
    },
    { host: "localhost", no_tls: true, same_origin: true, compression: true, handshake_timeout: 3e9 },
  ]);
};

rows["§5.4 clients are told the name of the cluster, with routes or without"] = async () => {
  const hubs = `leafnodes { remotes: [ { url: "nats://127.0.0.1:1", disabled: true } ] }`;
  for (const [config, name] of [
    ["cluster { name: C }", "C"],
    ["gateway { name: G, listen: '127.0.0.1:-1' }", "G"],
    [`server_name: N, ${hubs}`, "N"],
    [hubs, undefined],
  ] as const) {
    await using server = await ServerProcess.start({ config });
    const client = await server.connect();
    expect(client.info.cluster).toBe(name);
    client.destroy();
  }
};

rows["§4 tags are told once each, and as many clients as the file says, be it none"] = async () => {
  for (const [limit, shown] of [
    ["0", -1],
    ["-5", -5],
  ] as const) {
    await using server = await ServerProcess.start({
      monitoring: true,
      config: `max_connections: ${limit}\nserver_tags: ["A", a, " b ", "", "B"]`,
    });
    const { tags, max_connections } = await server.json<Record<string, unknown>>("/varz");
    expect([tags, max_connections]).toEqual([["a", "b"], shown]);
  }
};

rows["§3 with warnings only the server prints them and starts"] = async () => {
  await using server = await ServerProcess.start({ config: "ping_interval: 10" });
  expect(server.stderr).toMatch(
    /^\S*server\.conf:1:0: invalid use of field "ping_interval": ping_interval should be converted to a duration$/m,
  );
};

rows["§1 flags override the file, whatever their value"] = async () => {
  await using server = await ServerProcess.start({
    monitoring: true,
    config: "server_name: from_file\ndebug: true",
    flags: ["-n", "from_flag", "-D=false"],
  });
  const client = await server.connect();
  expect(client.info.server_name).toBe("from_flag");
  expect(server.log).not.toContain("[DBG]");
};

rowsInParallel(rows, 4);
