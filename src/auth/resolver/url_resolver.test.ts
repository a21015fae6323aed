import { expect, test } from "bun:test";
import { KeyPair } from "../nkey.ts";
import { MemoryResolver } from "./memory_resolver.ts";
import { fetchAccountJwt } from "./resolver.ts";
import { type HttpAnswer, UrlResolver } from "./url_resolver.ts";

const A = KeyPair.create("account").publicKey;

function resolverOf(answers: Record<string, HttpAnswer | Error>, url = "http://h:1/accounts") {
  const asked: string[] = [];
  const resolver = new UrlResolver(url, async (asking, timeoutMs) => {
    asked.push(`${asking} ${timeoutMs}`);
    const answer = answers[asking] ?? { status: 404, statusText: "Not Found", body: "" };
    if (answer instanceof Error) throw answer;
    return answer;
  });
  return { resolver, asked };
}

const OK = { status: 200, statusText: "OK", body: "jwt" };

test("UrlResolver.fetch() gets the account behind the URL", async () => {
  const { resolver, asked } = resolverOf({ [`http://h:1/accounts/${A}`]: OK });
  expect(await resolver.fetch(A)).toEqual({ ok: true, jwt: "jwt" });
  expect(asked).toEqual([`http://h:1/accounts/${A} 1900`]);
});

test("UrlResolver.fetch() takes no other status, and remembers no failure", async () => {
  const { resolver, asked } = resolverOf({
    [`http://h:1/accounts/${A}`]: { ...OK, status: 204, statusText: "No Content" },
  });
  const problem = `could not fetch <"http://h:1/accounts/${A}">: 204 No Content`;
  expect(await resolver.fetch(A)).toEqual({ ok: false, problem });
  await resolver.fetch(A);
  expect(asked).toHaveLength(2);
});

test("UrlResolver.fetch() says why there was no answer, without the password", async () => {
  const url = "http://me:secret@h:1/";
  const { resolver } = resolverOf({ [url + A]: new Error("connection refused") }, url);
  expect(await resolver.fetch(A)).toEqual({
    ok: false,
    problem: `could not fetch <"http://me:xxxxx@h:1/${A}">: Get "http://me:xxxxx@h:1/${A}": connection refused`,
  });
});

test("UrlResolver.probe() asks for the URL itself", async () => {
  expect(await resolverOf({ "http://h:1/accounts/": OK }).resolver.probe()).toBeUndefined();
  expect(await resolverOf({}).resolver.probe()).toBe(
    'could not fetch <"http://h:1/accounts/">: 404 Not Found',
  );
});

test("fetchAccountJwt() asks for keys of accounts alone", async () => {
  const { resolver, asked } = resolverOf({});
  for (const key of ["", "../admin", KeyPair.create("user").publicKey]) {
    expect(await fetchAccountJwt(resolver, key)).toEqual({
      ok: false,
      problem: "will only fetch valid account keys",
    });
  }
  expect(asked).toEqual([]);
});

test("MemoryResolver has what was preloaded and stored", async () => {
  const resolver = new MemoryResolver(new Map([[A, "jwt"]]));
  expect(await resolver.fetch(A)).toEqual({ ok: true, jwt: "jwt" });
  expect(await resolver.fetch("B")).toEqual({ ok: false, problem: "account missing" });
  resolver.store("B", "other");
  expect(await resolver.fetch("B")).toEqual({ ok: true, jwt: "other" });
});
