import { describe, expect, test } from "bun:test";
import {
  type CalloutAnswerContext,
  type CalloutMode,
  calloutFailed,
  calloutTimedOut,
  judgeCalloutAnswer,
} from "./callout_answer.ts";
import { type CalloutQuestion, calloutClaims, encodeCallout } from "./callout_request.ts";
import { compileCalloutTargets } from "./callout_targets.ts";
import { judgeByRules } from "./config_judge.ts";
import type { AuthorizationResponseClaims, UserClaims } from "./jwt/claims.ts";
import { decodeAs } from "./jwt/decode.ts";
import { newAuthorizationResponse, newScopedUser } from "./jwt/new_claims.ts";
import { type LoadedAccount, userIssuersOf } from "./loaded_account.ts";
import type { LoginRequest, NeedsCallout } from "./login.ts";
import { compileLoginRules } from "./login_rules.ts";
import { KeyPair, verifySignature } from "./nkey.ts";
import type { OperatorTrust } from "./operator_trust.ts";
import { accountClaims, NOW_MS, NOW_S, sign, userClaims } from "./testing/chain.ts";
import { NONCE, optionsOf, type RequestParts, requestOf } from "./testing/requests.ts";
import { UserTable } from "./user_login.ts";
import { loginOf } from "./verdict.ts";
import { SealingKey } from "./xkey.ts";

const ISSUER = KeyPair.create("account");
const SERVER = KeyPair.create("server");
const STRANGER = KeyPair.create("account");
/** The key made for the question. */
const ASKED = KeyPair.create("user");
const PROXY = KeyPair.create("server");

const OPTIONS = optionsOf(`
  accounts {
    AUTH { users: [{user: auth, password: pa}] }
    FOO { default_permissions { publish: "d" } }
  }
  authorization { auth_callout { issuer: ${ISSUER.publicKey}, account: AUTH, auth_users: [auth] } }
`);
const RULES = compileLoginRules(OPTIONS, "");

const REQUEST: RequestParts = {
  user: "alice",
  password: "pw",
  name: "app",
  lang: "ts",
  version: "1",
  protocol: 1,
};

function pendingOf(request: LoginRequest): NeedsCallout {
  const verdict = judgeByRules(RULES, new UserTable(RULES), request, {
    verifySignature,
    compareHash: () => false,
  });
  if (verdict.kind !== "needs callout") throw new Error(verdict.kind);
  return verdict;
}

function contextOf(parts: Partial<CalloutAnswerContext> = {}): CalloutAnswerContext {
  const request = requestOf(REQUEST);
  const targets = compileCalloutTargets(OPTIONS);
  return {
    pending: pendingOf(request),
    request,
    userNkey: ASKED.publicKey,
    serverId: SERVER.publicKey,
    seal: undefined,
    mode: { kind: "config", issuer: ISSUER.publicKey, findTarget: (name) => targets.get(name) },
    nowMs: NOW_MS,
    ...parts,
  };
}

type UserParts = Parameters<typeof userClaims>[1];

/** The user JWT of an answer: by default of a nameless user in FOO. */
function userToken(parts: UserParts = {}, signer = ISSUER, key = ASKED): string {
  return sign(userClaims(key, { audience: "FOO", name: "", ...parts }), signer);
}

interface AnswerParts {
  readonly claims?: Partial<AuthorizationResponseClaims>;
  readonly nats?: Partial<AuthorizationResponseClaims["nats"]>;
  readonly signer?: KeyPair;
}

function answer({ claims, nats, signer = ISSUER }: AnswerParts = {}): Uint8Array {
  const empty = newAuthorizationResponse(ASKED.publicKey);
  const all = {
    ...empty,
    audience: SERVER.publicKey,
    ...claims,
    nats: { ...empty.nats, jwt: userToken(), ...nats },
  };
  return new TextEncoder().encode(sign(all, signer));
}

const withUser = (parts: UserParts, signer = ISSUER, key = ASKED) =>
  answer({ nats: { jwt: userToken(parts, signer, key) } });

/** The account of the login, or the reason of the refusal. */
function outcome(payload: Uint8Array, context = contextOf()): string {
  const verdict = judgeCalloutAnswer(payload, context);
  if (verdict.kind === "login") return `login ${verdict.account}`;
  return verdict.kind === "refusal" ? verdict.eventReason : verdict.kind;
}

