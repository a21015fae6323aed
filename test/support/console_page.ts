/** Pages that show a session: their `console` blocks, and a shell to run them in. */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import process from "node:process";
import { until } from "./deadline.ts";

export interface Step {
  /** The heading it stands under. */
  readonly section: string;
  /** Of several lines where the page continues it by `> `. */
  readonly command: string;
  readonly output: string;
}

/** The commands of a page's console blocks, with what they print there. */
export function readTranscript(path: string): readonly Step[] {
  const steps: Step[] = [];
  let section = "";
  for (const [, heading, block = ""] of readFileSync(path, "utf8").matchAll(
    /^#+ ([^\n]*)\n|^```console\n(.*?)^```/gms,
  )) {
    if (heading !== undefined) {
      section = heading;
      continue;
    }
    for (const step of block.split(/^\$ /m).slice(1)) {
      const [, command = "", output = ""] = /^([^\n]*\n(?:> [^\n]*\n)*)(.*)$/s.exec(step) ?? [];
      steps.push({ section, command: command.replaceAll("\n> ", "\n").trimEnd(), output });
    }
  }
  return steps;
}

/** Text in which keys and times, different each time, look alike; and in a log's lines process ids and digests. */
export function masked(text: string): string {
  return text
    .replace(/\b[A-Z][A-Z2-7]{55}\b/g, "KEY")
    .replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g, "TIME")
    .replace(/^\[\d+\] \d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d\.\d{6} /gm, "[ID] TIME ")
    .replace(/\(sha256:[0-9a-f]+…?\)/g, "(DIGEST)");
}

const END = "[the command has ended]";

/** A shell that keeps its variables, functions and folder from one command to the next. */
export class ShellSession {
  readonly #child: ChildProcess;
  #printed = "";

  constructor(cwd: string, environment: Readonly<Record<string, string>>) {
    this.#child = spawn("bash", ["--norc"], {
      cwd,
      env: { ...process.env, ...environment },
      stdio: ["pipe", "pipe", "ignore"],
    });
    this.#child.stdout!.setEncoding("utf8").on("data", (text: string) => {
      this.#printed += text;
    });
    this.#child.stdin!.write("exec 2>&1\n");
  }

  /** What the command prints on either stream until the shell goes on. */
  async run(command: string, limitMs: number): Promise<string> {
    this.#printed = "";
    this.#child.stdin!.write(`${command}\necho '${END}'\n`);
    await until(
      () => this.#printed.includes(END),
      () => `"${command}" goes on; it has printed ${this.#printed}`,
      limitMs,
    );
    return this.#printed.slice(0, this.#printed.indexOf(END));
  }

  /** Ends the shell and all that it started and left running. */
  end(): void {
    this.#child.stdin!.end("kill -KILL $(jobs -p)\nexit\n");
  }
}
