import { describe, expect, test } from "bun:test";
import { diffOptions } from "./diff.ts";
import { loadConfigText } from "./load.ts";
import { OPTION_TABLE, type Options } from "./option_table.ts";

function load(text: string): Options {
  const loaded = loadConfigText(text, "x.conf", { readFile: () => "", environment: {} });
  if (!loaded.ok) throw new Error(loaded.lines.join("\n"));
  return loaded.options;
}

function linesBetween(before: string, after: string): readonly (string | undefined)[] | string {
  const difference = diffOptions(load(before), load(after));
  return difference.ok ? difference.changes.flatMap(({ logLine }) => logLine ?? []) : difference.reason;
}

describe("diffOptions() applies", () => {
  const changes: readonly (readonly [string, string, readonly string[]])[] = [
    ["port: 1", "port: 1", []],
    ["port: 1", "port: -1", []],
    ["port: -1", "port: -1", []],
    ["cluster { port: 1 }", "cluster { port: -1 }", []],
    ["debug: false", "debug: true", ["Reloaded: debug = true"]],
    ["trace: true", "debug: true", ["Reloaded: debug = true", "Reloaded: trace = false"]],
    ["logtime: true", "logtime: false", ["Reloaded: logtime = false"]],
    ["host: 0.0.0.0", "log_file: a", ["Reloaded: log_file = a"]],
    ["log_file: a", "host: 0.0.0.0", ["Reloaded: log_file = "]],
    ["max_connections: 1", "max_connections: 2", ["Reloaded: max_connections = 2"]],
    ["max_payload: 1k", "max_payload: 2k", ["Reloaded: max_payload = 2000"]],
    ["max_control_line: 1k", "max_control_line: 2k", ["Reloaded: max_control_line = 2000"]],
    ['ping_interval: "1m"', 'ping_interval: "90s"', ["Reloaded: ping_interval = 1m30s"]],
    ["ping_max: 1", "ping_max: 3", ["Reloaded: ping_max = 3"]],
    ['write_deadline: "1s"', 'write_deadline: "2s"', ["Reloaded: write_deadline = 2s"]],
    ["client_advertise: a", "client_advertise: b", ["Reload: client_advertise = b"]],
    ["server_tags: a", "server_tags: [a, b]", ["Reloaded: tags"]],
    ["server_metadata { a: b }", "server_metadata { a: c }", ["Reloaded: metadata"]],
    ["server_metadata { a: b }", "server_metadata { a: b }", []],
    ["pid_file: a", "pid_file: b", ["Reloaded: pid_file = b"]],
    ["pid_file: a", "port: 4222", []],
    [
      "no_auth_user: a, accounts { A { users: [ { user: a } ] } }",
      "accounts { A { users: [ { user: b } ] } }",
      ["Reloaded: accounts"],
    ],
    [
      "no_fast_producer_stall: false",
      "no_fast_producer_stall: true",
      ["Reloaded: fast producers will not be stalled"],
    ],
    [
      "no_fast_producer_stall: true",
      "no_fast_producer_stall: false",
      ["Reloaded: fast producers will be stalled"],
    ],
    [
      "authorization { user: a, password: b }",
      "authorization { user: c, password: d, timeout: 5 }",
      [
        "Reloaded: authorization username",
        "Reloaded: authorization password",
        "Reloaded: authorization timeout = 5",
      ],
    ],
    ["authorization { token: a }", "port: 4222", ["Reloaded: authorization token"]],
    [
      "authorization { users [ { user: a } ] }",
      "authorization { users [ { user: b } ] }",
      ["Reloaded: authorization users"],
    ],
    ["accounts { A {} }", "accounts { A {}, B {} }, mappings { a: b }", ["Reloaded: accounts"]],
    ["tls { timeout: 2 }", "tls { timeout: 2 }", []],
    ["tls { ca_file: a }", "tls { ca_file: a }", ["Reloaded: tls = enabled"]],
    ["port: 4222", "tls { timeout: 2 }", ["Reloaded: tls = enabled", "Reloaded: authorization timeout = 3"]],
    ["tls { timeout: 2 }", "port: 4222", ["Reloaded: tls = disabled", "Reloaded: authorization timeout = 2"]],
    [
      "tls { timeout: 2 }, authorization { timeout: 9 }",
      "tls { timeout: 2 }, authorization {}",
      ["Reloaded: authorization timeout = 3"],
    ],
    [
      "tls { timeout: 2 }",
      "tls { timeout: 3, handshake_first: auto }",
      [
        "Reloaded: tls timeout = 3",
        "Reloaded: Client TLS handshake first: true",
        "Reloaded: Client TLS handshake first fallback delay: 50ms",
        "Reloaded: authorization timeout = 4",
      ],
    ],
    [
      "cluster { pool_size: 3, no_advertise: true }",
      "cluster { pool_size: 5, routes: ['nats://a:1'] }",
      ["Reloaded: cluster routes", "Reloaded: cluster"],
    ],
    ["gateway { name: A, port: 1 }", "gateway { name: A, port: 1, tls {} }", []],
    ["websocket { port: 1, tls {} }", "websocket { port: 1, tls { timeout: 5 } }", []],
    [
      "leafnodes { compression: off }",
      "leafnodes { compression: s2_fast }",
      ["Reloaded: LeafNode Compression value is: {s2_fast []}"],
    ],
    [
      "leafnodes { remotes [ { url: 'nats://u:p@a:1' } ] }",
      "leafnodes {}",
      ['Reloaded: LeafNode Remote urls=["nats://[REDACTED]@a:1"], account="$G" removed'],
    ],
    [
      "leafnodes { remotes [ { url: 'nats://a:1' } ] }",
      "leafnodes { remotes [ { url: 'nats://a:1', disabled: true } ] }",
      ['Reloaded: LeafNode Remote urls=["nats://a:1"], account="$G" Disabled value is: true'],
    ],
    ["resolver: MEM", "resolver: URL(http://a/)", ["Reloaded: accounts"]],
    ["resolver: URL(http://a/)", "resolver: URL(http://b/)", ["Reloaded: accounts"]],
    ["resolver { type: mem }", "resolver: MEMORY", []],
    ["resolver { type: full, dir: a }", "resolver { type: full, dir: a, interval: '1m' }", []],
  ];
  for (const [before, after, lines] of changes) {
    test(`${before} -> ${after}`, () => expect(linesBetween(before, after)).toEqual(lines));
  }

  test("proxies, named by the keys that come and go", () => {
    const key = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4";
    expect(linesBetween("proxies { trusted: [] }", `proxies { trusted: [ { key: ${key} } ] }`)).toEqual([
      `Reloaded: proxies trusted keys ["${key}"] were added`,
    ]);
  });

  test("changes with their keys and values", () => {
    expect(diffOptions(load("cluster { pool_size: 3 }"), load("cluster { pool_size: 5 }"))).toEqual({
      ok: true,
      changes: [{ key: "cluster.pool_size", old: 3, new: 5, logLine: "Reloaded: cluster" }],
    });
  });
});

