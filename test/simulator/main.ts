/**
 * Runs seeds of the simulator. Prints what went against a rule, with the seed that shows it again, and exits with 1 then.
 */
import process from "node:process";
import { readFlags, wholeNumberFrom } from "../../scripts/flags.ts";
import { type Outcome, runSeed } from "./scenario.ts";

const USAGE = `bun run simulate [flags]
  --seeds N         how many (200)
  --first S         the first of them (1)
  --seed S          this one alone
  --until-failure   stops at the first one that fails`;

const { values } = readFlags(USAGE, {
  options: {
    seeds: { type: "string", default: "200" },
    first: { type: "string", default: "1" },
    seed: { type: "string" },
    "until-failure": { type: "boolean", default: false },
  },
});
const { seed: single } = values;
const first =
  single === undefined ? wholeNumberFrom("first", values.first, 0) : wholeNumberFrom("seed", single, 0);
const count = single === undefined ? wholeNumberFrom("seeds", values.seeds, 1) : 1;
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
