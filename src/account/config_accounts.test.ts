import { describe, expect, test } from "bun:test";
import { loadConfigText } from "../config/load.ts";
import { AccountIds } from "./account_ids.ts";
import { type ConfiguredAccounts, configureAccounts, systemAccountOf } from "./config_accounts.ts";
import type { AccountDefinition } from "./definition.ts";

function configure(text: string): ConfiguredAccounts {
  const loaded = loadConfigText(text, "x.conf", { readFile: () => "", environment: {} });
  if (!loaded.ok) throw new Error(loaded.lines.join("\n"));
  return configureAccounts(loaded.options, new AccountIds(systemAccountOf(loaded.options)));
}

function problemsOf(text: string): readonly string[] {
  return configure(text).problems.map((problem) => problem.text);
}

/** Accounts A and B with what stands in the braces of each. */
function pair(a: string, b: string, more = ""): string {
  return `accounts { A { ${a} }, B { ${b} } ${more} }`;
}

function account(configured: ConfiguredAccounts, name: string): AccountDefinition {
  const found = configured.definitions.find((definition) => definition.name === name);
  if (found === undefined || configured.problems.length > 0)
    throw new Error(configured.problems.map(({ text }) => text).join("\n"));
  return found;
}

/** What an account imports beyond what every account does. */
function ownServices(configured: ConfiguredAccounts, name: string) {
  return account(configured, name).serviceImports.filter(({ isSystemExport }) => !isSystemExport);
}

