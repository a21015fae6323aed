/** Where an executable of `scripts/executable.ts` starts. It says to the program what else the launcher says. */
import { basename } from "node:path";
import process from "node:process";

process.env.MIDGE_EXECUTABLE = basename(process.argv0 || process.execPath);
process.env.MIDGE_LAUNCHER = process.execPath;
await import("./main.ts");
