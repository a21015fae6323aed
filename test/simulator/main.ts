/**
 * Runs seeds of the simulator: `bun run simulate [--seeds N] [--first S]`, or one with `--seed S`. Prints what went against
 * a rule, with the seed that shows it again, and exits with 1 then; with `--until-failure` it stops at the first such seed.
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { type Outcome, runSeed } from "./scenario.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "200" },
    first: { type: "string", default: "1" },
    seed: { type: "string" },
    "until-failure": { type: "boolean", default: false },
  },
});
const first = Number(values.seed ?? values.first);
const count = values.seed === undefined ? Number(values.seeds) : 1;
const startMs = performance.now();
const totals = { seeds: 0, events: 0, messages: 0, deliveries: 0 };
let failures = 0;
for (let seed = first; seed < first + count; seed++) {
  const violations = run(seed);
  totals.seeds++;
  if (violations.length === 0) continue;
  failures++;
  for (const violation of violations.slice(0, 10)) console.log(`  ${violation}`);
  if (values["until-failure"]) break;
}
const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
const { seeds, events, messages, deliveries } = totals;
console.log(
  `${seeds} seeds in ${seconds} s: ${messages} messages, ${deliveries} deliveries, ${events} events`,
);
console.log(`${seeds - failures} passed, ${failures} failed`);
if (failures > 0) process.exit(1);

/** Says which seed it was if something went against a rule, or an assertion did not hold; returns what. */
function run(seed: number): readonly string[] {
  let outcome: Outcome;
  try {
    outcome = runSeed(seed);
  } catch (error) {
    console.log(`seed ${seed}:`);
    return [(error as Error).stack ?? String(error)];
  }
  totals.events += outcome.events;
  totals.messages += outcome.messages;
  totals.deliveries += outcome.deliveries;
  if (outcome.violations.length > 0) console.log(`seed ${seed}, ${outcome.servers.join(" ")}:`);
  return outcome.violations;
}
