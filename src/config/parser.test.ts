import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ConfigError, type ConfigMap, type ConfigValue } from "./config_tree.ts";
import { type ParseSurroundings, parseConfig } from "./parser.ts";

const NOTHING_AROUND: ParseSurroundings = {
  readFile: (path) => {
    throw new Error(`open ${path}: no such file or directory`);
  },
  environment: {},
};

function parse(text: string, around: Partial<ParseSurroundings> = {}): ConfigMap {
  return parseConfig(text, "x.conf", { ...NOTHING_AROUND, ...around });
}

/** The tree as plain values, positions left out. */
function plain(value: ConfigValue): unknown {
  if (value.kind === "map") {
    return Object.fromEntries([...value.entries.values()].map((entry) => [entry.key, plain(entry.value)]));
  }
  return value.kind === "array" ? value.items.map(plain) : value.value;
}

/** The value of `x` in `x: <text>`. */
function readX(text: string): ConfigValue {
  return parse(`x: ${text}\n`).entries.get("x")!.value;
}

function messageOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return "no error";
}

describe("parseConfig() layout", () => {
  const layouts: readonly (readonly [string, string, unknown])[] = [
    ["an equal sign", "a = b", { a: "b" }],
    ["a colon", "a: b", { a: "b" }],
    ["white space alone", "a b", { a: "b" }],
    ["no space around the separator", "a=b", { a: "b" }],
    ["semicolons and commas between entries", "a: 1; b: 2, c: 3", { a: 1n, b: 2n, c: 3n }],
    ["comments of both kinds", "# x\na: 1 # y\n// z\nb: 2 // w", { a: 1n, b: 2n }],
    ["a comment between map entries", "m {\n a: 1 # x\n # y\n b: 2\n}", { m: { a: 1n, b: 2n } }],
    ["a comment between array elements", "x: [ 1 # a\n // b\n 2 ]", { x: [1n, 2n] }],
    ["maps without separator", "m { n { a: 1 } }", { m: { n: { a: 1n } } }],
    ["trailing separators", "m { a: 1, }\nx: [1, ]", { m: { a: 1n }, x: [1n] }],
    ["JSON", '{ "a": [1,2], "b": {"c": "d"} }', { a: [1n, 2n], b: { c: "d" } }],
    ["braces around everything", "{\n a: 1\n b: 2\n}\n", { a: 1n, b: 2n }],
    ["one stray closing brace at the end", "a: 1\n}\n", { a: 1n }],
    ["a brace that ends a top-level value", "a: 1 }\nb: 2", { a: 1n, b: 2n }],
    ["a line end after the key", "a\n1", { a: 1n }],
    ["a line end after the separator, in a map", "m { a:\n 1 }", { m: { a: 1n } }],
    ["the last of two equal keys", "a: 1\nb: 2\na: 3", { b: 2n, a: 3n }],
    ["keys in quotes", "'a b': 1\n\"c.d\": 2", { "a b": 1n, "c.d": 2n }],
    ["an unquoted key up to white space", "a{b 1", { "a{b": 1n }],
    ["carriage returns", "a: 1\r\nm {\r\n b: 2\r\n}\r\n", { a: 1n, m: { b: 2n } }],
    ["nothing", " \n# nothing\n", {}],
    ["include as an ordinary key before a separator", "include: x", { include: "x" }],
  ];
  for (const [name, text, expected] of layouts) {
    test(`takes ${name}`, () => expect(plain(parse(text))).toEqual(expected));
  }

  test("remembers where each key and value stands", () => {
    const tree = parse('ab: 1\n\n  "cd" {\n\te: [ 2, x ]\n}');
    expect(tree.entries.get("ab")!.at).toEqual({ file: "x.conf", line: 1, column: 0 });
    const cd = tree.entries.get("cd")!;
    expect(cd.at).toEqual({ file: "x.conf", line: 3, column: 4 });
    const e = (cd.value as ConfigMap).entries.get("e")!;
    expect(e.at).toEqual({ file: "x.conf", line: 4, column: 2 });
    expect((e.value as Extract<ConfigValue, { kind: "array" }>).items[1]!.at.column).toBe(10);
  });

  test("refuses what is nested beyond any use", () => {
    expect(messageOf(() => parse(`a: ${"[".repeat(100_000)}`))).toMatch(
      /^x\.conf:1:\d+: nested deeper than \d+ levels$/,
    );
  });
});