function questionOf(request: LoginRequest, parts: Partial<CalloutQuestion> = {}): CalloutQuestion {
  return {
    pending: pendingOf(request),
    request,
    userNkey: ASKED.publicKey,
    issuer: ISSUER.publicKey,
    server: {
      name: "S1",
      host: "0.0.0.0",
      id: SERVER.publicKey,
      version: "2.15.2",
      cluster: "",
      tags: [],
      xkey: "",
    },
    clientId: 7,
    tls: null,
    timeoutMs: 2000,
    nowMs: NOW_MS,
    ...parts,
  };
}

describe("the question of an auth callout", () => {
  test("tells about server, client and CONNECT", () => {
    const question = questionOf(requestOf({ ...REQUEST, signature: "sig" }));
    const encoded = encodeCallout(question, SERVER, undefined);
    if (!encoded.ok) throw new Error(encoded.problem);
    expect(encoded.message.header).toBeNull();
    const decoded = decodeAs("authorization_request", new TextDecoder().decode(encoded.message.payload));
    expect(decoded).toMatchObject({
      ok: true,
      claims: {
        audience: "nats-authorization-request",
        issuer: SERVER.publicKey,
        subject: ISSUER.publicKey,
        expiresAtSeconds: NOW_S + 2,
        nats: {
          server: { name: "S1", host: "0.0.0.0", id: SERVER.publicKey, version: "2.15.2", xkey: "" },
          userNkey: ASKED.publicKey,
          client: {
            host: "127.0.0.1",
            id: 7,
            user: "alice",
            name: "app",
            kind: "Client",
            type: "nats",
            nonce: NONCE,
          },
          connectOptions: {
            user: "alice",
            password: "pw",
            name: "app",
            lang: "ts",
            version: "1",
            protocol: 1,
            signature: "sig",
          },
          tls: undefined,
        },
      },
    });
  });

  test("hides a token from the name of the client, and shows a nonce only with a signature", () => {
    const { nats } = calloutClaims(questionOf(requestOf({ authToken: "t" })));
    expect(nats.client).toMatchObject({ user: "[REDACTED]", nonce: "" });
    expect(nats.connectOptions).toMatchObject({ token: "t", user: "" });
  });

  test("tells of a user that stands in for clients without credentials what is configured", () => {
    const options = optionsOf(`
      accounts { A { users: [{user: anyone, password: pw}] } }
      authorization { auth_callout { issuer: ${ISSUER.publicKey}, auth_users: [auth] } }
      no_auth_user: anyone
    `);
    const rules = compileLoginRules(options, "");
    const request = requestOf({});
    const pending = judgeByRules(rules, new UserTable(rules), request, {
      verifySignature,
      compareHash: () => false,
    });
    if (pending.kind !== "needs callout") throw new Error(pending.kind);
    expect(calloutClaims(questionOf(request, { pending })).nats.connectOptions).toMatchObject({
      user: "anyone",
      password: "pw",
    });
  });

  test("names how the client connects", () => {
    const of = (over: NonNullable<RequestParts["over"]>) =>
      calloutClaims(questionOf(requestOf({ over }))).nats.client;
    expect(of({ connectionType: "WEBSOCKET" })).toMatchObject({ kind: "Client", type: "websocket" });
    expect(of({ connectionType: "LEAFNODE" })).toMatchObject({ kind: "Leafnode", type: "nats" });
  });

  test("is sealed for the curve key of the service", () => {
    const [ours, theirs] = [KeyPair.create("curve"), KeyPair.create("curve")];
    const seal = { key: new SealingKey(ours), xkey: theirs.publicKey };
    const encoded = encodeCallout(questionOf(requestOf(REQUEST)), SERVER, seal);
    if (!encoded.ok) throw new Error(encoded.problem);
    const { payload, header } = encoded.message;
    expect(header).toEqual(["Nats-Server-Xkey", ours.publicKey]);
    expect(new TextDecoder().decode(payload.subarray(0, 4))).toBe("xkv1");
    const opened = new SealingKey(theirs).open(payload, ours.publicKey);
    expect(opened.ok && new TextDecoder().decode(opened.bytes)).toStartWith("eyJ");
    expect(encodeCallout(questionOf(requestOf(REQUEST)), SERVER, { ...seal, xkey: "X" })).toMatchObject({
      ok: false,
    });
  });
});

