/**
 * Runs seeds of the simulator: `bun run simulate [--seeds N] [--first S]`, or one with `--seed S`. Prints what went against
 * a rule, with the seed that shows it again, and exits with 1 then.
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { runSeed } from "./scenario.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "200" },
    first: { type: "string", default: "1" },
    seed: { type: "string" },
  },
});
const first = Number(values.seed ?? values.first);
const count = values.seed === undefined ? Number(values.seeds) : 1;
const startMs = performance.now();
const totals = { events: 0, messages: 0, deliveries: 0 };
const failed: number[] = [];
for (let seed = first; seed < first + count; seed++) {
  const outcome = runSeed(seed);
  totals.events += outcome.events;
  totals.messages += outcome.messages;
  totals.deliveries += outcome.deliveries;
  if (outcome.violations.length === 0) continue;
  failed.push(seed);
  console.log(`seed ${seed}, ${outcome.servers.join(" ")}:`);
  for (const violation of outcome.violations.slice(0, 10)) console.log(`  ${violation}`);
}
const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
const { events, messages, deliveries } = totals;
console.log(
  `${count} seeds in ${seconds} s: ${messages} messages, ${deliveries} deliveries, ${events} events`,
);
console.log(`${count - failed.length} passed, ${failed.length} failed`);
if (failed.length > 0) process.exit(1);