describe("parseConfig() strings", () => {
  const strings: readonly (readonly [string, string])[] = [
    ['"a\\tb\\n\\r\\"\\\\"', 'a\tb\n\r"\\'],
    ['"\\xC3\\xA9\\x41"', "éA"],
    ['"two\nlines"', "two\nlines"],
    ["'no \\n escapes'", "no \\n escapes"],
    ['pass#word//x:y=z("', 'pass#word//x:y=z("'],
    ["a\\x42c", "aBc"],
    ["nats://u:p@h:4222", "nats://u:p@h:4222"],
    ["it'", "it"],
    ["(\nline 1\n  line ) 2\n)", "\nline 1\n  line ) 2\n"],
    ["", ""],
  ];
  for (const [text, expected] of strings) {
    test(`reads ${JSON.stringify(text)}`, () => {
      expect(plain(parse(`x: ${text}`).entries.get("x")!.value)).toBe(expected);
    });
  }
});

describe("parseConfig() scalars", () => {
  const scalars: readonly (readonly [string, ConfigValue["kind"], unknown])[] = [
    ["true", "bool", true],
    ["Yes", "bool", true],
    ["ON", "bool", true],
    ["false", "bool", false],
    ["no", "bool", false],
    ["Off", "bool", false],
    ["123", "integer", 123n],
    ["-123", "integer", -123n],
    ["9223372036854775807", "integer", 9223372036854775807n],
    ["1k", "integer", 1000n],
    ["2m", "integer", 2_000_000n],
    ["5M", "integer", 5_000_000n],
    ["1g", "integer", 10n ** 9n],
    ["1t", "integer", 10n ** 12n],
    ["1P", "integer", 10n ** 15n],
    ["1e", "integer", 10n ** 18n],
    ["1kb", "integer", 1024n],
    ["1Ki", "integer", 1024n],
    ["1kIb", "integer", 1024n],
    ["3mb", "integer", 3n * 1024n ** 2n],
    ["1gib", "integer", 1024n ** 3n],
    ["1tb", "integer", 1024n ** 4n],
    ["1pi", "integer", 1024n ** 5n],
    ["7eb", "integer", 7n * 1024n ** 6n],
    ["1.5", "float", 1.5],
    ["-1.5", "float", -1.5],
    ["2016-05-04T18:53:41Z", "datetime", "2016-05-04T18:53:41Z"],
    ["127.0.0.1:4222", "string", "127.0.0.1:4222"],
    ["1.2.3.4", "string", "1.2.3.4"],
    [":80", "string", ":80"],
    ["host:-1", "string", "host:-1"],
    ["3xyz", "string", "3xyz"],
    ["10s", "string", "10s"],
    ["1h", "string", "1h"],
    ["500ms", "string", "500ms"],
    ["3Gyz", "string", "3Gyz"],
    ["1_000", "string", "1_000"],
    ["0x10", "string", "0x10"],
    ["+5", "string", "+5"],
    ["5e7bcd", "string", "5e7bcd"],
    ["1e5", "string", "1e5"],
    ["0K1abc", "string", "0K1abc"],
    ["1kb1", "string", "1kb1"],
    ["1.5#comment", "float", 1.5],
    ["-3// comment", "integer", -3n],
    ["3#4", "string", "3#4"],
    ["-5kx", "string", "-5kx"],
    ["'123'", "string", "123"],
    ['"true"', "string", "true"],
  ];
  for (const [text, kind, value] of scalars) {
    test(`reads ${text} as ${kind}`, () => {
      expect({ ...readX(text), at: undefined }).toEqual({ kind, value, at: undefined } as never);
    });
  }
});

