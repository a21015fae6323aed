import type { Runtime } from "./runtime.ts";

/**
 * The runtime this program runs in, chosen once per thread: the only place that asks. Not by `process`, which a thread
 * of Deno would have to load.
 */
export async function loadRuntime(): Promise<Runtime> {
  if ("Deno" in globalThis) return (await import("./deno/runtime.ts")).denoRuntime;
  return (await import("./bun/runtime.ts")).bunRuntime;
}
