/** A server under test: how it is started, waited for, read and ended. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import process from "node:process";
import { connect as connectTls } from "node:tls";
import { findFreePort } from "../../test/support/free_port.ts";
import { findListener, readUsage, type Usage } from "./process_usage.ts";

const READY_MS_MAX = 20_000;
const END_MS_MAX = 5_000;
const RETRY_MS = 2;
const OUTPUT_CHARACTERS_MAX = 2_000;

export interface ServerProcess {
  readonly port: number;
  /** The port for WebSockets; 0 if the server was not asked for one. */
  readonly webSocketPort: number;
  /** From spawn to the answer of the first PING. */
  readonly readyMs: number;
  /** The `version` in the server's INFO. */
  readonly version: string;
  usage(): Usage;
  /** How the server ended although it should not have; null if it runs. */
  endReason(): string | null;
  /** Gives it another configuration, if it was started with one. Does not wait until it is applied. */
  reload(config: string): void;
  /** Ends the server with SIGTERM, or with SIGKILL if it has not ended within some seconds. */
  end(): Promise<void>;
}

/** What the server of a row must have. */
export interface ServerNeeds {
  /** It speaks TLS, because its flags name a certificate. */
  readonly isSecure?: boolean;
  /** It listens for WebSockets, too. */
  readonly hasWebSocket?: boolean;
  /** The text of its configuration. */
  readonly config?: string | undefined;
}

/**
 * Starts a server, with `-c` and a file if there is a configuration. Waits until it answers a PING, or refuses to
 * because there is no login. `{port}` in an argument stands for the port. Throws if the server can't be started.
 */
export async function startServer(
  command: readonly string[],
  env: Record<string, string> = {},
  { isSecure = false, hasWebSocket = false, config }: ServerNeeds = {},
): Promise<ServerProcess> {
  const webSocketPort = hasWebSocket ? await findFreePort() : 0;
  const block = `websocket { listen: "127.0.0.1:${webSocketPort}", no_tls: true, compression: true }`;
  const text = hasWebSocket ? `${config ?? ""}\n${block}\n` : config;
  if (text === undefined) return await start(command, env, isSecure, 0, null);
  const folder = mkdtempSync(`${tmpdir()}/midge-bench-`);
  const file = `${folder}/server.conf`;
  try {
    writeFileSync(file, text);
    const server = await start([...command, "-c", file], env, isSecure, webSocketPort, file);
    const end = () => server.end().finally(() => rmSync(folder, { recursive: true }));
    return { ...server, end };
  } catch (error) {
    rmSync(folder, { recursive: true });
    throw error;
  }
}

async function start(
  command: readonly string[],
  env: Record<string, string>,
  isSecure: boolean,
  webSocketPort: number,
  configFile: string | null,
): Promise<ServerProcess> {
  const port = await findFreePort();
  const [program, ...commandArguments] = command.map((argument) => argument.replaceAll("{port}", `${port}`));
  const startedMs = performance.now();
  const child = spawn(program!, commandArguments, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env },
  });
  let output = "";
  let endReason: string | null = null;
  const keep = (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-OUTPUT_CHARACTERS_MAX);
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  const ended = new Promise<void>((resolve) => {
    child.on("error", (error) => {
      endReason = error.message;
      resolve();
    });
    child.on("exit", (code, signal) => {
      endReason = `ended with ${signal ?? `code ${code}`}`;
      resolve();
    });
  });
  for (;;) {
    const info = await greet(port, isSecure);
    const elapsedMs = performance.now() - startedMs;
    if (info !== null) {
      const pid = findListener(child.pid!, port) ?? child.pid!;
      return {
        port,
        webSocketPort,
        readyMs: elapsedMs,
        version: String(JSON.parse(info).version ?? "unknown"),
        usage: () => readUsage(pid),
        endReason: () => endReason,
        reload: (config) => {
          if (configFile === null) throw new Error("a server that has no configuration cannot take another");
          writeFileSync(configFile, config);
          signal(pid, "SIGHUP");
        },
        end: () => end(child, pid, ended),
      };
    }
    if (endReason !== null || elapsedMs > READY_MS_MAX) {
      await end(child, child.pid, ended);
      const reason = endReason ?? `did not answer a PING on port ${port} within ${READY_MS_MAX} ms`;
      throw new Error(`${program}: ${reason}${output ? `; it said: ${output.trim()}` : ""}`);
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

async function end(child: ChildProcess, pid: number | undefined, ended: Promise<void>): Promise<void> {
  if (pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  signal(pid, "SIGTERM");
  const timer = setTimeout(() => {
    signal(pid, "SIGKILL");
    child.kill("SIGKILL");
  }, END_MS_MAX);
  await ended;
  clearTimeout(timer);
}

function signal(pid: number, name: "SIGTERM" | "SIGKILL" | "SIGHUP"): void {
  try {
    process.kill(pid, name);
  } catch {
    // it has ended already
  }
}

/** Connects, sends CONNECT and PING, and returns the server's INFO once it has answered; null if that fails. */
function greet(port: number, isSecure: boolean): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    let text = "";
    const finish = (info: string | null) => {
      socket.destroy();
      resolve(info);
    };
    socket.setTimeout(READY_MS_MAX, () => finish(null));
    socket.on("error", () => finish(null));
    socket.on("close", () => finish(null));
    const hear = (on: Socket) => {
      on.on("data", (chunk) => {
        text += chunk.toString();
        if (text.includes("PONG\r\n") || text.includes("-ERR 'Authorization Violation'\r\n"))
          finish(text.match(/^INFO (.*)\r\n/)?.[1]?.trim() ?? "{}");
      });
      on.write('CONNECT {"verbose":false}\r\nPING\r\n');
    };
    socket.once("data", (chunk) => {
      text += chunk.toString();
      if (!isSecure) return hear(socket);
      const secure = connectTls({ socket, rejectUnauthorized: false });
      secure.on("error", () => finish(null));
      secure.once("secureConnect", () => hear(secure));
    });
  });
}
