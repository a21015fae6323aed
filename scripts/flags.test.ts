import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const run = "Deno" in globalThis ? ["run", "--no-check", "--quiet", "--allow-all"] : [];

function simulate(...flags: readonly string[]) {
  const words = [...run, "test/simulator/main.ts", ...flags];
  const { status, stdout, stderr } = spawnSync(process.execPath, words, { cwd: root, encoding: "utf8" });
  return { status, stdout, stderr };
}

describe("a program for developers", () => {
  for (const [flags, said] of [
    [["--seed"], /^Option '--seed <value>' argument missing\n$/],
    [["--sedes", "5"], /^Unknown option '--sedes'\n$/],
    [["5"], /^Unexpected argument '5'.*\n$/],
    [["--seeds", "many"], /^--seeds many: give a number of at least 1\n$/],
    [["--seeds", "0"], /^--seeds 0: give a number of at least 1\n$/],
    [["--seed", "1.5"], /^--seed 1\.5: give a whole number\n$/],
  ] as const) {
    test(`ends with 2 and a line about ${flags.join(" ")}`, () => {
      const { status, stdout, stderr } = simulate(...flags);
      expect(stderr).toMatch(said);
      expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    });
  }

  test("prints its usage for --help", () => {
    const { status, stdout } = simulate("--help");
    expect(stdout).toMatch(/^bun run simulate \[flags\]\n {2}--seeds N/);
    expect(status).toBe(0);
  });

  test("takes flags that are right", () => {
    const { status, stdout } = simulate("--first", "3", "--seeds", "2");
    expect(stdout).toMatch(/^2 seeds in /);
    expect(status).toBe(0);
  });
});
