/**
 * What answers of an auth callout service let a client in, by src/auth and by nats-server: a service answers a
 * nats-server at random, mostly soundly, and the same answer is judged here: `npm run test:peers`. What must agree: in
 * or out, the account, and the line of the log that says why not. A failure names the seed.
 */
import { describe, expect, test } from "bun:test";
import process from "node:process";
import fc from "fast-check";
import type { CalloutMode } from "../../src/auth/callout_answer.ts";
import { compileCalloutTargets } from "../../src/auth/callout_targets.ts";
import type {
  AuthorizationRequestClaims,
  AuthorizationResponseClaims,
  UserClaims,
  UserRights,
  UserScope,
} from "../../src/auth/jwt/claims.ts";
import { decodeAs } from "../../src/auth/jwt/decode.ts";
import {
  newAccount,
  newAuthorizationResponse,
  newOperator,
  newScopedUser,
  newUser,
} from "../../src/auth/jwt/new_claims.ts";
import type { LoginFields } from "../../src/auth/login.ts";
import { decideCalloutAnswer, decideLogin } from "../../src/auth/login_flow.ts";
import { LoginJudge } from "../../src/auth/login_judge.ts";
import { compileLoginRules } from "../../src/auth/login_rules.ts";
import { KeyPair, verifySignature } from "../../src/auth/nkey.ts";
import { compileTrust } from "../../src/auth/operator_trust.ts";
import { AccountBook } from "../../src/auth/resolver/account_book.ts";
import { MemoryResolver } from "../../src/auth/resolver/memory_resolver.ts";
import { optionsOf, requestOf, signNonce } from "../../src/auth/testing/requests.ts";
import type { RawClient } from "../support/raw_client.ts";
import { ServerProcess } from "../support/server_process.ts";
import { startNatsServers } from "./nats_server.ts";
import { NOW_S, tokenOf } from "./tokens.ts";

const ANSWER_COUNT = 250;
const MS_MAX = 60_000;
const SEED = Number(process.env.LOGIN_SEED ?? Date.now() % 1_000_000);

startNatsServers();

const oneOf = <T>(...values: readonly T[]) => fc.constantFrom(...values);
/** Mostly `usual`. */
const mostly = <T>(usual: T, ...others: readonly T[]) =>
  fc.oneof(
    { weight: 12, arbitrary: fc.constant(usual) },
    { weight: 1, arbitrary: fc.constantFrom(...others) },
  );

/** What an answer is made of; `undefined` for what the question asks for. */
interface Draft {
  /** Sent instead of a token. */
  readonly raw: string | undefined;
  readonly signer: KeyPair;
  readonly subject: string | undefined;
  readonly audience: string | undefined;
  readonly issuerAccount: string;
  readonly error: string;
  readonly expiresAtSeconds: number;
  readonly hasUser: boolean;
  readonly isUserBroken: boolean;
  readonly userSigner: KeyPair;
  readonly userSubject: string | undefined;
  readonly userAudience: string;
  readonly userName: string;
  readonly userIssuerAccount: string;
  readonly userTimes: Partial<UserClaims>;
  readonly rights: Partial<UserRights>;
  readonly isScoped: boolean;
}

interface Parties {
  readonly signers: readonly [KeyPair, ...KeyPair[]];
  readonly userSigners: readonly [KeyPair, ...KeyPair[]];
  readonly issuerAccounts: readonly string[];
  readonly userIssuerAccounts: readonly string[];
  readonly audiences: readonly [string, ...string[]];
  /** The key whose users take their rights from a scope. */
  readonly scoped: KeyPair | undefined;
}

const OTHER_USER = KeyPair.create("user").publicKey;
const OTHER_SERVER = KeyPair.create("server").publicKey;

const TIMES = [
  { times: [{ start: "00:00:00", end: "23:59:59" }], timesLocation: "UTC" },
  { times: [{ start: "09:00:00", end: "08:59:59" }], timesLocation: "Europe/Berlin" },
  { times: [{ start: "x", end: "y" }] },
];

