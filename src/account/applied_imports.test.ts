import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { subjectMatchesText } from "../subject/text.ts";
import { AppliedServiceImport, AppliedStreamImport } from "./applied_imports.ts";
import { serviceSubjects, streamSubjects } from "./import_subjects.ts";

function stream(from: string, to: string): AppliedStreamImport {
  const subjects = streamSubjects(from, to);
  if ("problem" in subjects) throw new Error(subjects.problem);
  return new AppliedStreamImport({ exporter: 3, exporterName: "A", ...subjects, allowTrace: false });
}

function service(local: string, remote: string): AppliedServiceImport {
  const subjects = serviceSubjects(local, remote);
  if ("problem" in subjects) throw new Error(subjects.problem);
  return new AppliedServiceImport({
    exporter: 3,
    exporterName: "A",
    local: subjects.local,
    remote: subjects.remote,
    share: false,
    responseType: "singleton",
    responseThresholdMs: 1,
    allowTrace: false,
    isSystemExport: false,
  });
}

describe("AppliedStreamImport", () => {
  const rows: readonly (readonly [string, string, subscription: string, exporterPattern: string | null])[] = [
    ["st.*.*", "in.$2.$1", "in.>", "st.*.*"],
    ["st.*.*", "in.$2.$1", "in.b.*", "st.*.b"],
    ["st.*.*", "in.$2.$1", "*.b.a", "st.a.b"],
    ["st.*.*", "in.$2.$1", "in.b.a.c", null],
    ["st.*.*", "in.$2.$1", "st.a.b", null],
    ["st.*.*.*", "in.$2.$3.$1", "in.b.c.a", "st.a.b.c"],
    ["st.*.*.*", "in.$2.$3.$1", "in.b.>", "st.*.b.*"],
    ["a.>", "x.>", "*.b.*", "a.b.*"],
    ["a.>", "x.>", ">", "a.>"],
    ["a.>", "x.>", "x.*.>", "a.*.>"],
    ["a.*", "p.a.*", "p.a.b", "a.b"],
    ["a.*", "a.*", "*.b", "a.b"],
    [">", ">", "a.b", "a.b"],
    ["a", "b", "b", "a"],
    ["a", "b", "a", null],
    ["a", "x.*", "x.b", "a"],
    ["a.*.*", "b.$1.$1", "b.x.*", "a.x.*"],
    ["a.*.*", "b.$1.$1", "b.x.y", null],
  ];
  for (const [from, to, subscription, pattern] of rows) {
    test(`${from} as ${to} gives ${subscription} what is published on ${pattern}`, () => {
      expect(stream(from, to).exporterPattern(subscription)).toBe(pattern);
    });
  }

  test("renames what it delivers", () => {
    expect(stream("st.*.*", "in.$2.$1").localSubject("st.y.x")).toBe("in.x.y");
    expect(stream("a.>", "x.>").localSubject("a.b.c")).toBe("x.b.c");
    expect(stream("a.*", "a.*").localSubject("a.b")).toBe("a.b");
    expect(stream("é.*", "ü.*").localSubject("\xc3\xa9.\xff")).toBe("\xc3\xbc.\xff");
    expect(stream("a", "x.*").localSubject("a")).toBe("x.*");
  });

  test("asks the exporter for what the subscription matches under its local subject, no less and no more", () => {
    const token = fc.constantFrom("a", "b");
    const order = fc.constantFrom(
      [1, 2, 3],
      [1, 3, 2],
      [2, 1, 3],
      [2, 3, 1],
      [3, 1, 2],
      [3, 2, 1],
      [1, 1, 2, 3],
    );
    const rest = fc.option(fc.array(token, { minLength: 1, maxLength: 2 }), { nil: undefined });
    const pattern = fc
      .tuple(fc.array(fc.constantFrom("in", "a", "b", "*"), { maxLength: 5 }), fc.boolean())
      .filter(([tokens, isOpen]) => tokens.length > 0 || isOpen)
      .map(([tokens, isOpen]) => (isOpen ? [...tokens, ">"] : tokens).join("."));
    fc.assert(
      fc.property(
        order,
        rest,
        fc.tuple(token, token, token),
        pattern,
        (order, rest, wildcards, subscription) => {
          const tail = rest === undefined ? "" : ".>";
          const to = order.map((index) => `$${index}`).join(".");
          const applied = stream(`st.*.*.*${tail}`, `in.${to}${tail}`);
          const published = ["st", ...wildcards, ...(rest ?? [])].join(".");
          const isWanted = subjectMatchesText(subscription, applied.localSubject(published));
          const asked = applied.exporterPattern(subscription);
          expect(asked !== null && subjectMatchesText(asked, published)).toBe(isWanted);
        },
      ),
      { numRuns: 3000 },
    );
  });
});

describe("AppliedServiceImport", () => {
  // Each seen on nats-server 2.15.2.
  const rows: readonly (readonly [local: string, remote: string, request: string, delivered: string])[] = [
    ["svc", "svc", "svc", "svc"],
    ["one", "svc", "one", "svc"],
    ["wi.$2.$1", "w.*.*", "wi.b.a", "w.a.b"],
    ["wi.*.x", "w.*", "wi.q.x", "w.q"],
    ["wi.x.*.>", "w.*.>", "wi.x.b.c.d", "w.b.c.d"],
    ["w.>", "w.>", "w.a.b", "w.a.b"],
    ["wi.*", "w", "wi.b", "w"],
    ["x.$1", "w", "x.$1", "w"],
    // nats-server's slips, which configurations may rely on.
    ["wi.$2.$3.$1", "w.*.*.*", "wi.b.c.a", "w.c.a.b"],
    ["wi.$1.$1", "w.*.*", "wi.b.c", "w.b.b"],
    ["wi.$1.$1", "w.*", "wi.b.c", "w.*"],
  ];
  for (const [local, remote, request, delivered] of rows) {
    test(`${remote} as ${local} delivers ${request} as ${delivered}`, () => {
      const applied = service(local, remote);
      expect(applied.covers(request)).toBe(true);
      expect(applied.remoteSubject(request)).toBe(delivered);
    });
  }

  test("covers what its local pattern does", () => {
    expect(service("wi.*", "w").covers("wi.b.c")).toBe(false);
    expect(service("x.$1", "w").covers("x.q")).toBe(false);
    expect(service("wi.$1", "w.*").covers("wi.q")).toBe(true);
  });
});
