/**
 * What nats-io/jwt and nats-io/nkeys, in Go, make of the tokens, creds files and sealed messages that Midge makes,
 * and whether both say the same about broken ones: `npm run test:peers`. clients/go-jwt answers the questions.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createInterface, type Interface } from "node:readline";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { encodeBase64Url } from "../../src/auth/base64.ts";
import { decode, decodeGeneric } from "../../src/auth/jwt/decode.ts";
import { formatCreds } from "../../src/auth/jwt/decorated.ts";
import { encode } from "../../src/auth/jwt/encode.ts";
import { newGeneric, newUser } from "../../src/auth/jwt/new_claims.ts";
import { validate } from "../../src/auth/jwt/validate.ts";
import { KeyPair } from "../../src/auth/nkey.ts";
import { SealingKey } from "../../src/auth/xkey.ts";
import { SIGNERS, signable } from "../support/claims.ts";

const program = fileURLToPath(new URL("../../.cache/peers/bin/client-go-jwt", import.meta.url));

const NOW_SECONDS = Math.floor(Date.now() / 1000);
const TOKEN_COUNT = 1000;

/** Of both kinds: a token to decode, or with `seed` one to make a creds file of; a sealed message to open. */
type Question =
  | { readonly token: string; readonly seed?: string }
  | { readonly sealed: string; readonly seed: string; readonly sender: string };

interface Answer {
  readonly error?: string;
  readonly type?: string;
  readonly payload?: string;
  readonly id?: string;
  readonly issues?: readonly { readonly text: string }[];
  readonly genericError?: string;
  readonly creds?: string;
  readonly opened?: string;
}

let child: ChildProcess;
let answers: AsyncIterator<string>;
let lines: Interface;

beforeAll(() => {
  if (!existsSync(program)) throw new Error(`${program} is not there: run "npm run peers"`);
  child = spawn(program, [], { stdio: ["pipe", "pipe", "inherit"] });
  lines = createInterface({ input: child.stdout! });
  answers = lines[Symbol.asyncIterator]();
});

afterAll(async () => {
  child.stdin?.end();
  if (child.exitCode === null) await once(child, "exit");
});

async function ask(question: Question): Promise<Answer> {
  child.stdin?.write(`${JSON.stringify(question)}\n`);
  const { value, done } = await answers.next();
  if (done) throw new Error("client-go-jwt ended");
  return JSON.parse(value) as Answer;
}

function tokenOf(encoded: ReturnType<typeof encode>): string {
  if (!encoded.ok) throw new Error(encoded.text);
  return encoded.token;
}

function payloadOf(token: string): string {
  return Buffer.from(token.split(".")[1] ?? "", "base64url").toString();
}

/**
 * Issues about maps come in any order. Go and the runtimes know different versions of Unicode, and so of which characters
 * are not to be escaped in what is quoted.
 */
function sortedIssues(issues: readonly { readonly text: string }[]) {
  return issues
    .map((issue) => ({ ...issue, text: withoutEscapes(issue.text) }))
    .toSorted((a, b) => (a.text < b.text ? -1 : 1));
}

function withoutEscapes(text: string): string {
  return text.replace(/\\u([\da-f]{4})|\\U([\da-f]{8})/g, (_escape, short, long) =>
    String.fromCodePoint(Number.parseInt(short ?? long, 16)),
  );
}

