import { describe, expect, test } from "bun:test";
import { Parameters } from "./parameters.ts";

function errorOf(query: string, read: (parameters: Parameters) => unknown): string | null {
  const parameters = new Parameters(query);
  read(parameters);
  return parameters.error;
}

describe("Parameters.boolean()", () => {
  test("accepts Go's words for true and false", () => {
    for (const word of ["1", "t", "T", "TRUE", "true", "True"]) {
      expect(new Parameters(`x=${word}`).boolean("x")).toBe(true);
    }
    for (const word of ["0", "f", "F", "FALSE", "false", "False", ""]) {
      const parameters = new Parameters(`x=${word}`);
      expect(parameters.boolean("x")).toBe(false);
      expect(parameters.error).toBe(null);
    }
  });

  test("refuses everything else by name and value", () => {
    expect(errorOf("auth=2", (p) => p.boolean("auth"))).toBe(
      `Error decoding boolean for 'auth': strconv.ParseBool: parsing "2": invalid syntax`,
    );
    expect(errorOf("auth=%22x%0a%C3%A9", (p) => p.boolean("auth"))).toBe(
      `Error decoding boolean for 'auth': strconv.ParseBool: parsing "\\"x\\né": invalid syntax`,
    );
  });
});

describe("Parameters.integer() and unsigned()", () => {
  test("read signs and 64 bits", () => {
    expect(new Parameters("offset=-5").integer("offset")).toBe(-5);
    expect(new Parameters("offset=%2B3").integer("offset")).toBe(3);
    expect(new Parameters("offset=9223372036854775807").integer("offset")).toBe(9223372036854775807n);
    expect(new Parameters("cid=18446744073709551615").unsigned("cid")).toBe(18446744073709551615n);
    expect(new Parameters("").integer("offset")).toBe(0);
  });

  test("refuse other text, other bases and numbers out of range", () => {
    const integer = (p: Parameters) => p.integer("offset");
    for (const [raw, shown] of [
      ["x", "x"],
      ["+3", " 3"],
      ["0x10", "0x10"],
      ["1_0", "1_0"],
      ["1.5", "1.5"],
    ]) {
      expect(errorOf(`offset=${raw}`, integer)).toBe(
        `Error decoding int for 'offset': strconv.Atoi: parsing "${shown}": invalid syntax`,
      );
    }
    expect(errorOf("offset=9223372036854775808", integer)).toBe(
      `Error decoding int for 'offset': strconv.Atoi: parsing "9223372036854775808": value out of range`,
    );
    const unsigned = (p: Parameters) => p.unsigned("cid");
    expect(errorOf("cid=abc", unsigned)).toBe(
      `Error decoding uint64 for 'cid': strconv.ParseUint: parsing "abc": invalid syntax`,
    );
    expect(errorOf("cid=-1", unsigned)).toBe(
      `Error decoding uint64 for 'cid': strconv.ParseUint: parsing "-1": invalid syntax`,
    );
    expect(errorOf("cid=18446744073709551616", unsigned)).toBe(
      `Error decoding uint64 for 'cid': strconv.ParseUint: parsing "18446744073709551616": value out of range`,
    );
  });
});

test("Parameters.connectionState() ignores case and knows any as all", () => {
  const state = (value: string) => new Parameters(`state=${value}`).connectionState();
  expect([state(""), state("OPEN"), state("Closed"), state("any"), state("ALL")]).toEqual([
    "open",
    "open",
    "closed",
    "all",
    "all",
  ]);
  expect(errorOf("state=foo", (p) => p.connectionState())).toBe("Error decoding state for foo");
});

test("Parameters.subscriptionListing() takes a boolean or detail in any case", () => {
  const listing = (value: string) => new Parameters(`subs=${value}`).subscriptionListing();
  expect([listing(""), listing("0"), listing("1"), listing("DeTail")]).toEqual([
    "none",
    "none",
    "subjects",
    "detail",
  ]);
  expect(errorOf("subs=all", (p) => p.subscriptionListing())).toBe(
    `Error decoding boolean for 'subs': strconv.ParseBool: parsing "all": invalid syntax`,
  );
});

describe("Parameters", () => {
  test("take the first of several values and mind the case of names", () => {
    const parameters = new Parameters("user=a&user=b&USER=c");
    expect(parameters.text("user")).toBe("a");
    expect(parameters.text("User")).toBe("");
  });

  test("decode escapes and plus signs, and drop pairs that are broken", () => {
    const parameters = new Parameters("a=%24G+x&b=%zz&c;d=1&e=%C3%28&f");
    expect(parameters.text("a")).toBe("$G x");
    expect(parameters.text("b")).toBe("");
    expect(parameters.text("c;d")).toBe("");
    expect(parameters.text("e")).toBe("\uFFFD(");
    expect(parameters.text("f")).toBe("");
  });

  test("keep the first error", () => {
    const parameters = new Parameters("a=x&b=y");
    parameters.boolean("b");
    parameters.boolean("a");
    expect(parameters.error).toContain("for 'b'");
  });
});
