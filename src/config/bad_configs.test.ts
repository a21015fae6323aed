import { describe, expect, test } from "bun:test";
import { loadConfigText } from "./load.ts";

/** Reads `text` as x.conf, beside which there is only a file that includes itself. */
function linesOf(text: string): { readonly ok: boolean; readonly lines: readonly string[] } {
  const readFile = (path: string) => {
    if (path === "self.conf") return "include self.conf\n";
    throw new Error(`open ${path}: no such file or directory`);
  };
  const environment = { BADENV: "[1", CYCLE: "$CYCLE" };
  const loaded = loadConfigText(text, "x.conf", { readFile, environment });
  const lines = loaded.ok ? loaded.warnings : loaded.lines;
  return { ok: loaded.ok, lines: lines.map((line) => line.replace(/^x\.conf:/, "")) };
}

/** A configuration, then what is wrong with it: line, column and text. */
const BAD: readonly (readonly [string, ...string[]])[] = [
  ["foo", '1:3: config is invalid: key "foo" has no value'],
  ["foo = 1", '1:0: unknown field "foo"'],
  ["port: 4222\n\npots: 4223", '3:1: unknown field "pots"'],
  ['port: "4222"', "1:0: port: expected a port number, got a string"],
  ["port = 99999", "1:0: port: port 99999 is out of range; use 0 to 65535, or -1 for a random one"],
  ["port:\n4222", '1:5: key "port" has no value on its line'],
  ["= 4222", '1:0: expected a key, got the separator "="'],
  [": 4222", '1:0: expected a key, got the separator ":"'],
  ["port 4222 4223", '1:10: expected a line end, "," or ";" after a value, got "4"'],
  ["host: it's", '1:9: expected a line end, "," or ";" after a value, got "s"'],
  ['host: "a', '1:6: string has no closing "'],
  ["host: 'a", "1:6: string has no closing '"],
  ['host: "a\\qb"', '1:8: unknown escape \\q; known are \\t \\n \\r \\" \\\\ \\xHH'],
  ['host: "a\\xZZ"', "1:8: \\x needs two hexadecimal digits"],
  ["host: a\\u0041", '1:7: unknown escape \\u; known are \\t \\n \\r \\" \\\\ \\xHH'],
  ['server_name: "a b"', "1:0: server name cannot contain spaces"],
  ["server_name: (\n  abc", "1:13: block has no closing ) on a line of its own"],
  [
    "max_payload: 10kbb",
    '1:13: "10kbb" has the unknown unit "kbb"; use k, kb, ki or kib (m, g, t, p, e alike)',
  ],
  ["max_payload: 3GB", "1:0: max_payload value is too big: 3221225472 is more than 2147483647"],
  ["max_payload: 99999999999999999999", "1:13: integer '99999999999999999999' is out of the range"],
  ["max_payload: 10e", "1:13: integer '10e' is out of the range"],
  ["max_payload: -1 x", '1:16: expected a line end, "," or ";" after a value, got "x"'],
  ["max_payload: .5", '1:13: ".5" starts with a point; write 0.5 or quote it'],
  ["max_payload: 5.", '1:13: "5." is neither a number nor an address; quote it'],
  ["write_deadline: 1.5s", '1:16: "1.5s" is neither a number nor an address; quote it'],
  [
    'write_deadline: "10x"',
    '1:0: error parsing write_deadline: unknown unit "x" in duration "10x"; known are ns us ms s m h',
  ],
  ['write_deadline: "abc"', '1:0: error parsing write_deadline: invalid duration "abc"'],
  ["ping_interval: true", '1:0: ping_interval: expected a duration such as "30s", got a bool'],
  ["server_name: 2020-01-01", '1:13: "2020-01-01" is no datetime like 2016-05-04T18:53:41Z; quote it'],
  ["server_name: 12-x", '1:13: "12-x" is no datetime like 2016-05-04T18:53:41Z; quote it'],
  ["server_name: -x", '1:13: "-x" starts with "-" but is no number; quote it'],
  ["cluster{\n  port: 1\n}", '2:9: expected a line end, "," or ";" after a value, got "1"'],
  ["cluster {\n  port: 6222", '2:13: map opened at x.conf:1:8 has no closing "}"'],
  ["cluster { name: }", '1:16: key "name" has no value'],
  ["cluster { , }", '1:10: expected a key, got ","'],
  ["cluster { ] }", '1:10: expected a key or "}", got "]"'],
  ["cluster { port: 6222 ] }", '1:21: expected a line end, "," or ";" after a value, got "]"'],
  ["cluster: 5", "1:0: cluster: expected a map to define cluster, got an integer"],
  ["cluster { nam: a }", '1:10: unknown field "nam"'],
  ['cluster { name: "a b" }', "1:10: cluster name cannot contain spaces"],
  ["cluster {\n  authorization { token: x }\n}", "2:3: Cluster authorization does not support tokens"],
  [
    "cluster {\n  authorization { users: [ {user: a, password: b} ] }\n}",
    "2:3: Cluster authorization does not allow multiple users",
  ],
  ['cluster { permissions { import: "a..b" } }', '1:24: subject "a..b" is not a valid subject'],
  ['cluster { permissions { export: "a q" } }', '1:10: cluster export: subject "a q" is not a valid subject'],
  [
    "cluster { permissions { allow_responses: true } }",
    "1:10: Cluster permissions do not support dynamic responses",
  ],
  ['cluster { routes: "nats://a:1" }', "1:10: routes: expected an array, got a string"],
  [
    'cluster { routes: [ "nats://a:1:2" ] }',
    "1:20: error parsing route url: no valid URL (not shown, it may hold a password): more than one colon in host and port; an IPv6 address stands in brackets",
  ],
  [
    'gateway { name: A, gateways: [ { name: B, urls: [ "nats://u:p%zz@h:1" ] } ] }',
    '1:50: error parsing gateway url: no valid URL (not shown, it may hold a password): "%" stands for itself only as "%25"',
  ],
  [
    'leafnodes { remotes: [ { url: "ht!tp://%%%" } ] }',
    "1:25: error parsing leafnode url: no valid URL (not shown, it may hold a password): a colon, and no scheme such as nats:// before it",
  ],
  [
    "cluster { write_timeout: never }",
    "1:10: write_timeout must be 'default', 'close', 'retry', got \"never\"",
  ],
  ["cluster { compression: { modes: on } }", '1:25: unknown field "modes"'],
  ["cluster { compression: 5 }", "1:10: compression: expected a mode, a bool or a map, got an integer"],
  [
    'cluster { compression: { mode: s2_auto, rtt_thresholds: ["5"] } }',
    '1:57: missing unit in duration "5"; known are ns us ms s m h',
  ],
  ["gateway: [1.5]", "1:0: gateway: expected a map to define gateway, got an array"],
  ['gateway { name: "a b" }', "1:10: gateway name cannot contain spaces"],
  ["gateway { name: A, gateways: [ { nam: B } ] }", '1:33: unknown field "nam"'],
  ["gateway { gateways: 5 }", "1:10: gateways: expected an array, got an integer"],
  ["gateway { authorization { token: x } }", "1:10: Gateway authorization does not support tokens"],
  ["leafnodes { remotes: 5 }", "1:12: remotes: expected an array, got an integer"],
  [
    'leafnodes { remotes: [ { urls: ["nats://a:1"] } { urls: ["nats://a:1"] } ] }',
    '1:48: expected "," or "]" after an array element, got "{"',
  ],
  [
    'leafnodes {\n  remotes: [\n    { url: "nats://a:1" }\n    { url: "nats://a:1" }\n  ]\n}',
    '2:3: duplicate remote urls=["nats://a:1"], account="$G"',
  ],
  [
    'leafnodes { remotes = [ { url: "nats://a:1", nkey: "SUXX" } ] }',
    "1:45: Remote leafnode nkey is not a valid seed",
  ],
  [
    "leafnodes { authorization { user: a, password: b, users = [ {user: x, password: y} ] } }",
    "1:12: can not have a single user/pass and a users array",
  ],
  [
    "leafnodes { authorization { users = [ {user: x, password: y}, {user: x, password: z} ] } }",
    '1:12: duplicate user "x" detected in leafnode authorization',
  ],
  ["leafnodes { min_version: 2.7.0 }", "1:12: the minimum version should be at least 2.8.0"],
  [
    "leafnodes { min_version: abc }",
    '1:12: invalid leafnode\'s minimum version: "abc" is no version like 2.10.0',
  ],
  [
    'leafnodes { remotes [ { url: "ws://a:1", proxy { url: "ftp://p:1" } } ] }',
    "1:41: proxy URL scheme must be http or https, got: ftp",
  ],
  [
    'leafnodes { remotes [ { url: "ws://a:1", proxy { url: "http://p:1", username: u } } ] }',
    "1:41: proxy username and password must both be specified or both be empty",
  ],
  ["leafnodes { nope: 1 }", '1:12: unknown field "nope"'],
  ["websocket { prt: 1 }", '1:12: unknown field "prt"'],
  ["websocket { headers: [a] }", "1:12: headers: expected a map, got an array"],
  [
    'websocket { handshake_timeout: "5" }',
    '1:12: error parsing handshake_timeout: missing unit in duration "5"; known are ns us ms s m h',
  ],
  ["authorization { user: a, password: b, token: c }", "1:0: Cannot have a user/pass and token"],
  [
    "authorization { user: a, password: b, users: [ {user: x, password: y} ] }",
    "1:0: Can not have a single user/pass and a users array",
  ],
  [
    "authorization { token: a, users: [ {user: x, password: y} ] }",
    "1:0: Can not have a token and a users array",
  ],
  [
    "authorization { users: [ {user: x, password: y}, {user: x, password: y} ] }",
    '1:16: Duplicate user "x" detected',
  ],
  ["authorization { users: [ {password: y} ] }", "1:25: User entry requires a user"],
  ["authorization { users: [ {nkey: UABC} ] }", "1:25: Not a valid public nkey for a user"],
  ["authorization { users: 1 }", "1:16: users: expected an array, got an integer"],
  ["authorization { users: [ 1.5 ] }", "1:25: users: expected a user entry to be a map, got a float"],
  [
    "authorization { users: [ {user: a, password: b, clients: [FOO]} ] }",
    '1:48: invalid connection types ["FOO"]; known are STANDARD, WEBSOCKET, LEAFNODE, LEAFNODE_WS, MQTT, MQTT_WS, IN_PROCESS',
  ],
  [
    'authorization { users: [ {user: a, password: b, permissions: { publish: "a b" } } ] }',
    '1:63: subject "a b" is not a valid subject',
  ],
  [
    'authorization { users: [ {user: a, password: b, permissions: { subscribe: "a b c" } } ] }',
    '1:63: subject "a b c" is not a valid subject',
  ],
  [
    "authorization { users: [ {user: a, password: b, permissions: { pub: { allow: x, denny: y } } } ] }",
    "1:80: Unknown field name \"denny\" parsing subject permissions, only 'allow' or 'deny' are permitted",
  ],
  [
    "authorization { users: [ {user: a, password: b, permissions: { foo: x } } ] }",
    '1:63: Unknown field "foo" parsing permissions',
  ],
  [
    "authorization { users: [ {user: a, password: b, permissions: { allow_responses: 5 } } ] }",
    "1:63: error parsing response permissions, expected a boolean or a map",
  ],
  [
    "authorization { users: [ {user: a, password: b, permissions: { allow_responses: { ttl: 5 } } } ] }",
    '1:82: ttl: expected a duration such as "30s", got an integer',
  ],
  [
    "authorization { user: a, password: 12345 }",
    "1:25: password: expected a string, got an integer; quote it",
  ],
  ['authorization { timeout: "x" }', '1:16: error parsing timeout: invalid duration "x"'],
  [
    "authorization { auth_callout { account: A } }",
    "1:16: Authorization callouts require an issuer to be specified",
  ],
  [
    "authorization { auth_callout { issuer: A } }",
    '1:31: Expected callout user to be a valid public account nkey, got "A"',
  ],
  [
    "accounts { A { users = [ {user: a, password: b} ] }, B { users = [ {user: a, password: b} ] } }",
    '1:57: Duplicate user "a" detected',
  ],
  ["accounts { $G { } }", '1:11: "$G" is a Reserved Account'],
  ["accounts: [ A, A ]", "1:15: Duplicate Account Entry: A"],
  ['accounts: [ "$G" ]', '1:12: "$G" is a Reserved Account'],
  ["accounts { A: 5 }", "1:11: Expected map entries for accounts"],
  ["accounts { A { foo: 1 } }", '1:15: unknown field "foo"'],
  ["accounts { A { limits { foo: 1 } } }", '1:24: Unknown field "foo" parsing account limits'],
  ["accounts { A { nkey: AB } }", '1:15: Not a valid public nkey for an account: "AB"'],
  [
    "accounts { A { exports: [ { stream: a, service: b } ] } }",
    '1:26: Detected stream "a" but already saw a service',
  ],
  [
    "accounts { A { exports: [ { stream: a, response: single } ] } }",
    "1:26: Detected response directive on non-service",
  ],
  ["accounts { A { exports: [ { service: a, response: foo } ] } }", '1:40: Unknown response type: "foo"'],
  [
    "accounts { A { exports: [ { service: a, accounts: [B] } ] } }",
    '1:0: "B" account not defined for service export',
  ],
  [
    "accounts { A { imports: [ { stream: { account: B, subject: x } } ] } }",
    '1:0: "B" account not defined for stream import',
  ],
  [
    "accounts { A { imports: [ { stream: { account: B } } ] }, B {} }",
    "1:28: Expect an account name and a subject",
  ],
  [
    "accounts { A { exports: [ { service: a, latency: { sampling: 101, subject: x } } ] } }",
    "1:51: bad sampling percentage, should be 1-100",
  ],
  [
    "accounts { A { exports: [ { service: a, latency: { sampling: 50 } } ] } }",
    "1:40: Latency subject required, but missing",
  ],
  [
    "accounts { A { mappings = { foo: { dest: bar } } } }",
    '1:28: Missing weight for mapping destination "bar"',
  ],
  [
    "accounts { A { mappings = { foo: { dest: bar, weight: 101 } } } }",
    "1:46: Invalid weight 101 for mapping destination",
  ],
  [
    "accounts { A { mappings = { foo: [ { dest: bar, weight: 60 }, { dest: baz, weight: 60 } ] } } }",
    '1:28: Error adding mapping for "foo" : total weight needs to be <= 100',
  ],
  [
    "mappings { x: [ { dest: a, weight: 50, cluster: C1 }, { dest: a, weight: 50, cluster: C2 } ] }",
    '1:11: Error adding mapping for "x" : duplicate entry for "a"',
  ],
  [
    'mappings { x: "o.{{left(1)}}" }',
    '1:11: Error adding mapping for "x" to "o.{{left(1)}}" : invalid mapping destination: not enough arguments passed to the function in {{left(1)}}',
  ],
  [
    'mappings {\n  "x.*": [\n   { dest: "a.$1", weight: 60 },\n   { dest: "b.$2", weight: 10 } ] }',
    '2:4: Error adding mapping for "x.*" : invalid mapping destination: wildcard index out of range in $2: [2]',
  ],
  [
    'accounts {\n A {\n  mappings {\n   "x.*": "a.*" }}}',
    '4:5: Error adding mapping for "x.*" to "a.*" : invalid subject',
  ],
  ['accounts { A { mappings = { "foo..bar": baz } } }', '1:29: Subject "foo..bar" is not a valid subject'],
  ['accounts { A { msg_trace: "foo.*" } }', '1:15: Trace destination "foo.*" is not valid'],
  [
    "accounts { A { msg_trace: { dest: foo, sampling: 200 } } }",
    "1:39: Trace destination sampling value 200 is invalid, needs to be [1..100]",
  ],
  [
    "authorization { user: a, password: b }\naccounts { A { users = [ {user: x, password: y} ] } }",
    "2:1: Can not have a single user/pass and accounts",
  ],
  [
    "authorization { token: a }\naccounts { A { users = [ {user: x, password: y} ] } }",
    "2:1: Can not have a token and accounts",
  ],
  ["tls { foo: 1 }", '1:6: error parsing tls config, unknown field "foo"'],
  ["tls { cert_file: 5 }", "1:6: cert_file: expected a string, got an integer; quote it"],
  ["tls { verify: 5 }", "1:6: verify: expected true or false, got an integer"],
  [
    "tls { cert_file: a.pem }",
    "1:0: missing 'key_file' in TLS configuration",
    "1:6: open a.pem: no such file or directory",
  ],
  ['tls { min_version: "1.1" }', "1:6: unsupported TLS version: TLS 1.1"],
  ["tls { cipher_suites: [] }", "1:6: error parsing tls config, 'cipher_suites' cannot be empty"],
  ["tls { cipher_suites: [FOO] }", "1:6: unrecognized cipher FOO"],
  [
    "tls { cipher_suites: [TLS_RSA_WITH_RC4_128_SHA] }",
    "1:0: insecure cipher suites configured without 'allow_insecure_cipher_suites' option set: TLS_RSA_WITH_RC4_128_SHA",
  ],
  ["tls { cert_store: WindowsCurrentUser }", "1:6: cert_store not compatible with current operating system"],
  ["tls { curve_preferences: [FOO] }", "1:6: unrecognized curve preference FOO"],
  [
    "tls { pinned_certs: [abc] }",
    "1:6: 'pinned_certs' key abc does not look like hex-encoded sha256 of DER encoded SubjectPublicKeyInfo",
  ],
  [
    "tls { handshake_first: maybe }",
    '1:6: field "handshake_first"\'s value "maybe" is invalid; use true, false, auto or a duration',
  ],
  [
    "tls { verify_cert_and_check_known_urls: true }",
    "1:0: verify_cert_and_check_known_urls not supported in this context",
  ],
  [
    "tls { certs: [ { cert_file: a } ] }",
    "1:15: error parsing certificates config: both 'cert_file' and 'key_file' options are required",
    "1:17: open a: no such file or directory",
  ],
  ["max_sub_tokens: 300", "1:0: max_sub_tokens value is too big: 300 is not within 1 to 255"],
  ["max_sub_tokens: 0", "1:0: max_sub_tokens value can not be negative: 0 is not within 1 to 255"],
  ['lame_duck_duration: "10s"', "1:0: invalid lame_duck_duration of 10s, minimum is 30 seconds"],
  ["lame_duck_duration: 60", '1:0: lame_duck_duration: expected a duration such as "30s", got an integer'],
  ['lame_duck_grace_period: "-1s"', "1:0: invalid lame_duck_grace_period, needs to be positive"],
  ["listen: foo", '1:0: could not parse address string "foo"; expected host:port'],
  ['listen: "a:b"', '1:0: could not parse port "b"'],
  ["write_timeout: never", "1:0: write_timeout must be 'default', 'close', 'retry', got \"never\""],
  ["trusted: [ abc ]", '1:0: trust key "abc" required to be a valid public operator nkey'],
  [
    "resolver: foo",
    '1:0: error parsing account resolver, should be MEM or  URL("url") or a map containing dir and type state=[FULL|CACHE])',
  ],
  ["resolver: { type: full }", "1:0: dir has no value and needs to point to a directory"],
  ['resolver: { type: full, dir: "/d", timeout: "0s" }', "1:0: Fetch timeout 0s is too small"],
  ['resolver: { type: full, dir: "/tmp/cfgcmp/d", ttl: "1h" }', "1:0: FULL does not accept ttl"],
  ['resolver: { type: cache, dir: "/tmp/cfgcmp/d", interval: "1h" }', "1:0: CACHE does not accept sync"],
  ["resolver_preload: 5", "1:0: preload should be a map of account_public_key:account_jwt"],
  ["resolver_preload: { A: abc }", "1:20: invalid account JWT"],
  ["proxies { trusted: [ { key: abc } ] }", '1:23: invalid proxy key "abc"'],
  ["proxies { foo: 1 }", '1:10: unknown field "foo"'],
  ["ocsp { mode: foo }", "1:7: mode must be 'auto', 'always', 'must', 'never', got \"foo\""],
  ["ocsp_cache { type: foo }", "1:13: type must be 'local', 'none', got \"foo\""],
  ["feature_flags { a: 1 }", "1:16: a: expected true or false, got an integer"],
  ["server_tags: 5", "1:0: server_tags: expected an array, got an integer"],
  ["server_metadata { a: 1 }", "1:18: a: expected a string, got an integer; quote it"],
  ["port: $NOPE", "1:6: variable reference for 'NOPE' on line 1 can not be found"],
  [
    "port: $BADENV",
    '1:6: variable reference for \'BADENV\' on line 1 could not be parsed: expected "," or "]" after an array element, got the end of the file',
  ],
  [
    "port: $CYCLE",
    "1:6: variable reference for 'CYCLE' on line 1 could not be parsed: variable reference cycle for 'CYCLE'",
  ],
  [
    "include nofile.conf",
    "1:0: error parsing include file 'nofile.conf', open nofile.conf: no such file or directory",
  ],
  [
    "include self.conf",
    "self.conf:1:0: error parsing include file 'self.conf', it includes itself: x.conf -> self.conf -> self.conf",
  ],
  ["include [a]", '1:8: include path starts with "["; quote it'],
  ["include", '1:7: config is invalid: key "include" has no value'],
  ["foo: [1,,2]", '1:8: expected an array element, got ","'],
  ["foo: [1 2]", '1:8: expected "," or "]" after an array element, got "2"'],
  ["foo: [a", '1:7: expected "," or "]" after an array element, got the end of the file'],
  ["}\nport: 4222", '1:0: "}" closes nothing'],
  ["{ port: 4222", '1:12: expected 1 more "}" before the end of the file'],
  ["{ port: 4222 x }", '1:13: expected a line end, "," or ";" after a value, got "x"'],
  ['host: "abc" "def"', '1:12: expected a line end, "," or ";" after a value, got "\\""'],
  ["foo.bar { a: 1", '1:14: map opened at x.conf:1:8 has no closing "}"'],
  ["a: b / c", '1:5: expected a line end, "," or ";" after a value, got "/"'],
  ["host: a, port: 4222, port: b", "1:21: port: expected a port number, got a string"],
  ["debug: maybe", "1:0: debug: expected true or false, got a string"],
  ["allow_non_tls: 1", "1:0: allow_non_tls: expected true or false, got an integer"],
  ['http: "a"', '1:0: could not parse address string "a"; expected host:port'],
  ['http_port: "8222"', "1:0: http_port: expected a port number, got a string"],
  ["max_connections: lots", "1:0: max_connections: expected an integer, got a string"],
  ["no_auth_user: 5", "1:0: no_auth_user: expected a string, got an integer; quote it"],
  [
    "leafnodes { port: 7422, compression: { mode: off, foo: 1 } }",
    "1:39: mode: expected a string, got a bool; quote it",
    '1:50: unknown field "foo"',
  ],
];

