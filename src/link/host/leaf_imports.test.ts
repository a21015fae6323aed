import { describe, expect, test } from "bun:test";
import type { AccountDefinition } from "../../account/definition.ts";
import { ShardAccounts } from "../../shard/accounts.ts";
import { accountDefinition } from "../../shard/testing/shard_harness.ts";
import { LinkCore } from "../core/link_core.ts";
import { FakeClock } from "../core/testing/fake_clock.ts";
import { testLink } from "../core/testing/test_link.ts";
import { GatewayReplies } from "../gateway/gateway_replies.ts";
import { LeafImports } from "./leaf_imports.ts";

const EXPORTER = accountDefinition(1, "EX");

/** An account that imports `from` of EX with the prefix `in.`. */
function importer(...subjects: string[]): AccountDefinition {
  return {
    ...accountDefinition(2, "IM"),
    streamImports: subjects.map((from) => ({
      exporter: 1,
      exporterName: "EX",
      from,
      to: `in.${from}`,
      local: `in.${from}`,
      allowTrace: false,
    })),
  };
}

/** What a route is told when a leaf node of IM wants things. */
function importsOf(definition: AccountDefinition) {
  const clock = new FakeClock();
  const core = new LinkCore(
    {
      want() {},
      forget() {},
      match: () => ({ isPlainHere: false, membersHere: new Map(), links: [], imports: [], deliver() {} }),
      enter: (_link, message) => message,
      recentLiterals: { note() {}, has: () => false },
      plansChanged() {},
      linkChanged() {},
    },
    clock,
    new GatewayReplies(null, {
      wasSubscribedLately: () => false,
      routeTo: () => undefined,
      gatewayTo: () => undefined,
      memory: { remember() {}, recall: () => undefined },
    }),
    { gateways: true, leafs: true },
  );
  const route = testLink({ kind: "route", role: "both" });
  core.joined(route);
  const accounts = new ShardAccounts([EXPORTER, definition], undefined);
  const imports = new LeafImports(accounts, core);
  const leaf = testLink({ kind: "leaf", role: "spoke", account: "IM" });
  const wanted = [
    { subject: "in.a", queue: "", weight: 1 },
    { subject: "in.b", queue: "q", weight: 3 },
  ];
  const key = { account: "IM", origin: "LC" };
  for (const { subject, queue, weight } of wanted) imports.set(leaf, { ...key, subject, queue }, weight);
  const heard = () => route.announced.splice(0);
  const reload = (anew: AccountDefinition) => {
    accounts.update([anew], []);
    imports.refresh(leaf, wanted);
    return heard();
  };
  return { imports, leaf, key, heard, reload };
}

describe("LeafImports", () => {
  test("ask for what an account imports, under the exporter's subjects, until the leaf node is gone", () => {
    const { imports, leaf, key, heard } = importsOf(importer("a", "b"));
    expect(heard()).toEqual(["EX a @_ 1", "EX b q @_ 3"]);
    imports.set(leaf, { ...key, subject: "in.b", queue: "q" }, 1);
    imports.set(leaf, { ...key, subject: "in.a", queue: "" }, 0);
    imports.set(leaf, { ...key, subject: "in.a", queue: "" }, 0);
    expect(heard()).toEqual(["EX b q @_ 1", "EX a @_ 0"]);
    imports.forget(leaf);
    expect(heard()).toEqual(["EX b q @_ 0"]);
  });

  test("follow the imports of an account", () => {
    const { imports, leaf, heard, reload } = importsOf(importer());
    expect(heard()).toEqual([]);
    expect(reload(importer("b"))).toEqual(["EX b q @_ 3"]);
    expect(reload(importer("b"))).toEqual([]);
    expect(reload(importer("b", "a"))).toEqual(["EX a @_ 1"]);
    expect(reload(importer("a"))).toEqual(["EX b q @_ 0"]);
    imports.forget(leaf);
    expect(heard()).toEqual(["EX a @_ 0"]);
  });
});
