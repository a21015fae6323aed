import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { newGeneric } from "../jwt/new_claims.ts";
import { KeyPair } from "../nkey.ts";
import type { OperatorTrust, TrustedOperator } from "../operator_trust.ts";
import { accountClaims, NOW_MS, NOW_S, sign, userClaims } from "../testing/chain.ts";
import { AccountBook } from "./account_book.ts";
import {
  answerClaimRequest,
  CLAIM_SUBSCRIPTIONS,
  type ClaimContext,
  type ClaimRequestKind,
  mergePack,
} from "./claim_requests.ts";
import { DirectoryResolver, LookupAnswers } from "./directory_resolver.ts";
import { JwtStore } from "./jwt_store.ts";
import { MemoryResolver } from "./memory_resolver.ts";
import type { Resolver } from "./resolver.ts";

const OPERATOR = KeyPair.create("operator");
const SIGNING = KeyPair.create("operator");
const STRANGER = KeyPair.create("operator");
const ACCOUNT = KeyPair.create("account");
const OTHER = KeyPair.create("account");
const SYSTEM = KeyPair.create("account").publicKey;
const A = ACCOUNT.publicKey;
const SERVER = { name: "S1" };

const TRUST: OperatorTrust = {
  trustedKeys: [OPERATOR.publicKey, SIGNING.publicKey],
  strictKeys: [],
  systemAccount: SYSTEM,
  operator: undefined,
};

const LENIENT: TrustedOperator = {
  key: OPERATOR.publicKey,
  keys: [OPERATOR.publicKey, SIGNING.publicKey],
  isStrict: false,
};
const STRICT: TrustedOperator = { ...LENIENT, keys: [SIGNING.publicKey], isStrict: true };

type Parts = Parameters<typeof accountClaims>[1];
const tokenOf = (parts: Parts = {}, signer = OPERATOR) => sign(accountClaims(ACCOUNT, parts), signer);

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

interface Setup extends Partial<ClaimContext> {
  readonly limit?: number;
  /** A token that the resolver has and the book has loaded. */
  readonly loaded?: string;
}

/** A server with a resolver of a kind, and what it logged. */
async function serve(kind: Resolver["kind"], { limit = 0, loaded, ...parts }: Setup = {}) {
  const dir = mkdtempSync(join(tmpdir(), "claims-"));
  folders.push(dir);
  const logs: string[] = [];
  const nowMs = () => NOW_MS;
  const hasStore = kind === "full" || kind === "cache";
  const deletes = kind === "full" ? "rename" : "remove";
  const store = hasStore
    ? new JwtStore({ dir, limit, evicts: kind === "cache", ttlMs: 0, deletes, nowMs })
    : undefined;
  const resolver =
    store === undefined
      ? new MemoryResolver(new Map(loaded === undefined ? [] : [[A, loaded]]))
      : new DirectoryResolver(kind === "full" ? "full" : "cache", store, async () => LookupAnswers.timedOut);
  const book = new AccountBook({ trust: TRUST, resolver, nowMs, onChange: () => {}, onLog: () => {} });
  if (loaded !== undefined) {
    store?.save(A, loaded);
    expect((await book.load(A)).ok).toBe(true);
  }
  const applied: string[] = [];
  store?.watch({
    onChanged: (key, jwt) => applied.push(book.update(key, jwt) ?? "applied"),
    onDeleted: (key) => book.markDeleted(key),
  });
  const context: ClaimContext = {
    book,
    store,
    kind,
    operator: LENIENT,
    systemAccount: SYSTEM,
    canDelete: true,
    findMappingProblem: () => undefined,
    nowMs,
    onLog: ({ level, text }) => logs.push(`${level}: ${text}`),
    ...parts,
  };
  const ask = (request: ClaimRequestKind, subject: string, payload: string | Uint8Array = "") => {
    const bytes = typeof payload === "string" ? new TextEncoder().encode(payload) : payload;
    return answerClaimRequest(request, subject, bytes, SERVER, context);
  };
  return { ask, book, store, logs, applied, context };
}

const UPDATE = `$SYS.REQ.ACCOUNT.${A}.CLAIMS.UPDATE`;
const UPDATE_OLD = `$SYS.ACCOUNT.${A}.CLAIMS.UPDATE`;
const UPDATE_ANY = "$SYS.REQ.CLAIMS.UPDATE";

const success = (message: string, account = A) => [
  `{"server":{"name":"S1"},"data":{"account":"${account}","code":200,"message":"${message}"}}`,
];
const failure = (description: string, account = A) => [
  `{"server":{"name":"S1"},"error":{"account":"${account}","code":500,"description":${JSON.stringify(description).replaceAll(">", "\\u003e")}}}`,
];