/** Configurations that are used, after a warning; only a check of the file fails on them. */
const QUESTIONABLE: readonly (readonly [string, ...string[]])[] = [
  [
    "write_deadline: 10",
    '1:0: invalid use of field "write_deadline": write_deadline should be converted to a duration',
  ],
  [
    "ping_interval: 5",
    '1:0: invalid use of field "ping_interval": ping_interval should be converted to a duration',
  ],
  [
    "authorization { timeout: 61 }",
    "1:16: invalid use of field \"timeout\": timeout of 61 (61.000000 seconds) is high, consider keeping it under 60 seconds. possibly caused by unquoted duration; use '1m' instead of 1m, for example",
  ],
  [
    "authorization { timeout: 1m }",
    "1:16: invalid use of field \"timeout\": timeout of 1000000 (1000000.000000 seconds) is high, consider keeping it under 60 seconds. possibly caused by unquoted duration; use '1m' instead of 1m, for example",
  ],
  [
    'cluster { ping_interval: "1m" }',
    "1:10: invalid use of field \"ping_interval\": Cluster 'ping_interval' will reset to 30s which is the max for routes",
  ],
  [
    "cluster { authorization { user: a, password: b, permissions: { publish: foo } } }",
    '1:10: invalid use of field "authorization": setting "permissions" within cluster authorization block is deprecated',
  ],
  [
    'cluster { routes: [ "nats://a:1", "nats://a:1" ] }',
    '1:10: invalid use of field "routes": Duplicate route entry detected',
  ],
  [
    "accounts { A { msg_trace: { sampling: 5 } } }",
    '1:15: invalid use of field "msg_trace": Trace destination sampling ignored since no destination was set',
  ],
];