describe("configureAccounts() says of", () => {
  const problems: readonly (readonly [what: string, text: string, problem: string])[] = [
    [
      "a service nobody exports",
      pair('exports: [{ service: "svc" }]', 'imports: [{ service: { account: A, subject: "nope" } }]'),
      'Error adding service import "nope": service import not authorized',
    ],
    [
      "a stream nobody exports",
      pair('exports: [{ service: "st" }]', 'imports: [{ stream: { account: A, subject: "st" } }]'),
      'Error adding stream import "st": stream import not authorized',
    ],
    [
      "a service exported to others",
      pair("exports: [{ service: a, accounts: [A] }]", "imports: [{ service: { account: A, subject: a } }]"),
      'Error adding service import "a": service import not authorized',
    ],
    [
      "a service exported to others once and to all once",
      pair(
        "exports: [{ service: a, accounts: [A] }, { service: a }]",
        "imports: [{ service: { account: A, subject: a } }]",
      ),
      'Error adding service import "a": service import not authorized',
    ],
    [
      "a subject covered first by an export to others",
      pair(
        'exports: [{ service: "a.*", accounts: [A] }, { service: "a.>" }]',
        'imports: [{ service: { account: A, subject: "a.b" } }]',
      ),
      'Error adding service import "a.b": service import not authorized',
    ],
    [
      "the very wildcard of a position",
      pair(
        'exports: [{ service: "acc.*", account_token_position: 2 }]',
        'imports: [{ service: { account: A, subject: "acc.*" } }]',
      ),
      'Error adding service import "acc.*": service import not authorized',
    ],
    [
      "another account's part",
      pair(
        'exports: [{ stream: "acc.*", account_token_position: 2 }]',
        'imports: [{ stream: { account: A, subject: "acc.C" } }]',
      ),
      'Error adding stream import "acc.C": stream import not authorized',
    ],
    [
      "an export wider than its import allows",
      pair('exports: [{ stream: "a.*" }]', 'imports: [{ stream: { account: A, subject: "a.>" } }]'),
      'Error adding stream import "a.>": stream import not authorized',
    ],
    [
      "a service that drops a wildcard",
      pair(
        'exports: [{ service: "w.*.*" }]',
        'imports: [{ service: { account: A, subject: "w.*.*" }, to: "wi.$1" }]',
      ),
      'Error adding service import "w.*.*": failed to create mapping transform for service import subject from "wi.$1" to "w.*.*": invalid mapping destination: not using all of the token wildcard(s) in wi.$1',
    ],
    [
      "a stream that drops a wildcard",
      pair(
        'exports: [{ stream: "w.*.*" }]',
        'imports: [{ stream: { account: A, subject: "w.*.*" }, to: "wi.$1" }]',
      ),
      'Error adding stream import "w.*.*": failed to create mapping transform for stream import subject from "w.*.*" to "wi.$1": invalid mapping destination: not using all of the token wildcard(s) in wi.$1',
    ],
    [
      "a stream open on one side",
      pair('exports: [{ stream: "a.>" }]', 'imports: [{ stream: { account: A, subject: "a.>" }, to: x }]'),
      'Error adding stream import "a.>": failed to create mapping transform for stream import subject from "a.>" to "x": invalid subject',
    ],
    [
      "a function in an import",
      pair(
        'exports: [{ service: "a.*" }]',
        'imports: [{ service: { account: A, subject: "a.*" }, to: "x.{{partition(3,1)}}" }]',
      ),
      'Error adding service import "a.*": failed to create mapping transform for service import subject from "x.{{partition(3,1)}}" to "a.*": invalid mapping destination: the only mapping function allowed for import transforms is {{Wildcard()}} in {{partition(3,1)}}',
    ],
    [
      "a local subject that is none",
      pair("exports: [{ service: a }]", 'imports: [{ service: { account: A, subject: a }, to: "x..y" }]'),
      'Error adding service import "a": sublist: invalid subject',
    ],
    [
      "a prefix with a wildcard",
      pair(
        'exports: [{ stream: "w.*" }]',
        'imports: [{ stream: { account: A, subject: "w.*" }, prefix: "a.*" }]',
      ),
      'Error adding stream import "w.*": stream import prefix can not contain wildcard tokens',
    ],
    [
      "a stream twice",
      pair(
        "exports: [{ stream: a }]",
        "imports: [{ stream: { account: A, subject: a } }, { stream: { account: A, subject: a }, prefix: x }]",
      ),
      'Error adding stream import "a": stream import already exists',
    ],
    [
      "services in a circle",
      pair(
        "exports: [{ service: a }], imports: [{ service: { account: B, subject: a } }]",
        "exports: [{ service: a }], imports: [{ service: { account: A, subject: a } }]",
      ),
      'Error adding service import "a": import forms a cycle',
    ],
    [
      "streams in a circle",
      pair(
        "exports: [{ stream: a }], imports: [{ stream: { account: B, subject: a } }]",
        "exports: [{ stream: a }], imports: [{ stream: { account: A, subject: a } }]",
      ),
      'Error adding stream import "a": import forms a cycle',
    ],
    [
      "latency on a pattern",
      pair('exports: [{ service: svc, latency: "lat.*" }]', ""),
      'Error adding service latency sampling for "svc" on subject "lat.*": invalid publish subject',
    ],
    [
      "latency on the service itself",
      pair("exports: [{ service: svc, latency: svc }]", ""),
      'Error adding service latency sampling for "svc" on subject "svc": invalid publish subject',
    ],
    [
      "latency of a stream of answers",
      pair("exports: [{ service: svc, response: stream, latency: lat }]", ""),
      'Error adding service latency sampling for "svc" on subject "lat": bad service response type',
    ],
    [
      "latency without a system account",
      `no_system_account: true, ${pair("exports: [{ service: svc, latency: lat }]", "")}`,
      'Error adding service latency sampling for "svc": system account not setup',
    ],
    [
      "what is not exported by the system account",
      'system_account: SYS, accounts { SYS {}, B { imports: [{ service: { account: SYS, subject: "$SYS.REQ.SERVER.PING" } }] } }',
      'Error adding service import "$SYS.REQ.SERVER.PING": service import not authorized',
    ],
  ];
  for (const [what, text, problem] of problems) {
    test(what, () => expect(problemsOf(text)).toEqual([problem]));
  }

  test("everything that is wrong", () => {
    const problems = problemsOf(
      pair(
        "exports: [{ service: a }]",
        "imports: [{ service: { account: A, subject: b } }, { stream: { account: A, subject: c } }]",
      ),
    );
    expect(problems).toEqual([
      'Error adding stream import "c": stream import not authorized',
      'Error adding service import "b": service import not authorized',
    ]);
  });

  test("which part of the options is wrong", () => {
    const text = pair("exports: [{ service: a }]", "imports: [{ service: { account: A, subject: b } }]");
    const [problem] = configure(text).problems;
    expect(problem?.part).toMatchObject({ kind: "service", account: "A", subject: "b" });
  });
});

