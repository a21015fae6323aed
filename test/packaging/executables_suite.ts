/**
 * The executables of `scripts/executable.ts`, built, moved away from the sources and asked what a server is asked.
 *
 *   npm run test:executables
 */
import { afterAll, describe, expect, test } from "bun:test";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { DENO_FLAGS, type ExecutableRuntime, stageSources } from "../../scripts/executable.ts";
import { until } from "../support/deadline.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const programs = join(root, "node_modules/.bin");

/** One file or two of the conformance suite for each part that an executable could lack. */
const CONFORMANCE = [
  ["core", "delivery", "command_line", "signals"],
  ["tls", "handshake"],
  ["websocket", "frames"],
  ["routes", "messages"],
  ["leafs", "compression"],
  ["cluster", "routes."],
  // Bcrypt and JWTs: each loads a package.
  ["auth", "users.auth", "scoped_keys"],
] as const;

const TEST_MS = 60_000;
/** Of a run of several files of rows. */
const RUN_MS = 300_000;

for (const runtime of ["bun", "deno"] as const) {
  describe(`an executable on ${runtime}`, () => {
    const folder = mkdtempSync(join(tmpdir(), "midge-packaging-"));
    /** Empty: nothing of the sources is found from there. */
    const elsewhere = join(folder, "elsewhere");
    mkdirSync(elsewhere);
    const executable = join(folder, `midge-${runtime}`);
    const built = build(runtime, executable);

    afterAll(() => rmSync(folder, { recursive: true }));

    const run = (words: readonly string[], program = executable) => {
      const { status, stdout, stderr } = spawnSync(program, words, { cwd: elsewhere, encoding: "utf8" });
      return { status, stdout, stderr };
    };

    test("takes the flags of nats-server and the commands of midge", () => {
      expect(run(["-v"])).toEqual({ status: 0, stdout: "nats-server: v2.15.2\n", stderr: "" });
      expect(run(["-h"]).stdout).toContain(`midge-${runtime} [`);
      expect(run(["-x"]).stderr).toContain("flag provided but not defined: -x");
      expect(run(["nkey", "user", "--print"]).stdout).toMatch(/^SU\w+\nU[A-Z2-7]{55}\n$/);
      const config = join(folder, "good.conf");
      writeFileSync(config, "max_payload: 1MB\n");
      const checked = run(["-t", "-c", config]);
      expect(checked.stderr).toContain(`nats-server: configuration file ${config} is valid (sha256:`);
      expect(checked.status).toBe(0);
    });

    test("is called what it is started as", () => {
      const link = join(folder, "nats-server");
      symlinkSync(executable, link);
      expect(run(["-h"], link).stdout).toContain("nats-server [");
      expect(run(["nkey", "user"], link)).toMatchObject({
        status: 1,
        stderr: 'nats-server: unrecognized command: "nkey"\n',
      });
    });

    test("serves by epoll on several shards, hears signals, and ends with 0 on SIGINT", async () => {
      const config = join(folder, "server.conf");
      writeFileSync(config, 'listen: "127.0.0.1:-1"\nports_file_dir: "./"\n');
      const server = new Started(executable, ["-c", config, "--shards", "2"], elsewhere);
      await server.says("Server is ready");
      expect(server.text).toContain(`on ${runtime} `);
      expect(server.text).toContain("2 shards, epoll");
      const readName = () => readFileSync(`/proc/${server.pid}/comm`, "utf8");
      await until(
        () => readName() === `midge-${runtime}\n`,
        () => `the process is called ${readName()}`,
      );
      await until(
        () => readdirSync(elsewhere).includes(`midge-${runtime}_${server.pid}.ports`),
        () => `no ports file in ${readdirSync(elsewhere)}`,
      );
      expect(run(["--signal", `reload=${server.pid}`])).toEqual({ status: 0, stdout: "", stderr: "" });
      await server.says("Reloaded server configuration");
      expect(await server.end()).toBe(0);
      expect(server.text).toEndWith("Server Exiting..\n");
      expect(readdirSync(elsewhere)).toEqual([]);
    });

    for (const [group, ...files] of CONFORMANCE) {
      test(
        `conforms: ${files.join(", ")} of group ${group}`,
        () => {
          const started = join(folder, "started-elsewhere");
          writeFileSync(started, `#!/bin/sh\ncd ${elsewhere} && exec ${executable} --shards 2 "$@"\n`);
          chmodSync(started, 0o755);
          const words = ["scripts/conformance.ts", "--group", group, "--server", started, ...files];
          const { status, stdout, stderr } = spawnSync(join(programs, "bun"), words, {
            cwd: root,
            encoding: "utf8",
          });
          const [, passed] = /^(\d+) passed, 0 failed/m.exec(stdout) ?? [];
          if (status !== 0 || passed === undefined) throw new Error(stdout + stderr);
          expect(Number(passed)).toBeGreaterThan(files.length);
        },
        RUN_MS,
      );
    }

    // A stand-in is not what the process is that it becomes.
    test.skipIf(built === "stand-in")(
      "shows three servers, which are itself",
      async () => {
        const demo = new Started(executable, ["demo", "cluster"], elsewhere);
        await demo.says("Ctrl-C stops all of them");
        const pids = Array.from(demo.text.matchAll(/pid (\d+)/g), ([, pid]) => Number(pid));
        const running = pids.map((pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0")[0]);
        expect(running).toEqual([executable, executable, executable]);
        expect(await demo.end()).toBe(0);
      },
      TEST_MS,
    );
  });
}

/**
 * Builds the executable. Where Deno's base for executables cannot be had, a script takes its place that runs on Deno what
 * the executable would hold, with the permissions it would have.
 */
function build(runtime: ExecutableRuntime, output: string): "executable" | "stand-in" {
  const words = [join(root, "scripts/executable.ts"), runtime, output];
  const { status, stderr } = spawnSync(join(programs, "bun"), words, { encoding: "utf8" });
  if (status === 0) return "executable";
  if (!stderr.includes("Setting up base binary")) throw new Error(stderr);
  console.warn("denort cannot be had here; Deno itself runs what the executable would hold");
  const sources = `${output}-sources`;
  mkdirSync(sources);
  stageSources(sources);
  const flags = DENO_FLAGS.join(" ");
  const deno = join(root, "node_modules/deno/deno");
  writeFileSync(
    output,
    `#!/bin/bash\nexec -a "$0" ${deno} run --quiet ${flags} ${sources}/src/cli/executable.ts "$@"\n`,
  );
  chmodSync(output, 0o755);
  return "stand-in";
}

/** A process and what it says. */
class Started {
  text = "";
  readonly #child: ChildProcess;
  readonly #exit: Promise<unknown[]>;

  constructor(program: string, words: readonly string[], cwd: string) {
    this.#child = spawn(program, words, { cwd, stdio: ["ignore", "pipe", "pipe"] });
    this.#exit = once(this.#child, "close");
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        this.text += text;
      });
    }
  }

  get pid(): number {
    return this.#child.pid!;
  }

  async says(text: string): Promise<void> {
    await until(
      () => this.text.includes(text) || this.#child.exitCode !== null,
      () => `it does not say "${text}" but ${this.text}`,
      TEST_MS,
    );
    if (!this.text.includes(text)) throw new Error(`it ended and said ${this.text}`);
  }

  /** Interrupts it; resolves to its exit code. */
  async end(): Promise<unknown> {
    process.kill(this.pid, "SIGINT");
    const [code] = await this.#exit;
    return code;
  }
}
