import { expect, test } from "bun:test";
import { decorateToken } from "./jwt/decorated.ts";
import { KeyPair } from "./nkey.ts";
import { readOperators, resolverOf } from "./operator_files.ts";
import { operatorClaims, sign } from "./testing/chain.ts";

const OPERATOR = KeyPair.create("operator");
const CLAIMS = operatorClaims(OPERATOR, { nats: { accountServerUrl: "http://h:1/jwt/v1" } });
const TOKEN = sign(CLAIMS, OPERATOR);

const FILES: Readonly<Record<string, string>> = {
  "op.jwt": decorateToken("operator", TOKEN),
  plain: `${TOKEN}\n`,
  bad: "x",
};

function read(...entries: string[]) {
  return readOperators(entries, (path) => {
    const text = FILES[path];
    if (text === undefined) throw new Error(`open ${path}: no such file or directory`);
    return text;
  });
}

test("readOperators() takes JWTs, decorated files and plain ones", () => {
  const result = read(TOKEN, "op.jwt", "plain");
  expect(result.ok && result.operators.map(({ subject }) => subject)).toEqual(
    Array(3).fill(OPERATOR.publicKey),
  );
  expect(result.ok && result.jwts).toEqual([TOKEN, TOKEN, TOKEN]);
});

test("readOperators() says what it could not read", () => {
  const problem = (entry: string) => {
    const result = read(entry);
    return result.ok ? "none" : result.problem;
  };
  expect(problem("missing")).toBe("error parsing operator JWT: open missing: no such file or directory");
  expect(problem("bad")).toBe("error parsing operator JWT: expected 3 chunks");
  expect(problem(`${TOKEN}x`)).toStartWith("error parsing operator JWT: ");
});

test("resolverOf() falls back on the account server of a single operator", () => {
  const url = { kind: "url", url: "http://h:1/jwt/v1/accounts/" } as const;
  expect(resolverOf(undefined, [CLAIMS])).toEqual(url);
  expect(resolverOf({ kind: "memory" }, [CLAIMS])).toEqual({ kind: "memory" });
  expect(resolverOf(undefined, [CLAIMS, CLAIMS])).toBeUndefined();
  expect(resolverOf(undefined, [])).toBeUndefined();
});
