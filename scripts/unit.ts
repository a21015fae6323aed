// Runs the unit tests on Bun and then on Deno: bun scripts/unit.ts BUN DENO path…, where BUN and DENO are the programs.

import process from "node:process";
import { runTests } from "./test_runs.ts";

const [bun, deno, ...paths] = process.argv.slice(2);
const runners = {
  // A busy machine may take many times as long as an idle one.
  Bun: [bun!, "test", "--timeout", "30000"],
  // Tests read /proc, which Deno allows only to programs with all permissions.
  Deno: [deno!, "test", "--no-check", "--allow-all"],
};
const results: string[] = [];
for (const [name, runner] of Object.entries(runners)) {
  console.log(`=== unit tests on ${name}`);
  const { passed, failed, code } = await runTests(runner, paths);
  if (code !== 0) process.exitCode = 1;
  results.push(`${passed} passed, ${failed} failed on ${name}`);
}
console.log(results.join("\n"));