describe("configureAccounts() allows", () => {
  const fine: readonly (readonly [what: string, text: string])[] = [
    [
      "a position, whoever is listed",
      pair(
        'exports: [{ service: "acc.*", accounts: [A], account_token_position: 2 }]',
        'imports: [{ service: { account: A, subject: "acc.B" } }]',
      ),
    ],
    [
      "an export to some and to more",
      pair(
        "exports: [{ service: a, accounts: [A] }, { service: a, accounts: [B] }]",
        "imports: [{ service: { account: A, subject: a } }]",
      ),
    ],
    [
      "an export that covers the import exactly before one that covers it too",
      pair(
        'exports: [{ service: "a.>", accounts: [A] }, { service: "a.b" }]',
        'imports: [{ service: { account: A, subject: "a.b" } }]',
      ),
    ],
    [
      "an overlap that never comes back",
      pair(
        'exports: [{ service: "a.foo" }], imports: [{ service: { account: B, subject: "a.*" }, to: "b.*" }]',
        'exports: [{ service: "a.*" }], imports: [{ service: { account: A, subject: "a.foo" }, to: "c.foo" }]',
      ),
    ],
    [
      "latency on a subject that is exported later",
      pair("exports: [{ service: svc, latency: lat }, { service: lat }]", ""),
    ],
  ];
  for (const [what, text] of fine) test(what, () => expect(configure(text).problems).toEqual([]));
});

describe("configureAccounts() resolves", () => {
  test("what the export says of a service", () => {
    const text = pair(
      'exports: [{ service: "w.*.*", latency: { subject: lat, sampling: headers }, threshold: "3s", allow_trace: true }]',
      'imports: [{ service: { account: A, subject: "w.*.b" }, to: "wi.$1", share: true }]',
    );
    const configured = configure(text);
    expect(ownServices(configured, "B")).toEqual([
      {
        exporter: account(configured, "A").id,
        exporterName: "A",
        local: "wi.*",
        remote: "w.$1.b",
        exported: "w.*.*",
        share: true,
        responseType: "singleton",
        responseThresholdMs: 3000,
        latency: { subject: "lat", sampling: "headers" },
        allowTrace: true,
        isSystemExport: false,
      },
    ]);
  });

  test("what a service is when its export says nothing", () => {
    const configured = configure(
      pair(
        "exports: [{ service: a, response: chunked }]",
        "imports: [{ service: { account: A, subject: a } }]",
      ),
    );
    expect(ownServices(configured, "B")).toMatchObject([
      {
        local: "a",
        remote: "a",
        share: false,
        responseType: "chunked",
        responseThresholdMs: 120_000,
        allowTrace: false,
      },
    ]);
  });

  test("streams, renamed and not", () => {
    const configured = configure(
      pair(
        'exports: [{ stream: "st.>" }]',
        `imports: [
           { stream: { account: A, subject: "st.*.*" }, to: "in.$2.$1" }
           { stream: { account: A, subject: "st.a.*" }, prefix: "p.", allow_trace: true }
           { stream: { account: A, subject: "st.>" } }
         ]`,
      ),
    );
    const { id } = account(configured, "A");
    const from = { exporter: id, exporterName: "A" };
    expect(account(configured, "B").streamImports).toEqual([
      { ...from, from: "st.*.*", to: "in.$2.$1", local: "in.*.*", allowTrace: false },
      { ...from, from: "st.a.*", to: "p.st.a.$1", local: "p.st.a.*", allowTrace: true },
      { ...from, from: "st.>", to: "st.>", local: "st.>", allowTrace: false },
    ]);
  });

  test("a service of one's own under another subject", () => {
    const configured = configure(
      pair("exports: [{ service: a }], imports: [{ service: { account: A, subject: a }, to: b }]", ""),
    );
    const { id } = account(configured, "A");
    expect(ownServices(configured, "A")).toMatchObject([{ exporter: id, local: "b", remote: "a" }]);
  });

  test("each hop of a chain by itself", () => {
    const text = pair(
      "exports: [{ service: a }]",
      "exports: [{ service: b }], imports: [{ service: { account: A, subject: a }, to: b }]",
      ", C { imports: [{ service: { account: B, subject: b }, to: c }] }",
    );
    const configured = configure(text);
    expect(ownServices(configured, "B")).toMatchObject([{ exporterName: "A", local: "b", remote: "a" }]);
    expect(ownServices(configured, "C")).toMatchObject([{ exporterName: "B", local: "c", remote: "b" }]);
  });

  test("one local subject served by two accounts", () => {
    const configured = configure(
      pair(
        "exports: [{ service: w }]",
        "imports: [{ service: { account: A, subject: w }, to: x }, { service: { account: C, subject: v }, to: x }]",
        ", C { exports: [{ service: v }] }",
      ),
    );
    expect(ownServices(configured, "B").map(({ exporterName }) => exporterName)).toEqual(["A", "C"]);
  });
});

