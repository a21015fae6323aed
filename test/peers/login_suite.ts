/**
 * Who may log in, by src/auth and by nats-server: random clients knock at a nats-server and are judged here by the
 * same configuration: `npm run test:peers`. What must agree: in or out, the account, and in operator mode the line
 * of the log that says why. A failure names the seed.
 */
import { describe, expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import process from "node:process";
import { hashSync } from "bcryptjs";
import fc from "fast-check";
import { judgeByRules } from "../../src/auth/config_judge.ts";
import type { AccountClaims, UserClaims, UserRights, UserScope } from "../../src/auth/jwt/claims.ts";
import { newAccount, newOperator, newScopedUser, newUser } from "../../src/auth/jwt/new_claims.ts";
import type { LoginFields, Verdict } from "../../src/auth/login.ts";
import { decideLogin } from "../../src/auth/login_flow.ts";
import { LoginJudge } from "../../src/auth/login_judge.ts";
import { compileLoginRules, greetsWithAuthRequired, needsNonce } from "../../src/auth/login_rules.ts";
import { KeyPair, verifySignature } from "../../src/auth/nkey.ts";
import { readOperators } from "../../src/auth/operator_files.ts";
import { compileTrust } from "../../src/auth/operator_trust.ts";
import { loadHashComparison } from "../../src/auth/password.ts";
import { AccountBook } from "../../src/auth/resolver/account_book.ts";
import { MemoryResolver } from "../../src/auth/resolver/memory_resolver.ts";
import { optionsOf, requestOf } from "../../src/auth/testing/requests.ts";
import { UserTable } from "../../src/auth/user_login.ts";
import { ServerProcess } from "../support/server_process.ts";
import { startNatsServers } from "./nats_server.ts";
import { NOW_S, tokenOf } from "./tokens.ts";

/** Logins a configuration. */
const LOGIN_COUNT = 60;
const MS_MAX = 60_000;
const SEED = Number(process.env.LOGIN_SEED ?? Date.now() % 1_000_000);

startNatsServers();

const [KEY, OTHER_KEY, PROXY] = [0, 1, 2].map(() => KeyPair.create("user")) as [KeyPair, KeyPair, KeyPair];
const HASH = hashSync("hh", 4);

function sign(key: KeyPair, nonce: string): string {
  return Buffer.from(key.sign(Buffer.from(nonce))).toString("base64url");
}

/** What a client does; signatures are made once there is a nonce. */
interface Knock {
  readonly fields: Partial<LoginFields>;
  /** Who signs the nonce, if anybody. */
  readonly signer: KeyPair | undefined;
  readonly proxySigner: KeyPair | undefined;
  /** Begins with PING instead of CONNECT. */
  readonly isImplicit: boolean;
}

interface Answer {
  readonly isIn: boolean;
  /** As the second INFO says; undefined where none was sent. */
  readonly account: string | undefined;
  readonly nonce: string;
  readonly sent: Partial<LoginFields>;
}

/** Knocks at the server. */
async function knock(
  server: ServerProcess,
  { fields, signer, proxySigner, isImplicit }: Knock,
): Promise<Answer> {
  const client = await server.connect();
  const { nonce = "" } = client.info as { nonce?: string };
  const sent = {
    ...fields,
    ...(signer === undefined ? {} : { signature: sign(signer, nonce) }),
    ...(proxySigner === undefined ? {} : { proxySignature: sign(proxySigner, nonce) }),
  };
  client.send(isImplicit ? "PING\r\n" : `CONNECT ${JSON.stringify(toConnect(sent))}\r\nPING\r\n`);
  const isIn = (await client.readLine()) === "PONG";
  const account =
    isIn && !isImplicit
      ? (JSON.parse((await client.readLine()).slice("INFO ".length)) as { remote_account: string })
          .remote_account
      : undefined;
  client.destroy();
  return { isIn, account, nonce, sent };
}

/** As CONNECT spells the fields. */
function toConnect({
  user,
  password,
  authToken,
  nkey,
  jwt,
  signature,
  proxySignature,
}: Partial<LoginFields>) {
  const spelt = {
    user,
    pass: password,
    auth_token: authToken,
    nkey,
    jwt,
    sig: signature,
    proxy_sig: proxySignature,
  };
  return { verbose: false, pedantic: false, protocol: 1, ...spelt };
}

const oneOf = <T>(...values: readonly T[]) => fc.constantFrom(...values);

const credentials = fc.record(
  {
    user: oneOf("", "a", "e", "w", "h", "p", "nobody", KEY.publicKey),
    password: oneOf("", "pa", "pp", "pw", "hh", HASH),
    authToken: oneOf("", "", "", "t", "hh"),
    nkey: oneOf("", "", KEY.publicKey, OTHER_KEY.publicKey),
  },
  { requiredKeys: [] },
);

const knocks: fc.Arbitrary<Knock> = fc
  .record({
    fields: credentials,
    signer: oneOf(undefined, KEY, KEY, OTHER_KEY),
    proxySigner: oneOf(undefined, undefined, PROXY, KEY),
    isImplicit: fc.integer({ min: 1, max: 12 }).map((n) => n === 1),
  })
  .map((drawn) =>
    drawn.isImplicit ? { ...drawn, fields: {}, signer: undefined, proxySigner: undefined } : drawn,
  );

const USERS = `users: [
  {user: a, password: pa}, {user: e}, {user: w, password: pw, allowed_connection_types: [WEBSOCKET]},
  {user: h, password: "${HASH}"}, {user: p, password: pp, proxy_required: true}, {nkey: ${KEY.publicKey}}
]`;
const PROXIES = `proxies { trusted: [{key: ${PROXY.publicKey}}] }`;

const CONFIGS: readonly string[] = [
  "debug: true",
  "authorization { user: a, password: pa }",
  "authorization { user: a }",
  `authorization { user: a, password: "${HASH}" }`,
  "authorization { user: a, password: pa, proxy_required: true }",
  `authorization { user: a, password: pa, proxy_required: true }\n${PROXIES}`,
  "authorization { token: t }",
  `authorization { token: "${HASH}" }`,
  "authorization { users: [] }",
  `authorization { users: [{nkey: ${KEY.publicKey}}] }`,
  "accounts { $SYS { users: [{user: a, password: pa}] } }",
  "accounts { $SYS { users: [{user: a, password: pa}] } }\nauthorization { timeout: 1 }",
  "accounts { B { users: [{user: a, password: pa}] } }\nsystem_account: B",
  `accounts { A { ${USERS} } }`,
  `accounts { A { ${USERS} } }\n${PROXIES}`,
  ...["a", "e", "h", "w", "p", KEY.publicKey].map(
    (user) => `accounts { A { ${USERS} } }\nno_auth_user: ${user}`,
  ),
];

describe(`users of the configuration (seed ${SEED}):`, () => {
  for (const config of CONFIGS) {
    test(
      config.replaceAll(/\s+/g, " "),
      async () => {
        const compareHash = await loadHashComparison();
        const rules = compileLoginRules(optionsOf(config), "nats-automatic");
        const table = new UserTable(rules);
        const server = await ServerProcess.start({ config: `debug: true\n${config}` });
        try {
          const { info } = await server.connect();
          expect(info.auth_required ?? false).toBe(greetsWithAuthRequired(rules, "client"));
          expect(info.nonce !== undefined).toBe(needsNonce(rules));
          for (const draw of fc.sample(knocks, { seed: SEED, numRuns: LOGIN_COUNT })) {
            const { isIn, account, nonce, sent } = await knock(server, draw);
            const request = requestOf({ ...sent, over: { nonce, isImplicit: draw.isImplicit } });
            const verdict = judgeByRules(rules, table, request, { verifySignature, compareHash });
            expect({ sent, ...outcomeOf(verdict, account) }).toEqual({ sent, isIn, account });
          }
        } finally {
          await server.stop();
        }
      },
      MS_MAX,
    );
  }
});

/** The verdict as far as `account` was to be seen. */
function outcomeOf(verdict: Verdict, account: string | undefined) {
  const isIn = verdict.kind === "login";
  return { isIn, account: isIn && account !== undefined ? verdict.account : undefined };
}

/** Keys of an operator, of accounts and of users. */
class Realm {
  readonly operator = KeyPair.create("operator");
  readonly signing = KeyPair.create("operator");
  readonly stranger = KeyPair.create("operator");
  readonly system = KeyPair.create("account");
  /** With signing keys, two of them scoped. */
  readonly account = KeyPair.create("account");
  readonly accountSigning = KeyPair.create("account");
  readonly scoped = KeyPair.create("account");
  readonly deniesTag = KeyPair.create("account");
  /** Without bearers, and with a user revoked. */
  readonly strictAccount = KeyPair.create("account");
  readonly strangersAccount = KeyPair.create("account");
  readonly invalidAccount = KeyPair.create("account");
  readonly unknownAccount = KeyPair.create("account");
  readonly user = KeyPair.create("user");
  readonly otherUser = KeyPair.create("user");
  readonly revokedUser = KeyPair.create("user");
}

function preloadOf(realm: Realm, signer: KeyPair): ReadonlyMap<string, string> {
  const template = newUser("", "").nats;
  const scopeOf = (key: KeyPair, rights: Partial<UserRights>): [string, UserScope] => [
    key.publicKey,
    { key: key.publicKey, role: "", description: "", template: { ...template, ...rights } },
  ];
  const signingKeys = new Map<string, UserScope | undefined>([
    [realm.accountSigning.publicKey, undefined],
    scopeOf(realm.scoped, {
      publish: { allow: ["t.{{name()}}", "{{tag(x)}}.z", "q w"], deny: [] },
      subscribe: { allow: ["{{tag(none)}}"], deny: [] },
    }),
    scopeOf(realm.deniesTag, { publish: { allow: [], deny: ["{{tag(x)}}"] }, bearerToken: true }),
  ]);
  const jwtOf = (key: KeyPair, nats: Partial<AccountClaims["nats"]>, by = signer) => {
    const claims = newAccount(key.publicKey, "account");
    return [key.publicKey, tokenOf({ ...claims, nats: { ...claims.nats, ...nats } }, by)] as const;
  };
  const limits = { ...newAccount("", "").nats.limits, disallowBearer: true };
  const revocations = new Map([
    [realm.revokedUser.publicKey, NOW_S + 5],
    ["*", NOW_S - 100],
  ]);
  return new Map([
    jwtOf(realm.system, {}),
    jwtOf(realm.account, { signingKeys }),
    jwtOf(realm.strictAccount, { limits, revocations }),
    jwtOf(realm.strangersAccount, {}, realm.stranger),
    jwtOf(realm.invalidAccount, { signingKeys: new Map([["no key", undefined]]) }),
  ]);
}

/** A client with a user JWT that somebody signed, and mostly nothing else wrong with it. */
function userKnocks(realm: Realm): fc.Arbitrary<Knock> {
  const { account, accountSigning, scoped, deniesTag, strictAccount, user, revokedUser } = realm;
  const signers = [
    account,
    account,
    accountSigning,
    accountSigning,
    scoped,
    scoped,
    deniesTag,
    strictAccount,
    strictAccount,
  ];
  const issuer = oneOf(
    ...signers,
    realm.strangersAccount,
    realm.invalidAccount,
    realm.unknownAccount,
    realm.system,
  );
  const rights: fc.Arbitrary<Partial<UserRights>> = fc.oneof(
    { weight: 8, arbitrary: fc.constant({}) },
    { weight: 1, arbitrary: fc.constant({ bearerToken: true }) },
    { weight: 1, arbitrary: fc.constant({ proxyRequired: true }) },
    {
      weight: 1,
      arbitrary: oneOf("127.0.0.0/8", "10.0.0.0/8", "::1/128", "bad").map((network) => ({
        sources: [network],
      })),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        times: oneOf(["00:00:00", "23:59:59"], ["9:00:00", "08:59:59"], ["x", "y"]).map(
          ([start = "", end = ""]) => [{ start, end }],
        ),
        timesLocation: oneOf("", "UTC", "Europe/Berlin", "Mars/Olympus"),
      }),
    },
    {
      weight: 1,
      arbitrary: oneOf(["standard"], ["WEBSOCKET"], ["FOO"], ["FOO", "STANDARD"]).map((types) => ({
        allowedConnectionTypes: types,
      })),
    },
    {
      weight: 1,
      arbitrary: oneOf("a", "a b", "a..b", ">").map((subject) => ({
        publish: { allow: [subject], deny: [] },
      })),
    },
  );
  return fc
    .record({
      key: oneOf(user, user, revokedUser),
      issuer,
      ownRights: rights,
      name: oneOf("bob", "b b", ">", ""),
      tags: oneOf<readonly string[]>([], ["x:1", "x:2"], ["x:a b"]),
      issuerAccount: oneOf(
        "",
        account.publicKey,
        account.publicKey,
        account.publicKey,
        strictAccount.publicKey,
      ),
      times: oneOf(
        {},
        {},
        {},
        {},
        { expiresAtSeconds: NOW_S - 5 },
        { notBeforeSeconds: NOW_S + 3600 },
        { expiresAtSeconds: NOW_S + 3600 },
      ),
      ageS: oneOf(0, 0, 200),
      isSignedByOther: fc.integer({ min: 1, max: 12 }).map((n) => n === 1),
      proxySigner: oneOf(undefined, undefined, undefined, undefined, PROXY, KEY),
      hasJwt: fc.integer({ min: 1, max: 15 }).map((n) => n > 1),
    })
    .map((drawn) => {
      const isScoped = drawn.issuer === scoped || drawn.issuer === deniesTag;
      const empty = (isScoped ? newScopedUser : newUser)(drawn.key.publicKey, drawn.name);
      const isIdentity = ![accountSigning, scoped, deniesTag].includes(drawn.issuer);
      const nats = {
        ...empty.nats,
        ...drawn.ownRights,
        tags: drawn.tags,
        issuerAccount: isIdentity ? "" : drawn.issuerAccount,
      };
      const claims: UserClaims = { ...empty, ...drawn.times, nats };
      const jwt = tokenOf(claims, drawn.issuer, NOW_S - drawn.ageS);
      return {
        fields: drawn.hasJwt ? { jwt } : {},
        signer: drawn.isSignedByOther ? realm.otherUser : drawn.key,
        proxySigner: drawn.proxySigner,
        isImplicit: false,
      };
    });
}

