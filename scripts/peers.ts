/**
 * Installs what the peer tests and the benchmarks compare with under `.cache/peers`, and programs that tests need in
 * their usual places: `bun run peers [name …]`. With names, it installs only these. What is there already is left as it
 * is. Each step says what it does.
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const cache = `${root}.cache/peers`;
const bin = `${cache}/bin`;
const clients = `${root}test/peers/clients`;

const SERVER_VERSION = "2.15.2";
const DEBIAN_SERVER_VERSION = "2.9";
const NATS_PY_VERSION = "2.16.0";

interface Peer {
  /** A file of the installed peer. If it is there and the peer is not built here, nothing is done. */
  path: string;
  isBuiltHere: boolean;
  /** Throws an error that says what to do if the peer cannot be installed here. */
  install(path: string): void;
}

const PEERS: Record<string, Peer> = {
  "nats-server": { path: `${bin}/nats-server-${SERVER_VERSION}`, isBuiltHere: false, install: installServer },
  "nats-server-debian": {
    path: `${bin}/nats-server-${DEBIAN_SERVER_VERSION}`,
    isBuiltHere: false,
    install: installDebianServer,
  },
  "nats.go": { path: `${bin}/client-go`, isBuiltHere: true, install: buildGoClient },
  "nats-io/jwt": { path: `${bin}/client-go-jwt`, isBuiltHere: true, install: buildGoJwt },
  libnats: { path: `${bin}/client-c`, isBuiltHere: true, install: buildCClient },
  "nats-py": {
    path: `${cache}/python/bin/nats-py-${NATS_PY_VERSION}`,
    isBuiltHere: false,
    install: installPythonClient,
  },
  // Tests of TLS make their certificates with it.
  openssl: {
    path: "/usr/bin/openssl",
    isBuiltHere: false,
    install: () => installDebianPackage("openssl"),
  },
  // The tests of the live page need a browser, which needs some font.
  chromium: {
    path: "/usr/bin/chromium",
    isBuiltHere: false,
    install: () => installDebianPackage("chromium", "fonts-dejavu-core"),
  },
  // The load program of the wire bench needs it for its rows over TLS.
  "libssl-dev": {
    path: "/usr/include/openssl/ssl.h",
    isBuiltHere: false,
    install: () => installDebianPackage("libssl-dev"),
  },
};

function installServer(path: string): void {
  needGo();
  const staging = `${cache}/staging`;
  run(["go", "install", `github.com/nats-io/nats-server/v2@v${SERVER_VERSION}`], { GOBIN: staging });
  renameSync(`${staging}/nats-server`, path);
  rmSync(staging, { recursive: true });
}

function installDebianServer(path: string): void {
  installDebianPackage("nats-server");
  const files = output(["dpkg", "-L", "nats-server"]).split("\n");
  const installed = files.find((file) => file.endsWith("bin/nats-server")) ?? "nats-server";
  const version = output([installed, "--version"]).trim();
  if (!version.includes(`v${DEBIAN_SERVER_VERSION}.`)) {
    throw new Error(`Debian's package is ${version}, not ${DEBIAN_SERVER_VERSION}: only Debian 12 has that`);
  }
  copyFileSync(installed, path);
}

function buildGoClient(path: string): void {
  needGo();
  run(["go", "build", "-C", `${clients}/go`, "-o", path, "."]);
}

function buildGoJwt(path: string): void {
  needGo();
  run(["go", "build", "-C", `${clients}/go-jwt`, "-o", path, "."]);
}

function buildCClient(path: string): void {
  if (!succeeds(["cc", "--version"])) installDebianPackage("gcc", "libc6-dev");
  if (!existsSync("/usr/include/nats/nats.h")) installDebianPackage("libnats-dev");
  run(["cc", "-O1", "-Wall", "-o", path, `${clients}/c/client.c`, "-lnats"]);
}

function installPythonClient(path: string): void {
  const environment = `${cache}/python`;
  const create = ["python3", "-m", "venv", environment];
  if (!succeeds(create)) {
    installDebianPackage("python3-venv");
    run(create);
  }
  run([`${environment}/bin/python`, "-m", "pip", "install", "--quiet", `nats-py==${NATS_PY_VERSION}`]);
  writeFileSync(path, "");
}

function needGo(): void {
  if (succeeds(["go", "version"])) return;
  throw new Error("there is no Go; install Go 1.26 or newer, Debian's package is too old for this");
}

function installDebianPackage(...names: string[]): void {
  if (succeeds(["dpkg", "-s", ...names])) return;
  if (!succeeds(["apt-get", "--version"])) {
    throw new Error(`there is no apt-get; install ${names.join(" and ")} by hand`);
  }
  const install = ["apt-get", "install", "-y", "--no-install-recommends", ...names];
  const environment = { DEBIAN_FRONTEND: "noninteractive" };
  say(install.join(" "));
  if (succeeds(install, environment)) return;
  // A fresh machine has no list of packages yet.
  run(["apt-get", "update"]);
  run(install, environment);
}

function say(text: string): void {
  console.log(`peers: ${text}`);
}

function start([program = "", ...parameters]: string[], environment: Record<string, string> = {}) {
  return spawnSync(program, parameters, {
    cwd: root,
    env: { ...process.env, ...environment },
    stdio: ["ignore", "pipe", "pipe"],
    encoding: "utf8",
  });
}

function succeeds(command: string[], environment?: Record<string, string>): boolean {
  return start(command, environment).status === 0;
}

/** Runs a command. If it fails, throws with what it wrote. */
function run(command: string[], environment?: Record<string, string>): string {
  say(command.join(" "));
  return output(command, environment);
}

function output(command: string[], environment?: Record<string, string>): string {
  const { status, stdout, stderr, error } = start(command, environment);
  if (status !== 0) throw new Error(`"${command.join(" ")}" failed: ${error?.message ?? stdout + stderr}`);
  return stdout + stderr;
}

const wanted = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(PEERS);
mkdirSync(bin, { recursive: true });
let failedCount = 0;
for (const name of wanted) {
  const peer = PEERS[name];
  try {
    if (peer === undefined) throw new Error(`not known; the peers are ${Object.keys(PEERS).join(", ")}`);
    if (peer.isBuiltHere || !existsSync(peer.path)) peer.install(peer.path);
  } catch (error) {
    failedCount++;
    console.error(`peers: ${name}: ${(error as Error).message}`);
  }
}
say(`${wanted.length - failedCount} of ${wanted.length} are ready in ${cache}`);
process.exit(failedCount === 0 ? 0 : 1);