describe("parseConfig() variables", () => {
  test("looks in the enclosing maps, innermost first, and only above the reference", () => {
    const tree = parse("v: 1\nm { v: 2, a: $v }\nb: $v\nn { c: [ $v ] }");
    expect(plain(tree)).toEqual({ v: 1n, m: { v: 2n, a: 2n }, b: 1n, n: { c: [1n] } });
    expect(messageOf(() => parse("a: $v\nv: 1"))).toBe(
      "x.conf:1:3: variable reference for 'v' on line 1 can not be found",
    );
  });

  test("takes maps and arrays", () => {
    expect(plain(parse("v: {a: [1]}\nb: $v"))).toEqual({ v: { a: [1n] }, b: { a: [1n] } });
  });

  test("reads the environment by the same grammar, references inside included", () => {
    const environment = { PORT: "22", NAME: "'3xyz'", ON: "true", LIST: "[1, $PORT]", EMPTY: "" };
    expect(plain(parse("a: $PORT, b: $NAME, c: $ON, d: $LIST, e: $EMPTY\n", { environment }))).toEqual({
      a: 22n,
      b: "3xyz",
      c: true,
      d: [1n, 22n],
      e: "",
    });
  });

  test("prefers a key of the file to the environment", () => {
    expect(plain(parse("PORT: 1\na: $PORT", { environment: { PORT: "2" } }))).toEqual({ PORT: 1n, a: 1n });
  });

  test("does not look for names of object methods", () => {
    expect(messageOf(() => parse("a: $toString"))).toContain("can not be found");
  });

  test("takes $2a$ for bcrypt text", () => {
    expect(plain(parse("a: $2a$11$abc"))).toEqual({ a: "$2a$11$abc" });
    expect(messageOf(() => parse("a: $2b$11$abc"))).toContain("variable reference for '2b$11$abc'");
  });

  test("is literal in quotes", () => {
    expect(plain(parse("v: 1\na: \"$v\", b: '$v'"))).toEqual({ v: 1n, a: "$v", b: "$v" });
  });

  test("ends a cycle in the environment", () => {
    expect(messageOf(() => parse("a: $A", { environment: { A: "$B", B: "$A" } }))).toContain(
      "variable reference cycle for 'A'",
    );
  });

  test("says what is wrong with the text of an environment variable", () => {
    expect(messageOf(() => parse("\n a: $A", { environment: { A: "[1" } }))).toBe(
      'x.conf:2:5: variable reference for \'A\' on line 2 could not be parsed: expected "," or "]" after an array element, got the end of the file',
    );
  });

  test("marks the entry that was referred to", () => {
    const tree = parse("v: 1\nw: 2\na: $v");
    expect(tree.entries.get("v")!.isUsedAsVariable).toBe(true);
    expect(tree.entries.get("w")!.isUsedAsVariable).toBe(false);
  });
});

describe("parseConfig() include", () => {
  const files: Readonly<Record<string, string>> = {
    "/opt/b.conf": "x: 2\ny: 3\n",
    "/opt/sub/c.conf": "include '../b.conf'\nz: 4",
    "/opt/etc/d.conf": "d: 1",
    "/opt/loop.conf": "include loop.conf",
    "/opt/bad.conf": "\nfoo",
    "/opt/parent.conf": "q: $x",
  };
  const readFile = (path: string) => {
    const text = files[path];
    if (text === undefined) throw new Error(`open ${path}: no such file or directory`);
    return text;
  };
  const parseAt = (text: string) => parseConfig(text, "/opt/a.conf", { readFile, environment: {} });

  test("merges the entries of the file, later keys over earlier ones", () => {
    expect(plain(parseAt("x: 1\ny: 1\ninclude b.conf\ny: 5"))).toEqual({ x: 2n, y: 5n });
  });

  test("works inside maps, ends at } and ;, and nests", () => {
    expect(plain(parseAt("m { include b.conf }\nn { INCLUDE './sub/c.conf'; k: $x }"))).toEqual({
      m: { x: 2n, y: 3n },
      n: { x: 2n, y: 3n, z: 4n, k: 2n },
    });
  });

  test("joins even an absolute path to the folder of the including file", () => {
    expect(plain(parseAt("include /etc/d.conf"))).toEqual({ d: 1n });
  });

  test("keeps the position in the included file", () => {
    expect(parseAt("include b.conf").entries.get("y")!.at).toEqual({
      file: "/opt/b.conf",
      line: 2,
      column: 1,
    });
  });

  test("points into the included file at what is wrong there", () => {
    expect(messageOf(() => parseAt("include bad.conf"))).toBe(
      '/opt/bad.conf:2:4: config is invalid: key "foo" has no value',
    );
  });

  test("names the file that is not there", () => {
    expect(messageOf(() => parseAt("\ninclude no.conf"))).toBe(
      "/opt/a.conf:2:1: error parsing include file 'no.conf', open /opt/no.conf: no such file or directory",
    );
  });

  test("refuses a file that includes itself", () => {
    expect(messageOf(() => parseAt("include loop.conf"))).toBe(
      "/opt/loop.conf:1:0: error parsing include file 'loop.conf', it includes itself: /opt/a.conf -> /opt/loop.conf -> /opt/loop.conf",
    );
  });

  test("hides the variables of the including file from the included one", () => {
    expect(messageOf(() => parseAt("x: 1\ninclude parent.conf"))).toContain("variable reference for 'x'");
  });
});