function drafts(parties: Parties): fc.Arbitrary<Draft> {
  const rights: readonly Partial<UserRights>[] = [
    ...TIMES,
    { proxyRequired: true },
    { allowedConnectionTypes: ["WEBSOCKET"] },
    { allowedConnectionTypes: ["FOO"] },
    { allowedConnectionTypes: ["FOO", "standard"] },
    { sources: ["10.0.0.0/8"] },
    { sources: ["bad"] },
    { publish: { allow: ["a..b"], deny: [] } },
    { publish: { allow: ["own"], deny: [] } },
    { maxSubscriptions: 1, maxPayloadBytes: 1 },
  ];
  return fc.record({
    raw: mostly<string | undefined>(undefined, "", "hello", "a.b.c.d"),
    signer: mostly(...parties.signers),
    subject: mostly<string | undefined>(undefined, OTHER_USER, OTHER_SERVER),
    audience: mostly<string | undefined>(undefined, OTHER_SERVER, OTHER_USER, ""),
    issuerAccount: mostly("", ...parties.issuerAccounts),
    error: mostly("", "go away"),
    expiresAtSeconds: mostly(0, NOW_S - 5, NOW_S + 3600),
    hasUser: mostly(true, false),
    isUserBroken: mostly(false, true),
    userSigner: oneOf(...parties.userSigners),
    userSubject: mostly<string | undefined>(undefined, OTHER_USER),
    userAudience: mostly(...parties.audiences),
    userName: oneOf("", "bob"),
    userIssuerAccount:
      parties.scoped === undefined
        ? mostly("", ...parties.userIssuerAccounts)
        : oneOf("", ...parties.userIssuerAccounts),
    userTimes: mostly<Partial<UserClaims>>(
      {},
      { expiresAtSeconds: NOW_S - 5 },
      { notBeforeSeconds: NOW_S + 3600 },
    ),
    rights: fc.oneof({ weight: 4, arbitrary: fc.constant({}) }, { weight: 3, arbitrary: oneOf(...rights) }),
    isScoped: mostly(true, false),
  });
}

function answerOf(draft: Draft, question: AuthorizationRequestClaims, { scoped }: Parties): string {
  if (draft.raw !== undefined) return draft.raw;
  const { userNkey, server } = question.nats;
  const isScoped = draft.userSigner === scoped && draft.isScoped;
  const empty = (isScoped ? newScopedUser : newUser)(draft.userSubject ?? userNkey, draft.userName);
  const user = {
    ...empty,
    ...draft.userTimes,
    audience: draft.userAudience,
    nats: { ...empty.nats, ...(isScoped ? {} : draft.rights), issuerAccount: draft.userIssuerAccount },
  };
  const jwt = draft.isUserBroken ? "no token" : tokenOf(user, draft.userSigner);
  const response = newAuthorizationResponse(draft.subject ?? userNkey);
  const claims: AuthorizationResponseClaims = {
    ...response,
    audience: draft.audience ?? server.id,
    expiresAtSeconds: draft.expiresAtSeconds,
    nats: {
      ...response.nats,
      jwt: draft.hasUser ? jwt : "",
      error: draft.error,
      issuerAccount: draft.issuerAccount,
    },
  };
  return tokenOf(claims, draft.signer);
}

/** A client that subscribes where questions are put. */
class Service {
  readonly #client: RawClient;

  private constructor(client: RawClient) {
    this.#client = client;
  }

  static async start(client: RawClient): Promise<Service> {
    client.send("SUB $SYS.REQ.USER.AUTH 1\r\n");
    await client.roundTrip();
    return new Service(client);
  }

  /** Waits for a question and answers it. Returns both. */
  async answer(
    draft: Draft,
    parties: Parties,
  ): Promise<{ question: AuthorizationRequestClaims; answer: string }> {
    const line = await this.#client.readLine();
    const [, , , reply = "", size = "0"] = line.split(" ");
    const payload = await this.#client.readBytes(Number(size) + 2);
    const decoded = decodeAs(
      "authorization_request",
      new TextDecoder().decode(payload.subarray(0, Number(size))),
    );
    if (!decoded.ok) throw new Error(decoded.text);
    const answer = answerOf(draft, decoded.claims, parties);
    this.#client.send(`PUB ${reply} ${answer.length}\r\n${answer}\r\n`);
    return { question: decoded.claims, answer };
  }
}