test("CLAIM_SUBSCRIPTIONS has no subscriber where a resolver has nothing to answer", () => {
  const subjects = (kind: Resolver["kind"]) => CLAIM_SUBSCRIPTIONS[kind].map(({ subject }) => subject);
  expect(subjects("memory")).toEqual(["$SYS.ACCOUNT.*.CLAIMS.UPDATE", "$SYS.REQ.ACCOUNT.*.CLAIMS.UPDATE"]);
  expect(subjects("url")).toEqual(subjects("memory"));
  expect(subjects("cache")).not.toContain("$SYS.REQ.ACCOUNT.*.CLAIMS.LOOKUP");
  expect(CLAIM_SUBSCRIPTIONS.full.find(({ kind }) => kind === "pack")?.queue).toBe("responder");
});

describe("an update of a full resolver", () => {
  test("is stored, and applied where the account is in use", async () => {
    const { ask, store, book, applied, logs } = await serve("full", { loaded: tokenOf() });
    for (const [index, [kind, subject]] of (
      [
        ["update", UPDATE],
        ["update", UPDATE_OLD],
        ["update any", UPDATE_ANY],
      ] as const
    ).entries()) {
      const jwt = tokenOf({ name: `n${index}` });
      expect(ask(kind, subject, jwt)).toEqual(success("jwt updated"));
      expect(store?.load(A)).toEqual({ ok: true, jwt });
      expect(book.get(A)?.jwt).toBe(jwt);
    }
    expect(applied).toEqual(["applied", "applied", "applied"]);
    expect(logs.at(-1)).toBe(`debug: jwt updated - ${A}`);
  });

  test("is stored where nobody uses the account, or no trusted operator signed it, or it has expired", async () => {
    const { ask, store, applied } = await serve("full");
    for (const jwt of [tokenOf(), tokenOf({}, STRANGER), tokenOf({ expiresAtSeconds: NOW_S - 1 })]) {
      expect(ask("update any", UPDATE_ANY, jwt)).toEqual(success("jwt updated"));
      expect(store?.load(A)).toEqual({ ok: true, jwt });
    }
    expect(applied).toEqual(["account missing", "account missing", "account missing"]);
  });

  test("is refused with what is wrong", async () => {
    const { ask, logs } = await serve("full");
    const error = "jwt update resulted in error";
    expect(ask("update", UPDATE, "rubbish")).toEqual(failure(`${error} - expected 3 chunks`, "n/a"));
    expect(logs.at(-1)).toBe(`error: ${error} - n/a - expected 3 chunks`);
    const user = sign(userClaims(KeyPair.create("user")), ACCOUNT);
    expect(ask("update any", UPDATE_ANY, user)).toEqual(failure(`${error} - not account claim`, "n/a"));
    const other = sign(accountClaims(OTHER), OPERATOR);
    expect(ask("update", UPDATE, other)).toEqual(failure(`${error} - subject does not match jwt content`));
    const expiresAtSeconds = NOW_S - 1;
    const invalid = tokenOf({ expiresAtSeconds, nats: { signingKeys: new Map([["x", undefined]]) } });
    expect(ask("update", UPDATE, invalid)).toEqual(
      failure('jwt validation failed - validation errors: ["x" is not a valid account signing key]'),
    );
  });

  test("is refused for a mapping that cannot be installed", async () => {
    const text = 'mapping "a" -> "b": invalid subject';
    const { ask } = await serve("full", { findMappingProblem: () => text });
    expect(ask("update any", UPDATE_ANY, tokenOf())).toEqual(failure(`jwt validation failed - ${text}`));
  });

  test("must be signed by a signing key where the operator is strict", async () => {
    const { ask } = await serve("full", { operator: STRICT });
    const text = "jwt update resulted in error - operator requires issuer to be a signing key";
    expect(ask("update", UPDATE, tokenOf())).toEqual(failure(text));
    expect(ask("update any", UPDATE_ANY, tokenOf())).toEqual(failure(text));
    expect(ask("update", UPDATE, tokenOf({}, SIGNING))).toEqual(success("jwt updated"));
  });

  test("is refused when the store is full", async () => {
    const { ask } = await serve("full", { limit: 1, loaded: tokenOf() });
    const text = "jwt update resulted in error - jwt store is full";
    expect(ask("update any", UPDATE_ANY, sign(accountClaims(OTHER), OPERATOR))).toEqual(
      failure(text, OTHER.publicKey),
    );
  });
});

