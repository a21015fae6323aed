// Runs Bun's or Deno's test runner, shows what it says and counts the results.

import { spawn } from "node:child_process";
import process from "node:process";
import { createInterface } from "node:readline";

/** If at most so many files fail, they are run again, because other processes may have disturbed them. */
const FILES_AGAIN_MAX = 3;

/** A line about a test that has passed, on Bun or on Deno. */
const PASSED = /^\(pass\) |^.+ \.\.\. ok \(/;

/** The results of one run of the test runner. */
interface Outcome {
  readonly passed: number;
  readonly failed: number;
  readonly code: number;
  /** Whether something failed outside of tests. */
  readonly hasOtherErrors: boolean;
  /** The names of the failed tests, by file. */
  readonly failures: ReadonlyMap<string, readonly string[]>;
}

/** Runs the files once, shows what the runner says except for tests that pass, and counts what it reports. */
function runOnce([program, ...words]: readonly string[], files: readonly string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = spawn(program!, [...words, ...files], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, NO_COLOR: "1" },
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      createInterface(stream).on("line", (line) => {
        output += `${line}\n`;
        if (!PASSED.test(line)) console.log(line);
      });
    }
    child.once("close", (code) => {
      const count = (word: string) => {
        const found = [...output.matchAll(new RegExp(`(\\d+) ${word}(?:ed)?\\b`, "g"))].at(-1);
        return Number(found?.[1] ?? 0);
      };
      resolve({
        passed: count("pass"),
        failed: count("fail"),
        code: code ?? 1,
        hasOtherErrors:
          /^(?: *\d+ errors?|error: .*\(uncaught error\).*)$|Unhandled error between tests/m.test(output),
        failures: failuresIn(output),
      });
    });
  });
}

/** The failed tests by file, as the runner of Bun or Deno names them. */
function failuresIn(output: string): Map<string, string[]> {
  const failures = new Map<string, string[]>();
  let file = "";
  // Bun repeats all of them at the end.
  const [rows = ""] = output.split(/^\d+ tests? failed:$/m);
  for (const line of rows.split("\n")) {
    file = /^(?:running \d+ tests? from \.\/)?(\S+\.ts):?$/.exec(line)?.[1] ?? file;
    const row =
      /^\(fail\) (.*?)(?: \[[0-9.]+m?s\])?$/.exec(line)?.[1] ?? /^(.+) \.\.\. FAILED/.exec(line)?.[1];
    if (row !== undefined) failures.set(file, [...(failures.get(file) ?? []), row]);
  }
  return failures;
}

/**
 * Runs the test files or folders with the command `runner` of Bun or Deno. If few files fail, runs these once more:
 * tests wait for other processes, on a machine that may be busy with other work. A test that fails twice has failed. A
 * test that fails once is reported as unsteady, so that somebody looks at it.
 */
export async function runTests(runner: readonly string[], files: readonly string[]): Promise<Outcome> {
  const first = await runOnce(runner, files);
  const again = [...first.failures.keys()];
  if (!hasNamedAll(first) || again.length === 0 || again.length > FILES_AGAIN_MAX) return first;
  console.log(`\nonce more, since tests failed in them: ${again.join(", ")}`);
  const second = await runOnce(runner, again);
  const [before, after] = [failedTests(first), failedTests(second)];
  for (const test of before.symmetricDifference(after)) console.log(`unsteady: ${test}`);
  const passed = first.passed + first.failed;
  if (!hasNamedAll(second)) return { ...second, passed: passed - second.failed };
  const failed = before.intersection(after).size;
  return { ...second, passed: passed - failed, failed, code: failed === 0 ? 0 : second.code };
}

/** Whether only tests failed. What fails outside of tests, such as a file that cannot be loaded, is run only once. */
function hasNamedAll({ failures, failed, hasOtherErrors }: Outcome): boolean {
  return !hasOtherErrors && [...failures.values()].flat().length === failed;
}

/** The failed tests as `file: test`. */
function failedTests({ failures }: Outcome): Set<string> {
  return new Set([...failures].flatMap(([file, tests]) => tests.map((test) => `${file}: ${test}`)));
}
