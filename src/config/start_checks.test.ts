import { describe, expect, test } from "bun:test";
import { loadConfigText } from "./load.ts";
import { defaultOptions } from "./option_table.ts";
import { validateForStart } from "./start_checks.ts";

function problemOf(text: string): string | undefined {
  const loaded = loadConfigText(text, "x.conf", { readFile: () => "", environment: {} });
  if (!loaded.ok) throw new Error(loaded.lines.join("\n"));
  return validateForStart(loaded.options);
}

const LOCAL_USER = "authorization { users [ { user: a, password: b } ] }";

describe("validateForStart() refuses", () => {
  const problems: readonly (readonly [string, string])[] = [
    ["max_payload: 8k, max_pending: 4k", "max_payload (8000) cannot be higher than max_pending (4000)"],
    [
      'lame_duck_grace_period: "30s", lame_duck_duration: "30s"',
      "lame duck grace period (30s) should be strictly lower than lame duck duration (30s)",
    ],
    [
      "tls { ocsp_peer: true }",
      "OCSP peer verification for client connections requires TLS verify (mTLS) to be enabled",
    ],
    [
      "accounts { A { jetstream: enabled } }",
      'account "A": JetStream is not supported by Midge, and without a cluster or gateway there is no other server that may have it; remove the key',
    ],
    ["no_auth_user: x", 'no_auth_user: "x" present, but users/nkeys are not defined'],
    [
      `no_auth_user: x, ${LOCAL_USER}`,
      'no_auth_user: "x" not present as user or nkey in authorization block or account configuration',
    ],
    ["no_auth_user: x, operator: a.jwt", "no_auth_user not compatible with Trusted Operator"],
    ["operator: a.jwt, accounts [ A ]", "operators do not allow Accounts to be configured directly"],
    [`operator: a.jwt, ${LOCAL_USER}`, "operators do not allow users to be configured directly"],
    ["operator: [ a.jwt, b.jwt ]", "operators require an account resolver to be configured"],
    [
      "operator: a.jwt, resolver_pinned_accounts: [ AB ]",
      'pinned account key "AB" is not a valid public account nkey',
    ],
    [
      'resolver: URL("http://h"), resolver_preload { A: "eyJh.eyJi.c" }',
      "resolver preloads only available for writeable resolver types MEM/DIR/CACHE_DIR",
    ],
    ["resolver { type: full, dir: jwt }", "Could not start resolver: no operator key found"],
    [
      'cluster { port: -1, advertise: "a:b:c" }',
      "Error setting route INFO with Cluster.Advertise value of a:b:c, err=expected host or host:port",
    ],
    [
      'gateway { name: a, port: -1, advertise: "a:b" }',
      "Error setting gateway INFO with Gateway.Advertise value of a:b, err=expected host or host:port",
    ],
    [
      'leafnodes { port: -1, advertise: "::1" }',
      "Error setting leafnode INFO with LeafNode.Advertise value of ::1, err=expected host or host:port",
    ],
    ["default_sentinel: a", "default sentinel requires operators and accounts"],
    [
      'leafnodes { remotes [ { url: "nats://a:1", account: Z } ] }',
      'cannot find local account "Z" specified in leafnode remote',
    ],
    [
      "leafnodes { port: -1, authorization { user: a, account: Z } }",
      'cannot find local account "Z" specified in leafnode authorization',
    ],
    [
      'leafnodes { remotes [ { urls: [ "nats://u:p@a:1", "ws://a:1" ] } ] }',
      'remote leaf node configuration cannot have a mix of websocket and non-websocket urls: ["nats://[REDACTED]@a:1" "ws://a:1"]',
    ],
    ["leafnodes { port: -1, compression: foo }", 'unsupported compression mode "foo"'],
    ['server_name: "_", leafnodes { remotes [ { url: "nats://a:1" } ] }', "cluster name is reserved"],
    ["gateway { name: a }", 'gateway "a" has no port specified (select -1 for random port)'],
    ["gateway { port: -1 }", "gateway has no name"],
    ["gateway { name: a, port: -1, gateways [ { name: b } ] }", 'gateway "b" has no URL'],
    [
      'gateway { name: a, port: -1, gateways [ { url: "nats://b:1" } ] }',
      "gateway in the list 0 has no name",
    ],
    [
      "gateway { name: a, port: -1 }, cluster { name: b, port: -1 }",
      "cluster name conflicts between cluster and gateway definitions",
    ],
    [
      "gateway { name: a, port: -1 }, leafnodes { port: -1 }",
      "leaf nodes and gateways (both being defined) require a system account to also be configured",
    ],
    ["cluster { compression: foo }", 'unsupported compression mode "foo"'],
    [
      "cluster { compression { mode: s2_auto, rtt_thresholds: [ 10ms, 5ms ] } }",
      "RTT threshold values [10ms 5ms] should be in ascending order",
    ],
    [
      "cluster { compression { mode: s2_auto, rtt_thresholds: [ 0s ] } }",
      'compression mode "s2_auto" requires at least one RTT threshold',
    ],
    [
      "cluster { compression { mode: s2_auto, rtt_thresholds: [ 1ms, 2ms, 3ms, 4ms, 5ms ] } }",
      'compression mode "s2_auto" should have no more than 4 RTT thresholds: [1ms 2ms 3ms 4ms 5ms]',
    ],
    [
      "cluster { pool_size: -1, accounts: [ A ] }",
      "pool_size cannot be negative if pinned accounts are specified",
    ],
    ["cluster { accounts: [ A, A ] }", 'found duplicate account name "A" in pinned accounts list ["A" "A"]'],
    ["websocket { port: -1 }", "websocket requires TLS configuration"],
    [
      "websocket { port: -1, no_tls: true, allowed_origins: [ 'ftp://a' ] }",
      'unable to parse allowed origin "ftp://a": allowed origins must be absolute URLs with http or https scheme',
    ],
    [
      `websocket { port: -1, no_tls: true, advertise: "a:b:c" }`,
      'websocket: advertise "a:b:c": expected host or host:port',
    ],
    [
      `websocket { port: -1, no_tls: true, advertise: "a:b" }`,
      'websocket: advertise "a:b": expected host or host:port',
    ],
    [
      "websocket { port: -1, no_tls: true, headers { Host: a } }",
      'websocket: invalid header "Host" not allowed',
    ],
    [
      "websocket { port: -1, no_tls: true, headers { Sec-WebSocket-X: a } }",
      'websocket: invalid header "Sec-WebSocket-X", "Sec-WebSocket-" prefix not allowed',
    ],
    [
      "websocket { port: -1, no_tls: true, jwt_cookie: a }",
      'trusted operators or trusted keys configuration is required for JWT authentication via cookie "a"',
    ],
    [
      `websocket { port: -1, no_tls: true, authorization { user: a } }, ${LOCAL_USER}`,
      "websocket authentication username not compatible with presence of users/nkeys",
    ],
    ["system_account: FOO, accounts [ A ]", "error resolving system account: account missing"],
  ];
  for (const [text, problem] of problems) test(text, () => expect(problemOf(text)).toBe(problem));
});

describe("validateForStart() accepts", () => {
  const fine = [
    `no_auth_user: a, ${LOCAL_USER}`,
    "system_account: A, accounts [ A ]",
    'leafnodes { remotes [ { url: "nats://a:1", account: "$SYS" } ] }',
    "gateway { name: a, port: -1 }, cluster { name: a, port: -1 }",
    "cluster { compression: on }",
    "cluster { compression: '' }",
    "cluster { compression { mode: s2_auto, rtt_thresholds: [ 1ms, 2ms, 0s, 0s, 0s ] } }",
    "websocket { port: -1, no_tls: true, allowed_origins: [ 'https://a:8443' ] }",
    `websocket { port: -1, no_tls: true, advertise: "a" }`,
    `websocket { port: -1, no_tls: true, advertise: "[::1]:443" }`,
  ];
  for (const text of fine) test(text, () => expect(problemOf(text)).toBe(undefined));

  test("the defaults", () => expect(validateForStart(defaultOptions())).toBe(undefined));
});
