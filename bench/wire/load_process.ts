/** One run of the load generator, which waits at each phase until it is told to go on. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

export type Phase = "base" | "prepared" | "ready" | "ended";

export interface LoadResult {
  readonly messages: number;
  readonly deliveries: number;
  readonly seconds: number;
  readonly loadCpuSeconds: number;
  readonly p50Us?: number;
  readonly p99Us?: number;
  readonly p999Us?: number;
}

/**
 * Runs the load and calls `onPhase` at each phase. The load goes on when that is done. Throws if the load fails or
 * takes longer than `msMax`, or if `onPhase` throws.
 */
export async function runLoad(
  program: string,
  loadArguments: readonly string[],
  msMax: number,
  onPhase: (phase: Phase) => void | Promise<void>,
): Promise<LoadResult> {
  const child = spawn(program, loadArguments, { stdio: ["pipe", "pipe", "pipe"] });
  let errors = "";
  let result: LoadResult | null = null;
  let failure: Error | null = null;
  const fail = (error: unknown) => {
    failure ??= error instanceof Error ? error : new Error(String(error));
    child.kill("SIGKILL");
  };
  const timer = setTimeout(
    () => fail(`the load did not end within ${msMax} ms: ${loadArguments.join(" ")}`),
    msMax,
  );
  child.stdin.on("error", () => {}); // the load has ended: "close" says how
  child.stderr.on("data", (chunk) => {
    errors += chunk;
  });
  child.on("error", fail);
  const closed = new Promise<number | null>((resolve) => child.on("close", resolve));
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      const { phase, ...rest } = JSON.parse(line);
      if (phase === "done") {
        result = rest;
        continue;
      }
      await onPhase(phase);
      child.stdin.write("\n");
    }
  } catch (error) {
    fail(error);
  }
  const code = await closed;
  clearTimeout(timer);
  if (failure === null && result !== null && code === 0) return result;
  throw failure ?? new Error(errors.trim() || `the load ended with code ${code}`);
}
