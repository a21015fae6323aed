import { expect, test } from "bun:test";
import { cookiesIn } from "./cookies.ts";

const NAMES = { user: "u", password: "p", token: "" };
const read = (...lines: string[]) => cookiesIn(new Map([["cookie", lines]]), NAMES);

test("cookiesIn() finds the named ones, over all lines", () => {
  expect(read("x=1; u=me;p=a=b c")).toEqual({ user: "me", password: "a=b c", token: "" });
  expect(read("u=me", "p=secret")).toEqual({ user: "me", password: "secret", token: "" });
  expect(read("\t u = me ; p\t=\tsecret").user).toBe(" me");
  expect(cookiesIn(new Map(), NAMES)).toEqual({ user: "", password: "", token: "" });
});

test("cookiesIn() takes the last of one name, and what is between quotes", () => {
  expect(read(`u=a; u="b c"`).user).toBe("b c");
});

test("cookiesIn() leaves out what is no cookie, and names of any other case", () => {
  expect(read("u=a\\b; U=x; =y; u x=z; p")).toEqual({ user: "", password: "", token: "" });
  expect(read('p=a"b').password).toBe("");
  expect(read("=token").token).toBe("");
});
