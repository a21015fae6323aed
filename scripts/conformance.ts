// Asks a running server whether it behaves like a NATS server:
//   bun run scripts/conformance.ts --server "<command that takes nats-server's flags>" [--group NAME] [file …]
// Groups: `core` (a server without users; the default), `auth`, `accounts`, `tls`, `websocket`, `system`, `cluster`, `routes`,
// `gateways`, `leafs`, and `all`. A test file belongs to the group in its name (`users.auth.test.ts` to `auth`), else to `core`.
// `--peer "<command>"` names the servers that the one under test is linked with; the same command by default.

import { readdirSync } from "node:fs";
import process from "node:process";
import { type Exit, peerCommand, runToExit, serverCommand } from "../test/support/server_process.ts";
import { runTests } from "./test_runs.ts";

const FOLDER = "test/conformance";
const ROW_LIMIT_MS = 60_000;

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

/** This runtime's test runner. */
function testRunner(): string[] {
  return "Deno" in globalThis
    ? [process.execPath, "test", "-A", "--no-check"]
    : [process.execPath, "test", "--timeout", String(ROW_LIMIT_MS)];
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
const { passed, failed, code } = await runTests(testRunner(), files);
const seconds = ((performance.now() - start) / 1000).toFixed(1);
console.log(`${passed} passed, ${failed} failed in ${seconds} s: ${said}`);
process.exit(code);
