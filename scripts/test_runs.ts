// Runs of Bun's or Deno's test runner: what it says is shown and counted.

import { spawn } from "node:child_process";
import process from "node:process";
import { createInterface } from "node:readline";

/** Files that may have had an accident; more than these are broken. */
const FILES_AGAIN_MAX = 3;

/** A line about a test that passed, on Bun or on Deno. */
const PASSED = /^\(pass\) |^.+ \.\.\. ok \(/;

/** What one run of the test runner came to. */
interface Outcome {
  readonly passed: number;
  readonly failed: number;
  readonly code: number;
  /** Something failed outside of tests. */
  readonly hasOtherErrors: boolean;
  /** Names of the failed tests by the file they stand in. */
  readonly failures: ReadonlyMap<string, readonly string[]>;
}

/** Runs the files once, shows what the runner says but for tests that pass, and counts what it reports. */
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

/** Failed tests by file, as the runner of Bun or Deno names them. */
function failuresIn(output: string): Map<string, string[]> {
  const failures = new Map<string, string[]>();
  let file = "";
  // Bun repeats them all at the end.
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
 * Runs the test files or folders by the command `runner` of Bun or Deno and, once more, the few files that failed: tests wait
 * for other processes on a machine that may be busy with more than them. What fails twice has failed; tests that fail once are
 * named as unsteady, to be looked at.
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

/** Whether what failed are tests alone: what fails outside of them, a file that cannot be loaded for one, is no accident. */
function hasNamedAll({ failures, failed, hasOtherErrors }: Outcome): boolean {
  return !hasOtherErrors && [...failures.values()].flat().length === failed;
}

/** `file: test`. */
function failedTests({ failures }: Outcome): Set<string> {
  return new Set([...failures].flatMap(([file, tests]) => tests.map((test) => `${file}: ${test}`)));
}
