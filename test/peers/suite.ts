/**
 * Real clients, one program a language, against Midge on each runtime and the newest nats-server:
 * `npm run test:peers`. Each program takes the steps that README.md lists and prints a line a step;
 * while it waits in "reconnect" the server is stopped and started again on its port.
 *
 * What clients and nats-server need is put in place by scripts/peers.ts; what is missing fails its tests.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, mkdirSync, openSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { findFreePort } from "../support/free_port.ts";
import { sendsInfo } from "./greeting.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const cache = `${root}.cache/peers`;
const logs = `${cache}/logs`;
const clients = `${root}test/peers/clients`;
const midge = `${root}bin/nats-server`;

const STEPS = ["connect", "publish", "request", "queue", "headers", "unsubscribe", "reconnect", "drain"];

/** Those whose name begins so come by WebSocket. */
const WEB_SOCKET = "WebSocket: ";

const CLIENTS: [name: string, ...command: [string, ...string[]]][] = [
  ["@nats-io/transport-node", `${root}node_modules/.bin/bun`, `${clients}/javascript/nats_core.mjs`],
  [
    `${WEB_SOCKET}@nats-io/nats-core on Bun`,
    `${root}node_modules/.bin/bun`,
    `${clients}/javascript/nats_core_websocket.mjs`,
  ],
  [
    `${WEB_SOCKET}@nats-io/nats-core on Deno`,
    `${root}node_modules/.bin/deno`,
    ...["run", "-A", `${clients}/javascript/nats_core_websocket.mjs`],
  ],
  ["nats (npm)", `${root}node_modules/.bin/bun`, `${clients}/javascript/nats_2.mjs`],
  ["nats.go", `${cache}/bin/client-go`],
  ["libnats", `${cache}/bin/client-c`],
  ["nats-py", `${cache}/python/bin/python`, `${clients}/python/client.py`],
];

interface Server {
  readonly name: string;
  readonly program: string;
  readonly parameters: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

const SERVERS: readonly Server[] = [
  describeMidge("Bun", 1),
  describeMidge("Bun", 3),
  describeMidge("Deno", 1),
  describeMidge("Deno", 3),
  {
    name: "nats-server 2.15.2",
    program: `${cache}/bin/nats-server-2.15.2`,
    parameters: [],
    environment: {},
  },
];

const READY_MS_MAX = 20_000;
const CLIENT_MS_MAX = 60_000;

function describeMidge(runtime: "Bun" | "Deno", shardCount: number): Server {
  return {
    name: `Midge on ${runtime} with ${shardCount} ${shardCount === 1 ? "shard" : "shards"}`,
    program: midge,
    parameters: ["--shards", String(shardCount)],
    environment: { MIDGE_RUNTIME: runtime.toLowerCase() },
  };
}

/** A server at its ports, which may be stopped and started again. What it logs goes to `logFile`. */
class RunningServer {
  readonly #server: Server;
  readonly #port: number;
  readonly #webSocketPort: number;
  readonly logFile: string;
  readonly #configFile: string;
  #child: ChildProcess | undefined;

  constructor(server: Server, port: number, webSocketPort: number) {
    this.#server = server;
    this.#port = port;
    this.#webSocketPort = webSocketPort;
    const name = `${logs}/${server.name.replaceAll(" ", "-")}`;
    this.logFile = `${name}.log`;
    this.#configFile = `${name}.conf`;
    writeFileSync(
      this.#configFile,
      `listen: "127.0.0.1:${port}"\nwebsocket { listen: "127.0.0.1:${webSocketPort}", no_tls: true, compression: true }\n`,
    );
  }

  urlFor(client: string): string {
    if (client.startsWith(WEB_SOCKET)) return `ws://127.0.0.1:${this.#webSocketPort}`;
    return `nats://127.0.0.1:${this.#port}`;
  }

  async start(): Promise<void> {
    const { program, parameters, environment } = this.#server;
    const log = openSync(this.logFile, "a");
    const child = spawn(program, [...parameters, "-c", this.#configFile], {
      stdio: ["ignore", log, log],
      env: { ...process.env, ...environment },
    });
    closeSync(log);
    this.#child = child;
    let failure = "";
    child.on("error", (error) => {
      failure = error.message;
    });
    child.on("exit", (code, signal) => {
      failure = `it ended with ${code ?? signal}`;
    });
    const deadlineMs = Date.now() + READY_MS_MAX;
    while (!(await sendsInfo(this.#port))) {
      if (failure !== "") {
        throw new Error(`${program} does not serve port ${this.#port}: ${failure}; see ${this.logFile}`);
      }
      if (Date.now() > deadlineMs) {
        throw new Error(`${program} did not serve port ${this.#port} in ${READY_MS_MAX} ms`);
      }
    }
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGTERM");
    await exited;
  }
}

/** Runs a client to its end and returns the lines it printed. */
async function runClient(
  server: RunningServer,
  name: string,
  program: string,
  parameters: string[],
): Promise<string[]> {
  if (!existsSync(program)) throw new Error(`${program} is not there: run "npm run peers"`);
  const client = spawn(program, [...parameters, server.urlFor(name)], {
    stdio: ["ignore", "pipe", "inherit"],
    timeout: CLIENT_MS_MAX,
  });
  const lines: string[] = [];
  for await (const line of createInterface({ input: client.stdout })) {
    lines.push(line);
    if (line !== "restart the server") continue;
    await server.stop();
    await server.start();
  }
  return lines;
}

for (const server of SERVERS) {
  describe(`${server.name}: a client takes every step:`, () => {
    let running: RunningServer;
    let passedCount = 0;

    beforeAll(async () => {
      mkdirSync(logs, { recursive: true });
      running = new RunningServer(server, await findFreePort(), await findFreePort());
      await running.start();
    }, READY_MS_MAX);

    afterAll(async () => {
      await running.stop();
      console.log(`${server.name}: ${passedCount} of ${CLIENTS.length} clients took all steps`);
    });

    for (const [name, program, ...parameters] of CLIENTS) {
      test(
        name,
        async () => {
          const lines = await runClient(running, name, program, parameters);
          expect(lines.filter((line) => line !== "restart the server")).toEqual(
            STEPS.map((step) => `ok ${step}`),
          );
          expect(lines).toContain("restart the server");
          passedCount++;
        },
        CLIENT_MS_MAX,
      );
    }
  });
}
