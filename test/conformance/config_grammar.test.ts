import { expect } from "bun:test";
import { checkConfig, configDigest } from "../support/config_check.ts";
import { rowsInParallel } from "../support/row.ts";

// A valid file is judged by the digest that `-t` prints, which stands for the whole parsed map. Values of any type are
// written into a `resolver` map, the one place where unknown keys are allowed.

/** Configurations and the JSON, keys sorted, that they mean. */
const WHOLE_FILES: Record<string, [text: string, json: string]> = {
  "§2.1 = : and blanks separate key and value": [
    `port = 4222\nhost: h\nserver_name x\n\tdebug\ttrue`,
    `{"debug":true,"host":"h","port":4222,"server_name":"x"}`,
  ],
  "§2.1 separators need no blanks around": [`port=4222\nhost:"h"`, `{"host":"h","port":4222}`],
  "§2.1 # and // start comments": [
    `# one\n// two\nport: 4222 # three\nhost: h // four\nresolver { # five\n type: memory // six\n # seven\n v: [ # eight\n 1, # nine\n 2 # ten\n ] # eleven\n} # twelve\n#`,
    `{"host":"h","port":4222,"resolver":{"type":"memory","v":[1,2]}}`,
  ],
  "§2.1 newline, ; and , end a top-level value": [
    `port: 1; host: h, debug: on\ntrace: off;`,
    `{"debug":true,"host":"h","port":1,"trace":false}`,
  ],
  "§2.1 newline, , and ; end a map entry, a trailing one is fine": [
    `resolver { type: memory, a: 1; b: 2\n c: 3,}\nport: 5`,
    `{"port":5,"resolver":{"a":1,"b":2,"c":3,"type":"memory"}}`,
  ],
  "§2.1 newline and , end an array element, a trailing one is fine": [
    `resolver { type: memory, a: [1 , 2\n 3\n 4 ,] }`,
    `{"resolver":{"a":[1,2,3,4],"type":"memory"}}`,
  ],
  "§2.1 braces around the whole file": [`{\n port: 4222\n debug: true\n}\n`, `{"debug":true,"port":4222}`],
  "§2.1 JSON": [
    `{"port": 4222, "host": "h", "resolver": {"type": "memory", "a": ["x", "y"], "b": {}}}`,
    `{"host":"h","port":4222,"resolver":{"a":["x","y"],"b":{},"type":"memory"}}`,
  ],
  "§2.1 one stray final brace": [`port: 4222\n}\n`, `{"port":4222}`],
  "§2.1 a newline may follow a key without separator": [`port\n4222\nhost\n\nh`, `{"host":"h","port":4222}`],
  "§2.1 a newline may follow a separator inside a map": [
    `resolver { type:\n memory\n a =\n 1 }`,
    `{"resolver":{"a":1,"type":"memory"}}`,
  ],
  "§2.1 the last duplicate wins": [
    `port: 1\nport: 2\nresolver { type: full }\nresolver { type: memory }`,
    `{"port":2,"resolver":{"type":"memory"}}`,
  ],
  "§2.1 keys keep their case in the map and match in any case": [
    `PORT: 1\nHost: h\nDeBuG: true`,
    `{"DeBuG":true,"Host":"h","PORT":1}`,
  ],
  "§2.1 quoted keys": [
    `"port": 1\n'host' = h\nresolver { type: memory, "a b.c": 1, 'it "is"': 2 }`,
    `{"host":"h","port":1,"resolver":{"a b.c":1,"it \\"is\\"":2,"type":"memory"}}`,
  ],
  "§2.1 CR LF line ends": [
    `port: 4222\r\nhost: h\r\nresolver {\r\n type: memory\r\n}\r\n`,
    `{"host":"h","port":4222,"resolver":{"type":"memory"}}`,
  ],
  "§2.1 no final newline": ["port: 4222", `{"port":4222}`],
  "§2.1 nested maps and arrays": [
    `resolver { type: memory, a { b { c: [ [1, 2 ], {d: e}, [] ] } } }`,
    `{"resolver":{"a":{"b":{"c":[[1,2],{"d":"e"},[]]}},"type":"memory"}}`,
  ],
  "§2.4 a variable takes the value of a key above": [
    `x: 4222\nport: $x\nhost = h\nserver_name: $host`,
    `{"host":"h","port":4222,"server_name":"h","x":4222}`,
  ],
  "§2.4 the innermost definition counts": [
    `x: 1\nport: $x\nresolver { type: memory, x: 2, a { b: $x, x: 3, c: $x } , d: $x}`,
    `{"port":1,"resolver":{"a":{"b":2,"c":3,"x":3},"d":2,"type":"memory","x":2},"x":1}`,
  ],
  "§2.4 maps and arrays can be referenced": [
    `resolver { type: memory, m { a: 1 }, n: [ 1, 2 ], v: $m, w: $n, x: [ $m, $n ] }`,
    `{"resolver":{"m":{"a":1},"n":[1,2],"type":"memory","v":{"a":1},"w":[1,2],"x":[{"a":1},[1,2]]}}`,
  ],
  "§2.4 a quoted variable is literal": [
    `x: 1\nserver_name: "$x"\nport: $x`,
    `{"port":1,"server_name":"$x","x":1}`,
  ],
  "§2.4 unquoted bcrypt text is no variable": [
    `resolver { type: memory, p: $2a$11$abcDEF./ }`,
    `{"resolver":{"p":"$2a$11$abcDEF./","type":"memory"}}`,
  ],
};