describe("judgeCalloutAnswer() lets in", () => {
  test("the user of the answer, as what the client called itself", () => {
    expect(judgeCalloutAnswer(answer(), contextOf())).toMatchObject({
      kind: "login",
      account: "FOO",
      user: "alice",
      identityKind: "user",
      permissions: { publish: { allow: ["d"] } },
      jwt: "",
      nameTag: "",
      publicKey: ASKED.publicKey,
      issuerKey: "FOO",
      issuedAtS: NOW_S,
      expiresAtMs: null,
    });
  });

  test("under the name of the answer, which takes the place of nkey and token", () => {
    const request = requestOf({ authToken: "t" });
    const context = contextOf({ request, pending: pendingOf(request) });
    expect(judgeCalloutAnswer(withUser({ name: "bob" }), context)).toMatchObject({
      user: "bob",
      identityKind: "user",
    });
    expect(judgeCalloutAnswer(answer(), context)).toMatchObject({
      user: "[REDACTED]",
      identityKind: "token",
    });
  });

  test("with its permissions and expiry, but not its limits and networks", () => {
    const nats = {
      maxSubscriptions: 1,
      maxPayloadBytes: 1,
      sources: ["10.0.0.0/8"],
      subscribe: { allow: ["s"], deny: [] },
    };
    expect(judgeCalloutAnswer(withUser({ nats, expiresAtSeconds: NOW_S + 2 }), contextOf())).toMatchObject({
      kind: "login",
      maxSubscriptions: -1,
      maxPayloadBytes: -1,
      permissions: { subscribe: { allow: ["s"] } },
      expiresAtMs: NOW_MS + 2000,
    });
  });

  test("into the account of the service without a right to put questions", () => {
    expect(judgeCalloutAnswer(withUser({ audience: "AUTH" }), contextOf())).toMatchObject({
      account: "AUTH",
      permissions: { publish: { deny: ["$SYS.REQ.USER.AUTH"] } },
    });
    expect(outcome(withUser({ audience: "$G" }))).toBe("login $G");
  });

  test("by a sealed answer, whoever signed it, and by one in clear", () => {
    const [ours, theirs] = [KeyPair.create("curve"), KeyPair.create("curve")];
    const seal = { key: new SealingKey(ours), xkey: theirs.publicKey };
    const sealed = new SealingKey(theirs).seal(answer({ signer: STRANGER }), ours.publicKey);
    if (!sealed.ok) throw new Error(sealed.text);
    expect(outcome(sealed.bytes, contextOf({ seal }))).toBe("login FOO");
    expect(outcome(answer(), contextOf({ seal }))).toBe("login FOO");
    const foreign = new SealingKey(KeyPair.create("curve")).seal(answer(), ours.publicKey);
    if (!foreign.ok) throw new Error(foreign.text);
    expect(outcome(foreign.bytes, contextOf({ seal }))).toBe(
      'Error decrypting auth callout response on account "AUTH": nkeys: could not decrypt input',
    );
  });
});

const OTHER_USER = KeyPair.create("user");

