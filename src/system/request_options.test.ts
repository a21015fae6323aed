import { describe, expect, test } from "bun:test";
import { type OptionStruct, readOptions } from "./request_options.ts";

const STRUCT: OptionStruct = {
  name: "XEventOptions",
  parts: {
    XOptions: {
      limit: "int",
      cid: "uint64",
      auth: "bool",
      user: "string",
      state: "server.ConnState",
      sort: "server.SortOpt",
    },
    EventFilterOptions: { tags: "[]string" },
    "": { own: "string" },
  },
};

const read = (body: string) => readOptions(new TextEncoder().encode(body), STRUCT);

/** What the options are, of a body that has some. */
function optionsOf(body: string) {
  const result = read(body);
  if (!result.ok) throw new Error(result.problem);
  return result.options;
}

function problemOf(body: string): string | null {
  const result = read(body);
  return result.ok ? null : result.problem;
}

describe("readOptions()", () => {
  test("reads zeros from a body without options", () => {
    for (const body of ["", "null", "{}", '{"limit":null,"unknown":{"limit":5}}', "  {}\n"]) {
      const options = optionsOf(body);
      expect([options.integer("limit"), options.boolean("auth"), options.text("user")]).toEqual([
        0,
        false,
        "",
      ]);
      expect(options.texts("tags")).toEqual([]);
    }
  });

  test("finds keys whatever their case, the last one of a name", () => {
    expect(optionsOf('{"LIMIT":5,"User":"a","user":"b"}').integer("limit")).toBe(5);
    expect(optionsOf('{"User":"a","user":"b"}').text("user")).toBe("b");
  });

  test("keeps integers beyond 2^53 whole, to the ends of their types", () => {
    expect(optionsOf('{"cid":18446744073709551615}').integer("cid")).toBe(18446744073709551615n);
    expect(optionsOf('{"limit":-9223372036854775808}').integer("limit")).toBe(-9223372036854775808n);
    expect(problemOf('{"cid":18446744073709551616}')).toContain(
      "cannot unmarshal number 18446744073709551616",
    );
  });

  test("takes null for an empty list, and for anything else as if it were not there", () => {
    expect(optionsOf('{"tags":["a"],"TAGS":null}').texts("tags")).toEqual([]);
    expect(optionsOf('{"user":"a","USER":null}').text("user")).toBe("a");
  });

  test("reads lists, null in them as an empty text", () => {
    expect(optionsOf('{"tags":["a",null]}').texts("tags")).toEqual(["a", ""]);
  });

  test("names the first value of a wrong type by its path", () => {
    const field = (what: string, path: string, type: string) =>
      `json: cannot unmarshal ${what} into Go struct field XEventOptions.${path} of type ${type}`;
    expect(problemOf('{"auth":1,"limit":"x"}')).toBe(field("number", "XOptions.auth", "bool"));
    expect(problemOf('{"limit":1.5}')).toBe(field("number 1.5", "XOptions.limit", "int"));
    expect(problemOf('{"limit":1e3}')).toBe(field("number 1e3", "XOptions.limit", "int"));
    expect(optionsOf('{"limit":-0}').integer("limit")).toBe(0);
    expect(problemOf('{"cid":-0}')).toBe(field("number -0", "XOptions.cid", "uint64"));
    expect(problemOf('{"cid":-1}')).toBe(field("number -1", "XOptions.cid", "uint64"));
    expect(problemOf('{"tags":{}}')).toBe(field("object", "EventFilterOptions.tags", "[]string"));
    expect(problemOf('{"tags":["a",[]]}')).toBe(field("array", "EventFilterOptions.tags", "string"));
    expect(problemOf('{"state":true}')).toBe(field("bool", "XOptions.state", "server.ConnState"));
    expect(problemOf('{"sort":1}')).toBe(field("number", "XOptions.sort", "server.SortOpt"));
    expect(problemOf('{"own":1}')).toBe(field("number", "own", "string"));
  });

  test("says what a body is that is no object", () => {
    for (const [body, kind] of [
      ["[]", "array"],
      ['"x"', "string"],
      ["1", "number"],
      ["false", "bool"],
    ]) {
      expect(problemOf(body!)).toBe(
        `json: cannot unmarshal ${kind} into Go value of type server.XEventOptions`,
      );
    }
    expect(problemOf("{x")).toBe("invalid character 'x' looking for beginning of object key string");
    expect(problemOf("{")).toBe("unexpected end of JSON input");
    expect(problemOf("\ufeff{}")).not.toBe(null);
  });
});
