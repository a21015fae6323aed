import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { fileErrorText } from "./error_text.ts";

function whyUnread(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    return fileErrorText(error);
  }
}

test("fileErrorText() says it as Go does", () => {
  expect(whyUnread("/nowhere/x.log")).toBe("open /nowhere/x.log: no such file or directory");
  const folder = new Error("EISDIR: illegal operation on a directory, open '/tmp'");
  expect(fileErrorText(folder)).toBe("open /tmp: is a directory");
  expect(fileErrorText(new Error("something else"))).toBe("something else");
});
