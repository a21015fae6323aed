import { type ChildProcess, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import type { DemoServer } from "./topology.ts";

/** How the command that serves is called, and on which runtime. */
export interface ServerProgram {
  readonly path: string;
  readonly runtime: string;
}

/** From SIGTERM to SIGKILL. */
const STOP_MS = 5000;

/** One server of a demonstration: a process, which can be killed and started again. */
export class ServerChild {
  readonly server: DemoServer;
  readonly #program: ServerProgram;
  readonly #directory: string;
  #child: ChildProcess | null = null;
  #ended: Promise<void> = Promise.resolve();

  /** Its configuration and log lie in `directory`. */
  constructor(server: DemoServer, program: ServerProgram, directory: string) {
    this.server = server;
    this.#program = program;
    this.#directory = directory;
    writeFileSync(this.#configPath, server.config);
  }

  get #configPath(): string {
    return join(this.#directory, `${this.server.name}.conf`);
  }

  /** Of the process that runs; undefined when none does. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** `ended` is called when the process is gone, whoever ended it. */
  start(ended: () => void): void {
    const child = spawn(this.#program.path, ["-c", this.#configPath], {
      cwd: this.#directory,
      stdio: ["ignore", "ignore", "inherit"],
      env: { ...process.env, MIDGE_RUNTIME: this.#program.runtime },
    });
    this.#child = child;
    this.#ended = new Promise((resolve) => {
      const end = () => {
        if (this.#child !== child) return;
        this.#child = null;
        resolve();
        ended();
      };
      child.once("exit", end);
      child.once("error", end);
    });
  }

  /** Ends the process, and resolves once it is gone. */
  async stop(): Promise<void> {
    this.kill("SIGTERM");
    const timer = setTimeout(() => this.kill("SIGKILL"), STOP_MS);
    await this.#ended;
    clearTimeout(timer);
  }

  /** Sends a signal, if there is a process. Not `child.kill`: in Deno 2.9 that works once only. */
  kill(signal: "SIGTERM" | "SIGKILL"): void {
    const pid = this.#child?.pid;
    if (pid === undefined) return;
    try {
      process.kill(pid, signal);
    } catch {
      // It has gone by itself, and `exit` is about to say so.
    }
  }
}