interface Setup {
  readonly parties: Parties;
  readonly judge: LoginJudge;
  readonly book: AccountBook | undefined;
  readonly mode: CalloutMode;
  /** What the client that asks to be let in sends. */
  readonly fields: Partial<LoginFields>;
}

/** Lets clients knock, answers for them, and compares. */
async function compare(
  server: ServerProcess,
  service: Service,
  { parties, judge, book, mode, fields }: Setup,
): Promise<void> {
  for (const draft of fc.sample(drafts(parties), { seed: SEED, numRuns: ANSWER_COUNT })) {
    const client = await server.connect();
    const nonce = typeof client.info.nonce === "string" ? client.info.nonce : "";
    const logEnd = server.log.length;
    const { user, password, jwt } = fields;
    const spelt = { user, pass: password, jwt, verbose: false, pedantic: false, protocol: 1 };
    client.send(`CONNECT ${JSON.stringify(spelt)}\r\nPING\r\n`);
    const { question, answer } = await service.answer(draft, parties);
    const isIn = (await client.readLine()) === "PONG";
    const info = isIn ? JSON.parse((await client.readLine()).slice("INFO ".length)) : {};
    client.destroy();

    const request = requestOf({ ...fields, over: { nonce } });
    const pending = await decideLogin(judge, book, request);
    if (pending.kind !== "needs callout") throw new Error(pending.kind);
    const { userNkey, server: asker } = question.nats;
    const context = {
      pending,
      request,
      userNkey,
      serverId: asker.id,
      seal: undefined,
      mode,
      nowMs: Date.now(),
    };
    const verdict = await decideCalloutAnswer(new TextEncoder().encode(answer), context, book);
    const account = (info as { remote_account?: string }).remote_account;
    const ours = verdict.kind === "login" ? verdict.account : undefined;
    expect({ draft, why: verdict.logs, isIn: verdict.kind === "login", account: ours }).toEqual({
      draft,
      why: verdict.logs,
      isIn,
      account,
    });
    if (verdict.kind === "refusal") await server.waitForLog(verdict.eventReason, logEnd);
  }
}

