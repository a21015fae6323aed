import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { connect } from "node:net";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { loadConfigText } from "../../config/load.ts";
import { loadRuntime } from "../../runtime/mod.ts";
import { DEMO_USAGE, runDemo } from "./main.ts";
import { freePorts } from "./ports.ts";
import { plan, serverCount, TOPOLOGIES } from "./topology.ts";

const PROGRAM = fileURLToPath(new URL("../../../bin/nats-server", import.meta.url));
/** Servers start slowly beside other tests. */
const TEST_MS = 90_000;

/** A demonstration under way: what it said, and how to end it. */
class Show {
  text = "";
  readonly ended: Promise<number>;
  readonly #stop = new AbortController();
  #heard = () => {};

  constructor(words: readonly string[], runtime: string) {
    const take = (line: string) => {
      this.text += `${line}\n`;
      this.#heard();
    };
    this.ended = runDemo(words, {
      program: { path: PROGRAM, runtime },
      print: take,
      complain: take,
      stop: this.#stop.signal,
    });
  }

  /** Resolves once that has been said; rejects when it ended before. */
  async until(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.text);
      if (match !== null) return match;
      const heard = new Promise<"heard">((resolve) => {
        this.#heard = () => resolve("heard");
      });
      const first = await Promise.race([heard, this.ended]);
      if (first !== "heard") throw new Error(`it ended with ${first} and said ${this.text}`);
    }
  }

  stop(): Promise<number> {
    this.#stop.abort();
    return this.ended;
  }
}

test("runDemo() explains itself, and refuses what it does not know", async () => {
  const session = (lines: string[]) => ({
    program: { path: PROGRAM, runtime: "bun" },
    print: (text: string) => lines.push(text),
    complain: (text: string) => lines.push(`! ${text}`),
    stop: new AbortController().signal,
  });
  for (const [words, code, start] of [
    [[], 0, DEMO_USAGE],
    [["--help"], 0, DEMO_USAGE],
    [["cluster", "-h"], 0, DEMO_USAGE],
    [["ring"], 1, "! midge: demo takes one of"],
    [["leaf", "5"], 1, "! midge: demo takes one of"],
  ] as const) {
    const lines: string[] = [];
    expect(await runDemo(words, session(lines))).toBe(code);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toStartWith(start);
  }
});

test("plan() gives every server a configuration that can be used, on ports of its own", () => {
  for (const topology of TOPOLOGIES) {
    const ports = Array.from({ length: serverCount(topology) }, (_, i) => {
      return { client: 5000 + i, monitoring: 5100 + i, links: 5200 + i, gateway: 5300 + i };
    });
    const servers = plan(topology, ports);
    expect(new Set(servers.map(({ name }) => name)).size).toBe(ports.length);
    for (const [i, { name, config }] of servers.entries()) {
      const loaded = loadConfigText(config, name, { readFile: () => "", environment: {} });
      if (!loaded.ok) throw new Error(loaded.lines.join("\n"));
      expect(loaded.options.serverName).toBe(name);
      expect(loaded.options.port).toBe(5000 + i);
    }
  }
});

test("freePorts() finds as many as asked for, all different", async () => {
  expect(new Set(await freePorts(20)).size).toBe(20);
});

for (const topology of TOPOLOGIES) {
  test(
    `midge demo ${topology} starts servers that hear each other, and leaves nothing behind`,
    async () => {
      const show = new Show([topology], (await loadRuntime()).name);
      const [, directory] = (await show.until(/^Configurations and logs: (.*)$/m)) as unknown as [
        string,
        string,
      ];
      expect(existsSync(directory)).toBe(true);
      const pids = Array.from(show.text.matchAll(/pid (\d+)/g), ([, pid]) => Number(pid));
      const ports = Array.from(show.text.matchAll(/nats:\/\/127\.0\.0\.1:(\d+)/g), ([, port]) =>
        Number(port),
      );
      expect(pids).toHaveLength(serverCount(topology));
      expect(pids.every(isRunning)).toBe(true);
      expect(await show.stop()).toBe(0);
      expect(pids.some(isRunning)).toBe(false);
      for (const port of ports) expect(await isOpen(port)).toBe(false);
      expect(existsSync(directory)).toBe(false);
    },
    TEST_MS,
  );
}

test(
  "a server that is killed is started again, and its links with it",
  async () => {
    const show = new Show(["leaf"], (await loadRuntime()).name);
    const [, pid] = (await show.until(/kill -9 (\d+)/)) as unknown as [string, string];
    process.kill(Number(pid), "SIGKILL");
    await show.until(/^hub is gone; it is started again/m);
    const [, next] = (await show.until(/^hub is back, pid (\d+), and all links are up\.$/m)) as unknown as [
      string,
      string,
    ];
    expect(next).not.toBe(pid);
    expect(await show.stop()).toBe(0);
    expect(isRunning(Number(next))).toBe(false);
  },
  TEST_MS,
);

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
