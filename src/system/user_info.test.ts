import { expect, test } from "bun:test";
import { encodeGoJson } from "../protocol/go_json.ts";
import { userInfo } from "./user_info.ts";

const CLIENT = { account: "AKEY", user: "UKEY", nameTag: "bob" };
const FREE = { permissions: null, expiresAtMs: null };

test("userInfo() leaves out what there is none of", () => {
  expect(encodeGoJson(userInfo(CLIENT, "tenant", FREE, 0), 0)).toBe(
    '{"user":"UKEY","account":"AKEY","account_name":"tenant","user_name":"bob"}',
  );
  expect(encodeGoJson(userInfo({ account: "" }, "", FREE, 0), 0)).toBe('{"user":"","account":""}');
});

test("userInfo() shows permissions, both sides of them, and answers in nanoseconds", () => {
  const permissions = {
    publish: { allow: ["a.>"], deny: undefined },
    subscribe: undefined,
    responses: { maxMessages: 3, ttlMs: 1500 },
  };
  expect(encodeGoJson(userInfo(CLIENT, "", { ...FREE, permissions }, 0).permissions, 0)).toBe(
    '{"publish":{"allow":["a.\\u003e"]},"subscribe":{},"responses":{"max":3,"ttl":1500000000}}',
  );
});

test("userInfo() says in whole seconds when the login ends", () => {
  const expires = (expiresAtMs: number) => userInfo(CLIENT, "", { ...FREE, expiresAtMs }, 1000).expires;
  expect(expires(61_999)).toBe(60e9);
  expect(expires(1999)).toBe(undefined);
});
