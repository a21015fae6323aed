import { describe, expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import type { AccountClaims, Claims, UserClaims, UserScope } from "./jwt/claims.ts";
import { newGeneric, newScopedUser } from "./jwt/new_claims.ts";
import type { AccountResult } from "./jwt_login.ts";
import { type LoadedAccount, userIssuersOf } from "./loaded_account.ts";
import type { Verdict } from "./login.ts";
import { LoginJudge } from "./login_judge.ts";
import { compileLoginRules, type LoginRules } from "./login_rules.ts";
import { KeyPair, SignatureVerifier, verifySignature } from "./nkey.ts";
import type { OperatorTrust } from "./operator_trust.ts";
import { accountClaims, NOW_MS, NOW_S, sign, tamper, userClaims } from "./testing/chain.ts";
import { createSigner, optionsOf, type RequestParts, requestOf, signNonce } from "./testing/requests.ts";

const OPERATOR = KeyPair.create("operator");
const ACCOUNT = KeyPair.create("account");
const SIGNING = KeyPair.create("account");
const SCOPED = KeyPair.create("account");
const OTHER_ACCOUNT = KeyPair.create("account");
const USER = createSigner();
const OTHER_USER = KeyPair.create("user");
const PROXY = KeyPair.create("server");

const TRUST: OperatorTrust = {
  trustedKeys: [OPERATOR.publicKey],
  strictKeys: [],
  systemAccount: "",
  operator: undefined,
};

const RULES = compileLoginRules(
  optionsOf(`trusted_keys: ${OPERATOR.publicKey}, proxies { trusted: [{key: ${PROXY.publicKey}}] }`),
  "",
);

const SCOPE: UserScope = {
  key: SCOPED.publicKey,
  role: "",
  description: "",
  template: {
    ...userClaims(USER).nats,
    publish: { allow: ["t.{{name()}}"], deny: [] },
    maxSubscriptions: 5,
  },
};

const SIGNING_KEYS = new Map<string, UserScope | undefined>([
  [SIGNING.publicKey, undefined],
  [SCOPED.publicKey, SCOPE],
]);

interface World {
  readonly account?: Partial<AccountClaims["nats"]>;
  readonly accountIssuer?: KeyPair;
  readonly trust?: Partial<OperatorTrust>;
  readonly rules?: Partial<LoginRules>;
  readonly isExpired?: boolean;
}

function loadedAccount({
  account,
  accountIssuer = OPERATOR,
  trust,
  isExpired = false,
}: World): LoadedAccount {
  const claims = {
    ...accountClaims(ACCOUNT, { nats: { signingKeys: SIGNING_KEYS, ...account } }),
    issuer: accountIssuer.publicKey,
  };
  const userIssuers = userIssuersOf(claims, trust?.strictKeys ?? []);
  return { key: ACCOUNT.publicKey, jwt: "", claims, userIssuers, isExpired, updatedAtMs: 0 };
}

function judge(parts: RequestParts, world: World = {}, fetched?: AccountResult): Verdict {
  const account = loadedAccount(world);
  const judge = new LoginJudge(
    { ...RULES, ...world.rules },
    {
      verifySignature,
      compareHash: () => false,
      nowMs: () => NOW_MS,
      operatorMode: {
        trust: { ...TRUST, ...world.trust },
        findAccount: (key) => (key === account.key ? account : undefined),
      },
    },
  );
  return judge.judge(requestOf(parts), fetched);
}

/** "login", or the line of the log that says why not. */
function outcome(parts: RequestParts, world: World = {}): string {
  const verdict = judge(parts, world);
  return verdict.kind === "refusal" ? (verdict.logs.at(-1)?.text ?? verdict.reason) : verdict.kind;
}

/** What a client with this user JWT sends. */
function withJwt(jwt: string, key = USER): RequestParts {
  return { jwt, signature: signNonce(key) };
}

type UserParts = Parameters<typeof userClaims>[1];

/** The request of a user with these claims, signed by the account. */
function asUser(parts: UserParts, signer = ACCOUNT): RequestParts {
  return withJwt(sign(userClaims(USER, parts), signer));
}

function asScoped(parts: Partial<UserClaims["nats"]> = {}): RequestParts {
  const claims = newScopedUser(USER.publicKey, "bob");
  const nats = { ...claims.nats, issuerAccount: ACCOUNT.publicKey, ...parts };
  return withJwt(sign({ ...claims, nats }, SCOPED));
}

const BY_SIGNING_KEY = { nats: { issuerAccount: ACCOUNT.publicKey } };

describe("LoginJudge in operator mode accepts", () => {
  test("a user signed by the account's identity", () => {
    const request = asUser({ nats: { maxSubscriptions: 7, maxPayloadBytes: 100, tags: ["a:1"] } });
    expect(judge(request)).toEqual({
      kind: "login",
      identityKind: "jwt",
      user: USER.publicKey,
      nkey: "",
      account: ACCOUNT.publicKey,
      permissions: null,
      hasDefaultPermissions: true,
      maxSubscriptions: 7,
      maxPayloadBytes: 100,
      expiresAtMs: null,
      jwt: request.jwt ?? "",
      publicKey: USER.publicKey,
      issuerKey: ACCOUNT.publicKey,
      nameTag: "bob",
      tags: ["a:1"],
      accountNameTag: "acme",
      isBearer: false,
      issuedAtS: NOW_S,
      proxyKey: "",
      logs: [
        {
          level: "debug",
          text:
            `Authenticated JWT: Client "${USER.publicKey}" (claim-name: "bob", claim-tags: ["a:1"]) ` +
            `signed with "${ACCOUNT.publicKey}" by Account "${ACCOUNT.publicKey}" ` +
            `(claim-name: "acme", claim-tags: []) signed with "${OPERATOR.publicKey}" has mappings false`,
        },
      ],
    });
  });

  test("a user signed by a signing key that names the account", () => {
    expect(judge(asUser(BY_SIGNING_KEY, SIGNING))).toMatchObject({
      kind: "login",
      issuerKey: SIGNING.publicKey,
    });
  });

  test("a user of a scoped key, with the rights of the scope", () => {
    expect(judge(asScoped())).toMatchObject({
      kind: "login",
      maxSubscriptions: 5,
      permissions: { publish: { allow: ["t.bob"] } },
      hasDefaultPermissions: false,
    });
  });

  test("a bearer token without a signature", () => {
    const jwt = sign(userClaims(USER, { nats: { bearerToken: true } }), ACCOUNT);
    expect(judge({ jwt })).toMatchObject({ kind: "login", isBearer: true });
  });

  test("the default sentinel's user where CONNECT has no user JWT", () => {
    const defaultSentinel = sign(userClaims(USER, { nats: { bearerToken: true } }), ACCOUNT);
    const world = { rules: { defaultSentinel } };
    expect(judge({}, world)).toMatchObject({ kind: "login", jwt: defaultSentinel });
    expect(judge({ jwt: "no token" }, world)).toMatchObject({ kind: "login", jwt: defaultSentinel });
    expect(outcome(withJwt(sign(userClaims(USER), ACCOUNT), OTHER_USER), world)).toBe(
      "Signature not verified",
    );
  });

  test("users without permissions with those of the account", () => {
    const defaultPermissions = {
      publish: { allow: ["d"], deny: [] },
      subscribe: { allow: [], deny: [] },
      responses: undefined,
    };
    const world = { account: { defaultPermissions } };
    expect(judge(asUser({}), world)).toMatchObject({
      permissions: { publish: { allow: ["d"] } },
      hasDefaultPermissions: true,
    });
    expect(judge(asUser({ nats: { subscribe: { allow: ["own"], deny: [] } } }), world)).toMatchObject({
      permissions: { publish: undefined, subscribe: { allow: ["own"] } },
      hasDefaultPermissions: false,
    });
  });

  test("users until their JWT or their window of the day ends, whichever comes first", () => {
    const times = [{ start: "08:00:00", end: "10:00:00" }];
    const nats = { times, timesLocation: "UTC" };
    expect(judge(asUser({ expiresAtSeconds: NOW_S + 5 }))).toMatchObject({ expiresAtMs: NOW_MS + 5000 });
    expect(judge(asUser({ nats }))).toMatchObject({ expiresAtMs: NOW_MS + 40 * 60_000 });
    expect(judge(asUser({ nats, expiresAtSeconds: NOW_S + 5 }))).toMatchObject({
      expiresAtMs: NOW_MS + 5000,
    });
    expect(judge(asUser({ nats, expiresAtSeconds: NOW_S + 36_000 }))).toMatchObject({
      expiresAtMs: NOW_MS + 40 * 60_000,
    });
  });

  test("a user whose revocation is older than its JWT", () => {
    const revocations = new Map([
      [USER.publicKey, NOW_S - 1],
      ["*", NOW_S - 2],
    ]);
    expect(outcome(asUser({}), { account: { revocations } })).toBe("login");
  });

  test("connection types that are known, beside some that are not", () => {
    expect(outcome(asUser({ nats: { allowedConnectionTypes: ["standard", "CARRIER_PIGEON"] } }))).toBe(
      "login",
    );
  });
});

const EXPIRED = "User JWT no longer valid: &{Issues:[claim is expired]}";
const NO_JWT = "Authentication requires a user JWT";

/** A user JWT whose payload says something else than what was signed. */
function forged(change: (payload: string) => string): RequestParts {
  return withJwt(tamper(sign(userClaims(USER), ACCOUNT), 1, change));
}

function withHeader(alg: string): RequestParts {
  return withJwt(tamper(sign(userClaims(USER), ACCOUNT), 0, (header) => header.replace("ed25519-nkey", alg)));
}

/** A token signed by nobody, with an empty signature. */
function unsigned(): string {
  return sign(userClaims(USER), ACCOUNT).replace(/[^.]+$/, "");
}

/** A user JWT made by a key that may not make any: encode() refuses, so the signature is put on by hand. */
function signedBy(key: KeyPair): string {
  const [header = "", payload = ""] = sign({ ...userClaims(USER) }, ACCOUNT).split(".");
  const claims = JSON.parse(Buffer.from(payload, "base64url").toString()) as object;
  const body = Buffer.from(JSON.stringify({ ...claims, iss: key.publicKey })).toString("base64url");
  const signature = Buffer.from(key.sign(Buffer.from(`${header}.${body}`))).toString("base64url");
  return `${header}.${body}.${signature}`;
}

interface Attack {
  readonly what: string;
  readonly request: RequestParts;
  readonly world?: World;
  readonly log: string;
}

const ATTACKS: readonly Attack[] = [
  { what: "no JWT", request: {}, log: NO_JWT },
  { what: "user and password", request: { user: "a", password: "b" }, log: NO_JWT },
  { what: "an nkey alone", request: { nkey: USER.publicKey, signature: signNonce(USER) }, log: NO_JWT },
  { what: "a token", request: { authToken: "t" }, log: NO_JWT },
  { what: "garbage as JWT", request: withJwt("eyJ.x.y"), log: NO_JWT },
  { what: "a JWT of a megabyte and more", request: withJwt("a".repeat(1024 * 1024 + 1)), log: NO_JWT },
  { what: "algorithm none", request: withHeader("none"), log: NO_JWT },
  { what: "algorithm HS256", request: withHeader("HS256"), log: NO_JWT },
  { what: "algorithm EdDSA", request: withHeader("EdDSA"), log: NO_JWT },
  { what: "algorithm of version 1 with a payload of version 2", request: withHeader("ed25519"), log: NO_JWT },
  {
    what: "a name that was not signed",
    request: forged((text) => text.replace('"bob"', '"eve"')),
    log: NO_JWT,
  },
  {
    what: "an issuer that did not sign",
    request: forged((text) => text.replace(ACCOUNT.publicKey, OTHER_ACCOUNT.publicKey)),
    log: NO_JWT,
  },
  {
    what: "a bearer flag that was not signed",
    request: forged((text) => text.replace('"nats":{', '"nats":{"bearer_token":true,')),
    log: NO_JWT,
  },
  { what: "an unsigned JWT", request: withJwt(unsigned()), log: NO_JWT },
  { what: "a JWT signed by the user itself", request: withJwt(signedBy(USER)), log: NO_JWT },
  { what: "a JWT signed by the operator", request: withJwt(signedBy(OPERATOR)), log: NO_JWT },
  {
    what: "a newer version",
    request: forged((text) => text.replace('"version":2', '"version":3')),
    log: NO_JWT,
  },
  { what: "an account JWT", request: withJwt(sign(accountClaims(ACCOUNT), OPERATOR)), log: NO_JWT },
  { what: "a generic JWT", request: withJwt(sign(newGeneric(USER.publicKey, {}), ACCOUNT)), log: NO_JWT },

  { what: "no signature", request: { ...asUser({}), signature: "" }, log: "Signature missing" },
  {
    what: "a signature by another user",
    request: withJwt(sign(userClaims(USER), ACCOUNT), OTHER_USER),
    log: "Signature not verified",
  },
  {
    what: "the nonce of another connection",
    request: { ...asUser({}), signature: signNonce(USER, "other") },
    log: "Signature not verified",
  },
  {
    what: "a replayed CONNECT",
    request: { ...asUser({}), over: { nonce: "fresh-nonce-123" } },
    log: "Signature not verified",
  },
  {
    what: "an empty nonce signed",
    request: { ...asUser({}), signature: signNonce(USER, ""), over: { nonce: "" } },
    log: "Signature not verified",
  },
  {
    what: "a signature that is no base64",
    request: { ...asUser({}), signature: "&&&" },
    log: "Signature not valid base64",
  },
  {
    what: "URL-safe base64 with padding",
    request: { ...asUser({}), signature: `${signNonce(USER)}==` },
    log: "Signature not valid base64",
  },

  { what: "an expired JWT", request: asUser({ expiresAtSeconds: NOW_S - 1 }), log: EXPIRED },
  {
    what: "a JWT that is not valid yet",
    request: asUser({ notBeforeSeconds: NOW_S + 1 }),
    log: "User JWT no longer valid: &{Issues:[claim is not yet valid]}",
  },
  {
    what: "an expired bearer token",
    request: asUser({ expiresAtSeconds: NOW_S - 1, nats: { bearerToken: true } }),
    log: EXPIRED,
  },
  {
    what: "a network that is none",
    request: asUser({ nats: { sources: ["10.0.0.0"] } }),
    log: 'User JWT no longer valid: &{Issues:[invalid cidr "10.0.0.0" in user src limits]}',
  },
  {
    what: "an issuer account that is none",
    request: asUser({ nats: { issuerAccount: USER.publicKey } }),
    log: "User JWT no longer valid: &{Issues:[account_id is not an account public key]}",
  },

  { what: "a signing key without its account", request: asUser({}, SIGNING), log: "needs account" },
  {
    what: "a signing key of another account",
    request: asUser(BY_SIGNING_KEY, OTHER_ACCOUNT),
    log: "User JWT issuer is not known",
  },
  {
    what: "a signing key that was removed",
    request: asUser(BY_SIGNING_KEY, SIGNING),
    world: { account: { signingKeys: new Map() } },
    log: "User JWT issuer is not known",
  },
  {
    what: "an identity-signed user under a strict operator key",
    request: asUser({}),
    world: { trust: { strictKeys: [OPERATOR.publicKey] } },
    log: "User JWT issuer is not known",
  },
  {
    what: "an account that no trusted operator signed",
    request: asUser({}),
    world: { accountIssuer: KeyPair.create("operator") },
    log: "Account JWT not signed by trusted operator",
  },
  {
    what: "an account that signed itself",
    request: asUser({}),
    world: { accountIssuer: ACCOUNT },
    log: "Account JWT not signed by trusted operator",
  },
  {
    what: "an account that is not pinned",
    request: asUser({}),
    world: { rules: { pinnedAccounts: [OTHER_ACCOUNT.publicKey] } },
    log: `Account ${ACCOUNT.publicKey} not listed as operator pinned account`,
  },
  {
    what: "an expired account",
    request: asUser({}),
    world: { isExpired: true },
    log: "Account JWT has expired",
  },

  {
    what: "a scoped user with permissions of its own",
    request: asScoped({ publish: { allow: [">"], deny: [] } }),
    log: "User JWT is not valid: scoped users require no permissions or limits set",
  },
  {
    what: "a scoped user with limits of its own",
    request: asScoped({ maxSubscriptions: -1 }),
    log: "User JWT is not valid: scoped users require no permissions or limits set",
  },
  {
    what: "a scoped user that calls itself a bearer",
    request: asScoped({ bearerToken: true }),
    log: "User JWT is not valid: scoped users require no permissions or limits set",
  },
  {
    what: "a scope whose template cannot be filled in",
    request: asScoped(),
    world: {
      account: {
        signingKeys: new Map([
          [
            SCOPED.publicKey,
            { ...SCOPE, template: { ...SCOPE.template, publish: { allow: [], deny: ["{{tag(x)}}"] } } },
          ],
        ]),
      },
    },
    log: "User JWT generated invalid permissions",
  },

  {
    what: "a bearer token where the account allows none",
    request: asUser({ nats: { bearerToken: true } }),
    world: { account: { limits: { ...accountClaims(ACCOUNT).nats.limits, disallowBearer: true } } },
    log: "Account does not allow bearer tokens",
  },
  {
    what: "a user revoked at the second it was issued",
    request: asUser({}),
    world: { account: { revocations: new Map([[USER.publicKey, NOW_S]]) } },
    log: "User authentication revoked",
  },
  {
    what: "a user of an account that revoked all",
    request: asUser({}),
    world: { account: { revocations: new Map([["*", NOW_S + 10]]) } },
    log: "User authentication revoked",
  },
  {
    what: "a revoked bearer",
    request: asUser({ nats: { bearerToken: true } }),
    world: { account: { revocations: new Map([["*", NOW_S]]) } },
    log: "User authentication revoked",
  },
  {
    what: "another network",
    request: asUser({ nats: { sources: ["10.0.0.0/8"] } }),
    log: "Bad src Ip 127.0.0.1",
  },
  {
    what: "another time of the day",
    request: asUser({ nats: { times: [{ start: "10:00:00", end: "11:00:00" }], timesLocation: "UTC" } }),
    log: "Outside connect times",
  },
  {
    what: "another way to connect",
    request: asUser({ nats: { allowedConnectionTypes: ["WEBSOCKET"] } }),
    log: "Connection type not allowed",
  },
  {
    what: "ways to connect that nobody knows",
    request: asUser({ nats: { allowedConnectionTypes: ["pigeon"] } }),
    log: 'invalid connection types ["PIGEON"]',
  },
  {
    what: "no proxy where the user wants one",
    request: asUser({ nats: { proxyRequired: true } }),
    log: "proxy connection required",
  },
  {
    what: "no proxy where the scope wants one",
    request: asScoped(),
    world: {
      account: {
        signingKeys: new Map([
          [SCOPED.publicKey, { ...SCOPE, template: { ...SCOPE.template, proxyRequired: true } }],
        ]),
      },
    },
    log: "proxy connection required",
  },
  {
    what: "a proxy that is not trusted",
    request: { ...asUser({}), proxySignature: signNonce(USER) },
    log: "proxy is not trusted",
  },
];

describe("LoginJudge in operator mode refuses", () => {
  for (const { what, request, world, log } of ATTACKS) {
    test(what, () => expect(outcome(request, world)).toBe(log));
  }

  test("an operation before CONNECT, and account fields", () => {
    expect(judge({ ...asUser({}), over: { isImplicit: true } })).toMatchObject({
      reason: "authorization violation",
    });
    expect(judge({ ...asUser({}), account: "A" })).toMatchObject({ reason: "authorization violation" });
  });

  test("with a reason that shows no more than it must", () => {
    const refusal = judge({ ...asUser({}), signature: "", password: "hidden-1", authToken: "hidden-2" });
    expect(refusal).toMatchObject({ kind: "refusal", account: "$G", eventReason: "Authentication Failure" });
    expect(JSON.stringify(refusal)).not.toContain("hidden");
  });

  test("with the user's JWT for whoever looks into it, unless whoever has it could log in by it", () => {
    const refused = asUser({ issuer: "", nats: { issuerAccount: OTHER_ACCOUNT.publicKey } });
    const fetched = { ok: false, problem: "account missing" } as const;
    expect(judge(refused, {}, fetched)).toMatchObject({ kind: "refusal", user: "", jwt: refused.jwt });
    const bearer = asUser({ nats: { bearerToken: true, issuerAccount: OTHER_ACCOUNT.publicKey } });
    expect(judge(bearer, {}, fetched)).toMatchObject({ kind: "refusal", jwt: "" });
    expect(judge({ jwt: "no JWT" })).toMatchObject({ kind: "refusal", jwt: "no JWT" });
  });

  test("with the proxy that vouched for the connection", () => {
    const request = { ...asUser({}), signature: "", proxySignature: signNonce(PROXY) };
    expect(judge(request)).toMatchObject({ kind: "refusal", proxyKey: PROXY.publicKey });
  });

  test("unpinned accounts in a way that can be counted", () => {
    const world = { rules: { pinnedAccounts: [OTHER_ACCOUNT.publicKey] } };
    expect(judge(asUser({}), world)).toMatchObject({ isPinnedAccountFailure: true });
    expect(judge({}, world)).toMatchObject({ isPinnedAccountFailure: false });
  });

  test("not an operator's system account where others are pinned", () => {
    const trust = { systemAccount: ACCOUNT.publicKey };
    const operator = { key: OPERATOR.publicKey, keys: [OPERATOR.publicKey], isStrict: false };
    const kindOf = (pinnedAccounts: string[], more: Partial<OperatorTrust>) =>
      judge(asUser({}), { rules: { pinnedAccounts }, trust: { ...trust, ...more } }).kind;
    expect(kindOf([OTHER_ACCOUNT.publicKey], { operator })).toBe("login");
    expect(kindOf([OTHER_ACCOUNT.publicKey], {})).toBe("refusal");
    expect(kindOf([], { operator })).toBe("refusal");
  });
});

test("LoginJudge judges anew who brings a JWT that has been read before", () => {
  let account = loadedAccount({});
  let nowMs = NOW_MS;
  const judge = new LoginJudge(RULES, {
    verifySignature: new SignatureVerifier().verify,
    compareHash: () => false,
    nowMs: () => nowMs,
    operatorMode: { trust: TRUST, findAccount: () => account },
  });
  const request = asUser({ expiresAtSeconds: NOW_S + 5 });
  const kindOf = (parts: RequestParts) => judge.judge(requestOf(parts)).kind;
  expect(kindOf(request)).toBe("login");
  expect(kindOf({ ...request, signature: signNonce(OTHER_USER) })).toBe("refusal");
  expect(kindOf({ ...request, over: { nonce: "another" } })).toBe("refusal");
  expect(kindOf({ ...request, jwt: tamper(request.jwt!, 1, (text) => text.replace('"bob"', '"eve"')) })).toBe(
    "refusal",
  );
  account = loadedAccount({ account: { revocations: new Map([[USER.publicKey, NOW_S]]) } });
  expect(kindOf(request)).toBe("refusal");
  account = loadedAccount({ accountIssuer: OTHER_ACCOUNT });
  expect(kindOf(request)).toBe("refusal");
  account = loadedAccount({});
  nowMs += 6000;
  expect(kindOf(request)).toBe("refusal");
  nowMs = NOW_MS;
  expect(kindOf(request)).toBe("login");
});

describe("LoginJudge in operator mode and accounts", () => {
  const request = withJwt(sign(userClaims(USER), OTHER_ACCOUNT));

  test("asks for an account that is not at hand, and judges by what was found", () => {
    expect(judge(request)).toEqual({ kind: "needs account", account: OTHER_ACCOUNT.publicKey });
    expect(judge(request, {}, { ok: false, problem: "account missing" })).toMatchObject({
      kind: "refusal",
      logs: [{ level: "debug", text: "Account JWT lookup error: account missing" }],
    });
    const claims: Claims = { ...accountClaims(OTHER_ACCOUNT), issuer: OPERATOR.publicKey };
    const account = {
      ...loadedAccount({}),
      key: claims.subject,
      claims,
      userIssuers: userIssuersOf(claims, []),
    };
    expect(judge(request, {}, { ok: true, account })).toMatchObject({
      kind: "login",
      account: claims.subject,
    });
  });

  test("leaves users of an account with a callout to its service, but for the service's own", () => {
    const authorization = { authUsers: [OTHER_USER.publicKey], allowedAccounts: [], xkey: "" };
    const world = { account: { authorization } };
    expect(judge(asUser({}), world)).toMatchObject({
      kind: "needs callout",
      account: ACCOUNT.publicKey,
      bound: { kind: "login" },
    });
    const named = { ...asUser({}), user: OTHER_USER.publicKey };
    expect(judge(named, world)).toMatchObject({ kind: "needs callout" });
    const own = withJwt(sign(userClaims(OTHER_USER), ACCOUNT), OTHER_USER);
    expect(judge(own, world)).toMatchObject({
      kind: "login",
      permissions: { publish: { deny: ["$SYS.REQ.USER.AUTH"] } },
    });
  });
});
