import { expect, test } from "bun:test";
import { denyPublish, permissionsOf } from "./jwt_permissions.ts";

const NONE = { allow: [], deny: [] };

test("permissionsOf() is null where a JWT names none", () => {
  expect(permissionsOf({ publish: NONE, subscribe: NONE, responses: undefined })).toBeNull();
});

test("permissionsOf() reads an empty list as no list", () => {
  expect(
    permissionsOf({
      publish: { allow: ["a"], deny: [] },
      subscribe: { allow: [], deny: ["b q"] },
      responses: undefined,
    }),
  ).toEqual({
    publish: { allow: ["a"], deny: undefined },
    subscribe: { allow: undefined, deny: ["b q"] },
    responses: undefined,
  });
});

test("permissionsOf() leaves out what is no subject, so that a list of such alone allows nothing", () => {
  const given = {
    publish: { allow: ["a.>.b"], deny: ["a.>.b"] },
    subscribe: { allow: [">.a", "a.> q", ">"], deny: [] },
    responses: undefined,
  };
  expect(permissionsOf(given)).toEqual({
    publish: { allow: [], deny: [] },
    subscribe: { allow: ["a.> q", ">"], deny: undefined },
    responses: undefined,
  });
});

test("permissionsOf() lets nothing be published but responses where nothing is listed", () => {
  const responses = { maxMessages: 0, ttlNs: 0 };
  expect(permissionsOf({ publish: NONE, subscribe: NONE, responses })).toEqual({
    publish: { allow: [], deny: undefined },
    subscribe: undefined,
    responses: { maxMessages: 1, ttlMs: 120_000 },
  });
  const listed = {
    publish: { allow: ["a"], deny: [] },
    subscribe: NONE,
    responses: { maxMessages: -1, ttlNs: 1_500_000_000 },
  };
  expect(permissionsOf(listed)).toMatchObject({
    publish: { allow: ["a"] },
    responses: { maxMessages: -1, ttlMs: 1500 },
  });
});

test("denyPublish() adds to what is there", () => {
  expect(denyPublish(null, "x")).toEqual({
    publish: { allow: undefined, deny: ["x"] },
    subscribe: undefined,
    responses: undefined,
  });
  const permissions = {
    publish: { allow: ["a"], deny: ["b"] },
    subscribe: { allow: ["c"], deny: undefined },
    responses: undefined,
  };
  expect(denyPublish(permissions, "x")).toEqual({
    ...permissions,
    publish: { allow: ["a"], deny: ["b", "x"] },
  });
});