/** Values and the JSON they mean. */
const VALUES: Record<string, [text: string, json: string][]> = {
  "§2.2 double-quoted strings": [
    [`"plain text"`, `"plain text"`],
    [`""`, `""`],
    [`"a\\tb\\nc\\rd\\"e\\\\f"`, `"a\\tb\\nc\\rd\\"e\\\\f"`],
    [`"\\x41\\x7a"`, `"Az"`],
    [`"two\nlines"`, `"two\\nlines"`],
    [`"# no comment // none; , ] }"`, `"# no comment // none; , ] }"`],
    [`"ünï 主"`, `"ünï 主"`],
    [`"5"`, `"5"`],
    [`"true"`, `"true"`],
    [`"<a>&b"`, `"<a>&b"`],
  ],
  "§2.2 single-quoted strings": [
    [`'plain "text"'`, `"plain \\"text\\""`],
    [`'no \\t escape \\'`, `"no \\\\t escape \\\\"`],
    [`'two\nlines'`, `"two\\nlines"`],
    [`''`, `""`],
    [`'10'`, `"10"`],
  ],
  "§2.2 unquoted strings": [
    ["pass#word", `"pass#word"`],
    ["nats://u:p@h:4222", `"nats://u:p@h:4222"`],
    ["a=b:c(d", `"a=b:c(d"`],
    [`a"b`, `"a\\"b"`],
    ["a//b", `"a//b"`],
    ["foo.bar.>", `"foo.bar.>"`],
    ["*.a", `"*.a"`],
    ["a\\tb", `"a\\tb"`],
    ["_x-y", `"_x-y"`],
    ["/tmp/file.conf", `"/tmp/file.conf"`],
    ["$2a$10$xyz", `"$2a$10$xyz"`],
  ],
  "§2.2 blocks": [
    ["(\nabc\n)", `"\\nabc\\n"`],
    ["(\n  a (b) c\n\n)", `"\\n  a (b) c\\n\\n"`],
    [`(\n"q" # x\n)`, `"\\n\\"q\\" # x\\n"`],
  ],
  "§2.3 booleans in any case": [
    ["true", "true"],
    ["TRUE", "true"],
    ["True", "true"],
    ["yes", "true"],
    ["YES", "true"],
    ["on", "true"],
    ["On", "true"],
    ["false", "false"],
    ["no", "false"],
    ["No", "false"],
    ["off", "false"],
    ["OFF", "false"],
    ["trueish", `"trueish"`],
    ["onx", `"onx"`],
  ],
  "§2.3 integers": [
    ["123", "123"],
    ["-123", "-123"],
    ["0", "0"],
    ["007", "7"],
    ["9223372036854775807", "9223372036854775807"],
    ["-9223372036854775808", "-9223372036854775808"],
  ],
  "§2.3 suffixes": [
    ["1k", "1000"],
    ["1K", "1000"],
    ["2m", "2000000"],
    ["5M", "5000000"],
    ["1g", "1000000000"],
    ["1t", "1000000000000"],
    ["1p", "1000000000000000"],
    ["1e", "1000000000000000000"],
    ["1kb", "1024"],
    ["1KB", "1024"],
    ["1ki", "1024"],
    ["1KiB", "1024"],
    ["1mb", "1048576"],
    ["1mib", "1048576"],
    ["3GB", "3221225472"],
    ["1gi", "1073741824"],
    ["1tb", "1099511627776"],
    ["1pib", "1125899906842624"],
    ["1eb", "1152921504606846976"],
    ["-2k", "-2000"],
  ],
  "§2.3 floats": [
    ["1.5", "1.5"],
    ["-1.5", "-1.5"],
    ["0.25", "0.25"],
    ["3.0", "3"],
  ],
  "§2.3 a date and time": [["2016-05-04T18:53:41Z", `"2016-05-04T18:53:41Z"`]],
  "§2.3 addresses": [
    ["127.0.0.1:4222", `"127.0.0.1:4222"`],
    ["1.2.3.4", `"1.2.3.4"`],
    [":80", `":80"`],
    ["host:-1", `"host:-1"`],
  ],
  "§2.3 digits followed by something else are strings": [
    ["3xyz", `"3xyz"`],
    ["10s", `"10s"`],
    ["1h", `"1h"`],
    ["500ms", `"500ms"`],
    ["3Gyz", `"3Gyz"`],
    ["1_000", `"1_000"`],
    ["0x10", `"0x10"`],
    ["+5", `"+5"`],
    ["5e7bcd", `"5e7bcd"`],
    ["1e5", `"1e5"`],
    ["0K1abc", `"0K1abc"`],
    ["1kb1", `"1kb1"`],
  ],
  "§2.3 arrays": [
    ["[]", "[]"],
    ["[1, 2 ]", "[1,2]"],
    ["[1.5]", "[1.5]"],
    ["[a,b]", `["a","b"]`],
    [`["a","b"]`, `["a","b"]`],
    ["[\n1\n2\n]", "[1,2]"],
    ["[{a: 1}, {b: 2}]", `[{"a":1},{"b":2}]`],
    ["[true, x, 10s ]", `[true,"x","10s"]`],
  ],
};

