import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writePidFile } from "./pid_file.ts";

test("writePidFile() overwrites the file with the bare number, for the owner alone", () => {
  const directory = mkdtempSync(join(tmpdir(), "midge-pid-"));
  const path = join(directory, "nats.pid");
  writePidFile(path, 4_194_304);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  writeFileSync(path, "a longer text than any number\n");
  writePidFile(path, 12);
  expect(readFileSync(path, "utf8")).toBe("12");
  rmSync(directory, { recursive: true });
});

test("writePidFile() says what failed", () => {
  expect(writePidFile("/nowhere/nats.pid", 12)).toBe("open /nowhere/nats.pid: no such file or directory");
});
