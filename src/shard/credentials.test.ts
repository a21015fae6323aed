import { describe, expect, test } from "bun:test";
import { judge } from "./credentials.ts";
import type { Credentials } from "./shard_options.ts";

const NOTHING = { authToken: "", user: "", password: "" };

function users(noAuthUser = ""): Credentials {
  const list = [
    { user: "a", password: "pa" },
    { user: "open", password: "" },
  ];
  return { kind: "users", users: list, noAuthUser, timeoutMs: 1 };
}

describe("judge()", () => {
  test("accepts everybody where there are no credentials, under no name", () => {
    expect(judge({ kind: "none" }, { ...NOTHING, user: "x", password: "y" })).toEqual({
      isAccepted: true,
      isKnown: true,
      user: "",
    });
  });

  test("wants the token, and does not tell it", () => {
    const token: Credentials = { kind: "token", token: "secret", timeoutMs: 1 };
    expect(judge(token, { ...NOTHING, authToken: "secret" })).toEqual({
      isAccepted: true,
      isKnown: true,
      user: "[REDACTED]",
    });
    for (const authToken of ["", "secre", "secret ", "Secret"]) {
      expect(judge(token, { ...NOTHING, authToken }).isAccepted).toBe(false);
    }
    expect(judge(token, { ...NOTHING, user: "secret", password: "secret" }).isAccepted).toBe(false);
  });

  test("wants a user's own password", () => {
    const verdict = (user: string, password: string) => {
      const { isAccepted, isKnown } = judge(users(), { ...NOTHING, user, password });
      return [isAccepted, isKnown];
    };
    expect(verdict("a", "pa")).toEqual([true, true]);
    expect(verdict("a", "")).toEqual([false, true]);
    expect(verdict("a", "pb")).toEqual([false, true]);
    expect(verdict("b", "pa")).toEqual([false, false]);
    expect(verdict("open", "")).toEqual([true, true]);
    expect(verdict("", "")).toEqual([false, false]);
  });

  test("makes a client without credentials the user of no_auth_user, and nobody else", () => {
    expect(judge(users("a"), NOTHING)).toEqual({ isAccepted: true, isKnown: true, user: "a" });
    expect(judge(users("a"), { ...NOTHING, user: "a" }).isAccepted).toBe(false);
    expect(judge(users("a"), { ...NOTHING, authToken: "t" }).isAccepted).toBe(false);
    expect(judge(users("a"), { ...NOTHING, user: "b" }).isAccepted).toBe(false);
  });
});