/** nats-server's words for what its lexer refuses, or Midge's, which name file, line and column. */
const PARSE_ERROR = /Parse error on line \d|main\.conf:\d+:\d+: ./;

/** Files that `-t` refuses: the text, and the line the lexer names where it is the lexer that refuses. */
const BAD: Record<string, [text: string, message?: RegExp]> = {
  "§2.1 a newline between separator and value at top level": [`port:\n4222`],
  "§2.1 an array with an empty element": [`server_tags: [1,,2]`],
  "§2.1 array elements separated by a blank": [`server_tags: [a b]`],
  "§2.1 an unfinished map": [`cluster {\n port: 1\n`, PARSE_ERROR],
  "§2.1 an unfinished array": [`server_tags: [ "a"\n`, PARSE_ERROR],
  "§2.1 a key without the blank before its map": [`cluster{ port: 1 }`],
  "§2.1 a key that starts with a separator": [`= 5`],
  "§2.1 a value without a key": [`[1, 2 ]`],
  "§2.1 two stray final braces": [`port: 4222\n}\n}\n`],
  "§2.1 a byte order mark": [`\uFEFFport: 4222`],
  "§2.2 an unknown escape": [`server_name: "a\\qb"`, PARSE_ERROR],
  "§2.2 the JSON escape \\/": [`server_name: "a\\/b"`, PARSE_ERROR],
  "§2.2 the JSON escape \\u": [`server_name: "a\\u0041"`, PARSE_ERROR],
  "§2.2 \\x with one digit": [`server_name: "\\x4"`],
  "§2.2 \\x with wrong digits": [`server_name: "\\xzz"`],
  "§2.2 an unfinished double-quoted string": [`server_name: "abc`, PARSE_ERROR],
  "§2.2 an unfinished single-quoted string": [`server_name: 'abc`, PARSE_ERROR],
  "§2.2 an apostrophe in an unquoted string": [`server_name: it's`, PARSE_ERROR],
  "§2.2 an unfinished block": [`server_name: (\nabc`, PARSE_ERROR],
  "§2.3 an integer out of range": [`max_payload: 9223372036854775808`, /out of the range/],
  "§2.3 .5": [`max_payload: .5`],
  "§2.3 5.": [`max_payload: 5.\n`],
  "§2.3 digits and a minus": [`server_name: 12-x`, /ISO8601|datetime/],
  "§2.3 a date without time": [`server_name: 2020-01-01`, /ISO8601|datetime/],
  "§2.3 a float followed by text": [`ping_interval: 1.5s`],
  "§2.3 a bad suffix": [`resolver { type: memory, w: 10kbb }`],
  "§2.4 an unresolved variable": [
    `port: $nowhere_defined`,
    /variable reference for 'nowhere_defined' on line 1 can not be found/,
  ],
  "§2.4 a variable defined below": [
    `port: $x_below\nx_below: 1`,
    /variable reference for 'x_below' on line 1 can not be found/,
  ],
  "§2.4 a variable of an inner map": [
    `resolver { type: memory, x_inner: 1 }\nport: $x_inner`,
    /can not be found/,
  ],
  "§3 an unknown key": [`port: 1\nnonsense: 5`, /main\.conf:2:1: unknown field "nonsense"/],
  "§3 an unknown key on the first line has column 0": [
    `nonsense: 5`,
    /main\.conf:1:0: unknown field "nonsense"/,
  ],
  "§3 an unknown key after a tab": [`port: 1\n\tnonsense: 5`, /main\.conf:2:2: unknown field "nonsense"/],
  "§3 an unknown key in a block": [
    `cluster {\n  port: -1\n  nonsense: 5\n}`,
    /main\.conf:3:3: unknown field "nonsense"/,
  ],
  "§3 several unknown keys are all named": [
    `aaa: 1\nbbb: 2`,
    /unknown field "aaa"[\s\S]*unknown field "bbb"|unknown field "bbb"[\s\S]*unknown field "aaa"/,
  ],
  "§3 a key without any value": [`foo\n`, /config is invalid|Parse error/],
  "§3 an empty file, a warning,": ["", /config has no values or is empty/],
  "§3 a file of comments only": ["# nothing\n", /config has no values or is empty/],
  "§3 a string where a number belongs": [`max_payload: abc`, /main\.conf:1:0: /],
  "§3 a number where a string belongs": [`server_name: 5`],
  "§3 a number where a bool belongs": [`debug: 1`],
  "§3 a string where a bool belongs": [`debug: "true"`],
  "§3 a number where a block belongs": [`cluster: 5`],
  "§3 an array where a number belongs": [`port: [ 1, 2 ]`],
  "§3 a float where an integer belongs": [`max_payload: 1.5`],
};