describe("nats-io/jwt", () => {
  test("reads our tokens, would write the same bytes, and finds the same issues", async () => {
    for (const [claims, signer] of fc.sample(signable, TOKEN_COUNT)) {
      const token = tokenOf(encode(claims, signer, NOW_SECONDS));
      const answer = await ask({ token });
      expect(answer.error).toBeUndefined();
      expect(answer.type).toBe(claims.type);
      expect(payloadOf(token)).toBe(answer.payload ?? "");
      const decoded = decode(token);
      if (!decoded.ok) throw new Error(decoded.text);
      expect(decoded.claims.id).toBe(answer.id ?? "");
      const issues = validate(decoded.claims, Date.now() / 1000);
      expect<unknown>(sortedIssues(issues)).toEqual(sortedIssues(answer.issues ?? []));
    }
  }, 120_000);

  test("reads our generic tokens", async () => {
    const { operator, account } = SIGNERS;
    const token = tokenOf(
      encode(newGeneric(operator.publicKey, { accounts: [account.publicKey] }), operator, NOW_SECONDS),
    );
    expect(await ask({ token })).toEqual({ error: "claim failed V1 signature verification" });
  });

  test("refuses broken tokens in the same words", async () => {
    const { account } = SIGNERS;
    const token = tokenOf(encode(newUser(KeyPair.create("user").publicKey, "bob"), account, NOW_SECONDS));
    const header = fc.constantFrom(
      '{"typ":"JWT","alg":"ed25519-nkey"}',
      '{"typ":"jwt","alg":"ed25519"}',
      '{"typ":"JWT","alg":"none"}',
      '{"typ":"J\\u0001","alg":"ed25519"}',
      "{}",
    );
    const nats = fc.record({
      type: fc.constantFrom(
        "user",
        "account",
        "operator",
        "activation",
        "authorization_request",
        "server",
        "other",
        "",
      ),
      version: fc.constantFrom(0, 1, 2, 3),
    });
    const forged = fc
      .tuple(header, nats, fc.constantFrom("", "user", "account", "cluster"), fc.boolean())
      .map(([header, nats, type, isVersion1]) => {
        const payload = { iss: account.publicKey, sub: account.publicKey, ...(type && { type }), nats };
        const body = encodeBase64Url(Buffer.from(JSON.stringify(payload)));
        const signed = `${encodeBase64Url(Buffer.from(header))}.${body}`;
        return `${signed}.${encodeBase64Url(account.sign(Buffer.from(isVersion1 ? body : signed)))}`;
      });
    const damaged = fc
      .tuple(fc.nat(token.length), fc.constantFrom("", ".", "=", "A", "!", "\n", "é", "__"), fc.nat(3))
      .map(([at, put, cut]) => token.slice(0, at) + put + token.slice(at + cut));
    for (const broken of fc.sample(fc.oneof(forged, damaged), TOKEN_COUNT)) {
      const answer = await ask({ token: broken });
      const decoded = decode(broken);
      expectSameRefusal(decoded.ok ? undefined : decoded.text, answer.error);
      const generic = decodeGeneric(broken);
      expectSameRefusal(generic.ok ? undefined : generic.text, answer.genericError);
    }
  }, 120_000);

  test("says the same about what is no JSON", async () => {
    const { account } = SIGNERS;
    const sound = `{"iss":"${account.publicKey}", "a":[1,-2.5e+3,true,false,null,"x\\u00e9\\n"],"nats":{"b":{}}}`;
    const put = fc.constantFrom(
      ..."{}[]:,\"'\\/ue0-+.19tfnx \n\u0001\u007fé".split(""),
      "",
      "\\u12",
      "nul",
      "1e",
      "-",
      "01",
    );
    const damaged = fc
      .tuple(fc.nat(sound.length), put, fc.nat(3))
      .map(([at, put, cut]) => sound.slice(0, at) + put + sound.slice(at + cut));
    const header = encodeBase64Url(Buffer.from('{"typ":"JWT","alg":"ed25519-nkey"}'));
    for (const payload of fc.sample(fc.oneof(damaged, fc.string()), TOKEN_COUNT)) {
      const broken = `${header}.${encodeBase64Url(Buffer.from(payload))}.AAAA`;
      const decoded = decode(broken);
      expectSameRefusal(decoded.ok ? undefined : decoded.text, (await ask({ token: broken })).error);
    }
  }, 120_000);

  test("would write the same creds file", async () => {
    const user = KeyPair.create("user");
    const token = tokenOf(encode(newUser(user.publicKey, "bob"), SIGNERS.account, NOW_SECONDS));
    expect((await ask({ token, seed: user.encodeSeed() })).creds).toBe(formatCreds(token, user));
  });
});

/** Values of a wrong type are told by the name of a Go struct there. */
function expectSameRefusal(ours: string | undefined, theirs: string | undefined): void {
  const isAboutType = (text: string | undefined) =>
    text !== undefined && /^(json: cannot unmarshal|unknown export type)/.test(text);
  if (isAboutType(ours) && isAboutType(theirs)) return;
  expect(ours).toBe(theirs as string);
}

test("nats-io/nkeys opens what we seal", async () => {
  const [ours, theirs] = [KeyPair.create("curve"), KeyPair.create("curve")];
  const sealed = new SealingKey(ours).seal(Buffer.from("eyJ0"), theirs.publicKey);
  if (!sealed.ok) throw new Error(sealed.text);
  const answer = await ask({
    sealed: Buffer.from(sealed.bytes).toString("base64"),
    seed: theirs.encodeSeed(),
    sender: ours.publicKey,
  });
  expect(Buffer.from(answer.opened ?? "", "base64").toString()).toBe("eyJ0");
});
