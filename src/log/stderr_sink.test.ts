import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";

const PROGRAM = `
  import { createStderrSink } from ${JSON.stringify(new URL("./stderr_sink.ts", import.meta.url).href)};

  const format = { processId: 7, timestamps: "utc", isColored: false };
  const sink = createStderrSink(format, () => 1_795_344_120_716_083);
  sink.write("info", "x".repeat(200_000));
  sink.write("fatal", "last words");
  throw new Error();
`;

test("createStderrSink() loses no line of a process that crashes, and writes nothing to stdout", () => {
  const directory = mkdtempSync(join(tmpdir(), "midge-stderr-"));
  const path = join(directory, "program.ts");
  writeFileSync(path, PROGRAM);
  const { stdout, stderr } = spawnSync(process.execPath, ["run", path], { encoding: "utf8" });
  rmSync(directory, { recursive: true });
  const [first, second] = stderr.split("\n");
  expect(first).toBe(`[7] 2026/11/22 10:42:00.716083 [INF] ${"x".repeat(200_000)}`);
  expect(second).toBe("[7] 2026/11/22 10:42:00.716083 [FTL] last words");
  expect(stdout).toBe("");
});
