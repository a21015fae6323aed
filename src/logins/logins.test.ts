import { describe, expect, test } from "bun:test";
import type { Login, LoginRefusal, LoginRequest } from "../auth/login.ts";
import { compileLoginRules } from "../auth/login_rules.ts";
import { KeyPair } from "../auth/nkey.ts";
import { optionsOf, requestOf, signNonce } from "../auth/testing/requests.ts";
import { type AskedLogin, Logins, type LoginsSettings } from "./logins.ts";

const USER = KeyPair.create("user");
const SIGNED = requestOf({ nkey: USER.publicKey, signature: signNonce(USER) });
/** The hash of `secret`, at the lowest cost. */
const HASH = "$2b$04$icAL8pUJvk.ETrHG/4awf.xy8vYDt.AahxeWFmGmJQV0DgIfYGpV.";

function settings(text: string, timeoutMs = 2000): LoginsSettings {
  return { rules: compileLoginRules(optionsOf(text), ""), timeoutMs, calloutAccounts: null };
}

const NKEYS = settings(`authorization { users: [ { nkey: ${USER.publicKey} } ] }`);

const create = (chosen: LoginsSettings) =>
  Logins.create(chosen, null, {
    client: { publish: () => 0, subscribe: () => () => {} },
    askServices: () => {},
    countClients: () => 0,
    server: {
      name: "",
      host: "",
      id: "",
      cluster: "",
      version: "",
      tags: [],
      metadata: new Map(),
      featureFlags: new Map(),
    },
    serverHash: "",
    secrets: { signing: new Uint8Array(32), sealing: new Uint8Array(32) },
  });

function judge(logins: Logins, request: LoginRequest, more: Partial<AskedLogin> = {}) {
  return new Promise<Login | LoginRefusal>((resolve) => {
    logins.add({
      node: 3,
      clientId: 1,
      isAgain: false,
      request,
      clientTls: null,
      isWanted: () => true,
      conclude: resolve,
      ...more,
    });
  });
}

describe("Logins", () => {
  test("judges signatures and hashes", async () => {
    const nkeys = await create(NKEYS);
    expect(await judge(nkeys, SIGNED)).toMatchObject({ kind: "login", user: USER.publicKey });
    expect(await judge(nkeys, { ...SIGNED, nonce: "another" })).toMatchObject({ kind: "refusal" });

    const hashes = await create(settings(`authorization { user: u, password: "${HASH}" }`));
    expect(await judge(hashes, requestOf({ user: "u", password: "secret" }))).toMatchObject({
      kind: "login",
    });
    expect(await judge(hashes, requestOf({ user: "u", password: "wrong" }))).toMatchObject({
      kind: "refusal",
      reason: "authorization violation",
    });
  });

  test("judges by the settings there are when it begins", async () => {
    const logins = await create(NKEYS);
    await logins.changeSettings(settings("authorization { user: u, password: p }"));
    expect(await judge(logins, SIGNED)).toMatchObject({ kind: "refusal" });
  });

  test("refuses whoever has waited as long as a login may take, but nobody who is in", async () => {
    const logins = await create({ ...NKEYS, timeoutMs: -1 });
    expect(await judge(logins, SIGNED)).toMatchObject({
      kind: "refusal",
      reason: "authentication timeout",
      user: USER.publicKey,
      eventReason: "Authentication Timeout",
    });
    expect(await judge(logins, SIGNED, { isAgain: true })).toMatchObject({ kind: "login" });
  });

  test("refuses one that cannot be judged, and goes on with others", async () => {
    const logins = await create(NKEYS);
    const broken = {
      ...SIGNED,
      get nonce(): string {
        throw new Error("broken");
      },
    };
    expect(await judge(logins, broken)).toMatchObject({
      kind: "refusal",
      reason: "authorization violation",
      logs: [{ level: "error", text: "A login could not be judged: broken" }],
    });
    expect(await judge(logins, SIGNED)).toMatchObject({ kind: "login" });
  });

  test("lets other servers wait, and judges them in turn with clients", async () => {
    const block = `cluster { port: 1, authorization { user: u, password: "${HASH}" } }`;
    const logins = await create(settings(`authorization { user: u, password: "${HASH}" }, ${block}`, -1));
    const over = { server: "route" } as const;
    expect(await judge(logins, requestOf({ user: "u", password: "secret", over }))).toMatchObject({
      kind: "login",
    });
    expect(await judge(logins, requestOf({ user: "u", password: "wrong", over }))).toMatchObject({
      kind: "refusal",
      reason: "authorization violation",
    });
    expect(await judge(logins, requestOf({ user: "u", password: "secret" }))).toMatchObject({
      reason: "authentication timeout",
    });
  });

  test("judges nobody who is gone", async () => {
    const logins = await create(NKEYS);
    let wasConcluded = false;
    const conclude = () => {
      wasConcluded = true;
    };
    void judge(logins, SIGNED, { isWanted: () => false, conclude });
    await judge(logins, SIGNED);
    expect(wasConcluded).toBe(false);
  });
});