describe("loadConfigText() refuses", () => {
  for (const [text, ...lines] of BAD) {
    test(JSON.stringify(text), () => expect(linesOf(text)).toEqual({ ok: false, lines }));
  }

  test("JetStream and MQTT, by name", () => {
    for (const [text, key, what] of [
      ["jetstream: enabled", "jetstream", "JetStream"],
      ["jetstream { store_dir: a }", "jetstream", "JetStream"],
      ["default_js_domain { A: b }", "default_js_domain", "JetStream"],
      ["mqtt { port: 1883 }", "mqtt", "MQTT"],
    ] as const) {
      const lines = [`1:0: ${key}: ${what} is not supported by Midge; remove the key`];
      expect(linesOf(text)).toEqual({ ok: false, lines });
    }
    expect(linesOf("accounts { A { jetstream: yes_please } }").lines).toEqual([
      '1:15: jetstream: expected "enabled", "disabled", a bool or limits, got a string',
    ]);
  });

  test("several things at once, all of them named, warnings first", () => {
    expect(linesOf("port: a\nwrite_deadline: 5\nfoo: 1\ncluster { bar: 2 }").lines).toEqual([
      '2:1: invalid use of field "write_deadline": write_deadline should be converted to a duration',
      "1:0: port: expected a port number, got a string",
      '3:1: unknown field "foo"',
      '4:11: unknown field "bar"',
    ]);
  });

  test("a byte order mark and NUL bytes", () => {
    expect(linesOf("\uFEFFport: 1").lines).toEqual([
      "1:0: starts with a byte order mark; save the file as UTF-8 without one",
    ]);
    expect(linesOf("a: 1\n# \0").lines).toEqual(["2:3: contains a NUL byte; a configuration is text"]);
  });

  test("values without showing them, as they may be secrets", () => {
    expect(linesOf("authorization { token: 424242 }").lines.join()).not.toContain("424242");
    expect(linesOf('cluster { routes: [ "nats://u:hush@[1:2" ] }').lines.join()).not.toContain("hush");
  });
});

describe("loadConfigText() warns about", () => {
  for (const [text, ...lines] of QUESTIONABLE) {
    test(JSON.stringify(text), () => expect(linesOf(text)).toEqual({ ok: true, lines }));
  }

  test("an empty configuration", () => {
    for (const text of ["", "# nothing"]) {
      expect(linesOf(text)).toEqual({ ok: true, lines: [" config has no values or is empty"] });
    }
  });
});