/** A map of one resolver value, the place for values of any type. */
const inResolver = (value: string) => `resolver {\n  type: memory\n  v: ${value}\n}\n`;

async function expectParsed(
  text: string,
  json: string,
  others?: Record<string, string>,
  environment?: Record<string, string>,
) {
  const check = await checkConfig(text, others, environment);
  if (check.code !== 0) throw new Error(`refused, exit ${check.code}: ${check.stderr}\n${text}`);
  expect(check.stderr).toBe(
    `nats-server: configuration file ${check.path} is valid (sha256:${check.digest})\n`,
  );
  if (check.digest !== configDigest(json)) throw new Error(`parsed to something else than ${json}:\n${text}`);
}

async function expectRefused(
  text: string,
  message = /^nats-server: ./,
  others?: Record<string, string>,
  environment?: Record<string, string>,
) {
  const check = await checkConfig(text, others, environment);
  expect([check.code, text]).toEqual([1, text]);
  expect(check.stderr).toMatch(message);
  expect(check.stderr).toMatch(/^nats-server: /);
}

const rows: Record<string, () => Promise<void>> = {};

for (const [name, [text, json]] of Object.entries(WHOLE_FILES)) rows[name] = () => expectParsed(text, json);

for (const [section, values] of Object.entries(VALUES)) {
  // One file holds all values of a section; only if it is refused or differs are they looked at one by one.
  rows[section] = async () => {
    const together = values.map(([text], index) => `v${String(index).padStart(2, "0")}: ${text}\n`).join("");
    const json = values.map(([, value], index) => `"v${String(index).padStart(2, "0")}":${value}`).join(",");
    const whole = await checkConfig(`resolver {\ntype: memory\n${together}}\n`);
    if (whole.digest === configDigest(`{"resolver":{"type":"memory",${json}}}`)) return;
    for (const [text, value] of values)
      await expectParsed(inResolver(text), `{"resolver":{"type":"memory","v":${value}}}`);
    throw new Error(`each value alone is right, together they are not:\n${together}\n${whole.stderr}`);
  };
}

