// Runs suites on Bun, which need more than a clone has: bun scripts/suites.ts file…

import process from "node:process";
import { runTests } from "./test_runs.ts";

const { passed, failed, code } = await runTests([process.execPath, "test"], process.argv.slice(2));
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = code;
