/** Tests whether a server behaves like a NATS server: `bun scripts/conformance.ts --help`. */
import { readdirSync } from "node:fs";
import process from "node:process";
import { type Exit, peerCommand, runToExit, serverCommand } from "../test/support/server_process.ts";
import { readFlags, refuse } from "./flags.ts";
import { runTests } from "./test_runs.ts";

const FOLDER = "test/conformance";
const ROW_LIMIT_MS = 60_000;

const USAGE = `bun run conformance [flags] [file …]
  --server "COMMAND"   any command that takes nats-server's flags (this repository's server)
  --peer "COMMAND"     the servers that the one under test is linked with (the same command)
  --group NAME         core: a server without users (the default); auth, accounts, tls, websocket, system, cluster,
                       routes, gateways, leafs, or all
  file                 part of the name of a test file; several may be given`;

const { values, positionals: names } = readFlags(USAGE, {
  options: {
    server: { type: "string" },
    peer: { type: "string" },
    group: { type: "string", default: "core" },
  },
  allowPositionals: true,
});

/** The test files of a group. If there are `names`, only files whose name contains one of them. */
function testFiles(group: string): string[] {
  return readdirSync(FOLDER)
    .filter((name) => name.endsWith(".test.ts"))
    .filter((name) => group === "all" || groupOf(name) === group)
    .filter((name) => names.length === 0 || names.some((wanted) => name.includes(wanted)))
    .sort()
    .map((name) => `${FOLDER}/${name}`);
}

/** The group of a file: `framing.test.ts` is in core, `users.auth.test.ts` in auth. */
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

/** What a command printed for `--version`. */
function wordsOf({ stdout, stderr }: Exit): string {
  return (stdout || stderr).trim();
}

const { server, peer, group } = values;
if (server !== undefined) process.env.CONFORMANCE_SERVER = server;
if (peer !== undefined) process.env.CONFORMANCE_PEER = peer;
const files = testFiles(group);
if (files.length === 0) {
  refuse(
    `no test file of group "${group}"${names.length > 0 ? ` matches ${names.join(", ")}` : ""}; --help has the groups`,
  );
}
const version = await runToExit({ flags: ["--version"] });
const said = `${wordsOf(version)} beside ${wordsOf(await runToExit({ flags: ["--version"], role: "peer" }))}`;
console.log(
  `server: ${serverCommand().join(" ")}\npeer: ${peerCommand().join(" ")}\nversions: ${said}\n` +
    `files: ${files.length}, group ${group}`,
);
if (version.code !== 0) {
  refuse(
    `the server command did not answer --version (exit ${version.code}); name it with --server "<command>"`,
  );
}
const start = performance.now();
const { passed, failed, code } = await runTests(testRunner(), files);
const seconds = ((performance.now() - start) / 1000).toFixed(1);
console.log(`${passed} passed, ${failed} failed in ${seconds} s: ${said}`);
process.exit(code);
