import { describe, expect, test } from "bun:test";
import { type LoadResult, loadConfigText } from "./load.ts";
import { encodeKeyText } from "./nkey_text.ts";
import { defaultOptions, type GivenOptions, type Options } from "./option_table.ts";

const FILES = { readFile: () => "", environment: {} };

function load(given: unknown, text = ""): LoadResult {
  return loadConfigText(text, "x.conf", FILES, given as GivenOptions);
}

function optionsOf(loaded: LoadResult): Options {
  if (!loaded.ok) throw new Error(loaded.lines.join("\n"));
  return loaded.options;
}

function linesOf(given: unknown): readonly string[] {
  const loaded = load(given);
  return loaded.ok ? ["it is accepted"] : loaded.lines;
}

const KEY_BYTES = new Array<number>(32).fill(7);
const ACCOUNT_KEY = encodeKeyText([0, ...KEY_BYTES]);
const OPERATOR_KEY = encodeKeyText([14 << 3, ...KEY_BYTES]);

const TEXTS: Readonly<Record<string, string>> = {
  "plain values": `listen: "127.0.0.1:4333", client_advertise: "h:1", server_name: s, server_tags: [A, b],
    server_metadata { a: "1" }, feature_flags { f: true }, debug: on, trace_verbose: on, logtime: off, http: "h:8222",
    max_payload: 64kb, max_connections: -1, ping_interval: "1.5s", write_deadline: 250ms, write_timeout: retry,
    lame_duck_duration: "31s", lame_duck_grace_period: "1s", max_subscription_tokens: 8, connect_error_reports: 0
    midge { shards: 3, transport: epoll }`,
  listeners: `websocket { port: -1, no_tls: true, origins: ["http://a"], headers { X: y }, handshake_timeout: 2.5
      authorization { user: u, pass: p, timeout: 3 }, ping_interval: "30s" }
    leafnodes { listen: "h:7422", min_version: "2.10.0", compression: { mode: s2_auto, rtt_thresholds: [10ms, "0s"] }
      authorization { users: [ { user: a, pass: b, account: A } ] }
      remotes: [ { url: "nats-leaf://h", account: A, deny_imports: [ "a.>" ], tls { insecure: true }
        proxy { url: "http://h:1", username: a, password: b, timeout: "2s" } } ] }
    gateway { name: G, listen: "h:1", authorization { user: a, pass: b, timeout: 1 }, gateways: [ { name: H, url: "nats://h" } ] }
    cluster { name: C, port: -1, routes: [ "nats://h:1" ], ping_interval: "3s", compression: s2_best, pool_size: -1,
      permissions { import { allow: [ "a.>" ] }, export { deny: b } }, authorization { user: a, pass: b } }
    accounts [ A ]`,
  TLS: `tls { cert_file: c.pem, key_file: k.pem, verify: true, handshake_first: "20ms", timeout: 3, min_version: "1.3"
      pinned_certs: [ "${"a".repeat(64)}" ], cipher_suites: [ TLS_AES_128_GCM_SHA256 ], ocsp_peer { verify: true, ca_timeout: 4 } }
    ocsp { mode: must, url: "http://o" }, ocsp_cache { type: none, save_interval: "9s" }
    websocket { port: 1, tls { certs: [ { cert_file: a, key_file: b } ], handshake_first: true } }`,
  users: `authorization { timeout: 5, default_permissions { subscribe: [ "a", "b.> q" ] }
      users: [ { user: u, pass: p, allowed_connection_types: [ websocket ], proxy_required: true }
        { user: v, permissions { publish { allow: x, deny: y }, allow_responses { max: 3, expires: "4s" } } }
        { user: w, permissions { subscribe: "s", allow_responses: true } } ] }
    mappings { a: b, "c.*": [ { destination: "d.{{wildcard(1)}}", weight: 30% }, { dest: "e.{{wildcard(1)}}", weight: 20, cluster: C } ] }`,
  callout: `authorization { user: a, password: b, auth_callout { issuer: ${ACCOUNT_KEY}, auth_users: [ a ], allowed_accounts: [ A ] } }
    accounts { A {} }, proxies { trusted: [ { key: ${ACCOUNT_KEY} } ] }`,
  accounts: `system_account: S, accounts { S {}
      A { users: [ { user: a, pass: p } ], default_permissions { publish: x }, limits { max_payload: 100 }, trace_dest: "t.a"
        mappings { a: b }
        exports: [ { stream: "s.>", accounts: [ B ] }, { service: "r.*", response: chunked, threshold: "3s", account_token_position: 2
          latency { sampling: 50, subject: l }, allow_trace: true } ] }
      B { msg_trace { dest: t, sampling: 7 }
        imports: [ { stream { account: A, subject: "s.a" }, prefix: p, allow_trace: true }, { service { account: A, subject: "r.B" }, to: x, share: true } ] } }`,
  "a resolver in memory": `resolver: MEM, resolver_preload { ${ACCOUNT_KEY}: "eyJh.b.c" }, trusted_keys: ${OPERATOR_KEY}`,
  "a resolver by HTTP": `resolver: URL("http://h/jwt/")`,
  "a full resolver": `resolver { type: full, dir: "./d", allow_delete: true, hard_delete: true, limit: 5, interval: "3s" }`,
  "a resolver that renames": `resolver { type: full, dir: "./d", allow_delete: true, timeout: "2s" }`,
  "a cache of a resolver": `resolver { type: cache, dir: "./d", ttl: "1h", limit: 7 }`,
};

