/** Checks everything about the source that needs no server: `bun run check`. Exits with 1 if anything fails. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const programs = `${root}node_modules/.bin`;

const CHECKS: [name: string, ...command: [string, ...string[]]][] = [
  ["types", `${programs}/tsc`, "-p", "."],
  ["types as programs see them that embed it", `${programs}/tsc`, "-p", "test/embedded"],
  ["the same on Deno", `${programs}/deno`, "check", "--quiet", "test/embedded/program.ts"],
  ["types of the live page", `${programs}/tsc`, "-p", "src/monitor/live"],
  ["format and lint", `${programs}/biome`, "check"],
  ["rooms", `${programs}/bun`, "scripts/rooms.ts"],
  ["the committed engine", `${programs}/bun`, "scripts/engine.ts", "--check"],
  ["links between documents", `${programs}/bun`, "scripts/links.ts"],
  ["the reference of keys and flags", `${programs}/bun`, "scripts/config_reference.ts", "--check"],
];

const failed: string[] = [];
for (const [name, program, ...parameters] of CHECKS) {
  console.log(`check: ${name}`);
  const { status, error } = spawnSync(program, parameters, { cwd: root, stdio: "inherit" });
  if (error !== undefined) console.error(`cannot run ${program}: ${error.message}`);
  if (status !== 0) failed.push(name);
}

console.log(`check: ${CHECKS.length - failed.length} passed, ${failed.length} failed`);
if (failed.length > 0) {
  console.error(`check: failed: ${failed.join(", ")}`);
  process.exit(1);
}
