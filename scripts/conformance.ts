// Asks a running server whether it behaves like a NATS server:
//   bun run scripts/conformance.ts --server "<command that takes nats-server's flags>" [--group NAME] [file …]
// Groups: `core` (a server without users; the default), `auth`, `accounts`, `tls`, `websocket`, `system`, `cluster`, `routes`,
// `gateways`, `leafs`, and `all`. A test file belongs to the group in its name (`users.auth.test.ts` to `auth`), else to `core`.
// `--peer "<command>"` names the servers that the one under test is linked with; the same command by default.

import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import process from "node:process";
import { type Exit, peerCommand, runToExit, serverCommand } from "../test/support/server_process.ts";

const FOLDER = "test/conformance";
const ROW_LIMIT_MS = 60_000;

/** Files that may have had an accident; more than these are broken. */
const FILES_AGAIN_MAX = 3;

/** What the command line asks for. */
interface Request {
  readonly server: string | undefined;
  readonly peer: string | undefined;
  readonly group: string;
  readonly files: readonly string[];
}

function parseArguments(words: readonly string[]): Request {
  let server: string | undefined;
  let peer: string | undefined;
  let group = "core";
  const files: string[] = [];
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!;
    if (word === "--server") server = words[++at];
    else if (word === "--peer") peer = words[++at];
    else if (word === "--group") group = words[++at] ?? group;
    else files.push(word);
  }
  return { server, peer, group, files };
}

/** Test files of a group, narrowed to those whose name contains one of `names`. */
function testFiles(group: string, names: readonly string[]): string[] {
  return readdirSync(FOLDER)
    .filter((name) => name.endsWith(".test.ts"))
    .filter((name) => group === "all" || groupOf(name) === group)
    .filter((name) => names.length === 0 || names.some((wanted) => name.includes(wanted)))
    .sort()
    .map((name) => `${FOLDER}/${name}`);
}

/** `framing.test.ts` is core, `users.auth.test.ts` is auth. */
function groupOf(name: string): string {
  const parts = name.split(".");
  return parts.length > 3 ? parts[1]! : "core";
}

/** What one run of the test runner came to. */
interface Outcome {
  readonly passed: number;
  readonly failed: number;
  readonly code: number;
  /** Something failed outside of rows. */
  readonly hasOtherErrors: boolean;
  /** Names of the failed rows by the file they stand in. */
  readonly failures: ReadonlyMap<string, readonly string[]>;
}

/** Runs the files in this runtime's test runner, shows its output, and counts what it reports. */
function runTests(files: readonly string[]): Promise<Outcome> {
  const words =
    "Deno" in globalThis
      ? ["test", "-A", "--no-check", ...files]
      : ["test", "--timeout", String(ROW_LIMIT_MS), ...files];
  return new Promise((resolve) => {
    const child = spawn(process.execPath, words, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, NO_COLOR: "1" },
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        output += text;
        process.stdout.write(text.replaceAll(/^\(pass\).*\n/gm, ""));
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

/** Failed rows by file, as the runner of Bun or Deno names them. */
function failuresIn(output: string): Map<string, string[]> {
  const failures = new Map<string, string[]>();
  let file = "";
  // Bun repeats them all at the end.
  const [rows = ""] = output.split(/^\d+ tests? failed:$/m);
  for (const line of rows.split("\n")) {
    file = /^(?:running \d+ tests? from \.\/)?(\S+\.test\.ts):?$/.exec(line)?.[1] ?? file;
    const row =
      /^\(fail\) (.*?)(?: \[[0-9.]+m?s\])?$/.exec(line)?.[1] ?? /^(.+) \.\.\. FAILED/.exec(line)?.[1];
    if (row !== undefined) failures.set(file, [...(failures.get(file) ?? []), row]);
  }
  return failures;
}

/**
 * Runs the files and, once more, the few that failed: rows wait for other processes on a machine that may be busy
 * with more than them. A file that fails again has failed; rows of one that does not are named as unsteady.
 */
async function runTestsTwiceIfNeeded(files: readonly string[]): Promise<Outcome> {
  const first = await runTests(files);
  const again = [...first.failures.keys()];
  const failedRows = [...first.failures.values()].flat().length;
  // What fails outside of rows, a file that cannot be loaded for one, is no accident.
  if (failedRows !== first.failed || first.hasOtherErrors) return first;
  if (again.length === 0 || again.length > FILES_AGAIN_MAX) return first;
  console.log(`\nonce more, since rows failed in them: ${again.join(", ")}`);
  const second = await runTests(again);
  for (const [file, rows] of first.failures) {
    if (second.failures.has(file)) continue;
    for (const row of rows) console.log(`unsteady: ${file}: ${row}`);
  }
  return { ...second, passed: first.passed + first.failed - second.failed };
}

/** What `--version` answered. */
function wordsOf({ stdout, stderr }: Exit): string {
  return (stdout || stderr).trim();
}

const request = parseArguments(process.argv.slice(2));
if (request.server !== undefined) process.env.CONFORMANCE_SERVER = request.server;
if (request.peer !== undefined) process.env.CONFORMANCE_PEER = request.peer;
const files = testFiles(request.group, request.files);
const version = await runToExit({ flags: ["--version"] });
const said = `${wordsOf(version)} beside ${wordsOf(await runToExit({ flags: ["--version"], role: "peer" }))}`;
console.log(
  `server: ${serverCommand().join(" ")}\npeer: ${peerCommand().join(" ")}\nversions: ${said}\n` +
    `files: ${files.length}, group ${request.group}`,
);
if (version.code !== 0 || files.length === 0) {
  console.error(
    files.length === 0
      ? `no test file of group "${request.group}" matches ${request.files.join(", ")}`
      : `the server command did not answer --version (exit ${version.code}); name it with --server "<command>"`,
  );
  process.exit(1);
}
const start = performance.now();
const { passed, failed, code } = await runTestsTwiceIfNeeded(files);
const seconds = ((performance.now() - start) / 1000).toFixed(1);
console.log(`${passed} passed, ${failed} failed in ${seconds} s: ${said}`);
process.exit(code);
