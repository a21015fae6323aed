import { describe, expect, test } from "bun:test";
import type { LoginLog } from "../login.ts";
import { KeyPair } from "../nkey.ts";
import type { OperatorTrust } from "../operator_trust.ts";
import { accountClaims, NOW_MS, NOW_S, sign } from "../testing/chain.ts";
import { AccountBook, type AccountChange } from "./account_book.ts";
import { MemoryResolver } from "./memory_resolver.ts";
import type { FetchResult, Resolver } from "./resolver.ts";

const OPERATOR = KeyPair.create("operator");
const STRANGER = KeyPair.create("operator");
const ACCOUNT = KeyPair.create("account");
const OTHER = KeyPair.create("account");
const KEY = ACCOUNT.publicKey;

const TRUST: OperatorTrust = {
  trustedKeys: [OPERATOR.publicKey],
  strictKeys: [],
  systemAccount: "",
  operator: undefined,
};

type Parts = Parameters<typeof accountClaims>[1];
const tokenOf = (parts: Parts = {}, signer = OPERATOR, ageS = 0) =>
  sign(accountClaims(ACCOUNT, parts), signer, ageS);

/** A book over a resolver whose answers and clock can be changed. */
function openBook(answer: () => FetchResult | Promise<FetchResult>) {
  const clock = { nowMs: NOW_MS };
  const asked: string[] = [];
  const changes: AccountChange[] = [];
  const logs: string[] = [];
  const resolver: Resolver = {
    kind: "url",
    fetch: async (key) => {
      asked.push(key);
      return await answer();
    },
  };
  const book = new AccountBook({
    trust: TRUST,
    resolver,
    nowMs: () => clock.nowMs,
    onChange: (change) => changes.push(change),
    onLog: ({ level, text }: { level: LoginLog["level"] | "notice"; text: string }) =>
      logs.push(`${level}: ${text}`),
  });
  return { book, clock, asked, changes, logs };
}

const found = (jwt: string) => () => ({ ok: true, jwt }) as const;
const problemOf = (result: { ok: boolean; problem?: string }) => (result.ok ? "none" : result.problem);

describe("AccountBook.load()", () => {
  test("fetches an account once, however many ask", async () => {
    const { book, asked, changes } = openBook(found(tokenOf()));
    const [first, second] = await Promise.all([book.load(KEY), book.load(KEY)]);
    const third = await book.load(KEY);
    expect(asked).toEqual([KEY]);
    expect(first).toMatchObject({ ok: true, account: { key: KEY, jwt: tokenOf(), isExpired: false } });
    expect(second).toEqual(first);
    expect(third).toEqual(first);
    expect(changes.map(({ kind, account }) => `${kind} ${account.key}`)).toEqual([`added ${KEY}`]);
  });

  test("passes on why there is none, and asks again next time", async () => {
    const { book, asked, logs } = openBook(() => ({ ok: false, problem: "fetching jwt timed out" }));
    expect(problemOf(await book.load(KEY))).toBe("fetching jwt timed out");
    await book.load(KEY);
    expect(asked).toHaveLength(2);
    expect(logs).toContain("warning: Account fetch failed: fetching jwt timed out");
  });

  const BAD: readonly (readonly [string, string, string])[] = [
    ["no token", "rubbish", "expected 3 chunks"],
    ["an account of an operator that is not trusted", tokenOf({}, STRANGER), "account validation failed"],
    ["an account that signed itself", tokenOf({}, ACCOUNT), "account validation failed"],
    ["an expired account", tokenOf({ expiresAtSeconds: NOW_S - 1 }), "account validation failed"],
    ["an account not valid yet", tokenOf({ notBeforeSeconds: NOW_S + 1 }), "account validation failed"],
    ["another account", sign(accountClaims(OTHER), OPERATOR), "account validation failed"],
    [
      "an account over its limits",
      tokenOf({
        nats: { limits: { ...accountClaims(ACCOUNT).nats.limits, maxExports: 0 }, exports: [exported("a")] },
      }),
      "account validation failed",
    ],
  ];
  for (const [what, jwt, problem] of BAD) {
    test(`refuses ${what}`, async () => {
      const { book, changes } = openBook(found(jwt));
      expect(problemOf(await book.load(KEY))).toBe(problem);
      expect(book.get(KEY)).toBeUndefined();
      expect(changes).toEqual([]);
    });
  }

  test("looks for a newer JWT of an expired account, at most once a second", async () => {
    const answers = [tokenOf({ expiresAtSeconds: NOW_S + 5 })];
    const { book, clock, asked } = openBook(() => ({ ok: true, jwt: answers[0] ?? "" }));
    await book.load(KEY);
    clock.nowMs += 5000;
    book.expireDue();
    expect(problemOf(await book.load(KEY))).toBe("account expired");
    expect(asked).toHaveLength(1);
    clock.nowMs += 1000;
    expect(problemOf(await book.load(KEY))).toBe("account expired");
    expect(problemOf(await book.load(KEY))).toBe("account expired");
    expect(asked).toHaveLength(2);
    clock.nowMs += 1000;
    answers[0] = tokenOf({ name: "renewed" });
    expect(await book.load(KEY)).toMatchObject({
      ok: true,
      account: { isExpired: false, claims: { name: "renewed" } },
    });
  });
});

