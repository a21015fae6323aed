import { describe, expect, test } from "bun:test";
import { hashSync } from "bcryptjs";
import { judgeByRules } from "./config_judge.ts";
import { InlineJudge } from "./inline_judge.ts";
import type { Verdict } from "./login.ts";
import { compileLoginRules } from "./login_rules.ts";
import { KeyPair, verifySignature } from "./nkey.ts";
import { loadHashComparison } from "./password.ts";
import {
  certificateOf,
  createSigner,
  NONCE,
  optionsOf,
  type RequestParts,
  requestOf,
  signNonce,
} from "./testing/requests.ts";
import { UserTable } from "./user_login.ts";

const compareHash = await loadHashComparison();
const CHECKS = { verifySignature, compareHash };
const HASH = hashSync("s3cret", 4);

function judge(config: string, parts: RequestParts = {}): Verdict {
  const rules = compileLoginRules(optionsOf(config), "nats-automatic");
  return judgeByRules(rules, new UserTable(rules), requestOf(parts), CHECKS);
}

/** `alice@A` for a login, else the reason of the refusal, or that a callout is needed. */
function outcome(config: string, parts: RequestParts = {}): string {
  const verdict = judge(config, parts);
  if (verdict.kind === "login") return `${verdict.user}@${verdict.account}`;
  return verdict.kind === "refusal" ? verdict.reason : verdict.kind;
}

const VIOLATION = "authorization violation";

describe("judgeByRules() without credentials", () => {
  test("accepts everybody into $G, whatever they bring", () => {
    expect(outcome("port: 4222")).toBe("@$G");
    expect(outcome("port: 4222", { user: "x", password: "y" })).toBe("x@$G");
    expect(outcome("port: 4222", { authToken: "secret" })).toBe("[REDACTED]@$G");
    expect(outcome("port: 4222", { over: { isImplicit: true } })).toBe("@$G");
    expect(judge("port: 4222", { jwt: "eyJ" })).toMatchObject({ jwt: "", identityKind: "none" });
  });

  test("refuses the account fields of clients of long ago", () => {
    expect(outcome("port: 4222", { account: "X" })).toBe(VIOLATION);
    expect(outcome("port: 4222", { isNewAccount: true })).toBe(VIOLATION);
  });
});

describe("judgeByRules() with single credentials", () => {
  const SINGLE = "authorization { user: a, password: pa }";
  const TOKEN = "authorization { token: t }";

  test("wants user and password", () => {
    expect(outcome(SINGLE, { user: "a", password: "pa" })).toBe("a@$G");
    for (const parts of [{}, { user: "a" }, { user: "a", password: "x" }, { user: "b", password: "pa" }]) {
      expect(outcome(SINGLE, parts)).toBe(VIOLATION);
    }
  });

  test("wants the token as token", () => {
    expect(outcome(TOKEN, { authToken: "t" })).toBe("[REDACTED]@$G");
    for (const parts of [{}, { authToken: "x" }, { user: "t" }, { password: "t" }]) {
      expect(outcome(TOKEN, parts)).toBe(VIOLATION);
    }
  });

  test("compares with bcrypt hashes", () => {
    expect(outcome(`authorization { user: a, password: "${HASH}" }`, { user: "a", password: "s3cret" })).toBe(
      "a@$G",
    );
    expect(outcome(`authorization { user: a, password: "${HASH}" }`, { user: "a", password: HASH })).toBe(
      VIOLATION,
    );
    expect(outcome(`authorization { token: "${HASH}" }`, { authToken: "s3cret" })).toBe("[REDACTED]@$G");
    expect(outcome(`authorization { token: "${HASH}" }`, { authToken: HASH })).toBe(VIOLATION);
  });

  test("refuses an operation before CONNECT", () => {
    expect(outcome(SINGLE, { over: { isImplicit: true } })).toBe(VIOLATION);
  });

  test("never shows a token", () => {
    expect(JSON.stringify(judge(TOKEN, { authToken: "wrong-token" }))).not.toContain("wrong-token");
    expect(JSON.stringify(judge(TOKEN, { authToken: "t" }))).not.toContain('"t"');
  });
});

