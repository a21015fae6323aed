/**
 * Real clients, one program a language, against a server: `npm run test:peers`. Each program takes the
 * steps that README.md lists and prints a line a step; while it waits in "reconnect" the server is
 * stopped and started again on its port.
 *
 * PEERS_SERVER is the server's command, split at spaces, which takes nats-server's flags; without it
 * this repository's launcher is used. What the clients need is put in place by scripts/peers.ts.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { type AddressInfo, createConnection, createServer } from "node:net";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const cache = `${root}.cache/peers`;
const clients = `${root}test/peers/clients`;

const STEPS = ["connect", "publish", "request", "queue", "headers", "unsubscribe", "reconnect", "drain"];

const CLIENTS: [name: string, ...command: [string, ...string[]]][] = [
  ["@nats-io/transport-node", `${root}node_modules/.bin/bun`, `${clients}/javascript/nats_core.mjs`],
  ["nats (npm)", `${root}node_modules/.bin/bun`, `${clients}/javascript/nats_2.mjs`],
  ["nats.go", `${cache}/bin/client-go`],
  ["libnats", `${cache}/bin/client-c`],
  ["nats-py", `${cache}/python/bin/python`, `${clients}/python/client.py`],
];

const READY_MS_MAX = 10_000;
const CLIENT_MS_MAX = 60_000;

let port: number;
let server: ChildProcess;

beforeAll(async () => {
  port = await findFreePort();
  server = await startServer();
});

afterAll(() => stopServer());

async function findFreePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port: free } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, "close");
  return free;
}

async function startServer(): Promise<ChildProcess> {
  const [program = "", ...parameters] = (process.env.PEERS_SERVER ?? `${root}bin/nats-server`).split(/\s+/);
  const child = spawn(program, [...parameters, "-a", "127.0.0.1", "-p", String(port)], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  let failure = "";
  child.on("error", (error) => {
    failure = error.message;
  });
  child.on("exit", (code, signal) => {
    failure = `it ended with ${code ?? signal}`;
  });
  const deadlineMs = Date.now() + READY_MS_MAX;
  while (!(await sendsInfo())) {
    if (failure !== "") throw new Error(`${program} does not serve port ${port}: ${failure}`);
    if (Date.now() > deadlineMs)
      throw new Error(`${program} did not serve port ${port} in ${READY_MS_MAX} ms`);
  }
  return child;
}

/** Whether a server greets on the port; waits a moment when nobody listens. */
async function sendsInfo(): Promise<boolean> {
  const socket = createConnection({ host: "127.0.0.1", port });
  const greeting = new Promise<boolean>((resolve) => {
    socket.on("data", (bytes) => resolve(bytes.toString().startsWith("INFO ")));
    socket.on("error", () => setTimeout(() => resolve(false), 20));
  });
  const isReady = await greeting;
  socket.destroy();
  return isReady;
}

async function stopServer(): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const exited = once(server, "exit");
  server.kill("SIGTERM");
  await exited;
}

/** Runs a client to its end and returns the lines it printed. */
async function runClient(program: string, parameters: string[]): Promise<string[]> {
  if (!existsSync(program)) throw new Error(`${program} is not there: run "npm run peers"`);
  const client = spawn(program, [...parameters, `nats://127.0.0.1:${port}`], {
    stdio: ["ignore", "pipe", "inherit"],
    timeout: CLIENT_MS_MAX,
  });
  const lines: string[] = [];
  for await (const line of createInterface({ input: client.stdout })) {
    lines.push(line);
    if (line !== "restart the server") continue;
    await stopServer();
    server = await startServer();
  }
  return lines;
}

describe("a client takes every step:", () => {
  for (const [name, program, ...parameters] of CLIENTS) {
    test(
      name,
      async () => {
        const lines = await runClient(program, parameters);
        expect(lines.filter((line) => line !== "restart the server")).toEqual(
          STEPS.map((step) => `ok ${step}`),
        );
        expect(lines).toContain("restart the server");
      },
      CLIENT_MS_MAX,
    );
  }
});
