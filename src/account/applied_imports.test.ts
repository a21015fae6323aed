import { describe, expect, test } from "bun:test";
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
    exported: subjects.remote,
    share: false,
    responseType: "singleton",
    responseThresholdMs: 1,
    allowTrace: false,
    isSystemExport: false,
  });
}

describe("AppliedStreamImport", () => {
  test("renames what it delivers", () => {
    expect(stream("st.*.*", "in.$2.$1").localSubject("st.y.x")).toBe("in.x.y");
    expect(stream("a.>", "x.>").localSubject("a.b.c")).toBe("x.b.c");
    expect(stream("a.*", "a.*").localSubject("a.b")).toBe("a.b");
    expect(stream("é.*", "ü.*").localSubject("\xc3\xa9.\xff")).toBe("\xc3\xbc.\xff");
    expect(stream("a", "x.*").localSubject("a")).toBe("x.*");
  });

  test("covers what the exporter's pattern does", () => {
    expect(stream("st.*.*", "in.$2.$1").covers("st.a.b")).toBe(true);
    expect(stream("st.*.*", "in.$2.$1").covers("in.b.a")).toBe(false);
    expect(stream("a.>", "x.>").covers("a")).toBe(false);
    expect(stream("a", "b").covers("a")).toBe(true);
    expect(stream("a.*", "b.*").covers("a.>")).toBe(true);
    expect(stream("a.>", "b.>").covers("a.")).toBe(false);
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
    ["$1x.$1", "w.*", "b.c", "w.*"],
    ["wi{{wildcard(1)}}.$1", "w.*", "b.c", "w.*"],
    ["wi.*.*", "w.$2.*", "wi.q.r", "w.q.r"],
  ];
  for (const [local, remote, request, delivered] of rows) {
    test(`${remote} as ${local} delivers ${request} as ${delivered}`, () => {
      const applied = service(local, remote);
      expect(applied.covers(request)).toBe(true);
      expect(applied.remoteSubject(request).text).toBe(delivered);
    });
  }

  test("covers what its local pattern does", () => {
    expect(service("wi.*", "w").covers("wi.b.c")).toBe(false);
    expect(service("x.$1", "w").covers("x.q")).toBe(false);
    expect(service("wi.$1", "w.*").covers("wi.q")).toBe(true);
  });
});