describe(`answers of an auth callout service (seed ${SEED}):`, () => {
  test(
    "by the configuration",
    async () => {
      const [issuer, stranger] = [KeyPair.create("account"), KeyPair.create("account")];
      const config = `
        debug: true
        accounts { AUTH { users: [{user: auth, password: pa}] }, FOO { default_permissions { publish: "d" } } }
        authorization { auth_callout { issuer: ${issuer.publicKey}, account: AUTH, auth_users: [auth] } }
      `;
      const options = optionsOf(config);
      const targets = compileCalloutTargets(options);
      const server = await ServerProcess.start({ config });
      try {
        const service = await Service.start(await server.connectAs({ user: "auth", pass: "pa" }));
        await compare(server, service, {
          parties: {
            signers: [issuer, stranger],
            userSigners: [issuer, issuer, issuer, issuer, stranger],
            issuerAccounts: [issuer.publicKey, OTHER_USER],
            userIssuerAccounts: [issuer.publicKey, stranger.publicKey],
            audiences: ["FOO", "AUTH", "BAR", "", "$G", "$SYS"],
            scoped: undefined,
          },
          judge: new LoginJudge(compileLoginRules(options, ""), {
            verifySignature,
            compareHash: () => false,
            nowMs: Date.now,
            operatorMode: undefined,
          }),
          book: undefined,
          mode: { kind: "config", issuer: issuer.publicKey, findTarget: (name) => targets.get(name) },
          fields: { user: "alice", password: "pw" },
        });
      } finally {
        await server.stop();
      }
    },
    MS_MAX,
  );

  test(
    "by accounts of an operator",
    async () => {
      const operatorKey = KeyPair.create("operator");
      const [system, callout, calloutSigning, target, scoped, forbidden, unknown] = Array.from(
        { length: 7 },
        () => KeyPair.create("account"),
      ) as [KeyPair, KeyPair, KeyPair, KeyPair, KeyPair, KeyPair, KeyPair];
      const [serviceUser, sentinelUser] = [KeyPair.create("user"), KeyPair.create("user")];
      const operator = newOperator(operatorKey.publicKey, "O");
      const operatorClaims = {
        ...operator,
        issuer: operatorKey.publicKey,
        nats: { ...operator.nats, systemAccount: system.publicKey },
      };
      const jwtOf = (key: KeyPair, nats: Partial<ReturnType<typeof newAccount>["nats"]> = {}) => {
        const claims = newAccount(key.publicKey, "account");
        return [
          key.publicKey,
          tokenOf({ ...claims, nats: { ...claims.nats, ...nats } }, operatorKey),
        ] as const;
      };
      const template = { ...newUser("", "").nats, publish: { allow: ["t.{{name()}}"], deny: [] } };
      const scope: UserScope = { key: scoped.publicKey, role: "", description: "", template };
      const preload = new Map([
        jwtOf(system),
        jwtOf(callout, {
          signingKeys: new Map([[calloutSigning.publicKey, undefined]]),
          authorization: {
            authUsers: [serviceUser.publicKey],
            allowedAccounts: [target.publicKey, unknown.publicKey],
            xkey: "",
          },
        }),
        jwtOf(target, { signingKeys: new Map([[scoped.publicKey, scope]]) }),
        jwtOf(forbidden),
      ]);
      const config = `
        debug: true
        operator: ${tokenOf(operatorClaims, operatorKey)}
        resolver: MEMORY
        resolver_preload { ${[...preload].map(([key, jwt]) => `${key}: ${jwt}`).join("\n")} }
      `;
      const compiled = compileTrust([operatorClaims], {
        trustedKeys: [],
        systemAccount: undefined,
        defaultSentinel: undefined,
        hasNatsResolver: false,
        serverVersion: "2.15.2",
      });
      if (!compiled.ok) throw new Error(compiled.problem);
      const { trust } = compiled;
      const book = new AccountBook({
        trust,
        resolver: new MemoryResolver(preload),
        nowMs: Date.now,
        onChange: () => {},
        onLog: () => {},
      });
      const loaded = await book.load(callout.publicKey);
      if (!loaded.ok) throw new Error(loaded.problem);
      const findAccount = (key: string) => book.find(key);
      const sentinel = newUser(sentinelUser.publicKey, "sentinel");
      const jwt = tokenOf({ ...sentinel, nats: { ...sentinel.nats, bearerToken: true } }, callout);

      const server = await ServerProcess.start({ config });
      try {
        const client = await server.connect();
        const signature = signNonce(serviceUser, String(client.info.nonce));
        await client.handshake({ jwt: tokenOf(newUser(serviceUser.publicKey, ""), callout), sig: signature });
        await compare(server, await Service.start(client), {
          parties: {
            signers: [callout, calloutSigning, target, unknown],
            userSigners: [
              callout,
              target,
              target,
              target,
              scoped,
              scoped,
              scoped,
              calloutSigning,
              forbidden,
              unknown,
            ],
            issuerAccounts: [callout.publicKey, target.publicKey, OTHER_USER],
            userIssuerAccounts: [target.publicKey, target.publicKey, callout.publicKey, forbidden.publicKey],
            audiences: ["", "FOO"],
            scoped,
          },
          judge: new LoginJudge(compileLoginRules(optionsOf(config), ""), {
            verifySignature,
            compareHash: () => false,
            nowMs: Date.now,
            operatorMode: { trust, findAccount },
          }),
          book,
          mode: { kind: "operator", trust, asked: loaded.account, findAccount },
          fields: { jwt },
        });
      } finally {
        await server.stop();
      }
    },
    MS_MAX,
  );
});