describe("AccountBook.update()", () => {
  test("takes over a JWT that says something else", async () => {
    const { book, changes } = openBook(found(tokenOf()));
    await book.load(KEY);
    expect(book.update(KEY, tokenOf())).toBeUndefined();
    expect(book.update(KEY, tokenOf({ name: "new" }))).toBeUndefined();
    expect(changes.map(({ kind }) => kind)).toEqual(["added", "changed"]);
    expect(changes[1]).toMatchObject({
      account: { claims: { name: "new" } },
      previous: { claims: { name: "acme" } },
    });
  });

  test("keeps what it has where the new JWT does not hold", async () => {
    const { book } = openBook(found(tokenOf()));
    expect(book.update(KEY, tokenOf())).toBe("account missing");
    await book.load(KEY);
    expect(book.update(KEY, tokenOf({}, STRANGER))).toBe("account validation failed");
    expect(book.update(KEY, sign(accountClaims(OTHER), OPERATOR))).toBe("account validation failed");
    expect(book.update(KEY, "rubbish")).toBe("expected 3 chunks");
    expect(book.get(KEY)?.jwt).toBe(tokenOf());
  });

  test("brings back an account that was deleted, even with the JWT it had", async () => {
    const { book, changes } = openBook(found(tokenOf()));
    await book.load(KEY);
    book.markDeleted(KEY);
    expect(book.find(KEY)).toBeUndefined();
    expect(book.update(KEY, tokenOf())).toBeUndefined();
    expect(book.find(KEY)).toBeDefined();
    expect(changes.map(({ kind }) => kind)).toEqual(["added", "deleted", "changed"]);
  });
});

describe("AccountBook", () => {
  test("tells when an account has expired", async () => {
    const { book, clock, changes } = openBook(found(tokenOf({ expiresAtSeconds: NOW_S + 5 })));
    await book.load(KEY);
    clock.nowMs += 4999;
    book.expireDue();
    expect(changes).toHaveLength(1);
    clock.nowMs += 1;
    book.expireDue();
    book.expireDue();
    expect(changes.map(({ kind }) => kind)).toEqual(["added", "expired"]);
  });

  test("keeps a place for a system account that cannot be fetched yet", async () => {
    const { book, changes } = openBook(found(tokenOf()));
    const account = book.addBootstrapAccount(KEY);
    expect([...account.userIssuers.keys()]).toEqual([KEY]);
    expect(TRUST.trustedKeys).toContain(account.claims.issuer);
    expect(await book.load(KEY)).toMatchObject({ ok: true, account: { jwt: "" } });
    expect(book.update(KEY, tokenOf())).toBeUndefined();
    expect(changes.map(({ kind }) => kind)).toEqual(["added", "changed"]);
  });

  test("drops what another resolver does not have, and takes over what it has", async () => {
    const { book, changes, logs } = openBook(found(tokenOf()));
    await book.load(KEY);
    book.changeResolver(new MemoryResolver(new Map([[KEY, tokenOf({ name: "new" })]])));
    await book.fetchAgain();
    expect(book.get(KEY)?.claims.name).toBe("new");
    book.changeResolver(new MemoryResolver(new Map()));
    await book.fetchAgain();
    expect(book.get(KEY)).toBeUndefined();
    expect(changes.map(({ kind }) => kind)).toEqual(["added", "changed", "dropped"]);
    expect(logs).toContain(`notice: Reloaded: deleting account [removed]: "${KEY}"`);
  });
});

function exported(subject: string) {
  return {
    name: "",
    subject,
    kind: "stream",
    tokenRequired: false,
    revocations: new Map(),
    responseType: "",
    responseThresholdNs: 0,
    latency: undefined,
    accountTokenPosition: 0,
    advertise: false,
    allowTrace: false,
    description: "",
    infoUrl: "",
  } as const;
}
