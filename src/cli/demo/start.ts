/** The demonstrations as a program: signals end them, and their servers are those of this program, on this runtime. */
import process from "node:process";
import { fileURLToPath } from "node:url";
import { loadRuntime } from "../../runtime/mod.ts";
import { runDemo } from "./main.ts";

/** Returns the exit code. */
export async function startDemo(words: readonly string[]): Promise<number> {
  const runtime = await loadRuntime();
  const stopping = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    runtime.onSignal(signal, () => stopping.abort());
  }
  // An executable of one file says that it is its own launcher.
  const path =
    process.env.MIDGE_LAUNCHER || fileURLToPath(new URL("../../../bin/nats-server", import.meta.url));
  return runDemo(words, {
    program: { path, runtime: runtime.name },
    print: console.log,
    complain: console.error,
    stop: stopping.signal,
  });
}
