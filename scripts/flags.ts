/** Flags of the programs for developers. One that cannot be used ends the program with 2 and a line that says why. */
import process from "node:process";
import { type ParseArgsConfig, parseArgs } from "node:util";

/** `parseArgs`, with `usage` as the answer to `--help`. */
export function readFlags<const Config extends ParseArgsConfig>(usage: string, config: Config) {
  if (process.argv.slice(2).includes("--help")) {
    console.log(usage);
    process.exit(0);
  }
  try {
    return parseArgs(config);
  } catch (error) {
    return refuse((error as Error).message);
  }
}

/** A number from a flag. */
export function numberFrom(flag: string, text: string, least: number): number {
  const value = Number(text);
  if (text !== "" && Number.isFinite(value) && value >= least) return value;
  return refuse(`--${flag} ${text}: give a number of at least ${least}`);
}

export function wholeNumberFrom(flag: string, text: string, least: number): number {
  const value = numberFrom(flag, text, least);
  return Number.isSafeInteger(value) ? value : refuse(`--${flag} ${text}: give a whole number`);
}

/** What `read` returns. A RangeError that it throws is about a flag. */
export function orRefuse<Value>(read: () => Value): Value {
  try {
    return read();
  } catch (error) {
    if (error instanceof RangeError) refuse(error.message);
    throw error;
  }
}

export function refuse(reason: string): never {
  console.error(reason);
  process.exit(2);
}
