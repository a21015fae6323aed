import { expect, test } from "bun:test";
import { loadConfigText } from "../../config/load.ts";
import { checkAccounts } from "./load_accounts.ts";

const check = (text: string) =>
  checkAccounts(loadConfigText(text, "x.conf", { readFile: () => "", environment: {} }));

test("checkAccounts() says where an import stands that its exporter does not allow", () => {
  const text = `accounts {
  A { exports: [ { service: a } ] }
  B {
    imports: [
      { service: { account: A, subject: a } }
      { stream: { account: A, subject: s } }
    ]
  }
}`;
  expect(check(text)).toEqual({
    ok: false,
    lines: ['x.conf:6:7: Error adding stream import "s": stream import not authorized'],
  });
});

test("checkAccounts() says where an export stands that cannot be", () => {
  const text = `no_system_account: true
accounts { A { exports: [ { service: a, latency: l } ] } }`;
  const checked = check(text);
  expect(checked).toMatchObject({ ok: false });
  expect(!checked.ok && checked.lines).toEqual([
    'x.conf:2:27: Error adding service latency sampling for "a": system account not setup',
  ]);
});

test("checkAccounts() has nothing against accounts that fit, or that share nothing", () => {
  for (const text of [
    "accounts { A { exports: [ { service: a } ] }, B { imports: [ { service: { account: A, subject: a } } ] } }",
    "accounts { A {}, B {} }",
    "port: 4222",
  ]) {
    expect(check(text)).toMatchObject({ ok: true, warnings: [] });
  }
});

test("checkAccounts() leaves a configuration alone that cannot be read", () => {
  expect(check("accounts { A ")).toMatchObject({ ok: false });
});
