import { describe, expect, test } from "bun:test";
import { normalizeBasePath, parseTarget } from "./http_path.ts";

test("normalizeBasePath() puts a slash in front and cleans the rest", () => {
  const cases = ["", "/", "nats/mon/", "/nats//mon", "a/../b", "../x"];
  expect(cases.map(normalizeBasePath)).toEqual(["/", "/", "/nats/mon", "/nats/mon", "/b", "/x"]);
});

describe("parseTarget()", () => {
  test("splits path and query and decodes the path", () => {
    expect(parseTarget("/varz?a=%31")).toEqual({ kind: "path", path: "/varz", query: "a=%31" });
    expect(parseTarget("/%76arz")).toEqual({ kind: "path", path: "/varz", query: "" });
    expect(parseTarget("http://host:1/varz")).toEqual({ kind: "path", path: "/varz", query: "" });
    expect(parseTarget("http://host")).toEqual({ kind: "path", path: "/", query: "" });
    expect(parseTarget("/varz/")).toEqual({ kind: "path", path: "/varz/", query: "" });
  });

  test("redirects to the clean path, with the query as it came", () => {
    const location = (target: string) => {
      const parsed = parseTarget(target);
      return parsed.kind === "redirect" ? parsed.location : parsed.kind;
    };
    expect(location("//varz")).toBe("/varz");
    expect(location("/./varz")).toBe("/varz");
    expect(location("/a/../varz?x=1&y=<")).toBe("/varz?x=1&y=<");
    expect(location("//varz?")).toBe("/varz");
    expect(location("//")).toBe("/");
    expect(location("/varz//")).toBe("/varz/");
  });

  test("knows the whole server and refuses broken escapes", () => {
    expect(parseTarget("*").kind).toBe("server");
    expect(parseTarget("/he%zz").kind).toBe("invalid");
    expect(parseTarget("varz").kind).toBe("invalid");
  });
});
