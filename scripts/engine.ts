/**
 * Compiles the engine: AssemblyScript in `src/engine/assembly` to `src/engine/engine.wasm`, which is committed so that
 * nobody needs a compiler to run Midge. `--check` compiles to a temporary file and fails if it differs.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { MEMORY_PAGES } from "../src/memory/map.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const committed = join(root, "src/engine/engine.wasm");

function compile(output: string): void {
  const flags = [
    "--runtime",
    "stub",
    "--noAssert",
    "--use",
    "abort=",
    "-O3",
    "--enable",
    "simd,threads,bulk-memory",
  ];
  const memory = ["--importMemory", "--sharedMemory"];
  const pages = ["--initialMemory", `${MEMORY_PAGES}`, "--maximumMemory", `${MEMORY_PAGES}`];
  const compiler = join(root, "node_modules/assemblyscript/bin/asc.js");
  const source = "src/engine/assembly/index.ts";
  const run = spawnSync(process.execPath, [compiler, source, "-o", output, ...flags, ...memory, ...pages], {
    cwd: root,
  });
  if (run.status !== 0) throw new Error(`asc failed on ${source}:\n${run.stdout}${run.stderr}`);
}

if (process.argv.includes("--check")) {
  const folder = mkdtempSync(join(tmpdir(), "midge-engine-"));
  try {
    compile(join(folder, "engine.wasm"));
    if (!readFileSync(join(folder, "engine.wasm")).equals(readFileSync(committed))) {
      console.error(
        "src/engine/engine.wasm is not what src/engine/assembly compiles to: run `bun scripts/engine.ts`",
      );
      process.exit(1);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
} else compile(committed);