describe("judgeByRules() with users", () => {
  const USERS = `
    accounts {
      A { users: [{user: alice, password: pa, permissions: {publish: "x"}}] }
      B { users: [{user: bob, password: "${HASH}"}, {user: web, password: pw, allowed_connection_types: [WEBSOCKET]}] }
    }
  `;

  test("puts users into their accounts with their permissions", () => {
    expect(judge(USERS, { user: "alice", password: "pa" })).toMatchObject({
      kind: "login",
      account: "A",
      identityKind: "user",
      permissions: { publish: { allow: ["x"] } },
      maxSubscriptions: -1,
      maxPayloadBytes: -1,
      expiresAtMs: null,
    });
    expect(outcome(USERS, { user: "bob", password: "s3cret" })).toBe("bob@B");
  });

  test("refuses unknown users, wrong passwords, hashes and other ways to connect", () => {
    for (const parts of [
      {},
      { user: "carol", password: "pa" },
      { user: "alice", password: "" },
      { user: "alice", password: "s3cret" },
      { user: "bob", password: HASH },
      { user: "web", password: "pw" },
      { authToken: "pa" },
      { user: "__proto__", password: "" },
    ]) {
      expect(outcome(USERS, parts)).toBe(VIOLATION);
    }
    expect(outcome(USERS, { user: "web", password: "pw", over: { connectionType: "WEBSOCKET" } })).toBe(
      "web@B",
    );
  });

  test("tells of a refusal who it was, never the password", () => {
    const refusal = judge(USERS, { user: "alice", password: "guess-1" });
    expect(refusal).toMatchObject({
      kind: "refusal",
      identityKind: "user",
      user: "alice",
      account: "$G",
      eventReason: "Authentication Failure",
    });
    expect(JSON.stringify(refusal)).not.toContain("guess-1");
  });

  test("does not judge by an nkey where none are configured, but shows it", () => {
    expect(judge(USERS, { user: "alice", password: "pa", nkey: "U1" })).toMatchObject({
      kind: "login",
      account: "A",
      user: "U1",
      issuerKey: "",
    });
  });
});

describe("judgeByRules() with an empty list of users", () => {
  test("accepts everybody, as nats-server does", () => {
    expect(outcome("authorization { users: [] }", { user: "x" })).toBe("x@$G");
  });
});

describe("judgeByRules() for clients without credentials", () => {
  const CONFIG = `
    accounts { A { users: [{user: a, password: pa}, {user: h, password: "${HASH}"}] }, B { users: [{user: b, password: pb}] } }
  `;
  const withUser = (user: string) => `${CONFIG} no_auth_user: ${user}`;

  test("takes the user that stands in for them", () => {
    expect(outcome(withUser("a"))).toBe("a@A");
    expect(outcome(withUser("a"), { over: { isImplicit: true } })).toBe("a@A");
  });

  test("does not when any credential is there", () => {
    expect(outcome(withUser("a"), { user: "b", password: "wrong" })).toBe(VIOLATION);
    expect(outcome(withUser("a"), { authToken: "t" })).toBe(VIOLATION);
    expect(outcome(withUser("a"), { password: "pa" })).toBe(VIOLATION);
    expect(outcome(withUser("a"), { user: "b", password: "pb" })).toBe("b@B");
  });

  test("refuses one whose password is a hash", () => {
    expect(outcome(withUser("h"))).toBe(VIOLATION);
  });

  test("takes the automatic user of a server whose system account alone has users", () => {
    const config = `accounts { $SYS { users: [{user: admin, password: x}] } }`;
    expect(outcome(config)).toBe("nats-automatic@$G");
    expect(outcome(config, { user: "admin", password: "x" })).toBe("admin@$SYS");
    expect(outcome(config, { user: "admin", password: "y" })).toBe(VIOLATION);
  });

  test("takes the websocket block's own on its listener alone", () => {
    const config = `${CONFIG} websocket { port: 8080, no_tls: true, no_auth_user: b }`;
    expect(outcome(config)).toBe(VIOLATION);
    expect(outcome(config, { over: { connectionType: "WEBSOCKET" } })).toBe("b@B");
    expect(outcome(config, { over: { connectionType: "WEBSOCKET", isImplicit: true } })).toBe("b@B");
    expect(outcome(config, { over: { isImplicit: true } })).toBe(VIOLATION);
  });

  test("wants CONNECT of one who must come by a proxy, or in another way", () => {
    const proxied = `authorization { users: [{user: a, password: pa, proxy_required: true}] }, no_auth_user: a`;
    expect(outcome(proxied, { over: { isImplicit: true } })).toBe(VIOLATION);
    expect(outcome(proxied)).toBe("proxy required");
    const web = `authorization { users: [{user: a, password: pa, allowed_connection_types: [WEBSOCKET]}] }, no_auth_user: a`;
    expect(outcome(web, { over: { isImplicit: true } })).toBe(VIOLATION);
    expect(outcome(web)).toBe(VIOLATION);
  });
});

