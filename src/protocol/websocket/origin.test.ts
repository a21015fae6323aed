import { expect, test } from "bun:test";
import { findOriginProblem, parseOrigin } from "./origin.ts";

const allowing = (...origins: string[]) => ({
  isSameRequired: false,
  allowed: origins.map((origin) => parseOrigin(origin)!),
});
const SAME = { isSameRequired: true, allowed: [] };

test("without rules, and without an origin, anybody may come", () => {
  expect(findOriginProblem(allowing(), "http://any", "h", false)).toBe(undefined);
  expect(findOriginProblem(allowing(), "null", "h", false)).toBe(undefined);
  expect(findOriginProblem(SAME, "", "h", false)).toBe(undefined);
  expect(findOriginProblem(allowing("http://a"), "", "h", false)).toBe(undefined);
});

test("the same origin: scheme, host and port, with the defaults of the scheme", () => {
  const problem = (origin: string, host: string, isSecure: boolean) =>
    findOriginProblem(SAME, origin, host, isSecure);
  expect(problem("http://h", "h", false)).toBe(undefined);
  expect(problem("http://H:80", "h", false)).toBe(undefined);
  expect(problem("http://h", "H:80", false)).toBe(undefined);
  expect(problem("https://h:443", "h", true)).toBe(undefined);
  expect(problem("http://[::1]:8080", "[::1]:8080", false)).toBe(undefined);
  for (const [origin, host, isSecure] of [
    ["https://h", "h", false],
    ["http://h", "h", true],
    ["http://h:81", "h", false],
    ["http://other", "h", false],
    ["http://h.evil", "h", false],
    ["http://h@evil", "h", false],
    ["http://[::2]:8080", "[::1]:8080", false],
  ] as const) {
    expect(problem(origin, host, isSecure)).toBe("not same origin");
  }
});

test("a list: one of it, whatever the path", () => {
  const rules = allowing("http://a", "https://a:8443/app", "http://B:81");
  for (const origin of ["http://a", "http://a:80/x", "https://A:8443", "http://b:81"]) {
    expect(findOriginProblem(rules, origin, "h", false)).toBe(undefined);
  }
  for (const origin of ["https://a", "http://a:81", "http://c", "http://b"]) {
    expect(findOriginProblem(rules, origin, "h", false)).toBe("not in the allowed list");
  }
});

test("both rules hold together", () => {
  const rules = { ...allowing("http://h", "http://a"), isSameRequired: true };
  expect(findOriginProblem(rules, "http://h", "h", false)).toBe(undefined);
  expect(findOriginProblem(rules, "http://a", "h", false)).toBe("not same origin");
});

test("what is no origin is refused where there are rules", () => {
  for (const origin of ["null", "h", "a:b:c", "http://h#f"]) {
    expect(findOriginProblem(SAME, origin, "h", false)).toBe(`parse "${origin}": invalid URI for request`);
  }
});
