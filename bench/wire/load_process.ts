/** One run of the load generator, which stops at each phase until it is told to go on. */
import { spawn } from "node:child_process";

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

/** Runs the load and calls `onPhase` at each phase, before it goes on. Throws when it fails or exceeds `msMax`. */
export function runLoad(
  program: string,
  loadArguments: readonly string[],
  msMax: number,
  onPhase: (phase: Phase) => void,
): Promise<LoadResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, loadArguments, { stdio: ["pipe", "pipe", "pipe"] });
    let lines = "";
    let errors = "";
    let result: LoadResult | null = null;
    let failure: Error | null = null;
    const timer = setTimeout(() => {
      failure = new Error(`the load did not end within ${msMax} ms: ${loadArguments.join(" ")}`);
      child.kill("SIGKILL");
    }, msMax);
    child.stdin.on("error", () => {}); // the load has ended: "close" says how
    child.stderr.on("data", (chunk) => {
      errors += chunk;
    });
    child.stdout.on("data", (chunk) => {
      lines += chunk;
      for (let end = lines.indexOf("\n"); end >= 0; end = lines.indexOf("\n")) {
        const { phase, ...rest } = JSON.parse(lines.slice(0, end));
        lines = lines.slice(end + 1);
        if (phase === "done") {
          result = rest;
          continue;
        }
        try {
          onPhase(phase);
        } catch (error) {
          failure = error instanceof Error ? error : new Error(String(error));
          child.kill("SIGKILL");
        }
        child.stdin.write("\n");
      }
    });
    child.on("error", (error) => {
      failure = error;
    });
    child.on("close", (code) => {
      clearTimeout(timer);
      if (result && code === 0) resolve(result);
      else reject(failure ?? new Error(errors.trim() || `the load ended with code ${code}`));
    });
  });
}