describe("judgeByRules() with nkeys", () => {
  const KEY = createSigner();
  const OTHER = KeyPair.create("user");
  const nkey = KEY.publicKey;
  const CONFIG = `accounts { A { users: [{nkey: ${nkey}}, {user: bob, password: pb}] } }`;

  test("wants the nonce signed, in either encoding", () => {
    expect(outcome(CONFIG, { nkey, signature: signNonce(KEY) })).toBe(`${nkey}@A`);
    expect(outcome(CONFIG, { nkey, signature: signNonce(KEY, NONCE, "base64") })).toBe(`${nkey}@A`);
    expect(outcome(CONFIG, { nkey, signature: signNonce(KEY), user: "bob", password: "x" })).toBe(
      `${nkey}@A`,
    );
  });

  const ATTACKS: readonly (readonly [string, RequestParts])[] = [
    ["no signature", { nkey }],
    ["a signature by somebody else", { nkey, signature: signNonce(OTHER) }],
    ["the nonce of another connection", { nkey, signature: signNonce(KEY, "another-nonce-1") }],
    ["a replayed CONNECT", { nkey, signature: signNonce(KEY), over: { nonce: "fresh-nonce-123" } }],
    ["the decoded nonce signed", { nkey, signature: signNonce(KEY, atob("aN5b3xZ9QwErTyUA")) }],
    ["URL-safe base64 with padding", { nkey, signature: `${signNonce(KEY)}==` }],
    ["no base64", { nkey, signature: "&&&&" }],
    ["a signature cut short", { nkey, signature: signNonce(KEY).slice(0, -4) }],
    ["an unknown nkey", { nkey: OTHER.publicKey, signature: signNonce(OTHER) }],
    ["an nkey that is none", { nkey: "UABC", signature: signNonce(KEY) }],
    ["an empty nonce signed", { nkey, signature: signNonce(KEY, ""), over: { nonce: "" } }],
    ["the nkey as a user name", { user: nkey }],
    ["an unknown nkey before a known user", { nkey: OTHER.publicKey, user: "bob", password: "pb" }],
  ];
  for (const [what, parts] of ATTACKS) {
    test(`refuses ${what}`, () => expect(outcome(CONFIG, parts)).toBe(VIOLATION));
  }

  test("leaves users to their passwords", () => {
    expect(outcome(CONFIG, { user: "bob", password: "pb" })).toBe("bob@A");
  });

  test("lets an nkey stand in for clients without credentials, not for those without CONNECT", () => {
    const config = `${CONFIG}, no_auth_user: ${nkey}`;
    expect(outcome(config)).toBe(`${nkey}@A`);
    expect(outcome(config, { over: { isImplicit: true } })).toBe(VIOLATION);
  });

  test("holds to allowed connection types", () => {
    const config = `authorization { users: [{nkey: ${nkey}, allowed_connection_types: [LEAFNODE]}] }`;
    expect(outcome(config, { nkey, signature: signNonce(KEY) })).toBe(VIOLATION);
    expect(outcome(config, { nkey, signature: signNonce(KEY), over: { connectionType: "LEAFNODE" } })).toBe(
      `${nkey}@$G`,
    );
  });
});

