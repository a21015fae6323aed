/**
 * What a server answers to operators' tools, by src/auth/resolver and by nats-server: random requests in the system
 * account go to a nats-server with each kind of resolver and are answered here: `npm run test:peers`. Answers must be
 * the same byte for byte, and so must the files in the folder at the end. A failure names the seed.
 */
import { describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import fc from "fast-check";
import type { AccountClaims } from "../../src/auth/jwt/claims.ts";
import { newAccount, newGeneric, newOperator, newUser } from "../../src/auth/jwt/new_claims.ts";
import { KeyPair } from "../../src/auth/nkey.ts";
import { resolverOf } from "../../src/auth/operator_files.ts";
import { compileTrust } from "../../src/auth/operator_trust.ts";
import { AccountBook } from "../../src/auth/resolver/account_book.ts";
import {
  answerClaimRequest,
  CLAIM_SUBSCRIPTIONS,
  type ClaimContext,
  type ClaimRequestKind,
} from "../../src/auth/resolver/claim_requests.ts";
import { LookupAnswers } from "../../src/auth/resolver/directory_resolver.ts";
import { openResolver } from "../../src/auth/resolver/open_resolver.ts";
import { optionsOf, signNonce } from "../../src/auth/testing/requests.ts";
import type { RawClient } from "../support/raw_client.ts";
import { ServerProcess } from "../support/server_process.ts";
import { startNatsServers } from "./nats_server.ts";
import { NOW_S, tokenOf } from "./tokens.ts";

const REQUEST_COUNT = 300;
const MS_MAX = 60_000;
const SEED = Number(process.env.LOGIN_SEED ?? Date.now() % 1_000_000);

startNatsServers();

const OPERATOR = KeyPair.create("operator");
const SIGNING = KeyPair.create("operator");
const STRANGER = KeyPair.create("operator");
const SYSTEM = KeyPair.create("account");
/** A signing key of the accounts that are there from the start: under a strict operator their identities sign nobody. */
const USER_SIGNING = KeyPair.create("account");
const SYSTEM_USER = KeyPair.create("user");
/** The first of them is in use from the start. */
const ACCOUNTS = Array.from({ length: 5 }, () => KeyPair.create("account"));
const [USED] = ACCOUNTS as [KeyPair, ...KeyPair[]];
const USER = KeyPair.create("user");

interface Request {
  readonly kind: ClaimRequestKind;
  readonly subject: string;
  readonly payload: string;
}

const oneOf = <T>(...values: readonly T[]) => fc.constantFrom(...values);

/** Account JWTs, and what tools send by mistake. */
const updates: fc.Arbitrary<{ key: KeyPair; payload: string }> = fc
  .record({
    key: oneOf(...ACCOUNTS),
    signer: oneOf(OPERATOR, SIGNING, SIGNING, STRANGER),
    name: oneOf("a", "b"),
    nats: oneOf<Partial<AccountClaims["nats"]>>(
      {},
      {},
      {},
      {},
      { signingKeys: new Map([["<no key>", undefined]]) },
    ),
    expiresAtSeconds: oneOf(0, 0, 0, NOW_S + 3600, NOW_S - 5),
    instead: oneOf(undefined, undefined, undefined, undefined, undefined, "", "hello", "user"),
  })
  .map(({ key, signer, name, nats, expiresAtSeconds, instead }) => {
    if (instead === "user") return { key, payload: tokenOf(newUser(USER.publicKey, name), key) };
    const claims = newAccount(key.publicKey, name);
    const token = tokenOf({ ...claims, expiresAtSeconds, nats: { ...claims.nats, ...nats } }, signer);
    return { key, payload: instead ?? token };
  });

const deletes: fc.Arbitrary<string> = fc
  .record({
    signer: oneOf(OPERATOR, SIGNING, SIGNING, STRANGER),
    subject: oneOf(undefined, undefined, undefined, STRANGER),
    accounts: fc.oneof(
      {
        weight: 5,
        arbitrary: fc.subarray(
          ACCOUNTS.map(({ publicKey }) => publicKey),
          { maxLength: 2 },
        ),
      },
      {
        weight: 1,
        arbitrary: oneOf<unknown>([SYSTEM.publicKey], ["x"], [1], "x", undefined, null, [USER.publicKey]),
      },
    ),
    instead: oneOf(undefined, undefined, undefined, undefined, undefined, "hello"),
  })
  .map(
    ({ signer, subject = signer, accounts, instead }) =>
      instead ?? tokenOf(newGeneric(subject.publicKey, { accounts }), signer),
  );

function requestsFor(kinds: readonly ClaimRequestKind[]): fc.Arbitrary<Request> {
  const account = oneOf(...ACCOUNTS, ...ACCOUNTS, USER).map(({ publicKey }) => publicKey);
  const byKind: Readonly<Record<ClaimRequestKind, fc.Arbitrary<Request>>> = {
    update: fc
      .record({
        update: updates,
        other: account,
        isAboutOther: oneOf(false, false, false, true),
        isOld: fc.boolean(),
      })
      .map(({ update, other, isAboutOther, isOld }) => {
        const key = isAboutOther ? other : update.key.publicKey;
        const subject = `${isOld ? "$SYS.ACCOUNT" : "$SYS.REQ.ACCOUNT"}.${key}.CLAIMS.UPDATE`;
        return { kind: "update", subject, payload: update.payload };
      }),
    "update any": updates.map(({ payload }) => ({
      kind: "update any",
      subject: "$SYS.REQ.CLAIMS.UPDATE",
      payload,
    })),
    lookup: account.map((key) => ({
      kind: "lookup",
      subject: `$SYS.REQ.ACCOUNT.${key}.CLAIMS.LOOKUP`,
      payload: "",
    })),
    pack: fc.constant({ kind: "pack", subject: "$SYS.REQ.CLAIMS.PACK", payload: "" }),
    list: fc.constant({ kind: "list", subject: "$SYS.REQ.CLAIMS.LIST", payload: "" }),
    delete: deletes.map((payload) => ({ kind: "delete", subject: "$SYS.REQ.CLAIMS.DELETE", payload })),
  };
  const chosen = [...kinds, ...kinds.filter((kind) => kind.startsWith("update"))];
  return fc.oneof(...chosen.map((kind) => byKind[kind]));
}

/** The tool: one connection in the system account. */
class Tool {
  readonly #client: RawClient;
  #requestCount = 0;

  private constructor(client: RawClient) {
    this.#client = client;
  }

  static async connect(server: ServerProcess): Promise<Tool> {
    const client = await logIn(server, SYSTEM, SYSTEM_USER);
    client.send("SUB _INBOX.* 1\r\n");
    await client.roundTrip();
    return new Tool(client);
  }

  /** Asks, and takes this many messages as the answer. */
  async ask({ subject, payload }: Request, answerCount: number): Promise<string[]> {
    const inbox = `_INBOX.${++this.#requestCount}`;
    this.#client.send(`PUB ${subject} ${inbox} ${payload.length}\r\n${payload}\r\n`);
    const answers: string[] = [];
    while (answers.length < answerCount) {
      const [, to, , ...rest] = (await this.#client.readLine()).split(" ");
      const sizeBytes = Number(rest.at(-1));
      const answer = new TextDecoder().decode(await this.#client.readBytes(sizeBytes + 2)).slice(0, -2);
      // What came late is more than was expected.
      expect(to).toBe(inbox);
      answers.push(answer);
    }
    return answers;
  }
}

async function logIn(server: ServerProcess, account: KeyPair, user: KeyPair): Promise<RawClient> {
  const client = await server.connect();
  const sig = signNonce(user, String(client.info.nonce));
  const claims = newUser(user.publicKey, "");
  const nats = { ...claims.nats, issuerAccount: account.publicKey };
  await client.handshake({ jwt: tokenOf({ ...claims, nats }, USER_SIGNING), sig });
  return client;
}

function preloadedToken(key: KeyPair): string {
  const claims = newAccount(key.publicKey, "preloaded");
  const signingKeys = new Map([[USER_SIGNING.publicKey, undefined]]);
  return tokenOf({ ...claims, nats: { ...claims.nats, signingKeys } }, SIGNING);
}

/** The object that says who answered, in an answer of nats-server; it differs from one answer to the next. */
function serverIn(answer: string): object {
  return (JSON.parse(answer) as { server: object }).server;
}

const FORMS: readonly (readonly [name: string, resolver: string, isStrict: boolean])[] = [
  ["memory", "resolver: MEMORY", false],
  ["full", 'resolver { type: full, dir: "DIRECTORY", timeout: "100ms" }', false],
  [
    "full with deletes, strict",
    'resolver { type: full, dir: "DIRECTORY", timeout: "100ms", allow_delete: true }',
    true,
  ],
  [
    "full with hard deletes and a limit",
    'resolver { type: full, dir: "DIRECTORY", timeout: "100ms", allow_delete: true, hard_delete: true, limit: 4 }',
    false,
  ],
  ["cache", 'resolver { type: cache, dir: "DIRECTORY", timeout: "100ms", limit: 3 }', false],
];

describe(`answers to operators' tools (seed ${SEED}):`, () => {
  for (const [name, form, isStrict] of FORMS) {
    test(
      name,
      async () => {
        const operator = newOperator(OPERATOR.publicKey, "O");
        const operatorClaims = {
          ...operator,
          issuer: OPERATOR.publicKey,
          nats: {
            ...operator.nats,
            systemAccount: SYSTEM.publicKey,
            signingKeys: [SIGNING.publicKey],
            strictSigningKeyUsage: isStrict,
          },
        };
        const preload = [SYSTEM, USED].map((key) => `${key.publicKey}: ${preloadedToken(key)}`);
        const [theirs, ours] = [0, 1].map(() => mkdtempSync(join(tmpdir(), "resolver-"))) as [string, string];
        const configIn = (folder: string) => `
          debug: true
          operator: ${tokenOf(operatorClaims, OPERATOR)}
          ${form.replace("DIRECTORY", folder)}
          resolver_preload { ${preload.join("\n")} }
        `;
        const { context, useAccount } = openOurs(configIn(ours), operatorClaims);
        const server = await ServerProcess.start({ config: configIn(theirs) });
        try {
          const tool = await Tool.connect(server);
          await useAccount(SYSTEM.publicKey);
          await logIn(server, USED, USER);
          await useAccount(USED.publicKey);
          const kinds = CLAIM_SUBSCRIPTIONS[context.kind].map(({ kind }) => kind);
          for (const request of fc.sample(requestsFor(kinds), { seed: SEED, numRuns: REQUEST_COUNT })) {
            await compare(request, tool, context);
          }
          expect(filesIn(ours)).toEqual(filesIn(theirs));
        } finally {
          await server.stop();
          for (const folder of [ours, theirs]) rmSync(folder, { recursive: true });
        }
      },
      MS_MAX,
    );
  }
});

async function compare(request: Request, tool: Tool, context: ClaimContext): Promise<void> {
  const answer = (server: object) =>
    answerClaimRequest(
      request.kind,
      request.subject,
      new TextEncoder().encode(request.payload),
      server,
      context,
    );
  if (["lookup", "pack"].includes(request.kind)) {
    const ours = answer({});
    expect({ request, answers: await tool.ask(request, ours.length) }).toEqual({
      request,
      answers: [...ours],
    });
    return;
  }
  const [theirs = ""] = await tool.ask(request, 1);
  expect({ request, answers: [theirs] }).toEqual({ request, answers: [...answer(serverIn(theirs))] });
}

/** What Midge makes of the same configuration. */
function openOurs(config: string, operatorClaims: Parameters<typeof compileTrust>[0][number]) {
  const options = optionsOf(config);
  const resolverOptions = resolverOf(options.resolver, [operatorClaims]);
  if (resolverOptions === undefined) throw new Error("no resolver");
  const compiled = compileTrust([operatorClaims], {
    trustedKeys: options.trustedKeys,
    systemAccount: options.systemAccount,
    defaultSentinel: undefined,
    hasNatsResolver: resolverOptions.kind === "full" || resolverOptions.kind === "cache",
    serverVersion: "2.15.2",
  });
  if (!compiled.ok) throw new Error(compiled.problem);
  const { trust } = compiled;
  const opened = openResolver(resolverOptions, options.resolverPreload, {
    get: async () => ({ status: 404, statusText: "Not Found", body: "" }),
    ask: async () => LookupAnswers.timedOut,
    nowMs: Date.now,
  });
  if (!opened.ok) throw new Error(opened.problem);
  const { resolver, store, canDelete } = opened;
  const book = new AccountBook({ trust, resolver, nowMs: Date.now, onChange: () => {}, onLog: () => {} });
  store?.watch({
    onChanged: (key, jwt) => book.update(key, jwt),
    onDeleted: (key) => book.markDeleted(key),
  });
  const context: ClaimContext = {
    book,
    store,
    kind: resolverOptions.kind,
    operator: trust.operator,
    systemAccount: trust.systemAccount,
    canDelete,
    findMappingProblem: () => undefined,
    nowMs: Date.now,
    onLog: () => {},
  };
  const useAccount = async (key: string) => {
    const loaded = await book.load(key);
    if (!loaded.ok) throw new Error(loaded.problem);
  };
  return { context, useAccount };
}

/** Names and contents. */
function filesIn(folder: string): Record<string, string> {
  return Object.fromEntries(
    readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), "utf8")]),
  );
}
