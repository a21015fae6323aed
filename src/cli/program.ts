/** The program, as it was called and as it speaks. */
import { basename } from "node:path";

/**
 * The name by which the program was started. `midge` has commands besides the flags; the name is also that of the ports
 * file.
 */
export const EXECUTABLE = basename(process.env.MIDGE_EXECUTABLE || "nats-server");

/** Prints why nothing is done, and returns the exit code. */
export function refuse(text: string): number {
  console.error(`nats-server: ${text}`);
  return 1;
}
