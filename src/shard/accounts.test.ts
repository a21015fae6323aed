import { describe, expect, test } from "bun:test";
import type { AccountDefinition } from "../account/definition.ts";
import { MESSAGE_LINE_BYTES_MAX } from "../memory/layout.ts";
import { orLost, ShardAccounts } from "./accounts.ts";

describe("orLost()", () => {
  test("keeps what a client could have written, and nothing longer", () => {
    const longest = "a".repeat(MESSAGE_LINE_BYTES_MAX);
    expect(orLost(longest)).toBe(longest);
    expect(orLost(`${longest}a`)).toBe(null);
    expect(orLost(null)).toBe(null);
  });
});

describe("ShardAccounts", () => {
  const account = (id: number, more: Partial<AccountDefinition> = {}): AccountDefinition => ({
    id,
    name: `A${id}`,
    isSystem: false,
    limits: { maxConnections: -1, maxSubscriptions: -1, maxPayloadBytes: -1, maxLeafnodes: -1 },
    mappings: [],
    streamImports: [],
    serviceImports: [],
    ...more,
  });
  const importing = (exporter: number): Partial<AccountDefinition> => ({
    streamImports: [
      { exporter, exporterName: `A${exporter}`, from: "a.>", to: "b.>", local: "b.>", allowTrace: false },
    ],
  });
  const shownTo = (accounts: ShardAccounts, exporter: number) =>
    accounts
      .byId(exporter)!
      .legsOf("a.x")
      .map(({ account }) => account);

  test("update() makes anew what has changed, and leaves the others what they are", () => {
    const accounts = new ShardAccounts([account(1)], undefined);
    accounts.update([account(3), account(4, importing(3))], []);
    const [first, second] = [accounts.byId(3), accounts.byId(4)];
    accounts.update([account(5, importing(3))], []);
    expect(accounts.byId(3)).toBe(first);
    expect(accounts.byId(4)).toBe(second);
    expect(shownTo(accounts, 3)).toEqual([4, 5]);
    accounts.update([account(4)], []);
    expect(accounts.byId(4)).not.toBe(second);
    expect(shownTo(accounts, 3)).toEqual([5]);
  });

  test("accounts that are gone import nothing and are not found", () => {
    const accounts = new ShardAccounts([account(1)], undefined);
    accounts.update([account(3), account(4, importing(3))], []);
    accounts.update([], [4]);
    expect(shownTo(accounts, 3)).toEqual([]);
    expect([accounts.byId(4), accounts.byName("A4"), accounts.byByteName("A4")]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    accounts.configure([account(1), account(6, importing(3))], undefined);
    expect(shownTo(accounts, 3)).toEqual([6]);
    accounts.configure([account(1)], undefined);
    expect(accounts.byId(6)).toBe(undefined);
    expect([...accounts.all()].map(({ id }) => id)).toEqual([1, 3]);
  });
});
