import { describe, expect, test } from "bun:test";
import type { ServerIdentity } from "../protocol/server_object.ts";
import { FILTER_FIELDS, isMeant } from "./request_filter.ts";
import { readOptions } from "./request_options.ts";

const IDENTITY: ServerIdentity = {
  name: "srv10",
  host: "0.0.0.0",
  id: "N",
  cluster: "east",
  version: "2.15.2",
  tags: ["foo", "az:1"],
  metadata: new Map(),
  featureFlags: new Map(),
};

function means(filter: object): boolean {
  const body = new TextEncoder().encode(JSON.stringify(filter));
  const result = readOptions(body, { name: "X", parts: { "": FILTER_FIELDS } });
  if (!result.ok) throw new Error(result.problem);
  return isMeant(IDENTITY, result.options);
}

describe("isMeant()", () => {
  test("takes a part of name, host and cluster", () => {
    for (const filter of [{}, { server_name: "srv1" }, { host: "0.0" }, { cluster: "as" }])
      expect(means(filter)).toBe(true);
    for (const filter of [{ server_name: "srv2" }, { host: "127" }, { cluster: "west" }])
      expect(means(filter)).toBe(false);
  });

  test("takes all of them, where that is asked for", () => {
    expect(means({ server_name: "srv10", cluster: "east", exact_match: true })).toBe(true);
    expect(means({ server_name: "srv1", exact_match: true })).toBe(false);
    expect(means({ exact_match: true })).toBe(true);
  });

  test("wants every condition, and every tag", () => {
    expect(means({ server_name: "srv", cluster: "west" })).toBe(false);
    expect(means({ tags: ["FOO", " az:1 "] })).toBe(true);
    expect(means({ tags: ["foo", "bar"] })).toBe(false);
  });

  test("has no domain", () => {
    expect(means({ domain: "" })).toBe(true);
    expect(means({ domain: "hub" })).toBe(false);
  });
});
