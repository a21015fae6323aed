import { describe, expect, test } from "bun:test";
import { loadConfigText } from "./load.ts";
import { defaultOptions, type Options } from "./option_table.ts";

/** The options of `text`; every file it names is there. */
function load(text: string, environment: Record<string, string> = {}): Options {
  const loaded = loadConfigText(text, "x.conf", { readFile: () => "", environment });
  if (!loaded.ok) throw new Error(loaded.lines.join("\n"));
  return loaded.options;
}

function digestOf(text: string, environment: Record<string, string> = {}): string {
  const loaded = loadConfigText(text, "x.conf", { readFile: () => "", environment });
  return loaded.ok ? loaded.digest : loaded.lines.join("\n");
}

describe("loadConfigText()", () => {
  test("gives the defaults where the file says nothing", () => {
    expect(load("port: 4222")).toEqual(defaultOptions());
    const { host, port, maxPayloadBytes, maxPendingBytes, maxControlLineBytes, maxConnections } =
      defaultOptions();
    expect({ host, port, maxPayloadBytes, maxPendingBytes, maxControlLineBytes, maxConnections }).toEqual({
      host: "0.0.0.0",
      port: 4222,
      maxPayloadBytes: 1_048_576,
      maxPendingBytes: 67_108_864,
      maxControlLineBytes: 4096,
      maxConnections: 65_536,
    });
  });

  test("reads keys in any case and units into milliseconds and bytes", () => {
    const options = load(`
      PORT: -1, Host: 127.0.0.1
      ping_interval: "1m30s", write_deadline: 250ms
      max_payload: 8KB, max_pending: 1m
      lame_duck_duration: "1h", lame_duck_grace_period: "1.5s"
      authorization { timeout: 1.5 }
    `);
    expect(options.port).toBe(-1);
    expect(options.host).toBe("127.0.0.1");
    expect(options.pingIntervalMs).toBe(90_000);
    expect(options.writeDeadlineMs).toBe(250);
    expect(options.maxPayloadBytes).toBe(8192);
    expect(options.maxPendingBytes).toBe(1_000_000);
    expect(options.lameDuckDurationMs).toBe(3_600_000);
    expect(options.lameDuckGracePeriodMs).toBe(1500);
    expect(options.authorization?.timeoutMs).toBe(1500);
  });

  test("takes 0 for the default where nats-server does", () => {
    expect(load('port: 0, ping_interval: "0s", max_payload: 0, max_control_line: 0, ping_max: 0')).toEqual(
      defaultOptions(),
    );
  });

  test("takes no connections at all for max_connections of 0 or less", () => {
    expect(load("max_connections: 0").maxConnections).toBe(-1);
    expect(load("max_conn: -5").maxConnections).toBe(-5);
  });

  const aliases: readonly (readonly [string, string])[] = [
    ["net: a", "host: a"],
    ["listen: 'a:1'", "host: a, port: 1"],
    ["listen: 1", "port: 1"],
    ["listen: ':1'", "host: 0.0.0.0, port: 1"],
    ["listen: '[::1]:1'", "host: '::1', port: 1"],
    ["logfile: a", "log_file: a"],
    ["logfile_size_limit: 1", "log_size_limit: 1"],
    ["logfile_max_num: 1", "log_max_num: 1"],
    ["pidfile: a", "pid_file: a"],
    ["monitor_port: 1", "http_port: 1"],
    ["http: 1", "http_port: 1"],
    ["max_conn: 1", "max_connections: 1"],
    ["max_subs: 1", "max_subscriptions: 1"],
    ["max_sub_tokens: 1", "max_subscription_tokens: 1"],
    ["no_sublist_cache: true", "disable_sublist_cache: true"],
    ["maps { a: b }", "mappings { a: b }"],
    ["system: A", "system_account: A"],
    ["no_sys_acc: true", "no_system_account: true"],
    ["no_system: true", "no_system_account: true"],
    ["account_resolver: MEM", "resolver: MEM"],
    ["accounts_resolver: { type: mem }", "resolver: MEMORY"],
    ["leaf { port: 1 }", "leafnodes { port: 1 }"],
    [
      "ws { port: 1, compress: true, origin: a }",
      "websocket { port: 1, compression: true, allowed_origins: [a] }",
    ],
    ["root: a.jwt", "operator: [ a.jwt ]"],
    ["authorization { username: a, pass: b }", "authorization { user: a, password: b }"],
    ["authorization { default_permission { pub: a } }", "authorization { permissions { publish: [a] } }"],
    ["cluster { net: a, cluster_advertise: b }", "cluster { host: a, advertise: b }"],
    ["gateway { reject_unknown: true }", "gateway { reject_unknown_cluster: true }"],
    ["tls { first: true }", "tls { handshake_first: true }"],
    ["trace_verbose: true", "trace: true, trace_verbose: true"],
    ["jetstream: false", "jetstream: disabled"],
    ["jetstream: disable", "jetstream: disabled"],
    ['jetstream { enabled: false, store_dir: "/data" }', "jetstream: disabled"],
    ["storedir: a", "store_dir: a"],
  ];
  for (const [alias, plain] of aliases) {
    test(`takes ${alias} for ${plain}`, () => expect(load(alias)).toEqual(load(plain)));
  }

  test("keeps host and port of monitoring apart from those of clients", () => {
    const { host, httpHost, httpPort } = load("http: '127.0.0.1:8222'");
    expect({ host, httpHost, httpPort }).toEqual({ host: "0.0.0.0", httpHost: "127.0.0.1", httpPort: 8222 });
  });

  test("reads users with permissions, their own before the default ones", () => {
    const { authorization } = load(`
      authorization {
        users: [
          { user: a, password: b, permissions { publish: "x.>", subscribe { allow: ["y q", z], deny: w } } }
          { user: c, password: d, connection_types: [standard, WebSocket] }
          { user: e, permissions { publish: [], subscribe {}, allow_responses: { max: 5 } } }
        ]
        default_permissions { allow_responses: true }
      }`);
    const [a, c, e] = authorization?.users ?? [];
    expect(a?.permissions).toEqual({
      publish: { allow: ["x.>"], deny: undefined },
      subscribe: { allow: ["y q", "z"], deny: ["w"] },
      responses: undefined,
    });
    expect(c?.allowedConnectionTypes).toEqual(["STANDARD", "WEBSOCKET"]);
    expect(c?.permissions).toEqual({
      publish: { allow: [], deny: undefined },
      subscribe: undefined,
      responses: { maxMessages: 1, ttlMs: 120_000 },
    });
    expect(e?.permissions).toEqual({
      publish: { allow: [], deny: undefined },
      subscribe: undefined,
      responses: { maxMessages: 5, ttlMs: 120_000 },
    });
  });

  test("reads accounts with exports, imports, mappings and limits", () => {
    const { accounts } = load(`
      accounts {
        A {
          users: [ { user: a } ]
          exports: [ { stream: "a.>" }, { service: q, accounts: [B], response: chunked, threshold: "3s", latency: { sampling: "50%", subject: l } } ]
          mappings { foo: bar, x { dest: y, weight: 50%, cluster: C } }
          limits { max_conn: 5, max_subs: 1k }
          msg_trace: t
        }
        B { imports: [ { stream: { account: A, subject: "a.>" }, prefix: p }, { service: { account: A, subject: q }, to: r, share: true } ] }
      }`);
    const [a, b] = accounts;
    expect(a?.exports).toEqual([
      {
        kind: "stream",
        subject: "a.>",
        accounts: [],
        accountTokenPosition: 0,
        responseType: "singleton",
        responseThresholdMs: undefined,
        latency: undefined,
        allowTrace: false,
      },
      {
        kind: "service",
        subject: "q",
        accounts: ["B"],
        accountTokenPosition: 0,
        responseType: "chunked",
        responseThresholdMs: 3000,
        latency: { subject: "l", sampling: 50 },
        allowTrace: false,
      },
    ]);
    expect(a?.mappings).toEqual([
      { source: "foo", destinations: [{ subject: "bar", weight: 100, cluster: undefined }] },
      { source: "x", destinations: [{ subject: "y", weight: 50, cluster: "C" }] },
    ]);
    expect(a?.limits).toEqual({
      maxConnections: 5,
      maxSubscriptions: 1000,
      maxPayloadBytes: -1,
      maxLeafnodes: -1,
    });
    expect(a?.messageTrace).toEqual({ destination: "t", sampling: 100 });
    expect(b?.imports).toEqual([
      {
        kind: "stream",
        account: "A",
        subject: "a.>",
        to: undefined,
        prefix: "p",
        share: false,
        allowTrace: false,
      },
      {
        kind: "service",
        account: "A",
        subject: "q",
        to: "r",
        prefix: undefined,
        share: true,
        allowTrace: false,
      },
    ]);
    expect(load("accounts: [A, B]").accounts.map(({ name }) => name)).toEqual(["A", "B"]);
  });

  test("reads the ways to say when TLS starts", () => {
    const first = (text: string) => load(`tls { handshake_first: ${text} }`).tls?.handshakeFirst;
    expect(first("true")).toEqual({ enabled: true, fallbackDelayMs: 0 });
    expect(first("auto")).toEqual({ enabled: true, fallbackDelayMs: 50 });
    expect(first("300ms")).toEqual({ enabled: true, fallbackDelayMs: 300 });
    expect(first('"off"')).toEqual({ enabled: false, fallbackDelayMs: 0 });
  });

  test("verifies both ends of routes and gateways, whatever the file says", () => {
    expect(load("cluster { tls { verify: false } }").cluster.tls?.verify).toBe(true);
    expect(load("gateway { tls {} }").gateway.tls?.verify).toBe(true);
    expect(load("tls {}").tls?.verify).toBe(false);
    expect(load("tls { verify_and_map: true }").tls?.verify).toBe(true);
  });

  test("reads the resolvers", () => {
    expect(load('resolver: URL("http://h:1/a")').resolver).toEqual({ kind: "url", url: "http://h:1/a/" });
    expect(load("resolver { type: full, dir: d, allow_delete: true, unknown: 1 }").resolver).toEqual({
      kind: "full",
      dir: "d",
      deletes: "rename",
      intervalMs: 60_000,
      limit: 0,
      timeoutMs: 1900,
    });
    expect(load('resolver { type: CACHE, dir: d, ttl: "1h" }').resolver).toEqual({
      kind: "cache",
      dir: "d",
      limit: 1000,
      ttlMs: 3_600_000,
      timeoutMs: 1900,
    });
  });

  test("takes a resolver's limit of 0 and less for none said", () => {
    const limitOf = (type: string, limit: number) =>
      load(`resolver { type: ${type}, dir: d, limit: ${limit} }`).resolver;
    for (const limit of [0, -1]) {
      expect(limitOf("full", limit)).toMatchObject({ limit: 0 });
      expect(limitOf("cache", limit)).toMatchObject({ limit: 1000 });
    }
  });

  test("reads Midge's own block", () => {
    expect(load("midge { shards: 4, transport: runtime }").midge).toEqual({
      shards: 4,
      transport: "runtime",
    });
  });

  test("lets a key used as a variable have any name, at its level", () => {
    expect(load("my_port: 5\nport: $my_port").port).toBe(5);
    expect(load("cluster { p: 5, port: $p }").cluster.port).toBe(5);
    expect(
      load("accounts { base { limits { max_conn: 3 } }, B: $base }").accounts.map(({ name }) => name),
    ).toEqual(["B"]);
  });
});

