/**
 * Compiles the engine and the units of S2 and deflate beside it: AssemblyScript in `src/engine/assembly` to
 * `src/engine/*.wasm`. These are committed, so that nobody needs a compiler to run Midge. `--check` compiles to
 * temporary files and fails if one of them differs.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { MEMORY_PAGES } from "../src/memory/map.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
/** What is compiled, and to which file. */
const UNITS: readonly (readonly [source: string, output: string])[] = [
  ["src/engine/assembly/index.ts", "src/engine/engine.wasm"],
  ["src/engine/assembly/s2/index.ts", "src/engine/s2.wasm"],
  ["src/engine/assembly/deflate/index.ts", "src/engine/deflate.wasm"],
];

function compile(source: string, output: string): void {
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
  const run = spawnSync(process.execPath, [compiler, source, "-o", output, ...flags, ...memory, ...pages], {
    cwd: root,
  });
  if (run.status !== 0) throw new Error(`asc failed on ${source}:\n${run.stdout}${run.stderr}`);
}

if (process.argv.includes("--check")) {
  const folder = mkdtempSync(join(tmpdir(), "midge-engine-"));
  try {
    for (const [source, committed] of UNITS) {
      const compiled = join(folder, basename(committed));
      compile(source, compiled);
      if (readFileSync(compiled).equals(readFileSync(join(root, committed)))) continue;
      console.error(`${committed} is not what ${source} compiles to: run \`bun scripts/engine.ts\``);
      process.exitCode = 1;
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
} else for (const [source, committed] of UNITS) compile(source, join(root, committed));
