import type { SignalName } from "../runtime.ts";

/** How long Deno may take to open its inspector after SIGUSR1; 4 ms were measured. */
const INSPECTOR_OPENS_MS = 100;
const INSPECTOR_CHECK_MS = 2;

/**
 * `process.on`, and a guard: since 2.9.2, a Deno process that is half a second old opens its inspector on
 * 127.0.0.1:9229 when it gets SIGUSR1, even if the program listens to the signal (denoland/deno#35738). A log rotation
 * must not open a debugger port. There is no flag against it, so the port is closed again at once. An inspector that
 * was asked for with `--inspect` stays.
 */
export function onDenoSignal(name: SignalName, handler: () => void): () => void {
  const listener = () => {
    if (name === "SIGUSR1") void closeInspectorOfSignal();
    handler();
  };
  process.on(name, listener);
  return () => process.off(name, listener);
}

async function closeInspectorOfSignal(): Promise<void> {
  const inspector = await import("node:inspector");
  if (inspector.url() !== undefined) return;
  for (let waitedMs = 0; waitedMs < INSPECTOR_OPENS_MS; waitedMs += INSPECTOR_CHECK_MS) {
    await new Promise((resolve) => setTimeout(resolve, INSPECTOR_CHECK_MS));
    if (inspector.url() !== undefined) return inspector.close();
  }
}
