/**
 * Checks that the simulator notices broken rules: breaks one rule of `src/link` after the other in a copy of the source
 * and runs seeds on it. Prints which seed caught each mutant, and exits with 1 if one survives.
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { readFlags, refuse, wholeNumberFrom } from "./flags.ts";
import { applyEdit, type Edit, MUTATIONS, type Mutation } from "./mutations.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
/** What the simulator needs. */
const COPIED = ["src", "test/simulator", "scripts/flags.ts", "package.json", "tsconfig.json", "bunfig.toml"];

const USAGE = `bun run mutants [--seeds N] [name …]
  --seeds N   how many seeds are run on each mutant (500)
  name        which ones: ${MUTATIONS.map(({ name }) => name).join(", ")}`;

const { values, positionals } = readFlags(USAGE, {
  options: { seeds: { type: "string", default: "500" } },
  allowPositionals: true,
});
const unknown = positionals.filter((name) => !MUTATIONS.some((mutation) => mutation.name === name));
if (unknown.length > 0) refuse(`no mutation is called ${unknown.join(", ")}; --help has their names`);
const seeds = wholeNumberFrom("seeds", values.seeds, 1);
const chosen = MUTATIONS.filter(({ name }) => positionals.length === 0 || positionals.includes(name));

const copy = mkdtempSync(join(tmpdir(), "midge-mutants-"));
const survivors: string[] = [];
try {
  for (const path of COPIED) cpSync(join(root, path), join(copy, path), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
  const unharmed = simulate();
  if (unharmed.isFailed) throw new Error(`The source as it is fails:\n${unharmed.output}`);
  for (const mutation of chosen) {
    const caught = simulateWith(mutation);
    if (caught === null) survivors.push(mutation.name);
    console.log(`${mutation.name.padEnd(nameColumn())}${caught ?? "SURVIVES"}`);
  }
} finally {
  rmSync(copy, { recursive: true, force: true });
}
console.log(`mutants: ${chosen.length - survivors.length} caught, ${survivors.length} survived`);
if (survivors.length > 0) process.exitCode = 1;

/** The first complaint of the simulator about a mutant, with its seed; null if it notices nothing. */
function simulateWith(mutation: Mutation): string | null {
  for (const edit of mutation.edits) write(edit, (source) => applyEdit(source, edit));
  const { isFailed, output } = simulate();
  for (const { file } of mutation.edits) cpSync(join(root, file), join(copy, file));
  if (!isFailed) return null;
  const [where = "", what = ""] = output.split("\n");
  return `${where} ${what.trim()}`;
}

function write({ file }: Edit, change: (source: string) => string): void {
  const path = join(copy, file);
  writeFileSync(path, change(readFileSync(path, "utf8")));
}

function simulate(): { readonly isFailed: boolean; readonly output: string } {
  const parameters = ["test/simulator/main.ts", "--until-failure", "--seeds", `${seeds}`];
  const { status, stdout, stderr } = spawnSync(process.execPath, parameters, { cwd: copy, encoding: "utf8" });
  return { isFailed: status !== 0, output: `${stdout}${stderr}` };
}

function nameColumn(): number {
  return Math.max(...MUTATIONS.map(({ name }) => name.length)) + 2;
}
