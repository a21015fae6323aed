/** What benches that measure a server in two states in turns have in common: flags, targets, and comparing figures. */
import { orRefuse, readFlags, refuse } from "../../scripts/flags.ts";
import { spreadOf } from "./figures.ts";
import { findTarget, type Target } from "./targets.ts";

export interface InTurns<Flag extends string> {
  readonly usageText: string;
  /** Numbers above 0, each with its default. */
  readonly flags: { readonly [flag in Flag]: number };
  /** Titles of the columns after the target's. */
  readonly columns: readonly string[];
  /** Measures a target. Returns its row, one cell for each column. */
  measure(target: Target, flags: { readonly [flag in Flag]: number }): Promise<readonly string[]>;
}

/**
 * Reads the flags, and writes a table of the targets while they are measured.
 */
export async function measureInTurns<Flag extends string>(bench: InTurns<Flag>): Promise<void> {
  const defaults = Object.entries<number>(bench.flags);
  const numbers = defaults.map(([name, value]) => [name, { type: "string", default: `${value}` }] as const);
  const { targets, ...texts } = readFlags(bench.usageText, {
    options: {
      targets: { type: "string", default: "midge-bun,midge-deno,nats-server" },
      ...Object.fromEntries(numbers),
    },
  }).values as { targets: string; [flag: string]: unknown };
  const given = defaults.map(([name]) => [name, Number(texts[name])] as const);
  const bad = given.find(([, value]) => !(value > 0));
  if (bad !== undefined) refuse(`--${bad[0]} ${texts[bad[0]]}: give a number above 0`);
  const flags = Object.fromEntries(given) as { [flag in Flag]: number };
  writeRow(["target", ...bench.columns]);
  writeRow(Array(bench.columns.length + 1).fill("---"));
  for (const name of targets.split(",")) {
    const target = orRefuse(() => findTarget(name));
    if ("reason" in target) console.error(`${name} is left out: ${target.reason}`);
    else writeRow([name, ...(await bench.measure(target, flags))]);
  }
}

function writeRow(cells: readonly string[]): void {
  console.log(`| ${cells.join(" | ")} |`);
}

/** The median of at least one value. */
export function median(values: readonly number[]): number {
  return spreadOf(values)!.median;
}

/** `before → after (difference)` of the medians. */
export function compareMedians(
  before: readonly number[],
  after: readonly number[],
  show: (value: number) => string,
  digits: number,
): string {
  const [from, to] = [median(before), median(after)];
  const percent = (to / from - 1) * 100;
  return `${show(from)} → ${show(to)} (${percent >= 0 ? "+" : ""}${percent.toFixed(digits)} %)`;
}