describe("the system account", () => {
  const implicit = (name: string, exporter: number) => {
    const service = {
      exporter,
      exporterName: "$SYS",
      share: false,
      responseType: "stream" as const,
      responseThresholdMs: 120_000,
      allowTrace: false,
      isSystemExport: true,
    };
    const connz = { remote: `$SYS.REQ.ACCOUNT.${name}.CONNZ`, exported: "$SYS.REQ.ACCOUNT.*.CONNZ" };
    return [
      { ...service, ...connz, local: "$SYS.REQ.ACCOUNT.PING.CONNZ" },
      { ...service, ...connz, local: "$SYS.REQ.SERVER.PING.CONNZ" },
      {
        ...service,
        local: "$SYS.REQ.ACCOUNT.PING.STATZ",
        remote: `$SYS.REQ.ACCOUNT.${name}.STATZ`,
        exported: "$SYS.REQ.ACCOUNT.*.STATZ",
      },
      {
        ...service,
        local: "$SYS.REQ.USER.INFO",
        remote: `$SYS.REQ.USER.${name}.INFO`,
        exported: "$SYS.REQ.USER.*.INFO",
        share: true,
        responseType: "singleton" as const,
      },
    ];
  };

  test("is there unless refused, and answers every account about itself", () => {
    const configured = configure("");
    expect(configured.definitions.map(({ id, name, isSystem }) => [id, name, isSystem])).toEqual([
      [1, "$G", false],
      [2, "$SYS", true],
    ]);
    expect(account(configured, "$G").serviceImports).toEqual(implicit("$G", 2));
    expect(account(configured, "$SYS").serviceImports).toMatchObject([
      { exporter: 2, local: "$SYS.REQ.USER.INFO", remote: "$SYS.REQ.USER.$SYS.INFO", share: true },
    ]);
  });

  test("may be one of the configuration's, and keeps its number", () => {
    const configured = configure("system_account: S, accounts { A {}, S {}, B {} }");
    expect(configured.definitions.map(({ id, name, isSystem }) => [id, name, isSystem])).toEqual([
      [1, "$G", false],
      [3, "A", false],
      [2, "S", true],
      [4, "B", false],
    ]);
  });

  test("is $SYS where the configuration lists it", () => {
    const configured = configure("accounts { $SYS { users: [{ user: s, password: s }] } }");
    expect(configured.definitions.map(({ name, isSystem }) => [name, isSystem])).toEqual([
      ["$G", false],
      ["$SYS", true],
    ]);
  });

  test("is not there if refused, and then nobody imports of it", () => {
    const configured = configure("no_system_account: true");
    expect(configured.definitions).toMatchObject([{ name: "$G", serviceImports: [] }]);
  });

  test("decides itself how what its exports cover is answered", () => {
    const configured = configure(
      'system_account: S, accounts { S { exports: [{ service: "$SYS.REQ.>" }] } }',
    );
    const types = account(configured, "$G").serviceImports.map(({ responseType }) => responseType);
    expect(types).toEqual(["singleton", "singleton", "singleton", "singleton"]);
    expect(account(configured, "S").serviceImports).toEqual([]);
  });

  test("leaves alone a subject that an account imports of it already", () => {
    const configured = configure(`system_account: S, accounts {
      S { exports: [{ service: "$SYS.REQ.USER.*.INFO" }] }
      A { imports: [{ service: { account: S, subject: "$SYS.REQ.USER.other.INFO" }, to: "$SYS.REQ.USER.INFO" }] }
    }`);
    const infos = account(configured, "A").serviceImports.filter(
      ({ local }) => local === "$SYS.REQ.USER.INFO",
    );
    expect(infos).toMatchObject([{ remote: "$SYS.REQ.USER.other.INFO", share: false }]);
  });
});

test("definitions survive JSON and a structured clone", () => {
  const { definitions } = configure(
    pair(
      'exports: [{ service: a, latency: l }], mappings: { "x.*": "y.$1" }, default_permissions: { publish: ">" }',
      "limits: { max_connections: 5 }, imports: [{ service: { account: A, subject: a } }]",
    ),
  );
  expect(structuredClone(definitions)).toEqual([...definitions]);
  // JSON leaves out what is undefined, and toEqual takes that for the same.
  expect(JSON.parse(JSON.stringify(definitions))).toEqual([...definitions]);
});

test("AccountIds gives an account its number back", () => {
  const ids = new AccountIds(undefined);
  expect(["A", "B", "A", "$G", "C"].map((name) => ids.of(name))).toEqual([3, 4, 3, 1, 5]);
});