describe("judgeCalloutAnswer() refuses", () => {
  const cases: readonly (readonly [string, Uint8Array, string])[] = [
    ["nothing", new Uint8Array(0), 'Auth callout violation: "no reason supplied" on account "AUTH"'],
    ["no token", new TextEncoder().encode("hello"), "Expected 3 chunks"],
    ["another kind of token", new TextEncoder().encode(userToken()), "Not an authorization request claim"],
    [
      "an expired answer",
      answer({ claims: { expiresAtSeconds: NOW_S - 1 } }),
      "Authorization response had validation errors: claim is expired",
    ],
    [
      "an answer with neither user nor error",
      answer({ nats: { jwt: "" } }),
      "Authorization response had validation errors: Error or Jwt is required",
    ],
    [
      "an answer about another user",
      answer({ claims: { subject: OTHER_USER.publicKey } }),
      "Auth callout violation: auth callout response is not for expected user",
    ],
    [
      "an answer to another server",
      answer({ claims: { audience: PROXY.publicKey } }),
      "Auth callout violation: auth callout response is not for server",
    ],
    ["an answer by somebody else", answer({ signer: STRANGER }), "Auth callout signing key is unknown"],
    [
      "an error",
      answer({ nats: { jwt: "", error: "go away" } }),
      "Auth callout service returned an error: go away",
    ],
    ["a user that is no token", answer({ nats: { jwt: "x" } }), "Expected 3 chunks"],
    ["a user behind a proxy", withUser({ nats: { proxyRequired: true } }), "Proxy connection required"],
    [
      "an expired user",
      withUser({ expiresAtSeconds: NOW_S - 1 }),
      "Error validating user JWT: claim is expired",
    ],
    [
      "another user",
      withUser({}, ISSUER, OTHER_USER),
      `Expected authorized user of "${ASKED.publicKey}" but got "${OTHER_USER.publicKey}" on account "AUTH"`,
    ],
    [
      "a user at another time",
      withUser({ nats: { times: [{ start: "10:00:00", end: "11:00:00" }], timesLocation: "UTC" } }),
      'Authorized user on account "AUTH" outside of valid connect times',
    ],
    [
      "ways to connect nobody knows",
      withUser({ nats: { allowedConnectionTypes: ["pigeon"] } }),
      'Authorized user on account "AUTH" using invalid connection type',
    ],
    [
      "another way to connect",
      withUser({ nats: { allowedConnectionTypes: ["WEBSOCKET"] } }),
      'Authorized user on account "AUTH" not allowed to use connection type',
    ],
    [
      "an issuer account",
      withUser({ nats: { issuerAccount: ISSUER.publicKey } }),
      'Error non operator mode account "AUTH": attempted to use issuer_account',
    ],
    [
      "a user by another issuer",
      withUser({}, STRANGER),
      `Wrong issuer for auth callout response on account "AUTH", expected "${ISSUER.publicKey}" got "${STRANGER.publicKey}"`,
    ],
    [
      "an unknown account",
      withUser({ audience: "BAR" }),
      'No valid account "BAR" for auth callout response on account "AUTH": account missing',
    ],
    [
      "no account",
      withUser({ audience: "" }),
      'No valid account "" for auth callout response on account "AUTH": account missing',
    ],
  ];
  for (const [what, payload, reason] of cases) {
    test(what, () => expect(outcome(payload)).toBe(reason));
  }

  test("with a warning in the log, for the account of the service to see", () => {
    expect(judgeCalloutAnswer(new Uint8Array(0), contextOf())).toMatchObject({
      kind: "refusal",
      reason: "authorization violation",
      account: "AUTH",
      user: "alice",
      logs: [{ level: "warning" }],
    });
    const proxied = judgeCalloutAnswer(withUser({ nats: { proxyRequired: true } }), contextOf());
    expect(proxied).toMatchObject({ reason: "proxy required" });
  });

  test("after the time for an answer, or where no question could be put", () => {
    expect(calloutTimedOut(contextOf().pending)).toMatchObject({
      eventReason: "",
      account: "AUTH",
      logs: [{ level: "debug" }],
    });
    expect(calloutFailed(contextOf().pending, "no")).toMatchObject({
      eventReason: "no",
      logs: [{ level: "warning", text: "no" }],
    });
  });
});