describe("an update of a cache", () => {
  test("is stored where the account is in use", async () => {
    const { ask, book } = await serve("cache", { loaded: tokenOf() });
    const jwt = tokenOf({ name: "new" });
    expect(ask("update", UPDATE, jwt)).toEqual(success("jwt updated cache"));
    expect(book.get(A)?.jwt).toBe(jwt);
  });

  test("is skipped elsewhere", async () => {
    const { ask, store } = await serve("cache");
    expect(ask("update", UPDATE, tokenOf())).toEqual(success("jwt update cache skipped"));
    expect(store?.size).toBe(0);
  });

  test("is refused with what is wrong", async () => {
    const { ask } = await serve("cache", { loaded: tokenOf() });
    const error = "jwt update cache resulted in error";
    expect(ask("update", UPDATE, "x")).toEqual(failure(`${error} - expected 3 chunks`));
    expect(ask("update any", UPDATE_ANY, "x")).toEqual(failure(`${error} - expected 3 chunks`, "n/a"));
    const invalid = tokenOf({ nats: { signingKeys: new Map([["x", undefined]]) } });
    expect(ask("update", UPDATE, invalid)).toEqual(
      failure(
        'jwt update cache validation failed - validation errors: ["x" is not a valid account signing key]',
      ),
    );
  });
});

describe("an update where nothing is stored", () => {
  test("counts for an account in use", async () => {
    const { ask, book } = await serve("memory", { loaded: tokenOf() });
    const jwt = tokenOf({ name: "new" });
    expect(ask("update", UPDATE, jwt)).toEqual(success("jwt updated"));
    expect(ask("update", UPDATE_OLD, jwt)).toEqual(success("jwt updated"));
    expect(book.get(A)?.jwt).toBe(jwt);
  });

  test("is skipped, or refused with what is wrong", async () => {
    const { ask } = await serve("url");
    expect(ask("update", UPDATE, tokenOf())).toEqual(success("jwt update skipped"));
    expect(ask("update", UPDATE)).toEqual(failure("jwt update error - request body is empty"));
    const error = "jwt update resulted in error";
    expect(ask("update", UPDATE, "x")).toEqual(failure(`${error} - expected 3 chunks`));
    expect(ask("update", UPDATE, sign(accountClaims(OTHER), OPERATOR))).toEqual(
      failure(`${error} - subject does not match jwt content`),
    );
    const { ask: askLoaded } = await serve("memory", { loaded: tokenOf() });
    expect(askLoaded("update", UPDATE, tokenOf({}, STRANGER))).toEqual(
      failure(`${error} - account validation failed`),
    );
  });
});

describe("a lookup", () => {
  const subject = (key: string) => `$SYS.REQ.ACCOUNT.${key}.CLAIMS.LOOKUP`;

  test("answers with the JWT, with nothing for none, and not at all for what is no key", async () => {
    const { ask, logs } = await serve("full", { loaded: tokenOf() });
    expect(ask("lookup", subject(A))).toEqual([tokenOf()]);
    expect(ask("lookup", subject(OTHER.publicKey))).toEqual([""]);
    expect(logs.at(-1)).toBe(`debug: DirResolver - Could not find account "${OTHER.publicKey}"`);
    expect(ask("lookup", subject("x"))).toEqual([]);
  });
});

describe("a pack", () => {
  test("has a line for each account and an empty message behind them", async () => {
    const { ask, store } = await serve("full", { loaded: tokenOf() });
    expect(ask("pack", "$SYS.REQ.CLAIMS.PACK")).toEqual([`${A}|${tokenOf()}`, ""]);
    expect(ask("pack", "$SYS.REQ.CLAIMS.PACK", store?.hash() ?? "")).toEqual([""]);
  });

  test("is merged by another server, which then has the same hash", async () => {
    const { ask } = await serve("full", { loaded: tokenOf() });
    const other = await serve("full");
    for (const message of ask("pack", "$SYS.REQ.CLAIMS.PACK", other.store?.hash() ?? "")) {
      mergePack(new TextEncoder().encode(message), other.context);
    }
    expect(ask("pack", "$SYS.REQ.CLAIMS.PACK", other.store?.hash() ?? "")).toEqual([""]);
    mergePack(new TextEncoder().encode("rubbish"), other.context);
    expect(other.logs.at(-1)).toBe(
      `error: DirResolver - Merging resulted in error: line in package didn't contain 2 entries: "rubbish"`,
    );
  });
});

test("a list names the accounts", async () => {
  const { ask } = await serve("full", { loaded: tokenOf() });
  expect(ask("list", "$SYS.REQ.CLAIMS.LIST")).toEqual([`{"data":["${A}"],"server":{"name":"S1"}}`]);
  const { ask: askEmpty } = await serve("cache");
  expect(askEmpty("list", "$SYS.REQ.CLAIMS.LIST")).toEqual(['{"data":[],"server":{"name":"S1"}}']);
});

