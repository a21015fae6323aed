import { expect, test } from "bun:test";
import { streamSubjects } from "./import_subjects.ts";
import { shadowSubject } from "./shadow_interest.ts";

const rows: [from: string, to: string, subscription: string, shadow: string | null][] = [
  ["exp.x", "exp.x", "exp.x", "exp.x"],
  ["exp.x", "exp.x", "exp.*", "exp.x"],
  ["exp.x", "imp.x", "imp.>", "exp.x"],
  ["exp.x", "imp.x", "exp.x", null],
  ["exp.>", "imp.>", "imp.a.b", "exp.a.b"],
  ["exp.>", "imp.>", ">", "exp.>"],
  ["exp.>", "imp.>", "imp.a.*", "exp.a.*"],
  ["exp.*.b", "imp.*", "imp.a", "exp.a.b"],
  ["exp.*.*", "imp.$2.$1", "imp.a.*", "exp.*.a"],
  ["exp.*.*", "imp.$2.$1", "*.a.b", "exp.b.a"],
  ["exp.*.>", "imp.$1.more.>", "imp.a.more.b.c", "exp.a.b.c"],
];
for (const [from, to, subscription, shadow] of rows) {
  test(`${subscription} on a stream ${from} imported as ${to}`, () => {
    const subjects = streamSubjects(from, to);
    if ("problem" in subjects) throw new Error(subjects.problem);
    const definition = { ...subjects, exporter: 3, exporterName: "E", allowTrace: false };
    expect(shadowSubject(definition, subscription)).toBe(shadow);
  });
}
