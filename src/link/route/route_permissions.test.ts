import { expect, test } from "bun:test";
import { linkPermission } from "../core/json_fields.ts";
import { exportFilter, importFilter, peerFilter } from "./route_permissions.ts";

test("a filter lets through what is allowed and not denied, wildcards as text", () => {
  const permissions = { import: { allow: ["imp.>"], deny: ["imp.no"] }, export: undefined };
  const filter = importFilter(permissions);
  expect(
    ["imp.a", "imp.*", "imp.>", "imp.no", "other", ">"].map((subject) => filter.passes(subject)),
  ).toEqual([true, true, true, false, false, false]);
  expect(exportFilter(permissions).passes("other")).toBe(true);
  expect(importFilter(null).passes("other")).toBe(true);
});

test("an empty list of allowed subjects allows none when configured, and all when a peer says it", () => {
  const permissions = { import: { allow: [], deny: undefined }, export: undefined };
  expect(importFilter(permissions).passes("foo")).toBe(false);
  expect(peerFilter(linkPermission(permissions.import)).passes("foo")).toBe(true);
});
