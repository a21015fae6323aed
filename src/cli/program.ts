/** The program, as it was called and as it speaks. */
import { basename } from "node:path";

/** What the start script was called as: `midge` has commands beside the flags, and it names the ports file. */
export const EXECUTABLE = basename(process.env.MIDGE_EXECUTABLE || "nats-server");

/** Says why nothing is done; returns the exit code. */
export function refuse(text: string): number {
  console.error(`nats-server: ${text}`);
  return 1;
}