describe("configDigest()", () => {
  // The expected values are what nats-server 2.15.2 prints for the same text.
  const digests: readonly (readonly [string, string])[] = [
    ["port: 4222", "797533ebd0dfba7d34a0f9337ecf147e442871f48ddfd07ed751575a5737267e"],
    [
      'server_metadata { a: "<x>&\'y", b: "\\xC3\\xA9", "c d": \'e\\f\', e: "\\t\\n\\r\\"\\\\", z: é, "😀": "\\x01\\x08\\x0c\\x7F", "ﬀ": "\\xE2\\x80\\xA8\\xe2\\x80\\xA9" }',
      "ee1ebbed81b58f3f88c4eccd2d872293ddab00358bc9a21cb27a185bbc049471",
    ],
    [
      "v = 2016-05-04T18:53:41Z\nw = -1.5\nx = 10kib\ny = $v\nz = [$w, $x, $y ]\nhost = $EHOST\ndebug = on\na = $z\nb = 0.000001\nc = [ $a, $b, 123456789012.5 ]\nresolver { type: MEM, c: $c, e: { B: [], a: {} } }\n",
      "5f7244597f09e76f06821f9e5b221c35d385580cabc258e0e8f316fa7db4fbb4",
    ],
    [
      "big = 9223372036854775807\nn = -0.0\nf = 0.00000001\nm = 100000000000000000000000.5\nresolver { type: MEM, x: [ $big, $n, $f, $m ] }\n",
      "e164ef04175c831bf7e34f731699f65b433b9ef45157ad1922a1f699260d20e6",
    ],
  ];
  for (const [text, digest] of digests) {
    test(`of ${JSON.stringify(text)}`, () => {
      expect(digestOf(text, { EHOST: "$ENAME", ENAME: "'3xyz'" })).toBe(`sha256:${digest}`);
    });
  }

  test("does not change with layout and comments", () => {
    expect(digestOf("host: a # x\nport: 1")).toBe(digestOf("{ port = 1; 'host' \"a\" }"));
  });
});
