import { describe, expect, test } from "bun:test";
import { compileCalloutTargets } from "../auth/callout_targets.ts";
import { decodeAs } from "../auth/jwt/decode.ts";
import { encode } from "../auth/jwt/encode.ts";
import { newAuthorizationResponse } from "../auth/jwt/new_claims.ts";
import { compileLoginRules } from "../auth/login_rules.ts";
import { KeyPair } from "../auth/nkey.ts";
import { NOW_S, sign, userClaims } from "../auth/testing/chain.ts";
import { optionsOf, requestOf } from "../auth/testing/requests.ts";
import { loginOf, refusalOf } from "../auth/verdict.ts";
import { SealingKey } from "../auth/xkey.ts";
import type { InternalHandler } from "../fabric/internal_client.ts";
import { type CalloutAsk, type CalloutLogin, Callouts, type ServiceRequest } from "./callouts.ts";

const ASKED_ID = 7;
const FULL_ID = 8;
const ISSUER = KeyPair.create("account");
const SERVER = KeyPair.create("server");
const CURVE = KeyPair.create("curve");
const SERVICE_CURVE = KeyPair.create("curve");
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

interface Published {
  readonly account: number;
  readonly subject: string;
  readonly payload: Uint8Array;
  readonly reply: string;
  readonly headers: string;
}

/** Callouts over a client that keeps what is published. */
function setUp() {
  const published: Published[] = [];
  const services: ServiceRequest[] = [];
  const inboxes: { readonly account: number; readonly subject: string; readonly handle: InternalHandler }[] =
    [];
  const callouts = new Callouts({
    client: {
      publish(account, subject, payload, reply = "", headers = new Uint8Array(0)) {
        published.push({ account, subject, payload, reply, headers: text(headers) });
        return 1;
      },
      subscribe(account, subject, _queue, handle) {
        inboxes.push({ account, subject, handle });
        return () => {};
      },
    },
    askServices: (request) => services.push(request),
    server: {
      name: "S1",
      host: "0.0.0.0",
      id: SERVER.publicKey,
      cluster: "",
      version: "2.15.2",
      tags: [],
      metadata: new Map(),
      featureFlags: new Map(),
    },
    serverHash: "HASHHASH",
    countClients: (account) => (account === FULL_ID ? 2 : 0),
    secrets: { signing: SERVER.secretBytes(), sealing: CURVE.secretBytes() },
    source: undefined,
  });
  const answer = (subject: string, payload: string | Uint8Array) => {
    const bytes = typeof payload === "string" ? new TextEncoder().encode(payload) : payload;
    for (const { account, handle } of inboxes)
      handle({ account, subject, reply: "", content: { bytes: Uint8Array.from(bytes), headerBytes: 0 } });
  };
  return { callouts, published, services, inboxes, answer };
}

const asking = (xkey = "", askedId: number | undefined = ASKED_ID): CalloutAsk => {
  const options = optionsOf(`
    accounts { AUTH { users: [ { user: auth, password: p } ] }, FOO {} }
    authorization { auth_callout { issuer: ${ISSUER.publicKey}, account: AUTH, auth_users: [auth] ${xkey && `, xkey: ${xkey}`} } }
  `);
  const { callout } = compileLoginRules(options, "");
  const limited = new Map([
    ["FULL", { id: FULL_ID, maxConnections: 2 }],
    ["ROOMY", { id: FULL_ID, maxConnections: 3 }],
  ]);
  return {
    kind: "config",
    callout: callout!,
    accounts: { askedId, importsService: false, targets: compileCalloutTargets(options), limited },
  };
};

function loginOfDave(more: Partial<CalloutLogin> = {}): CalloutLogin {
  const sent = { nkey: "", user: "dave", password: "q", authToken: "", jwt: "", publicKey: "" };
  const bound = refusalOf(sent, "authorization violation", "$G", []);
  return {
    pending: {
      kind: "needs callout",
      account: "AUTH",
      bound,
      password: "q",
      isProxyRequired: false,
      proxyKey: "",
    },
    request: requestOf({ user: "dave", password: "q" }),
    clientId: 1,
    clientTls: null,
    timeoutMs: 1000,
    isWanted: () => true,
    ...more,
  };
}

/** The answer that lets in the user that the token asks about. */
function acceptance(token: string): string {
  const decoded = decodeAs("authorization_request", token);
  if (!decoded.ok) throw new Error(decoded.text);
  const { userNkey } = decoded.claims.nats;
  const user = { ...userClaims(KeyPair.create("user"), { audience: "FOO", name: "" }), subject: userNkey };
  const empty = newAuthorizationResponse(userNkey);
  const encoded = encode(
    { ...empty, audience: SERVER.publicKey, nats: { ...empty.nats, jwt: sign(user, ISSUER) } },
    ISSUER,
    NOW_S,
  );
  if (!encoded.ok) throw new Error(encoded.text);
  return encoded.token;
}