describe("a program gives options", () => {
  for (const [name, text] of Object.entries(TEXTS)) {
    test(`that mean what they mean in a file: ${name}`, () => {
      const options = optionsOf(load({}, text));
      expect(optionsOf(load(options))).toEqual(options);
    });
  }

  test("and the defaults are what they are", () =>
    expect(optionsOf(load(defaultOptions()))).toEqual(defaultOptions()));

  test("that win over those of the file, under whatever key", () => {
    const text = `Max_Conn: 5, listen: "h:1", max_payload: 1kb, cluster { name: C, port: 1 }, authorization { user: u, pass: p }`;
    const given = { maxConnections: 7, port: 2, maxPayloadBytes: undefined, cluster: { port: 3 } };
    const options = optionsOf(load(given, text));
    expect([options.maxConnections, options.host, options.port, options.maxPayloadBytes]).toEqual([
      7,
      "h",
      2,
      1024,
    ]);
    expect([options.cluster.name, options.cluster.port]).toEqual([undefined, 3]);
    expect(options.authorization?.user).toBe("u");
    const asByDefault = { maxPayloadBytes: 1_048_576, maxSubscriptionTokens: 0 };
    expect(optionsOf(load(asByDefault, `${text}, max_sub_tokens: 8`))).toMatchObject(asByDefault);
  });

  test("and is told where they do not go with those of the file", () => {
    const loaded = load(
      { accounts: [{ name: "A", users: [{ user: "a" }] }] },
      "authorization { user: u, pass: p }",
    );
    expect(loaded).toEqual({ ok: false, lines: ["accounts: Can not have a single user/pass and accounts"] });
  });

  test("of a block, and the others are as by default", () => {
    const { websocket, authorization, tls } = optionsOf(
      load({
        websocket: { port: -1, noTls: true, tls: undefined },
        authorization: {
          users: [{ user: "a", password: "p" }],
          defaultPermissions: { publish: { allow: ["a"] } },
        },
        tls: { certFile: "c", keyFile: "k" },
      }),
    );
    expect([websocket.host, websocket.port, websocket.noTls, websocket.headers]).toEqual([
      "0.0.0.0",
      -1,
      true,
      new Map(),
    ]);
    expect(authorization?.users?.[0]?.permissions?.publish).toEqual({ allow: ["a"], deny: undefined });
    expect([tls?.timeoutMs, tls?.minVersion]).toEqual([2000, "1.2"]);
  });

  test("with 0 for the default, and no client at all from max_connections 0 on down, as in a file", () => {
    const { port, maxPayloadBytes, pingIntervalMs, maxConnections } = optionsOf(
      load({ port: 0, maxPayloadBytes: 0, pingIntervalMs: 0, maxConnections: 0 }),
    );
    expect([port, maxPayloadBytes, pingIntervalMs, maxConnections]).toEqual([4222, 1_048_576, 120_000, -1]);
    expect(optionsOf(load({ maxConnections: -2 })).maxConnections).toBe(-2);
  });

  test("and an empty list of what is allowed allows nothing, which no file can say so", () => {
    const permissions = { publish: { allow: [] }, subscribe: { allow: ["a"], deny: [] } };
    const { authorization } = optionsOf(load({ authorization: { users: [{ user: "a", permissions }] } }));
    expect(authorization?.users?.[0]?.permissions).toEqual({
      publish: { allow: undefined, deny: [">"] },
      subscribe: { allow: ["a"], deny: undefined },
      responses: undefined,
    });
  });
});

