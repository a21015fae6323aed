/** Tests the launcher bin/nats-server, in a repository of its own whose main prints how it was started. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const repository = fileURLToPath(new URL("..", import.meta.url));

const MAIN = `
  const runtime = process.versions.bun === undefined ? "deno" : "bun";
  const { MIDGE_EXECUTABLE: executable, FROM_DOT_ENV: dotEnv } = process.env;
  console.log(JSON.stringify({ runtime, executable, dotEnv, processId: process.pid, flags: process.argv.slice(2) }));
  process.exit(7);
`;

let root: string;
let launcher: string;

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "midge-launcher-"));
  launcher = join(root, "bin/nats-server");
  mkdirSync(join(root, "bin"));
  mkdirSync(join(root, "src/cli"), { recursive: true });
  copyFileSync(join(repository, "bin/nats-server"), launcher);
  copyFileSync(join(repository, "bunfig.toml"), join(root, "bunfig.toml"));
  writeFileSync(join(root, "src/cli/main.ts"), MAIN);
  writeFileSync(join(root, ".env"), "FROM_DOT_ENV=yes\n");
  symlinkSync(join(repository, "node_modules"), join(root, "node_modules"));
});

afterAll(() => {
  rmSync(root, { recursive: true });
});

/** Runs a launcher to its end, in a folder with an .env. */
async function run(program: string, flags: string[], environment: Record<string, string> = {}) {
  const env = { PATH: process.env.PATH ?? "", HOME: root, ...environment };
  const child = spawn(program, flags, { cwd: root, env, stdio: ["ignore", "pipe", "pipe"] });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk) => {
    stdout += chunk;
  });
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
  });
  const [code] = await once(child, "close");
  return { code, processId: child.pid, stdout, stderr };
}

describe("bin/nats-server", () => {
  test.each(["bun", "deno"])("becomes the server on %s, with its flags and exit code", async (runtime) => {
    const flags = ["-p", "4333", "-c", "a file.conf", ""];
    const { code, processId, stdout, stderr } = await run(launcher, flags, { MIDGE_RUNTIME: runtime });
    expect(stderr).toBe("");
    expect(JSON.parse(stdout)).toEqual({ runtime, executable: "nats-server", processId, flags });
    expect(code).toBe(7);
  });

  test("runs on Bun unless told otherwise", async () => {
    expect(JSON.parse((await run(launcher, [])).stdout).runtime).toBe("bun");
  });

  test("is found through links to links, and is called what the first one is", async () => {
    mkdirSync(join(root, "links"));
    symlinkSync("../bin/nats-server", join(root, "links/inner"));
    symlinkSync(join(root, "links/inner"), join(root, "links/midge"));
    expect(JSON.parse((await run(join(root, "links/midge"), [])).stdout).executable).toBe("midge");
    const path = `${join(root, "links")}${delimiter}${process.env.PATH}`;
    expect(JSON.parse((await run("sh", ["-c", "midge"], { PATH: path })).stdout).executable).toBe("midge");
  });

  test.each(["bun", "deno"])(
    "gives the process its own name on %s, for pgrep and killall",
    async (runtime) => {
      const server = spawn(join(repository, "bin/nats-server"), ["-a", "127.0.0.1", "-p", "-1"], {
        env: { ...process.env, MIDGE_RUNTIME: runtime },
        stdio: ["ignore", "ignore", "pipe"],
      });
      const exit = once(server, "exit");
      // Before that, the process is the shell, which has the name of the script.
      await new Promise<void>((resolve) => {
        let log = "";
        server.stderr.on("data", (chunk) => {
          log += chunk;
          if (log.includes("Server is ready")) resolve();
        });
      });
      const readName = () => readFileSync(`/proc/${server.pid}/comm`, "utf8").trimEnd();
      while (server.exitCode === null && readName() !== "nats-server") await setTimeout(10);
      // Not `server.kill`: after that, Deno 2.9 reports the signal whatever the exit code is.
      process.kill(server.pid!, "SIGINT");
      expect(await exit).toEqual([0, null]);
    },
  );

  test("refuses a runtime it does not know", async () => {
    const { code, stderr } = await run(launcher, [], { MIDGE_RUNTIME: "node" });
    expect([code, stderr]).toEqual([
      1,
      'nats-server: MIDGE_RUNTIME is "node", but must be "bun" or "deno"\n',
    ]);
  });

  test("takes a runtime from PATH, or says what to do", async () => {
    const bare = mkdtempSync(join(tmpdir(), "midge-bare-"));
    for (const folder of ["bin", "programs"]) mkdirSync(join(bare, folder));
    copyFileSync(launcher, join(bare, "bin/nats-server"));
    const runtime = join(bare, "programs/bun");
    writeFileSync(runtime, '#!/bin/sh\necho "on PATH: $*"\n');
    chmodSync(runtime, 0o755);

    const found = await run(join(bare, "bin/nats-server"), ["-v"], { PATH: join(bare, "programs") });
    expect(found.stdout).toMatch(/^on PATH: .*main\.ts -v\n$/);
    rmSync(runtime);
    const missing = await run(join(bare, "bin/nats-server"), ["-v"], { PATH: join(bare, "programs") });
    expect(missing.code).toBe(1);
    expect(missing.stderr).toContain("no bun in ");
    expect(missing.stderr).toContain("npm install");
    rmSync(bare, { recursive: true });
  });
});