describe("judgeByRules() with certificates", () => {
  const TLS = "tls { cert_file: c, key_file: k, ca_file: a, verify_and_map: true }";
  const CONFIG = `${TLS}, accounts { A { users: [{user: "x@acme"}, {user: "y@acme", password: py}] } }
    websocket { port: 8080, no_tls: true }`;
  const tls = (email: string) => ({ tls: certificateOf({ emails: [email] }) });

  test("takes the user from the certificate", () => {
    expect(outcome(CONFIG, { over: tls("x@acme") })).toBe("x@acme@A");
    expect(outcome(CONFIG, { password: "py", over: tls("y@acme") })).toBe("y@acme@A");
  });

  test("overrides the user in CONNECT, with a warning", () => {
    const login = judge(CONFIG, { user: "y@acme", over: tls("x@acme") });
    expect(login).toMatchObject({ kind: "login", user: "x@acme" });
    expect(login).toMatchObject({
      logs: [
        { level: "debug" },
        { level: "warning", text: 'User "y@acme" found in connect proto, but user required from cert' },
      ],
    });
  });

  test("still compares the password", () => {
    expect(outcome(CONFIG, { password: "any", over: tls("x@acme") })).toBe(VIOLATION);
    expect(outcome(CONFIG, { over: tls("y@acme") })).toBe(VIOLATION);
  });

  test("refuses other certificates, and none", () => {
    expect(outcome(CONFIG, { over: tls("z@acme") })).toBe(VIOLATION);
    expect(outcome(CONFIG, { user: "y@acme", password: "py" })).toBe(VIOLATION);
  });

  test("admits no user without a password by name on a listener that does not map", () => {
    const verdict = judge(CONFIG, { user: "x@acme", over: { connectionType: "WEBSOCKET" } });
    expect(verdict).toMatchObject({
      kind: "refusal",
      logs: [{ level: "debug", text: 'User "x@acme" requires a client certificate' }],
    });
    expect(outcome(CONFIG, { user: "y@acme", password: "py", over: { connectionType: "WEBSOCKET" } })).toBe(
      "y@acme@A",
    );
  });
});

describe("judgeByRules() with trusted proxies", () => {
  const PROXY = KeyPair.create("server");
  const CONFIG = `
    proxies { trusted: [{key: ${PROXY.publicKey}}] }
    authorization { users: [{user: a, password: pa, proxy_required: true}, {user: b, password: pb}] }
  `;
  const a = { user: "a", password: "pa" };

  test("wants a proxy's signature where the user does", () => {
    expect(judge(CONFIG, { ...a, proxySignature: signNonce(PROXY) })).toMatchObject({
      kind: "login",
      proxyKey: PROXY.publicKey,
    });
    expect(judge(CONFIG, a)).toMatchObject({ reason: "proxy required", eventReason: "Proxy Required" });
    expect(outcome(CONFIG, { user: "b", password: "pb" })).toBe("b@$G");
  });

  test("refuses a signature that is none of a trusted proxy, also where none is wanted", () => {
    for (const proxySignature of [
      signNonce(KeyPair.create("server")),
      signNonce(PROXY, "other"),
      "&",
      `${signNonce(PROXY)}==`,
    ]) {
      expect(judge(CONFIG, { user: "b", password: "pb", proxySignature })).toMatchObject({
        reason: "proxy not trusted",
        eventReason: "Proxy Not Trusted",
      });
    }
  });

  test("wants one for single credentials, and ignores signatures without trusted proxies", () => {
    const single = "authorization { user: a, password: pa, proxy_required: true }";
    expect(outcome(single, a)).toBe("proxy required");
    expect(outcome(single, { ...a, proxySignature: signNonce(PROXY) })).toBe("proxy required");
    expect(
      outcome(`${single}, proxies { trusted: [{key: ${PROXY.publicKey}}] }`, {
        ...a,
        proxySignature: signNonce(PROXY),
      }),
    ).toBe("a@$G");
  });
});

