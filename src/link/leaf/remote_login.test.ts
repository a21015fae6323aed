import { describe, expect, test } from "bun:test";
import { formatCreds } from "../../auth/jwt/decorated.ts";
import { KeyPair, verifySignature } from "../../auth/nkey.ts";
import { checkRemoteLogin, remoteLogin } from "./remote_login.ts";
import { remotesOf } from "./testing/fake_server.ts";

const KEY = KeyPair.create("user");
const CREDS = formatCreds("header.claims.signature", KEY);

function login(remote: string, user: { user: string; password: string } | null = null, file = CREDS) {
  const [options] = remotesOf(`{ url: "nats-leaf://h", ${remote} }`);
  return remoteLogin(options!, user, "nonce", () => file);
}

function isSigned(signature: string | undefined): boolean {
  const bytes = Uint8Array.fromBase64(signature ?? "", { alphabet: "base64url" });
  return verifySignature(KEY.publicKey, new TextEncoder().encode("nonce"), bytes);
}

describe("remoteLogin()", () => {
  test("signs the nonce with the key of a credentials file, and sends its JWT", () => {
    const result = login("credentials: c");
    expect(result).toMatchObject({ ok: true, login: { jwt: "header.claims.signature" } });
    expect(result.ok && isSigned(result.login.signature)).toBe(true);
  });

  test("signs with an nkey, and says whose it is", () => {
    const result = login(`nkey: ${KEY.encodeSeed()}`);
    expect(result).toMatchObject({ ok: true, login: { nkey: KEY.publicKey } });
    expect(result.ok && isSigned(result.login.signature)).toBe(true);
  });

  test("adds the user of the URL, also to credentials: a callout may ask", () => {
    const user = { user: "u", password: "p" };
    expect(login("", user)).toEqual({ ok: true, login: { user: "u", password: "p" } });
    expect(login("credentials: c", user)).toMatchObject({ login: { user: "u", password: "p" } });
    expect(login("", { user: "u", password: "" })).toEqual({
      ok: true,
      login: { user: "u", authToken: "u" },
    });
    expect(login("")).toEqual({ ok: true, login: {} });
  });

  test("says what is wrong with a file, and nothing that is in it", () => {
    expect(login("credentials: c", null, "secret")).toEqual({
      ok: false,
      problem: "Credentials file malformed",
    });
    const noSeed = CREDS.replace(KEY.encodeSeed(), "SUAB");
    expect(login("credentials: c", null, noSeed)).toEqual({
      ok: false,
      problem: "Credentials file has malformed seed",
    });
  });
});

describe("checkRemoteLogin()", () => {
  function logs(remote: string, isSystem: boolean, readFile: (path: string) => string): string[] {
    const [options] = remotesOf(`{ url: "nats-leaf://h", ${remote} }`);
    const lines: string[] = [];
    checkRemoteLogin(options!, isSystem, readFile, (level, text) => lines.push(`${level} ${text}`));
    return lines;
  }

  const missing = (): string => {
    throw new Error("open c: no such file or directory");
  };

  test("names files that cannot be used", () => {
    expect(logs("credentials: c", false, missing)).toEqual([
      'error Error reading LeafNode Remote Credentials file "c": open c: no such file or directory',
    ]);
    expect(logs("credentials: c", false, () => "x")).toEqual([
      'error LeafNode Remote Credentials file "c" malformed',
    ]);
    expect(logs("credentials: c", false, () => CREDS)).toEqual([
      'error LeafNode Remote Credentials file "c" has malformed user jwt',
    ]);
    expect(logs("", false, missing)).toEqual([]);
  });

  test("warns of a system account that is not shared in full", () => {
    expect(logs(`deny_imports: ["a"], deny_exports: ["b"]`, true, missing)).toEqual([
      "info Remote for System Account uses restricted export permissions",
      "info Remote for System Account uses restricted import permissions",
    ]);
  });
});