describe("of what a program gives is refused", () => {
  const cases: readonly (readonly [given: Record<string, unknown>, line: string])[] = [
    [{ maxPayloadBytes: -1 }, "maxPayloadBytes value can not be negative: -1 is less than 0"],
    [{ maxPayloadBytes: "64kb" }, "maxPayloadBytes: expected an integer, got a string"],
    [{ maxPayloadBytes: Number.NaN }, "maxPayloadBytes: expected an integer, got NaN"],
    [{ maxPayloadBytes: 1.5 }, "maxPayloadBytes: expected an integer, got a float"],
    [{ maxPayloadBytes: null }, "maxPayloadBytes: expected size, got null"],
    [{ maxPayloadBytes: 5e9 }, "maxPayloadBytes value is too big: 5000000000 is more than 2147483647"],
    [{ maxControlLineBytes: -1 }, "maxControlLineBytes value can not be negative: -1 is less than 0"],
    [{ maxSubscriptions: Number.NaN }, "maxSubscriptions: expected an integer, got NaN"],
    [{ pingIntervalMs: "30s" }, "pingIntervalMs: expected a number of milliseconds, got a string"],
    [{ pingIntervalMs: Infinity }, "pingIntervalMs: expected a number of milliseconds, got Infinity"],
    [
      { lameDuckDurationMs: 10 },
      "lameDuckDurationMs: invalid lame_duck_duration of 10ms, minimum is 30 seconds",
    ],
    [{ host: 5 }, "host: expected a string, got an integer; quote it"],
    [{ httpHost: 5 }, "httpHost: expected a string, got an integer; quote it"],
    [{ port: "4222" }, "port: expected a port number, got a string"],
    [{ port: 70_000 }, "port: port 70000 is out of range; use 0 to 65535, or -1 for a random one"],
    [{ serverName: "a b" }, "serverName: server name cannot contain spaces"],
    [{ debug: "yes" }, "debug: expected true or false, got a string"],
    [{ writeTimeout: "never" }, `writeTimeout must be 'default', 'close', 'retry', got "never"`],
    [{ midge: { shards: 17, transport: "auto" } }, "midge.shards value is too big: 17 is more than 16"],
    [{ authorization: 5 }, "authorization: expected a map to define authorization, got an integer"],
    [
      { authorization: { users: [{ user: 5 }] } },
      "authorization.users[0].user: expected a string, got an integer; quote it",
    ],
    [
      { authorization: { user: "a", users: [] } },
      "authorization: Can not have a single user/pass and a users array",
    ],
    [{ accounts: "x" }, "accounts: expected an array of accounts, got a string"],
    [{ accounts: [{}] }, "accounts[0]: accounts: expected an object with a name, got an object"],
    [
      { accounts: [{ name: "A", exports: [{ kind: "service" }] }] },
      'accounts[0].exports[0]: exports: expected an object of the kind "stream" or "service" with a subject, got an object',
    ],
    [{ websocket: { no_tls: true } }, "websocket.no_tls: websocket has no such option"],
    [
      { websocket: { pingIntervalMs: "30s" } },
      "websocket.pingIntervalMs: expected a number of milliseconds, got a string",
    ],
    [{ websocket: new Date() }, "websocket: expected websocket block, got an object"],
    [
      { cluster: { routes: ["nats://h", 5] } },
      "cluster.routes[1]: routes: expected a string, got an integer; quote it",
    ],
    [{ cluster: { name: "_" } }, "cluster.name: cluster name is reserved"],
    [{ resolver: { kind: "full" } }, "resolver: dir has no value and needs to point to a directory"],
    [
      { mappings: [{ source: "a" }] },
      "mappings[0]: mappings: expected an object with a source and an array of destinations, got an object",
    ],
    [{ trustedProxies: ["x"] }, 'trustedProxies[0].key: invalid proxy key "x"'],
    [
      { tls: { handshakeFirst: { enabled: 1 } } },
      "tls.handshakeFirst: expected true, false, auto or a duration, got an integer",
    ],
  ];
  for (const [given, line] of cases) {
    test(line, () => expect(linesOf(given)[0]).toBe(line));
  }
});
