import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { DEADLINE_MS, until } from "./deadline.ts";
import { GrowingFile } from "./growing_file.ts";
import { type HttpResponse, httpRequest } from "./http_request.ts";
import { RawClient } from "./raw_client.ts";

/** What a test may choose about the server it starts. */
export interface ServerOptions {
  /**
   * Text of the configuration file. The harness appends lines that bind the client port (and, with `monitoring`,
   * the HTTP port) to a free port of 127.0.0.1. Without it the same is asked for by flags.
   */
  readonly config?: string;
  /** Flags after the harness's own. */
  readonly flags?: readonly string[];
  /** Files put into the server's directory before it starts, by name. */
  readonly files?: Readonly<Record<string, string>>;
  /** Environment variables over those of the tests. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Opens the HTTP monitoring port too. */
  readonly monitoring?: boolean;
  /** The harness adds no listen address: `config` or `flags` say where to listen. */
  readonly ownListen?: boolean;
  /** File, relative to the server's directory, that the configuration sends the log to instead of stderr. */
  readonly logFile?: string;
  /** Whose command is started: that of the server under test (the default), or of the servers beside it. */
  readonly role?: Role;
}

/** The server under test, or another one that it is linked with. */
export type Role = "server" | "peer";

/** How a process ended and what it wrote. */
export interface Exit {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * The command under test, split at whitespace: `CONFORMANCE_SERVER`, or this repository's own server. It must be, or
 * become, the server process itself, since signals go to it and its id is compared with the pid file.
 */
export function serverCommand(): string[] {
  const named = process.env.CONFORMANCE_SERVER?.trim();
  return named ? named.split(/\s+/) : [fileURLToPath(new URL("../../bin/nats-server", import.meta.url))];
}

/** The command of the servers beside it: `CONFORMANCE_PEER`, or the one under test. */
export function peerCommand(): string[] {
  const named = process.env.CONFORMANCE_PEER?.trim();
  return named ? named.split(/\s+/) : serverCommand();
}

/** How long a process may take to start, or to start and end: many start at once on a small machine. */
const START_DEADLINE_MS = 20_000;

/** Our own server runs in the runtime that runs the tests, unless the environment says otherwise. */
const RUNTIME = "Deno" in globalThis ? "deno" : "bun";

/** A server under test: one operating-system process with a directory of its own. */
export class ServerProcess {
  /** Holds the configuration file and whatever a test lets the server write; removed by `stop`. */
  readonly directory: string;
  readonly configPath: string;
  readonly #options: ServerOptions;
  readonly #child: ChildProcess;
  readonly #clients: RawClient[] = [];
  readonly #stdout: GrowingFile;
  readonly #stderr: GrowingFile;
  /** How it ended; null while it runs. */
  #exit: Exit | null = null;

  private constructor(options: ServerOptions, directory: string) {
    this.directory = directory;
    this.configPath = join(directory, "server.conf");
    this.#options = options;
    for (const [name, content] of Object.entries(options.files ?? {}))
      writeFileSync(join(directory, name), content);
    const flags: string[] = [];
    if (options.config !== undefined) {
      this.writeConfig(options.config);
      flags.push("-c", this.configPath);
    } else if (!options.ownListen) {
      flags.push("-a", "127.0.0.1", "-p", "-1");
      if (options.monitoring) flags.push("-m", "-1");
    }
    flags.push(...(options.flags ?? []).map((flag) => flag.replaceAll("DIRECTORY", directory)));
    const [executable, ...ownArguments] = options.role === "peer" ? peerCommand() : serverCommand();
    this.#stdout = new GrowingFile(join(directory, "stdout"));
    this.#stderr = new GrowingFile(join(directory, "stderr"));
    this.#child = spawn(executable!, [...ownArguments, ...flags], {
      stdio: ["ignore", this.#stdout.descriptor, this.#stderr.descriptor],
      env: { MIDGE_RUNTIME: RUNTIME, ...process.env, ...options.environment },
    });
    this.#child.once("error", (error) => this.#end(null, null, String(error)));
    this.#child.once("exit", (code, signal) => this.#end(code, signal));
  }

