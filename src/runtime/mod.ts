import type { Runtime } from "./runtime.ts";

/**
 * The runtime this program runs in, chosen once per thread: the only place that asks. Bun defines
 * `process.versions.bun`, Deno `process.versions.deno`.
 */
export async function loadRuntime(): Promise<Runtime> {
  if (process.versions.bun !== undefined) {
    return (await import("./bun/runtime.ts")).bunRuntime;
  }
  return (await import("./deno/runtime.ts")).denoRuntime;
}