describe(`users with a JWT (seed ${SEED}):`, () => {
  for (const mode of ["plain", "strict", "pinned", "sentinel"] as const) {
    test(
      `a ${mode} operator`,
      async () => {
        const realm = new Realm();
        const isStrict = mode === "strict";
        const operator = newOperator(realm.operator.publicKey, "O");
        const operatorJwt = tokenOf(
          {
            ...operator,
            nats: {
              ...operator.nats,
              systemAccount: realm.system.publicKey,
              signingKeys: [realm.signing.publicKey],
              strictSigningKeyUsage: isStrict,
            },
          },
          realm.operator,
        );
        const preload = preloadOf(realm, isStrict ? realm.signing : realm.operator);
        const sentinelUser = newUser(realm.otherUser.publicKey, "sentinel");
        const sentinel = { ...sentinelUser, nats: { ...sentinelUser.nats, bearerToken: true } };
        const sentinelJwt = tokenOf(sentinel, realm.account);
        const config = `
          debug: true
          operator: ${operatorJwt}
          resolver: MEMORY
          resolver_preload { ${[...preload].map(([key, jwt]) => `${key}: ${jwt}`).join("\n")} }
          ${PROXIES}
          ${mode === "pinned" ? `resolver_pinned_accounts: [${realm.account.publicKey}]` : ""}
          ${mode === "sentinel" ? `default_sentinel: ${sentinelJwt}` : ""}
        `;
        const options = optionsOf(config);
        const read = readOperators(options.operators, () => "");
        if (!read.ok) throw new Error(read.problem);
        const compiled = compileTrust(read.operators, {
          trustedKeys: options.trustedKeys,
          systemAccount: options.systemAccount,
          defaultSentinel: mode === "sentinel" ? { claims: sentinel } : undefined,
          hasNatsResolver: false,
          serverVersion: "2.15.2",
        });
        if (!compiled.ok) throw new Error(compiled.problem);
        const { trust } = compiled;
        const book = new AccountBook({
          trust,
          resolver: new MemoryResolver(options.resolverPreload),
          nowMs: Date.now,
          onChange: () => {},
          onLog: () => {},
        });
        const judge = new LoginJudge(compileLoginRules(options, ""), {
          verifySignature,
          compareHash: () => false,
          nowMs: Date.now,
          operatorMode: { trust, findAccount: (key) => book.find(key) },
        });

        const server = await ServerProcess.start({ config });
        try {
          for (const draw of fc.sample(userKnocks(realm), { seed: SEED, numRuns: 4 * LOGIN_COUNT })) {
            const logEnd = server.log.length;
            const { isIn, account, nonce, sent } = await knock(server, draw);
            const verdict = await decideLogin(judge, book, requestOf({ ...sent, over: { nonce } }));
            const why = verdict.kind === "needs callout" ? "" : (verdict.logs.at(-1)?.text ?? "");
            expect({ why, ...outcomeOf(verdict, account) }).toEqual({ why, isIn, account });
            await server.waitForLog(` - ${why}`, logEnd);
          }
        } finally {
          await server.stop();
        }
      },
      MS_MAX,
    );
  }
});
