/** The two C programs of the wire bench, compiled when their source is newer than they are. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, statSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));

/** Path of the load generator. Throws when it can't be compiled. */
export function buildLoad(): string {
  const sources = readdirSync(`${here}load`).map((name) => `${here}load/${name}`);
  return build("load", sources);
}

/** Path of the floor, the server without features. Throws when it can't be compiled. */
export function buildFloor(): string {
  return build("floor", [`${here}floor.c`]);
}

function build(name: string, sources: readonly string[]): string {
  const program = `${here}build/${name}`;
  const changedMs = Math.max(...sources.map((source) => statSync(source).mtimeMs));
  if ((statSync(program, { throwIfNoEntry: false })?.mtimeMs ?? 0) > changedMs) return program;
  mkdirSync(`${here}build`, { recursive: true });
  const compiler = process.env.CC ?? "cc";
  const inputs = sources.filter((source) => source.endsWith(".c"));
  try {
    execFileSync(compiler, ["-std=c11", "-O2", "-Wall", "-Wextra", "-o", program, ...inputs], {
      stdio: "pipe",
    });
  } catch (error) {
    throw new Error(
      `${compiler} could not compile ${name}; install a C compiler or name one in CC: ${error}`,
    );
  }
  return program;
}