describe("a request to delete", () => {
  const tokenFor = (data: Record<string, unknown>, signer = OPERATOR, subject = signer) =>
    sign(newGeneric(subject.publicKey, data), signer);
  const deleted = (message: string) => [
    `{"server":{"name":"S1"},"data":{"code":200,"message":"${message}"}}`,
  ];
  const refused = (reason: string, by = OPERATOR.publicKey) => [
    `{"server":{"name":"S1"},"error":{"code":500,"description":"delete accounts request by ${by} failed - ${reason}"}}`,
  ];

  test("deletes accounts, and counts unknown ones", async () => {
    const { ask, store, book } = await serve("full", { loaded: tokenOf() });
    const token = tokenFor({ accounts: [A, OTHER.publicKey] });
    expect(ask("delete", "$SYS.REQ.CLAIMS.DELETE", token)).toEqual(deleted("deleted 2 accounts"));
    expect(store?.has(A)).toBe(false);
    expect(book.find(A)).toBeUndefined();
    expect(book.get(A)?.isExpired).toBe(true);
  });

  test("obeys signing keys, and under a strict operator these alone", async () => {
    const { ask } = await serve("full", { operator: STRICT });
    expect(ask("delete", "", tokenFor({ accounts: [] }, SIGNING))).toEqual(deleted("deleted 0 accounts"));
    expect(ask("delete", "", tokenFor({ accounts: [] }))).toEqual(refused("not trusted"));
  });

  test("is refused with the first thing that is wrong", async () => {
    const { ask } = await serve("full", { loaded: tokenOf() });
    expect(ask("delete", "", "x")).toEqual(refused("expected 3 chunks", ""));
    expect(ask("delete", "", tokenFor({ accounts: [A] }, OPERATOR, SIGNING))).toEqual(
      refused("not self signed", SIGNING.publicKey),
    );
    expect(ask("delete", "", tokenFor({ accounts: [A] }, STRANGER))).toEqual(
      refused("not trusted", STRANGER.publicKey),
    );
    for (const accounts of [undefined, "x", [1], [""], ["x"], [KeyPair.create("user").publicKey]]) {
      expect(ask("delete", "", tokenFor({ accounts }))).toEqual(refused("malformed request"));
    }
    expect(ask("delete", "", tokenFor({ accounts: [A, SYSTEM] }))).toEqual(
      refused("not allowed to delete system account"),
    );
    const { ask: askLocked } = await serve("full", { canDelete: false });
    expect(askLocked("delete", "", tokenFor({ accounts: [A] }))).toEqual(
      refused("delete must be enabled in server config"),
    );
  });
});

describe("DirectoryResolver.fetch()", () => {
  test("stores what other servers have, and says why they have nothing", async () => {
    const { store } = await serve("cache");
    if (store === undefined) throw new Error("a cache has a store");
    const asked: string[] = [];
    const resolver = new DirectoryResolver("cache", store, async (key) => {
      asked.push(key);
      return key === A ? { ok: true, jwt: tokenOf() } : { ok: false, problem: "account jwt not found" };
    });
    expect(await resolver.fetch(A)).toEqual({ ok: true, jwt: tokenOf() });
    expect(await resolver.fetch(A)).toEqual({ ok: true, jwt: tokenOf() });
    expect(await resolver.fetch(OTHER.publicKey)).toEqual({ ok: false, problem: "account jwt not found" });
    expect(asked).toEqual([A, OTHER.publicKey]);
  });

  test("gives what has been pushed while others were asked, where that is newer", async () => {
    const { store } = await serve("full");
    if (store === undefined) throw new Error("a full resolver has a store");
    const [pushed, answered] = [0, 100].map((ageS) => sign(accountClaims(ACCOUNT, {}), OPERATOR, ageS)) as [
      string,
      string,
    ];
    const resolver = new DirectoryResolver("full", store, async () => {
      store.save(A, pushed);
      return { ok: true, jwt: answered };
    });
    expect(await resolver.fetch(A)).toEqual({ ok: true, jwt: pushed });
  });
});

test("LookupAnswers takes the first JWT, or the last empty answer", () => {
  expect(new LookupAnswers(2).add("jwt")).toEqual({ ok: true, jwt: "jwt" });
  const answers = new LookupAnswers(2);
  expect(answers.add("")).toBeNull();
  expect(answers.add("")).toEqual({ ok: false, problem: "account jwt not found" });
  const late = new LookupAnswers(2);
  expect(late.add("")).toBeNull();
  expect(late.add("jwt")).toEqual({ ok: true, jwt: "jwt" });
});
