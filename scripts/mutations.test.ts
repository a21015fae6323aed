import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { applyEdit, MUTATIONS } from "./mutations.ts";

const root = new URL("..", import.meta.url);

test("every mutation changes the source as it is now, and has a name of its own", () => {
  for (const { edits } of MUTATIONS) {
    for (const edit of edits) {
      const source = readFileSync(new URL(edit.file, root), "utf8");
      expect(applyEdit(source, edit)).not.toBe(source);
    }
  }
  expect(new Set(MUTATIONS.map(({ name }) => name)).size).toBe(MUTATIONS.length);
});

test("applyEdit() insists on a text that stands there once", () => {
  const edit = { file: "a.ts", from: "x", to: "y" };
  expect(applyEdit("axb", edit)).toBe("ayb");
  expect(() => applyEdit("ab", edit)).toThrow("exactly once");
  expect(() => applyEdit("axbx", edit)).toThrow("exactly once");
});