describe("diffOptions() refuses", () => {
  const refusals: readonly (readonly [string, string, string])[] = [
    ["port: 1", "port: 2", "Port: old=1, new=2"],
    ["port: -1", "port: 2", "Port: old=-1, new=2"],
    ["host: a", "host: b", "Host: old=a, new=b"],
    ["server_name: a", "port: 4222", "ServerName: old=a, new="],
    ["http_port: 1", "http_port: 2", "HTTPPort: old=1, new=2"],
    ["port: 4222", "http_port: -1", "HTTPPort: old=0, new=-1"],
    ["max_pending: 1k", "max_pending: 2k", "MaxPending: old=1000, new=2000"],
    ["max_subs: 1", "max_subs: 2", "MaxSubs: old=1, new=2"],
    ["log_max_num: 1", "log_max_num: 2", "LogMaxFiles: old=1, new=2"],
    ['lame_duck_duration: "1m"', 'lame_duck_duration: "2m"', "LameDuckDuration: old=1m0s, new=2m0s"],
    ["allow_non_tls: true", "allow_non_tls: false", "AllowNonTLS: old=true, new=false"],
    ["tls {}", "tls { verify_and_map: true }", "TLSMap: old=false, new=true"],
    ["tls {}", "tls { connection_rate_limit: 5 }", "TLSRateLimit: old=0, new=5"],
    ["cluster { host: a }", "cluster { host: b }", "cluster host: old=a, new=b"],
    ["cluster { port: 1 }", "cluster { port: 2 }", "cluster port: old=1, new=2"],
    ["leafnodes { host: a }", "leafnodes { host: b }", 'LeafNode: field "Host": old=a, new=b'],
    [
      "leafnodes { remotes [ { url: 'nats://a:1' } ] }",
      "leafnodes { remotes [ { url: 'nats://a:1', hub: true } ] }",
      'LeafNode: remote urls=["nats://a:1"], account="$G": field "Hub": old=false, new=true',
    ],
    ["gateway { port: 1 }", "gateway { port: 2 }", 'Gateway: field "Port": old=1, new=2'],
    [
      "gateway { gateways [ { name: A } ] }",
      "gateway { gateways [ { name: B } ] }",
      'Gateway: field "Gateways": old=[A], new=[B]',
    ],
    ["websocket { port: 1 }", "websocket { port: 2 }", 'Websocket: field "Port": old=1, new=2'],
    ["midge { shards: 1 }", "midge { shards: 2 }", 'Midge: field "Shards": old=1, new=2'],
    ["system_account: A", "system_account: B", "SystemAccount: old=A, new=B"],
    ["resolver { type: full, dir: a }", "resolver { type: full, dir: b }", "resolver.dir: old=a, new=b"],
    [
      "resolver { type: full, dir: a }",
      "resolver { type: full, dir: a, timeout: '3s' }",
      "resolver.timeout: old=1.9s, new=3s",
    ],
    [
      "resolver { type: full, dir: a, allow_delete: true }",
      "resolver { type: full, dir: a, allow_delete: true, hard_delete: true }",
      "resolver.hard_delete: old=false, new=true",
    ],
    [
      "resolver { type: cache, dir: a }",
      "resolver { type: cache, dir: a, limit: 5, ttl: '1h' }",
      "resolver.limit: old=1000, new=5",
    ],
    ["resolver { type: full, dir: a }", "resolver: MEM", "resolver.type: old=full, new=memory"],
    ["resolver: URL(http://a/)", "resolver { type: cache, dir: a }", "resolver.type: old=url, new=cache"],
  ];
  for (const [before, after, reason] of refusals) {
    test(`${before} -> ${after}`, () => {
      expect(linesBetween(before, after)).toBe(`config reload not supported for ${reason}`);
    });
  }

  test("moving to a resolver", () => {
    expect(linesBetween("port: 4222", "resolver: MEM")).toBe(
      "config reload does not support moving to or from an account resolver",
    );
  });

  test("the whole reload for one option, whatever else changes", () => {
    expect(linesBetween("debug: true, port: 1", "debug: false, port: 2")).toContain("not supported for Port");
  });

  test("showing secrets", () => {
    const websocket = (password: string) => `websocket { authorization { user: a, password: ${password} } }`;
    const reason = linesBetween(websocket("hush1"), websocket("hush2"));
    expect(reason).toContain("Websocket");
    expect(reason).not.toContain("hush");
  });
});

describe("OPTION_TABLE", () => {
  test("gives every key to one option", () => {
    const keys = Object.values(OPTION_TABLE).flatMap(({ key, aliases }) => [key, ...aliases]);
    expect(new Set(keys).size).toBe(keys.length);
  });

  test("says what a reload does with every option", () => {
    for (const { key, reload } of Object.values(OPTION_TABLE))
      expect(`${key} ${reload.kind}`).not.toContain("ignored");
  });
});