for (const [name, [text, message]] of Object.entries(BAD))
  rows[`${name} is refused`] = () => expectRefused(text, message);

rows["§2.4 environment variables are parsed like values"] = () =>
  expectParsed(
    `port: $CF_PORT\nserver_name: $CF_NAME\ndebug: $CF_BOOL\nmax_payload: $CF_SIZE\nresolver { type: memory, a: [ $CF_NAME, $CF_QUOTED ] }`,
    `{"debug":true,"max_payload":1024,"port":4333,"resolver":{"a":["my-name","22"],"type":"memory"},"server_name":"my-name"}`,
    {},
    { CF_PORT: "4333", CF_NAME: "my-name", CF_BOOL: "yes", CF_SIZE: "1kb", CF_QUOTED: "'22'" },
  );
rows["§2.4 an environment variable may refer to another"] = () =>
  expectParsed(`port: $CF_A`, `{"port":4444}`, {}, { CF_A: "$CF_B", CF_B: "4444" });
rows["§2.4 a cycle of environment variables is refused"] = () =>
  expectRefused(`port: $CF_A`, /variable reference cycle for/, {}, { CF_A: "$CF_B", CF_B: "$CF_A" });
rows["§2.4 a key in the file wins over the environment"] = () =>
  expectParsed(`CF_A: 1\nport: $CF_A`, `{"CF_A":1,"port":1}`, {}, { CF_A: "2" });
rows["§2.4 a bad text in the environment is refused"] = () =>
  expectRefused(
    `port: $CF_A`,
    /variable reference for 'CF_A' on line 1 could not be parsed/,
    {},
    { CF_A: "[" },
  );
rows["§2.4 a key used as a variable may have any name, others may not"] = async () => {
  await expectParsed(`anything: 5\nport: $anything`, `{"anything":5,"port":5}`);
  await expectRefused(`anything: 5\nport: 5`, /unknown field "anything"/);
};

rows["§2.5 include merges the entries of a file, later keys win"] = () =>
  expectParsed(`port: 1\ninclude other.conf\nhost: mine`, `{"debug":true,"host":"mine","port":2}`, {
    "other.conf": "port: 2\nhost: theirs\ndebug: true",
  });
rows["§2.5 include works in maps, quoted, in any case, nested"] = () =>
  expectParsed(
    `resolver {\n type: memory\n INCLUDE "one.conf"\n Include 'three.conf' }\n`,
    `{"resolver":{"a":1,"b":2,"c":3,"type":"memory"}}`,
    { "one.conf": "a: 1\ninclude two.conf", "two.conf": "b: 2", "three.conf": "c: 3\n" },
  );
rows["§2.5 the parent sees variables of an included file"] = () =>
  expectParsed(`include vars.conf\nport: $included_port`, `{"included_port":7,"port":7}`, {
    "vars.conf": "included_port: 7",
  });
rows["§2.5 an included file does not see variables of its parent"] = () =>
  expectRefused(
    `parent_port: 7\ninclude other.conf\nport: $parent_port`,
    /variable reference for 'parent_port'/,
    {
      "other.conf": "host: $parent_port",
    },
  );
rows["§2.5 a path is joined to the including file's directory, even if absolute"] = () =>
  expectRefused(`include "DIRECTORY/other.conf"`, /error parsing include file '/, {
    "other.conf": "port: 1",
  });
rows["§2.5 a missing file is refused"] = () =>
  expectRefused(`include nowhere.conf`, /error parsing include file '[^']*nowhere\.conf', /);
rows["§2.5 an error in an included file names that file"] = () =>
  expectRefused(`include other.conf`, /other\.conf:2:1: unknown field "nonsense"/, {
    "other.conf": "port: 1\nnonsense: 2",
  });
rows["§2.5 include: with a separator is an ordinary key"] = () =>
  expectRefused(`include: other.conf`, /unknown field "include"/, { "other.conf": "port: 1" });

rowsInParallel(rows, 4);
