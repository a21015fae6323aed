import { afterEach, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ResolverOptions } from "../config/operator.ts";
import { decideLogin } from "./login_flow.ts";
import { LoginJudge } from "./login_judge.ts";
import { compileLoginRules } from "./login_rules.ts";
import { KeyPair, verifySignature } from "./nkey.ts";
import { compileTrust } from "./operator_trust.ts";
import { AccountBook } from "./resolver/account_book.ts";
import { findPreloadProblem, findPreloadWarnings, openResolver } from "./resolver/open_resolver.ts";
import { accountClaims, NOW_MS, NOW_S, operatorClaims, sign, userClaims } from "./testing/chain.ts";
import { optionsOf, requestOf, signNonce } from "./testing/requests.ts";

const OPERATOR = KeyPair.create("operator");
const ACCOUNT = KeyPair.create("account");
const USER = KeyPair.create("user");
const A = ACCOUNT.publicKey;
const ACCOUNT_JWT = sign(accountClaims(ACCOUNT), OPERATOR);

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "login-"));
  folders.push(folder);
  return join(folder, "jwt");
}

const EFFECTS = {
  get: async () => ({ status: 200, statusText: "OK", body: ACCOUNT_JWT }),
  ask: async () => ({ ok: true, jwt: ACCOUNT_JWT }) as const,
  nowMs: () => NOW_MS,
};

function open(options: ResolverOptions, preload: ReadonlyMap<string, string> = new Map()) {
  return openResolver(options, preload, EFFECTS);
}

/** A server in operator mode over a resolver. */
function serve(options: ResolverOptions, preload?: ReadonlyMap<string, string>) {
  const opened = open(options, preload);
  if (!opened.ok) throw new Error(opened.problem);
  const compiled = compileTrust([operatorClaims(OPERATOR)], {
    trustedKeys: [],
    systemAccount: KeyPair.create("account").publicKey,
    defaultSentinel: undefined,
    hasNatsResolver: opened.store !== undefined,
    serverVersion: "2.15.2",
  });
  if (!compiled.ok) throw new Error(compiled.problem);
  const { trust } = compiled;
  const book = new AccountBook({
    trust,
    resolver: opened.resolver,
    nowMs: () => NOW_MS,
    onChange: () => {},
    onLog: () => {},
  });
  const judge = new LoginJudge(compileLoginRules(optionsOf(`trusted_keys: ${OPERATOR.publicKey}`), ""), {
    verifySignature,
    compareHash: () => false,
    nowMs: () => NOW_MS,
    operatorMode: { trust, findAccount: (key) => book.find(key) },
  });
  return { judge, book };
}

const REQUEST = requestOf({ jwt: sign(userClaims(USER), ACCOUNT), signature: signNonce(USER) });

describe("decideLogin()", () => {
  test("lets a user in through every kind of resolver", async () => {
    const kinds: readonly (readonly [ResolverOptions, ReadonlyMap<string, string>?])[] = [
      [{ kind: "memory" }, new Map([[A, ACCOUNT_JWT]])],
      [{ kind: "url", url: "http://h/" }],
      [{ kind: "full", dir: makeFolder(), deletes: "no", intervalMs: 1, limit: 0, timeoutMs: 1 }],
      [
        { kind: "full", dir: makeFolder(), deletes: "no", intervalMs: 1, limit: 0, timeoutMs: 1 },
        new Map([[A, ACCOUNT_JWT]]),
      ],
      [{ kind: "cache", dir: makeFolder(), limit: 10, ttlMs: 0, timeoutMs: 1 }],
    ];
    for (const [options, preload] of kinds) {
      const { judge, book } = serve(options, preload);
      expect(await decideLogin(judge, book, REQUEST)).toMatchObject({ kind: "login", account: A });
      expect(judge.judge(REQUEST)).toMatchObject({ kind: "login" });
    }
  });

  test("refuses a user whose account nobody has", async () => {
    const { judge, book } = serve({ kind: "memory" });
    expect(await decideLogin(judge, book, REQUEST)).toMatchObject({
      kind: "refusal",
      logs: [{ text: "Account JWT lookup error: account missing" }],
    });
  });
});

describe("openResolver()", () => {
  test("stores preloaded accounts in a folder", () => {
    const dir = makeFolder();
    const opened = open(
      { kind: "full", dir, deletes: "rename", intervalMs: 1, limit: 0, timeoutMs: 1 },
      new Map([[A, ACCOUNT_JWT]]),
    );
    expect(opened).toMatchObject({ ok: true, canDelete: true });
    expect(existsSync(join(dir, `${A}.jwt`))).toBe(true);
  });

  test("findPreloadProblem() refuses preloaded accounts that are none, or for an account server", () => {
    expect(findPreloadProblem({ kind: "memory" }, new Map([[A, "x"]]))).toBe(
      `preload account error for "${A}": expected 3 chunks`,
    );
    const url = { kind: "url", url: "http://h/" } as const;
    expect(findPreloadProblem(url, new Map([[A, ACCOUNT_JWT]]))).toBe(
      "resolver preloads only available for writeable resolver types MEM/DIR/CACHE_DIR",
    );
    expect(findPreloadProblem(url, new Map())).toBe(undefined);
    expect(findPreloadProblem({ kind: "memory" }, new Map([[A, ACCOUNT_JWT]]))).toBe(undefined);
  });
});

test("findPreloadWarnings() tells of an account that has expired", () => {
  const expired = sign(accountClaims(ACCOUNT, { expiresAtSeconds: NOW_S - 1 }), OPERATOR);
  expect(findPreloadWarnings(new Map([[A, expired]]), NOW_MS)).toEqual([
    `Account [${A}] has validation issues:`,
    "  - claim is expired",
  ]);
  expect(findPreloadWarnings(new Map([[A, ACCOUNT_JWT]]), NOW_MS)).toEqual([]);
});