describe("judgeCalloutAnswer() in operator mode", () => {
  const OPERATOR = KeyPair.create("operator");
  const CALLOUT = KeyPair.create("account");
  const CALLOUT_SIGNING = KeyPair.create("account");
  const TARGET = KeyPair.create("account");
  const SCOPED = KeyPair.create("account");
  const TRUST: OperatorTrust = {
    trustedKeys: [OPERATOR.publicKey],
    strictKeys: [],
    systemAccount: "",
    operator: undefined,
  };
  const loaded = (key: KeyPair, nats: Parameters<typeof accountClaims>[1]): LoadedAccount => {
    const claims = { ...accountClaims(key, nats), issuer: OPERATOR.publicKey };
    return {
      key: key.publicKey,
      jwt: "",
      claims,
      userIssuers: userIssuersOf(claims, []),
      isExpired: false,
      updatedAtMs: 0,
    };
  };
  const template = { ...userClaims(ASKED).nats, publish: { allow: ["t.{{name()}}"], deny: [] } };
  const scope = { key: SCOPED.publicKey, role: "", description: "", template };
  const target = loaded(TARGET, { nats: { signingKeys: new Map([[SCOPED.publicKey, scope]]) } });

  function context(
    allowedAccounts: readonly string[] = [TARGET.publicKey],
    accounts = [target],
  ): CalloutAnswerContext {
    const asked = loaded(CALLOUT, {
      nats: {
        signingKeys: new Map([[CALLOUT_SIGNING.publicKey, undefined]]),
        authorization: { authUsers: [OTHER_USER.publicKey], allowedAccounts, xkey: "" },
      },
    });
    const claimed = {
      nkey: "",
      user: "",
      password: "",
      authToken: "",
      jwt: "eyJ",
      publicKey: OTHER_USER.publicKey,
    };
    const granted = { account: CALLOUT.publicKey, permissions: null, proxyKey: "", nameTag: "sentinel" };
    const pending: NeedsCallout = {
      kind: "needs callout",
      account: CALLOUT.publicKey,
      bound: loginOf(claimed, granted),
      password: "",
      isProxyRequired: false,
      proxyKey: "",
    };
    const mode: CalloutMode = {
      kind: "operator",
      trust: TRUST,
      asked,
      findAccount: (key) => [asked, ...accounts].find((account) => account.key === key),
    };
    return contextOf({ pending, mode, request: requestOf({ jwt: "eyJ" }) });
  }
  const by = (signer: KeyPair, user: UserClaims, userSigner: KeyPair, nats = {}) =>
    answer({ signer, nats: { jwt: sign(user, userSigner), ...nats } });
  const user = (parts: UserParts = {}) => userClaims(ASKED, { name: "", ...parts });

  test("lets in to the account of the service, and to those it is allowed", () => {
    expect(outcome(by(CALLOUT, user(), CALLOUT), context())).toBe(`login ${CALLOUT.publicKey}`);
    expect(outcome(by(CALLOUT_SIGNING, user(), TARGET), context())).toBe(`login ${TARGET.publicKey}`);
    expect(outcome(by(CALLOUT, user(), TARGET), context(["*"]))).toBe(`login ${TARGET.publicKey}`);
    expect(judgeCalloutAnswer(by(CALLOUT, user({ name: "bob" }), TARGET), context())).toMatchObject({
      user: "bob",
      jwt: "",
      nameTag: "sentinel",
      issuerKey: TARGET.publicKey,
    });
  });

  test("lets in nowhere else", () => {
    const refusal = (issuer: KeyPair) =>
      `Account "${issuer.publicKey}" not permitted as valid account option for auth callout for account "${CALLOUT.publicKey}"`;
    expect(outcome(by(CALLOUT, user(), TARGET), context([]))).toBe(refusal(TARGET));
    expect(outcome(by(CALLOUT, user(), STRANGER), context())).toBe(refusal(STRANGER));
    expect(outcome(by(CALLOUT, user(), TARGET), context(["*", STRANGER.publicKey]))).toBe(refusal(TARGET));
  });

  test("takes answers of the account or its signing keys alone", () => {
    expect(outcome(by(TARGET, user(), TARGET), context())).toBe("Auth callout signing key is unknown");
    const named = (issuerAccount: KeyPair) =>
      by(CALLOUT_SIGNING, user(), TARGET, { issuerAccount: issuerAccount.publicKey });
    expect(outcome(named(CALLOUT), context())).toBe(`login ${TARGET.publicKey}`);
    expect(outcome(named(TARGET), context())).toBe(
      `Auth callout response issuer account "${TARGET.publicKey}" is not the callout account`,
    );
  });

  test("asks for an account that is not at hand", () => {
    const payload = by(CALLOUT, user(), TARGET);
    expect(judgeCalloutAnswer(payload, context(undefined, []))).toEqual({
      kind: "needs account",
      account: TARGET.publicKey,
    });
    const missing = { ok: false, problem: "account missing" } as const;
    expect(judgeCalloutAnswer(payload, context(undefined, []), missing)).toMatchObject({
      eventReason: `No valid account "${TARGET.publicKey}" for auth callout response on account "${CALLOUT.publicKey}": account missing`,
    });
  });

  test("fills in the scope of the key that signed the user", () => {
    const scoped = { ...newScopedUser(ASKED.publicKey, "bob"), issuer: "" };
    const nats = { ...scoped.nats, issuerAccount: TARGET.publicKey };
    expect(judgeCalloutAnswer(by(CALLOUT, { ...scoped, nats }, SCOPED), context())).toMatchObject({
      kind: "login",
      permissions: { publish: { allow: ["t.bob"] } },
      issuerKey: SCOPED.publicKey,
    });
    const own = user({ nats: { issuerAccount: TARGET.publicKey } });
    expect(outcome(by(CALLOUT, own, SCOPED), context())).toBe(
      "User JWT is not valid: scoped users require no permissions or limits set",
    );
    expect(outcome(by(CALLOUT, own, STRANGER), context())).toBe(
      `User JWT issuer "${STRANGER.publicKey}" is not known`,
    );
  });
});
