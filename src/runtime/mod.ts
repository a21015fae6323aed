import type { Runtime } from "./runtime.ts";

/**
 * The runtime that this program runs in, chosen once per thread. This is the only place that asks. It does not ask
 * `process`, which a thread of Deno would have to load.
 */
export async function loadRuntime(): Promise<Runtime> {
  if ("Deno" in globalThis) return (await import("./deno/runtime.ts")).denoRuntime;
  return (await import("./bun/runtime.ts")).bunRuntime;
}
