import { expect, test } from "bun:test";
import { loadConfigText } from "../config/load.ts";
import { findNotYetSupported } from "./not_yet.ts";

function find(text: string): string | undefined {
  const loaded = loadConfigText(text, "test", { readFile: () => "", environment: {} });
  if (!loaded.ok) throw new Error(loaded.lines.join("\n"));
  return findNotYetSupported(loaded.options);
}

const NKEY = "UBAAQWTW6CG2G6ANGNKB5U2B7HRWHSGMZEZX3AQSAJOQDAUGJD46LD2E";

for (const [text, key] of [
  ["accounts { A {} }", "accounts"],
  ["mappings { a: b }", "mappings"],
  ["system_account: X", "system_account"],
  [`authorization { users: [ { nkey: ${NKEY} } ] }`, "authorization.users: nkey"],
  [
    "authorization { users: [ { user: a, permissions { publish: b } } ] }",
    "authorization.users: permissions",
  ],
  [
    "authorization { users: [ { user: a } ], default_permissions { publish: b } }",
    "authorization.default_permissions",
  ],
  [`authorization { user: a, password: "$2a$11$abc" }`, "authorization: a bcrypt hash"],
  [`authorization { token: "$2y$05$abc" }`, "authorization: a bcrypt hash"],
  [`authorization { users: [ { user: a, password: "$2b$11$abc" } ] }`, "authorization.users: a bcrypt hash"],
  ["authorization { users: [ { user: a, connection_types: [WEBSOCKET] } ] }", "allowed_connection_types"],
  ["authorization { users: [ { user: a, proxy_required: true } ] }", "authorization.users: proxy_required"],
  ["authorization { proxy_required: true }", "authorization.proxy_required"],
  ["tls { verify_and_map: true }", "tls.verify_and_map"],
  ["tls { ocsp_peer: true }", "tls.ocsp_peer"],
  ["proxy_protocol: true", "proxy_protocol"],
  ["cluster { port: 6222 }", "cluster"],
  ["gateway { name: a, port: 7222 }", "gateway"],
  ["leafnodes { port: 7422 }", "leafnodes"],
  ["leafnodes { remotes: [ { url: nats://a } ] }", "leafnodes"],
  ["websocket { port: 80, no_tls: true }", "websocket"],
] as const) {
  test(`findNotYetSupported() names the key of: ${text}`, () => {
    expect(find(text)).toContain(key);
    expect(find(text)).toContain("not supported by this version of Midge; remove it");
  });
}

for (const text of [
  "port: 4222",
  "authorization { user: a, password: b }",
  "authorization { token: a, timeout: 1 }",
  `authorization { users: [ { user: a, password: "$2", connection_types: [standard, websocket] } ] }\nno_auth_user: a`,
  "no_system_account: true",
  `system_account: "$SYS"`,
  "cluster { name: c }",
  "tls { verify: true }",
  "feature_flags { a: true }",
]) {
  test(`findNotYetSupported() has nothing against: ${text}`, () => {
    expect(find(text)).toBe(undefined);
  });
}
