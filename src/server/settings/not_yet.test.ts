import { expect, test } from "bun:test";
import { loadConfigText } from "../../config/load.ts";
import { findNotYetSupported } from "./not_yet.ts";

function find(text: string): string | undefined {
  const loaded = loadConfigText(text, "test", { readFile: () => "", environment: {} });
  if (!loaded.ok) throw new Error(loaded.lines.join("\n"));
  return findNotYetSupported(loaded.options);
}

for (const [text, key] of [
  ["proxy_protocol: true", "proxy_protocol"],
  [
    `leafnodes { remotes: [ { url: "tls://a", proxy { url: "https://p:1" } } ] }`,
    "leafnodes.remotes.proxy with https, to a hub with TLS",
  ],
  ["websocket { port: 443, tls { verify: true, ocsp_peer: true } }", "websocket.tls.ocsp_peer"],
] as const) {
  test(`findNotYetSupported() names the key of: ${text}`, () => {
    expect(find(text)).toContain(key);
    expect(find(text)).toContain("not supported by this version of Midge; remove it");
  });
}

for (const text of [
  "port: 4222",
  "cluster { port: 6222 }",
  "gateway { name: a, port: 7222 }",
  "leafnodes { port: 7422, remotes: [ { url: nats://a } ] }",
  "authorization { user: a, password: b }",
  "authorization { token: a, timeout: 1 }",
  `authorization { users: [ { user: a, password: "$2", connection_types: [standard, websocket] } ] }\nno_auth_user: a`,
  "accounts { A {} }",
  "mappings { a: b }",
  "no_system_account: true",
  `system_account: "$SYS"`,
  "cluster { name: c, port: 6222 }",
  "gateway { name: a, port: 7222 }",
  "leafnodes { port: 7422 }",
  "leafnodes { remotes: [ { url: nats://a } ] }",
  `leafnodes { remotes: [ { url: "ws://a", ws_compression: true } ] }`,
  "websocket { port: 80, no_tls: true }",
  "tls { verify: true, ocsp_peer: true }",
  "ocsp { mode: always }",
  "feature_flags { a: true }",
]) {
  test(`findNotYetSupported() has nothing against: ${text}`, () => {
    expect(find(text)).toBe(undefined);
  });
}
