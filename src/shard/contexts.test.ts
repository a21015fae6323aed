import { describe, expect, test } from "bun:test";
import type { Permissions } from "../config/permissions.ts";
import { CONTEXT_CLIENTS } from "../memory/layout.ts";
import { ShardAccounts } from "./accounts.ts";
import { Contexts } from "./contexts.ts";
import { ReplySubjects } from "./services/reply_subjects.ts";
import { accountDefinition } from "./testing/shard_harness.ts";

const GLOBAL = accountDefinition(1, "$G");
const [A, B] = [accountDefinition(5, "A"), accountDefinition(6, "B")];
const RESTRICTED: Permissions = {
  publish: { allow: ["a"], deny: [] },
  subscribe: undefined,
  responses: undefined,
};

function setUp(idsEnd?: number) {
  const accounts = new ShardAccounts([GLOBAL, A, B], undefined);
  const contexts = new Contexts(accounts, new ReplySubjects([1, 2, 3, 4], "TESTHASH", 3), idsEnd);
  const take = (id: number, permissions: Permissions | null) =>
    contexts.take(accounts.byId(id)!, permissions);
  return { accounts, contexts, take };
}

describe("Contexts", () => {
  test("equal permissions in one account are one context, others are others", () => {
    const { take } = setUp();
    const plain = take(A.id, null);
    const restricted = take(A.id, RESTRICTED);
    expect(take(A.id, null)).toBe(plain);
    expect(take(A.id, { ...RESTRICTED })).toBe(restricted);
    expect(new Set([plain, restricted, take(B.id, null), take(B.id, RESTRICTED)]).size).toBe(4);
  });

  test("one without permissions keeps its number while nobody uses it: who comes and goes takes no new one", () => {
    const { contexts, take } = setUp();
    const first = take(A.id, null);
    for (let i = 0; i < 1000; i++) {
      contexts.release(first);
      expect(take(A.id, null)).toBe(first);
    }
    contexts.release(first);
    expect(contexts.accountOf(first).name).toBe("A");
  });

  test("one with permissions is gone with its last connection, and its number is not soon used again", () => {
    const { contexts, take } = setUp();
    const first = take(A.id, RESTRICTED);
    expect(take(A.id, RESTRICTED)).toBe(first);
    contexts.release(first);
    expect(contexts.permissionsOf(first)?.canPublish("b")).toBe(false);
    contexts.release(first);
    expect(take(A.id, RESTRICTED)).not.toBe(first);
  });

  test("numbers that run out are used again, but those in use, and plans made for them are forgotten first", () => {
    const { contexts, take } = setUp(CONTEXT_CLIENTS + 5);
    let forgotten = 0;
    contexts.onStartOver = () => forgotten++;
    const kept = [take(A.id, null), take(B.id, RESTRICTED)];
    const seen = new Set<number>();
    for (let i = 0; i < 100; i++) {
      const id = take(A.id, RESTRICTED);
      contexts.release(id);
      seen.add(id);
    }
    expect([...seen].sort()).toEqual([3, 4].map((each) => CONTEXT_CLIENTS + each));
    expect(forgotten).toBe(49);
    expect(kept.map((id) => contexts.accountOf(id).name)).toEqual(["A", "B"]);
  });

  test("of an account that is gone it lasts as long as its connections, and comes back under another number", () => {
    const { accounts, contexts, take } = setUp();
    const [used, unused] = [take(A.id, null), take(B.id, null)];
    contexts.release(unused);
    accounts.configure([GLOBAL], undefined);
    contexts.refresh();
    expect(contexts.accountOf(used).name).toBe("A");
    accounts.configure([GLOBAL, A, B], undefined);
    contexts.refresh();
    const fresh = take(A.id, null);
    expect(fresh).not.toBe(used);
    expect(take(B.id, null)).not.toBe(unused);
    // The end of the old context's last connection must not affect the new one.
    contexts.release(used);
    expect(take(A.id, null)).toBe(fresh);
  });
});
