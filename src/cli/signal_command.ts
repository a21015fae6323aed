import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

const SIGNALS = {
  stop: "SIGKILL",
  quit: "SIGINT",
  term: "SIGTERM",
  reopen: "SIGUSR1",
  reload: "SIGHUP",
  ldm: "SIGUSR2",
} as const;

/** The argument of `pgrep`: processes of Midge and of nats-server have these names. */
const PROCESS_NAMES = "nats-server|midge";

/** What the command asks of the system; an argument, so that tests need no other processes. */
export interface ProcessControl {
  /** Never signalled: the command is a process of the same name. */
  ownProcessId: number;
  /** The ids of the running servers, one a line; undefined when the system cannot tell. */
  listServers(): string | undefined;
  /** Throws the system's error. */
  kill(processId: number, signal: NodeJS.Signals): void;
  /** The text of a file; undefined if there is no such file. */
  readFile(path: string): string | undefined;
}

/**
 * Carries out `--signal <command>[=<pid>]`: `pid` is a number, the path of a file that holds one, or
 * the start of some followed by `*`; without it the only running server is meant. Returns what went
 * wrong as the text to print, or undefined. Source: nats-server server/signal.go, `ProcessSignal`.
 */
export function signalServer(
  argument: string,
  control: ProcessControl = systemControl(),
): string | undefined {
  const [command = "", target = "", ...surplus] = argument.split("=");
  if (surplus.length > 0) return `invalid signal parameters: [${surplus.join(" ")}]`;

  const expression = (control.readFile(target) ?? target).trim();
  const isGlob = expression.endsWith("*");
  const prefix = isGlob ? expression.slice(0, -1) : expression;
  // The kernel takes 0 and negative numbers for groups of processes: never what was meant here.
  if (prefix !== "" && !/^0*[1-9]\d{0,9}$/.test(prefix)) return `invalid pid: ${prefix}`;

  const isExact = prefix !== "" && !isGlob;
  const processIds = isExact ? [Number(prefix)] : findServers(control);
  if (processIds === undefined) return "unable to resolve pid, try providing one";
  if (processIds.length > 1 && !isGlob) {
    return ["multiple nats-server processes running:", ...processIds].join("\n");
  }
  if (processIds.length === 0) return "no nats-server processes running";

  if (!Object.hasOwn(SIGNALS, command)) return `unknown signal ${JSON.stringify(command)}`;
  const signal = SIGNALS[command as keyof typeof SIGNALS];

  let problems = "";
  for (const processId of processIds) {
    if (isGlob && !String(processId).startsWith(prefix)) continue;
    try {
      control.kill(processId, signal);
    } catch (error) {
      problems += `\nsignal ${JSON.stringify(command)} ${processId}: ${reasonOf(error)}`;
    }
  }
  return problems === "" ? undefined : problems;
}

/** Undefined when the system cannot tell, or answers with something that is no number. */
function findServers(control: ProcessControl): number[] | undefined {
  const lines = control.listServers()?.split("\n");
  const processIds = lines?.filter((line) => line !== "").map(Number);
  if (processIds?.some((processId) => !Number.isInteger(processId))) return undefined;
  return processIds?.filter((processId) => processId !== control.ownProcessId);
}

/** The system's words for why a signal could not be sent, as nats-server prints them. */
function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "ESRCH") return "no such process";
  if (code === "EPERM") return "operation not permitted";
  return message;
}

function systemControl(): ProcessControl {
  return {
    ownProcessId: process.pid,
    listServers: () => {
      try {
        return execFileSync("pgrep", [PROCESS_NAMES], {
          encoding: "utf8",
          stdio: ["ignore", "pipe", "ignore"],
        });
      } catch (error) {
        // pgrep exits with 1 when it finds nothing; anything else means that it could not look.
        return (error as { status?: number | null }).status === 1 ? "" : undefined;
      }
    },
    kill: (processId, signal) => {
      process.kill(processId, signal);
    },
    readFile: (path) => {
      try {
        return path === "" ? undefined : readFileSync(path, "utf8");
      } catch {
        return undefined;
      }
    },
  };
}