describe("judgeByRules() with an auth callout", () => {
  const ISSUER = KeyPair.create("account").publicKey;
  const config = (more = "") => `
    accounts { AUTH { users: [{user: auth, password: pa}] }, FOO { users: [{user: foo, password: pf}] } }
    authorization { auth_callout { issuer: ${ISSUER}, account: AUTH, auth_users: [auth] ${more} } }
  `;

  test("asks about everybody but the service's own users", () => {
    for (const parts of [
      {},
      { user: "x" },
      { user: "foo", password: "pf" },
      { user: "foo", password: "bad" },
      { authToken: "t" },
    ]) {
      expect(judge(config(), parts)).toMatchObject({ kind: "needs callout", account: "AUTH" });
    }
    expect(outcome(config(), { user: "auth", password: "pa" })).toBe("auth@AUTH");
    expect(outcome(config(), { user: "auth", password: "wrong" })).toBe(VIOLATION);
  });

  test("keeps clients in its account from asking themselves", () => {
    expect(judge(config(), { user: "auth", password: "pa" })).toMatchObject({
      permissions: { publish: { deny: ["$SYS.REQ.USER.AUTH"] } },
    });
  });

  test("leaves users of accounts that are not listed alone", () => {
    const listed = config(", allowed_accounts: [AUTH]");
    expect(outcome(listed, { user: "foo", password: "pf" })).toBe("foo@FOO");
    expect(outcome(listed, { user: "foo", password: "bad" })).toBe("needs callout");
    // After a reload it is in an account.
    const again = { user: "foo", password: "bad", over: { currentAccount: "FOO" } };
    expect(outcome(listed, again)).toBe(outcome("port: 4222\nauthorization { token: t }", {}));
    expect(outcome(listed, { user: "foo", password: "pf", over: { connectionType: "LEAFNODE" } })).toBe(
      "needs callout",
    );
  });

  test("is not passed by naming its user as an nkey", () => {
    expect(outcome(config(), { nkey: "auth", user: "foo", password: "pf" })).toBe("needs callout");
  });
});

describe("InlineJudge", () => {
  const KEY = KeyPair.create("user");
  const CONFIG = `
    accounts { A { users: [{user: a, password: pa}, {user: h, password: "${HASH}"}, {nkey: ${KEY.publicKey}}] } }
    proxies { trusted: [{key: ${KEY.publicKey}}] }
  `;
  const inline = new InlineJudge(compileLoginRules(optionsOf(CONFIG), ""));

  test("decides what takes no signature and no hash", () => {
    expect(inline.judge(requestOf({ user: "a", password: "pa" }))).toMatchObject({
      kind: "login",
      account: "A",
    });
    expect(inline.judge(requestOf({ user: "a", password: "x" }))).toMatchObject({ kind: "refusal" });
    expect(inline.judge(requestOf({ user: "x" }))).toMatchObject({ kind: "refusal" });
    expect(inline.judge(requestOf({ nkey: KEY.publicKey }))).not.toBeNull();
  });

  test("leaves the rest to others", () => {
    for (const connect of [
      { user: "h", password: "s3cret" },
      { nkey: KEY.publicKey, signature: signNonce(KEY) },
      { user: "a", password: "pa", proxySignature: signNonce(KEY) },
    ])
      expect(inline.judge(requestOf(connect))).toBeNull();
    const operator = new InlineJudge(
      compileLoginRules(optionsOf(`trusted_keys: ${KeyPair.create("operator").publicKey}`), ""),
    );
    expect(operator.judge(requestOf())).toBeNull();
  });
});