describe("Callouts", () => {
  test("asks in the callout's account and takes the answer at the inbox", async () => {
    const { callouts, published, inboxes, answer } = setUp();
    const deciding = callouts.decide(loginOfDave(), asking());
    const [question] = published;
    expect(question).toMatchObject({ account: ASKED_ID, subject: "$SYS.REQ.USER.AUTH", headers: "" });
    expect(question!.reply).toMatch(/^\$SYS\._INBOX\.HASHHASH\.[0-9A-Za-z]{8}$/);
    expect(inboxes).toMatchObject([{ account: ASKED_ID, subject: "$SYS._INBOX.HASHHASH.*" }]);
    answer(`${question!.reply}x`, "");
    answer(question!.reply, acceptance(text(question!.payload)));
    answer(question!.reply, "");
    expect(await deciding).toMatchObject({ kind: "login", account: "FOO", user: "dave" });
  });

  test("keeps questions apart, over one subscription", async () => {
    const { callouts, published, inboxes, answer } = setUp();
    const deciding = [1, 2].map(() => callouts.decide(loginOfDave(), asking()));
    const [first, second] = published;
    answer(second!.reply, acceptance(text(second!.payload)));
    answer(first!.reply, "");
    expect(await Promise.all(deciding)).toMatchObject([{ kind: "refusal" }, { kind: "login" }]);
    expect(inboxes.length).toBe(1);
  });

  test("asks the services of other accounts, too, where its account imports some", async () => {
    const { callouts, published, services, answer } = setUp();
    const ask = asking();
    if (ask.kind !== "config") throw new Error(ask.kind);
    void callouts.decide(loginOfDave(), ask);
    expect(services).toEqual([]);
    const accounts = { ...ask.accounts, importsService: true };
    const deciding = callouts.decide(loginOfDave(), { ...ask, accounts });
    const { account, subject, payload, reply } = published[1]!;
    expect(services).toEqual([{ account, subject, payload, reply, headers: undefined }]);
    answer(reply, acceptance(text(payload)));
    expect(await deciding).toMatchObject({ kind: "login", account: "FOO" });
    answer(published[0]!.reply, "");
  });

  test("seals the question for a service with a curve key, and opens the answer", async () => {
    const { callouts, published, answer } = setUp();
    const service = new SealingKey(SERVICE_CURVE);
    const deciding = callouts.decide(loginOfDave(), asking(SERVICE_CURVE.publicKey));
    const [question] = published;
    expect(question!.headers).toBe(`NATS/1.0\r\nNats-Server-Xkey: ${CURVE.publicKey}\r\n\r\n`);
    const opened = service.open(question!.payload, CURVE.publicKey);
    if (!opened.ok) throw new Error(opened.text);
    const sealed = service.seal(new TextEncoder().encode(acceptance(text(opened.bytes))), CURVE.publicKey);
    if (!sealed.ok) throw new Error(sealed.text);
    answer(question!.reply, sealed.bytes);
    expect(await deciding).toMatchObject({ kind: "login", account: "FOO" });
  });

  test("refuses when no answer comes in time", async () => {
    const { callouts, published, answer } = setUp();
    const deciding = callouts.decide(loginOfDave({ timeoutMs: 5 }), asking());
    expect(await deciding).toMatchObject({
      kind: "refusal",
      reason: "authorization violation",
      eventReason: "",
      logs: [{ text: 'Authorization callout response not received in time on account "AUTH"' }],
    });
    answer(published[0]!.reply, acceptance(text(published[0]!.payload)));
  });

  test("comes to no conclusion about somebody who is gone", async () => {
    const { callouts, published, answer } = setUp();
    const deciding = callouts.decide(loginOfDave({ isWanted: () => false }), asking());
    answer(published[0]!.reply, "");
    expect(await deciding).toBe(null);
  });

  test("asks nobody about a client whose account is full, unless it is in already", async () => {
    const { callouts, published } = setUp();
    const of = (account: string, sent = {}) => {
      const { pending, request } = loginOfDave();
      const user = { nkey: "", user: "dave", password: "q", authToken: "", jwt: "", publicKey: "" };
      const bound = loginOf(user, { account, permissions: null, proxyKey: "" });
      return loginOfDave({ pending: { ...pending, bound }, request: { ...request, ...sent }, timeoutMs: 1 });
    };
    const reasonOf = async (login: CalloutLogin) => {
      const verdict = await callouts.decide(login, asking());
      return verdict?.kind === "refusal" && [verdict.reason, verdict.account];
    };
    expect(await reasonOf(of("FULL"))).toEqual(["account connections", "FULL"]);
    expect(published).toEqual([]);
    const isAsked = ["authorization violation", "AUTH"];
    expect(await reasonOf(of("FULL", { currentAccount: "FULL" }))).toEqual(isAsked);
    expect(await reasonOf(of("FULL", { connectionType: "LEAFNODE" }))).toEqual(isAsked);
    expect(await reasonOf(of("ROOMY"))).toEqual(isAsked);
    expect(published).toHaveLength(3);
  });

  test("asks nobody where there is no such account", async () => {
    const { callouts, published } = setUp();
    const ask = asking();
    if (ask.kind !== "config") throw new Error(ask.kind);
    const verdict = callouts.decide(loginOfDave(), {
      ...ask,
      accounts: { ...ask.accounts, askedId: undefined },
    });
    expect(await verdict).toMatchObject({
      kind: "refusal",
      eventReason: 'No valid account "AUTH" for auth callout request: account missing',
    });
    expect(published).toEqual([]);
  });
});
