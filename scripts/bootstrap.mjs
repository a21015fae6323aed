// Sets up a fresh clone and runs what was asked for, with Node.js, Bun or Deno, whichever is there:
//
//   bootstrap.mjs install                sets up only
//   bootstrap.mjs serve bun|deno [flags] runs the server on that runtime
//   bootstrap.mjs test [paths]           runs the unit tests on Bun and then on Deno
//
// It is plain JavaScript that uses only node: modules, because it runs on all three, before anything is installed.
// package.json calls it with `node`; without Node.js, Bun takes the place of that.

import { spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, "node_modules");

/** npm, run by Deno, whose own installer does not skip packages for other systems. */
const NPM_FOR_DENO = "npm:npm@11.19.1";

/** The runtimes are packages. The install script of each puts the program in its place. */
const RUNTIMES = {
  bun: { program: join(modules, "bun/bin/bun.exe"), installScript: join(modules, "bun/install.js") },
  deno: { program: join(modules, "deno/deno"), installScript: join(modules, "deno/install.cjs") },
};

function say(text) {
  process.stderr.write(`midge: ${text}\n`);
}

function fail(text) {
  say(text);
  process.exit(1);
}

/** How to run a script and how to install packages with the program that runs this file. */
function findTools() {
  if (globalThis.Deno !== undefined) {
    return { script: ["run", "-A"], install: [process.execPath, "run", "-A", NPM_FOR_DENO, "install"] };
  }
  if (globalThis.Bun !== undefined) return { script: [], install: [process.execPath, "install"] };
  return { script: [], install: ["npm", "install", "--no-audit", "--no-fund"] };
}

/** Runs a program to its end in the root of the repository and returns its exit code. */
function runHere([program, ...parameters], environment = process.env) {
  const result = spawnSync(program, parameters, {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
    env: environment,
  });
  if (result.error !== undefined) fail(`cannot run ${program}: ${result.error.message}`);
  return result.status ?? 1;
}

/** The packages of package.json that are missing, or have another version than package-lock.json says. */
function findStalePackages() {
  const { dependencies, devDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const locked = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")).packages;
  return Object.keys({ ...dependencies, ...devDependencies }).filter((name) => {
    const manifest = join(modules, name, "package.json");
    if (!existsSync(manifest)) return true;
    return JSON.parse(readFileSync(manifest, "utf8")).version !== locked[`node_modules/${name}`]?.version;
  });
}

function runs(program) {
  return spawnSync(program, ["--version"], { stdio: "ignore" }).status === 0;
}

function install() {
  const { script, install } = findTools();
  const stale = findStalePackages();
  if (stale.length > 0) {
    // Every installer reads the versions from package-lock.json. None of them should write a lock file.
    const command = [...install, "--no-save"];
    say(
      `installing ${stale.length} packages, Bun and Deno among them, into node_modules: ${command.join(" ")}`,
    );
    const code = runHere(command);
    if (code !== 0) fail(`"${command.join(" ")}" failed with exit code ${code}; see above`);
  }
  for (const [name, { program, installScript }] of Object.entries(RUNTIMES)) {
    if (runs(program)) continue;
    // Package managers may refuse to run the install scripts of packages.
    say(`putting ${name} in its place: ${installScript}`);
    runHere([process.execPath, ...script, installScript]);
    if (!runs(program)) fail(`${program} does not run; remove node_modules and try again`);
  }
}

/** Runs the server as if it were this process: with the same streams, signals and exit code. */
function serve(runtime, flags) {
  say(`starting the server on ${runtime}: bin/nats-server ${flags.join(" ")}`.trimEnd());
  const environment = { ...process.env, MIDGE_RUNTIME: runtime };
  const server = spawn(join(root, "bin/nats-server"), flags, { stdio: "inherit", env: environment });
  server.on("error", (error) => fail(`cannot start bin/nats-server: ${error.message}`));
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2"]) {
    process.on(signal, () => {
      // A terminal sends Ctrl-C to the server, too. `server.kill` is not used, because in Deno 2.9 it works only once.
      if (signal !== "SIGINT" || !process.stdin.isTTY) process.kill(server.pid, signal);
    });
  }
  server.on("exit", (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
}

/** All folders with tests, except those whose tests need another server: these have commands of their own. */
function findTestFolders() {
  const needServer = ["test/conformance", "test/peers"];
  const folders = [
    "src",
    "workers",
    "scripts",
    "bench",
    ...readdirSync(join(root, "test")).map((name) => `test/${name}`),
  ];
  return folders.filter((folder) => existsSync(join(root, folder)) && !needServer.includes(folder));
}

/** Tests of TLS make their certificates with the `openssl` program. */
function needOpenSsl() {
  if (spawnSync("openssl", ["version"], { stdio: "ignore" }).status === 0) return;
  say("installing openssl, which tests of TLS need");
  const code = runHere([RUNTIMES.bun.program, "scripts/peers.ts", "openssl"]);
  if (code !== 0) fail("there is no openssl program; install it and try again");
}

function test(wanted) {
  const missing = wanted.find((path) => !existsSync(join(root, path)));
  if (missing !== undefined)
    fail(`there is no ${missing}; give paths of tests, as in "npm test -- src/subject"`);
  needOpenSsl();
  const paths = (wanted.length > 0 ? wanted : findTestFolders()).map((path) => `./${path}`);
  const { bun, deno } = RUNTIMES;
  process.exit(runHere([bun.program, "scripts/unit.ts", bun.program, deno.program, ...paths]));
}

const [task, ...parameters] = process.argv.slice(2);
if (task === "install") {
  install();
} else if (task === "serve" && Object.hasOwn(RUNTIMES, parameters[0])) {
  install();
  serve(parameters[0], parameters.slice(1));
} else if (task === "test") {
  install();
  test(parameters);
} else {
  fail("usage: bootstrap.mjs install | serve bun|deno [flags] | test [paths]");
}
