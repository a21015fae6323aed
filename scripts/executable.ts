/**
 * Packs Midge and a runtime into one file, which needs nothing but libc and, for TLS, OpenSSL:
 *
 *   bun scripts/executable.ts bun [OUTPUT]     dist/midge-bun, by `bun build --compile`
 *   bun scripts/executable.ts deno [OUTPUT]    dist/midge-deno, by `deno compile`
 *
 * Deno compiles onto a base, `denort`, which it downloads if it has none. `DENORT_BIN` names one that is there.
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

export type ExecutableRuntime = "bun" | "deno";

const ENTRY = "src/cli/executable.ts";
const WORKERS = ["workers/shard.ts", "workers/logins.ts", "workers/acceptor.ts"];
const UNITS = ["src/engine/engine.wasm", "src/engine/s2.wasm", "src/engine/deflate.wasm"];

/**
 * What an executable on Deno may do: all that `bin/nats-server` permits, and start processes for `--signal` and `demo`.
 */
export const DENO_FLAGS = [
  "--no-check",
  "--no-lock",
  "--no-prompt",
  "--v8-flags=--max-semi-space-size=2,--expose-gc",
  ...["read", "write", "net", "env", "sys", "ffi", "run"].map((permission) => `--allow-${permission}`),
];

/**
 * Copies what an executable holds of the repository to an empty folder: the sources and the packages that they load.
 */
export function stageSources(folder: string): void {
  for (const sources of ["src", "workers"]) {
    cpSync(join(root, sources), join(folder, sources), {
      recursive: true,
      filter: (path) => !path.endsWith(".test.ts") && !path.endsWith("/assembly"),
    });
  }
  const { type, dependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  writeFileSync(join(folder, "package.json"), JSON.stringify({ type, dependencies }));
  writeFileSync(join(folder, "deno.json"), JSON.stringify({ nodeModulesDir: "manual" }));
  for (const name of Object.keys(dependencies)) {
    cpSync(join(root, "node_modules", name), join(folder, "node_modules", name), {
      recursive: true,
      dereference: true,
    });
  }
}

/** The command that makes the executable from the copied sources. */
function compileCommand(runtime: ExecutableRuntime, output: string): string[] {
  if (runtime === "bun") {
    const autoload = ["--no-compile-autoload-dotenv", "--no-compile-autoload-bunfig"];
    // Bytecode halves the time from start to ready.
    const bytecode = ["--bytecode", "--format=esm"];
    const files = [...UNITS.map((unit) => `--asset=${unit}`), ENTRY, ...WORKERS];
    return ["bun", "build", "--compile", ...autoload, ...bytecode, "--outfile", output, ...files];
  }
  const included = [...WORKERS, ...UNITS].flatMap((file) => ["--include", file]);
  return ["deno", "compile", "--quiet", ...DENO_FLAGS, ...included, "--output", output, ENTRY];
}

/** Returns the compiler's exit code. What the compiler says goes to standard error. */
function compile(runtime: ExecutableRuntime, output: string): number {
  const folder = mkdtempSync(join(tmpdir(), "midge-executable-"));
  try {
    stageSources(folder);
    mkdirSync(dirname(output), { recursive: true });
    const [program, ...words] = compileCommand(runtime, output);
    const { status, error } = spawnSync(join(root, "node_modules/.bin", program!), words, {
      cwd: folder,
      stdio: ["ignore", 2, 2],
    });
    if (error !== undefined)
      console.error(`cannot run ${program}: ${error.message}; run "npm install" first`);
    return status ?? 1;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

if (import.meta.main) {
  const [runtime, output = `${root}dist/midge-${runtime}`] = process.argv.slice(2);
  if ((runtime !== "bun" && runtime !== "deno") || output.startsWith("-")) {
    console.error("usage: bun scripts/executable.ts bun|deno [OUTPUT]");
    process.exit(2);
  }
  process.exit(compile(runtime, resolve(output)));
}