type Plain = string | bigint | number | boolean | Plain[] | { [key: string]: Plain };

/** Any value a configuration can hold. */
const anyTree = fc.letrec<{ tree: Plain; map: { [key: string]: Plain } }>((tie) => ({
  tree: fc.oneof(
    { depthSize: "small" },
    fc.string({ unit: "grapheme" }).filter((text) => !text.includes("\0")),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    fc.integer({ min: -1e9, max: 1e9 }).map((n) => n / 1024),
    fc.boolean(),
    fc.array(tie("tree")),
    tie("map"),
  ),
  map: fc.dictionary(
    fc.string({ unit: "grapheme" }).filter((key) => !/["\0]/.test(key)),
    tie("tree"),
    { noNullPrototype: true },
  ),
}));

/** Writes a value in one of the ways the language has, chosen by `pick`. */
function print(value: Plain, pick: (count: number) => number): string {
  switch (typeof value) {
    case "bigint":
    case "boolean":
      return String(value);
    case "number":
      return Number.isInteger(value) ? value.toFixed(1) : String(value);
    case "string":
      if (!value.includes("'") && pick(2) === 0) return `'${value}'`;
      return `"${value.replace(/["\\\n\t\r]/g, (character) => ({ "\n": "\\n", "\t": "\\t", "\r": "\\r" })[character] ?? `\\${character}`)}"`;
    default:
      if (Array.isArray(value))
        return `[ ${value.map((item) => print(item, pick)).join([", ", ",", "\n", " # c\n"][pick(4)])} ]`;
      return `{ ${printEntries(value, pick)} }`;
  }
}

function printEntries(map: { [key: string]: Plain }, pick: (count: number) => number): string {
  return Object.entries(map)
    .map(([key, value]) => `"${key}"${[": ", " = ", " ", ":"][pick(4)]}${print(value, pick)}`)
    .join(["\n", ", ", ";", " // c\n"][pick(4)]!);
}

describe("parseConfig() for any input", () => {
  test("gives back the tree that was printed", () => {
    fc.assert(
      fc.property(anyTree.map, fc.gen(), (map, gen) => {
        const text = printEntries(map, (count) => gen(fc.nat, count - 1));
        expect(plain(parse(text))).toEqual(map as never);
      }),
    );
  });

  test("throws nothing but a ConfigError with a position inside the text", () => {
    const fragments = fc.constantFrom(
      ..."{}[]()=:;,#/'\"\\$.-+\n\r\t 019kKmMbBieE xa".split(""),
      "include ",
      "true",
      "//",
      "\\x4",
      "2016-",
      "$a",
      "\uFEFF",
      "é",
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.array(fragments).map((parts) => parts.join("")),
          fc.string({ unit: "binary" }),
        ),
        (text) => {
          try {
            parse(text, { environment: { a: "[$a" } });
          } catch (error) {
            expect(error instanceof ConfigError).toBe(true);
            const { line, column } = (error as ConfigError).at;
            expect(line).toBeGreaterThan(0);
            expect(line <= text.split("\n").length).toBe(true);
            expect(column <= text.length + 1).toBe(true);
          }
        },
      ),
      { numRuns: 1000 },
    );
  });
});
