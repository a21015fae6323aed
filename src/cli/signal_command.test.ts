import { describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ProcessControl, signalServer } from "./signal_command.ts";

const FILES: Record<string, string> = { "nats.pid": "12\n", "words.pid": "twelve" };

/** A system where `running` are servers and the command itself is process 1. */
function system(running: number[] | undefined) {
  const sent: string[] = [];
  const control: ProcessControl = {
    ownProcessId: 1,
    listServers: () => running?.map((processId) => `${processId}\n`).join(""),
    kill: (processId, signal) => {
      if (!running?.includes(processId)) throw Object.assign(new Error(), { code: "ESRCH" });
      sent.push(`${signal} ${processId}`);
    },
    readFile: (path) => FILES[path],
  };
  return { sent, run: (argument: string) => signalServer(argument, control) };
}

describe("signalServer()", () => {
  test("sends each command's signal to the only running server", () => {
    const { sent, run } = system([1, 12]);
    for (const command of ["stop", "quit", "term", "reopen", "reload", "ldm"]) {
      expect(run(command)).toBeUndefined();
    }
    expect(sent).toEqual(["SIGKILL 12", "SIGINT 12", "SIGTERM 12", "SIGUSR1 12", "SIGHUP 12", "SIGUSR2 12"]);
  });

  test("takes a number or a file that holds one", () => {
    const { sent, run } = system([12, 13]);
    expect([run("reload=13"), run("quit=nats.pid")]).toEqual([undefined, undefined]);
    expect(sent).toEqual(["SIGHUP 13", "SIGINT 12"]);
  });

  test("takes the start of several numbers", () => {
    const { sent, run } = system([1, 12, 13, 23]);
    expect(run("ldm=1*")).toBeUndefined();
    expect(sent).toEqual(["SIGUSR2 12", "SIGUSR2 13"]);
    expect(run("ldm=*")).toBeUndefined();
    expect(sent.length).toBe(5);
  });

  test("refuses to choose between servers", () => {
    const { sent, run } = system([12, 13]);
    expect(run("reload")).toBe("multiple nats-server processes running:\n12\n13");
    expect(sent).toEqual([]);
  });

  test("says when no server runs, or the system cannot tell", () => {
    expect(system([1]).run("reload")).toBe("no nats-server processes running");
    expect(system([]).run("reload=1*")).toBe("no nats-server processes running");
    expect(system(undefined).run("reload")).toBe("unable to resolve pid, try providing one");
    expect(system([Number.NaN]).run("reload")).toBe("unable to resolve pid, try providing one");
  });

  test("tests the pid before the name of the signal", () => {
    const { run } = system([12]);
    expect(run("x=abc")).toBe("invalid pid: abc");
    expect(run("x=words.pid")).toBe("invalid pid: twelve");
    expect(run("x=12")).toBe('unknown signal "x"');
    expect(run("toString=12")).toBe('unknown signal "toString"');
    expect(run("reload=1=2=3")).toBe("invalid signal parameters: [2 3]");
  });

  test("never signals a group of processes", () => {
    const { sent, run } = system([12]);
    expect([run("stop=-1"), run("stop=0")]).toEqual(["invalid pid: -1", "invalid pid: 0"]);
    expect(sent).toEqual([]);
  });

  test("tells which process is gone", () => {
    expect(system([12]).run("reload=999999")).toBe('\nsignal "reload" 999999: no such process');
  });
});

test("signalServer() reaches a real process through its pid file", async () => {
  const directory = mkdtempSync(join(tmpdir(), "midge-signal-"));
  const path = join(directory, "nats.pid");
  const child = spawn("sleep", ["60"]);
  writeFileSync(path, String(child.pid));
  const exited = once(child, "exit");
  expect(signalServer(`term=${path}`)).toBeUndefined();
  expect((await exited)[1]).toBe("SIGTERM");
  expect(signalServer(`term=${path}`)).toBe(`\nsignal "term" ${child.pid}: no such process`);
  rmSync(directory, { recursive: true });
});
