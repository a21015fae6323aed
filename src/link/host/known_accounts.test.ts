import { expect, test } from "bun:test";
import type { AccountDefinition } from "../../account/definition.ts";
import { ShardAccounts } from "../../shard/accounts.ts";
import type { LinkShard } from "../../shard/links/link_host.ts";
import { accountDefinition } from "../../shard/testing/shard_harness.ts";
import { KnownAccounts } from "./known_accounts.ts";

const OUT = accountDefinition(5, "OUT");
const [IN, LATE] = [6, 7];

function importerOf(id: number, name: string): AccountDefinition {
  const service = {
    ...{ exporter: OUT.id, exporterName: OUT.name, local: "ask", remote: "svc", exported: "svc" },
    ...{
      share: false,
      responseType: "singleton" as const,
      responseThresholdMs: 1000,
      allowTrace: false,
      isSystemExport: false,
    },
  };
  return { ...accountDefinition(id, name), serviceImports: [service] };
}

function setUp(configured: readonly AccountDefinition[]) {
  const accounts = new ShardAccounts(configured, undefined);
  const replySubjects = { patternOf: (id: number) => `_R_.${id}.>` };
  const known = new KnownAccounts({ accounts, replySubjects } as unknown as LinkShard);
  const wanted: string[] = [];
  const core = {
    wantsHere: (_tag: string, { account }: { account: string }, weight: number) =>
      wanted.push(`${account} ${weight}`) > 0,
  };
  const names = () => {
    const { come, gone, changed } = known.refresh();
    return [come, gone, changed].map((list) => list.map(({ name }) => name));
  };
  return { accounts, known, wanted, core, names };
}

test("refresh() tells what has changed, and nothing of the others", () => {
  const { accounts, known, names } = setUp([OUT]);
  expect(names()).toEqual([["OUT"], [], ["OUT"]]);
  accounts.update([importerOf(IN, "IN")], []);
  expect(names()).toEqual([["IN"], [], ["IN"]]);
  accounts.update([accountDefinition(IN, "IN")], []);
  expect(names()).toEqual([[], [], ["IN"]]);
  accounts.update([], [IN]);
  expect(names()).toEqual([[], ["IN"], []]);
  expect([known.nameOf(OUT.id), known.nameOf(IN)]).toEqual(["OUT", undefined]);
});

test("announceReplies() wants answers as long as somebody asks, and says whose are new or gone", () => {
  const { accounts, known, wanted, core, names } = setUp([OUT]);
  const announced = (changed: readonly AccountDefinition[], removed: readonly number[] = []) => {
    accounts.update(changed, removed);
    names();
    return known.announceReplies(core);
  };
  expect(announced([])).toEqual([]);
  expect(announced([importerOf(IN, "IN")])).toEqual(["OUT"]);
  expect(announced([importerOf(LATE, "LATE")])).toEqual([]);
  expect(announced([], [IN])).toEqual([]);
  expect(announced([], [LATE])).toEqual(["OUT"]);
  expect(wanted).toEqual(["OUT 1", "OUT 0"]);
});
