/**
 * `bun run bench:micro [deflate|engine|index|links|parser|s2]` runs each part in a process of its own, so that none
 * warms up another.
 */
import { spawnSync } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";

const PARTS: Readonly<Record<string, string>> = {
  deflate: "deflate.ts",
  engine: "engine.ts",
  index: "interest.ts",
  links: "interest_over_links.ts",
  parser: "parser.ts",
  s2: "s2.ts",
};

const wanted = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(PARTS);
for (const part of wanted) {
  const file = PARTS[part];
  if (file === undefined) {
    console.error(`${part}: unknown; the parts are ${Object.keys(PARTS).join(", ")}`);
    process.exit(1);
  }
  console.log(`\n${part}${part === "engine" ? " (with its rings)" : ""}`);
  const { status } = spawnSync(process.execPath, [fileURLToPath(new URL(file, import.meta.url))], {
    stdio: "inherit",
  });
  if (status !== 0) process.exit(1);
}