  /** Starts a server and returns once it says that it is ready. Throws, with the log, when it exits instead. */
  static async start(options: ServerOptions = {}): Promise<ServerProcess> {
    const server = ServerProcess.spawn(options);
    try {
      await server.waitForLog("Server is ready", 0, START_DEADLINE_MS);
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  /** Starts a process without waiting for it to be ready: for servers that are expected to refuse to start. */
  static spawn(options: ServerOptions = {}): ServerProcess {
    return new ServerProcess(options, mkdtempSync(join(tmpdir(), "midge-conformance-")));
  }

  get processId(): number {
    return this.#child.pid!;
  }

  /** Everything logged so far, from stderr or from the log file. */
  get log(): string {
    if (this.#options.logFile === undefined) return this.stderr;
    return this.stderr + (readIfPresent(join(this.directory, this.#options.logFile)) ?? "");
  }

  get stdout(): string {
    return this.#stdout.text;
  }

  get stderr(): string {
    return this.#stderr.text;
  }

  get hasExited(): boolean {
    return this.#exit !== null;
  }

  /** Port of the client listener, as logged. */
  get clientPort(): number {
    return this.#portAfter("Listening for client connections on ");
  }

  /** Port of the HTTP monitoring listener, as logged. */
  get monitoringPort(): number {
    return this.#portAfter("Starting http monitor on ");
  }

  /** Port that the log names after `text`, a prefix such as "Listening for websocket clients on ws://". */
  listenerPort(text: string): number {
    return this.#portAfter(text);
  }

  /** Path inside the server's directory. */
  path(name: string): string {
    return join(this.directory, name);
  }

  /** Opens a connection and reads its INFO line. The connection closes with the server. */
  async connect(options?: { host?: string; port?: number }): Promise<RawClient> {
    const client = await RawClient.open(options?.port ?? this.clientPort, options?.host);
    this.#clients.push(client);
    await client.readInfo();
    return client;
  }

  /** Opens a connection, sends CONNECT with these fields over quiet defaults, and waits for the PONG. */
  async connectAs(fields: Record<string, unknown> = {}): Promise<RawClient> {
    const client = await this.connect();
    await client.handshake(fields);
    return client;
  }

  /** One request to the monitoring port. */
  http(
    path: string,
    options: { method?: string; version?: string; headers?: string[] } = {},
  ): Promise<HttpResponse> {
    return httpRequest({ host: "127.0.0.1", port: this.monitoringPort, path, ...options });
  }

  /** GET of a monitoring page that must answer 200, parsed. */
  async json<T = Record<string, never>>(path: string): Promise<T> {
    const response = await this.http(path);
    if (response.status !== 200) throw new Error(`GET ${path}: ${response.status} ${response.body}`);
    return JSON.parse(response.body) as T;
  }

  /** Waits until the log, from character `from` on, contains the text or matches the pattern; returns that part. */
  async waitForLog(pattern: string | RegExp, from = 0, deadlineMs = DEADLINE_MS): Promise<string> {
    const isThere = (text: string) =>
      typeof pattern === "string" ? text.includes(pattern) : pattern.test(text);
    await until(
      () => isThere(this.log.slice(from)) || this.hasExited,
      () => `the log does not show ${pattern}; it holds:\n${this.log.slice(from)}`,
      deadlineMs,
    );
    const text = this.log.slice(from);
    if (!isThere(text)) throw new Error(`the server exited and its log does not show ${pattern}:\n${text}`);
    return text;
  }

  /** Replaces the configuration file; nothing is reloaded. */
  writeConfig(config: string): void {
    let text = config;
    if (!this.#options.ownListen) {
      text += `\nlisten: "127.0.0.1:-1"\n`;
      if (this.#options.monitoring) text += `http: "127.0.0.1:-1"\n`;
    }
    writeFileSync(this.configPath, text.replaceAll("DIRECTORY", this.directory));
  }

  /** Writes a configuration, sends SIGHUP, waits for the verdict and returns what was logged meanwhile. */
  async reload(config?: string): Promise<string> {
    if (config !== undefined) this.writeConfig(config);
    const from = this.log.length;
    this.signal("SIGHUP");
    return await this.waitForLog(
      /Reloaded server configuration|Failed to reload server configuration.*\n/,
      from,
    );
  }

  signal(name: "SIGHUP" | "SIGINT" | "SIGKILL" | "SIGTERM" | "SIGUSR1" | "SIGUSR2"): void {
    if (this.hasExited) return;
    try {
      // Not `ChildProcess.kill`, which on Deno 2.9 sends no second signal.
      process.kill(this.processId, name);
    } catch (error) {
      // It is gone, and we are about to hear of it.
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }

  /** Waits for the process to end by itself. */
  async waitForExit(deadlineMs = DEADLINE_MS): Promise<Exit> {
    await until(
      () => this.hasExited,
      () => `the server (process ${this.processId}) has not exited; log:\n${this.log}`,
      deadlineMs,
    );
    return this.#exit!;
  }

  /** Bytes of memory resident in the process. Linux. */
  residentBytes(): number {
    const status = readFileSync(`/proc/${this.processId}/status`, "utf8");
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? Number.NaN) * 1024;
  }

  /** Seconds of processor time (user and system) the process has used. Linux, 100 ticks a second. */
  processorSeconds(): number {
    const fields = readFileSync(`/proc/${this.processId}/stat`, "utf8").split(") ")[1]!.split(" ");
    return (Number(fields[11]) + Number(fields[12])) / 100;
  }

  /** Closes the connections, ends the process with SIGINT (which also ends a lame duck phase), removes the directory. */
  async stop(): Promise<void> {
    for (const client of this.#clients) client.destroy();
    this.signal("SIGINT");
    try {
      await this.waitForExit();
    } finally {
      this.signal("SIGKILL");
      this.#stdout.close();
      this.#stderr.close();
      rmSync(this.directory, { recursive: true, force: true });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #end(code: number | null, signal: string | null, more = ""): void {
    this.#exit ??= { code, signal, stdout: this.stdout, stderr: this.stderr + more };
  }

  #portAfter(text: string): number {
    const at = this.log.lastIndexOf(text);
    const port = at < 0 ? undefined : /^\S*?:(\d+)\s/.exec(this.log.slice(at + text.length))?.[1];
    if (port === undefined) throw new Error(`the log names no port after "${text}":\n${this.log}`);
    return Number(port);
  }
}

/** Runs the command under test to its end: for `-t`, `--version`, `--signal` and bad options. */
export async function runToExit(options: ServerOptions): Promise<Exit> {
  const server = ServerProcess.spawn({ ownListen: true, ...options });
  try {
    return await server.waitForExit(START_DEADLINE_MS);
  } finally {
    await server.stop();
  }
}

/** Content of a file, or `undefined` while it does not exist. */
export function readIfPresent(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
