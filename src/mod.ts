/**
 * Midge as a library: NATS servers inside a program.
 *
 * ```ts
 * import { Midge } from "midge";
 *
 * await using server = await Midge.start({ port: -1 });
 * const connection = await connect({ servers: server.clientUrl });
 * ```
 *
 * A server runs on threads of its own. It installs no signal handlers, never ends the process and prints nothing.
 * Several servers can run side by side. On Deno it needs the permissions that `runtime/runtime.ts` names.
 */
import { readFileSync } from "node:fs";
import { errorText } from "./base/error_text.ts";
import { type LoadResult, loadConfigFile, loadConfigText, reloadProblem } from "./config/load.ts";
import { defaultOptions, type GivenOptions, type Options } from "./config/option_table.ts";
import { Logger, type LogLevel, type LogSink } from "./log/logger.ts";
import { type Accountz, accountz } from "./monitor/accountz.ts";
import { type Accstatz, type AccstatzOptions, accstatz } from "./monitor/accstatz.ts";
import { type Connz, type ConnzOptions, connz } from "./monitor/connz.ts";
import { type Gatewayz, type GatewayzOptions, gatewayz } from "./monitor/gatewayz.ts";
import { type HealthzReport, healthz, healthzReport } from "./monitor/healthz.ts";
import { type Leafz, type LeafzOptions, leafz } from "./monitor/leafz.ts";
import type { Outcome } from "./monitor/outcome.ts";
import { type Routez, type RoutezOptions, routez } from "./monitor/routez.ts";
import { type Subsz, type SubszOptions, subsz } from "./monitor/subsz.ts";
import { type Varz, varz } from "./monitor/varz.ts";
import { loadRuntime } from "./runtime/mod.ts";
import type { Runtime } from "./runtime/runtime.ts";
import { openLogTarget } from "./server/files/log_target.ts";
import { Server, type ServerEnd } from "./server/server.ts";
import { type ConfigReader, findObstacle } from "./server/server_settings.ts";
import { checkLoaded } from "./server/settings/check_loaded.ts";

export type { LogLevel } from "./log/logger.ts";
export type { Accountz } from "./monitor/accountz.ts";
export type { Accstatz, AccstatzOptions } from "./monitor/accstatz.ts";
export type { Connz, ConnzOptions } from "./monitor/connz.ts";
export type { Gatewayz, GatewayzOptions } from "./monitor/gatewayz.ts";
export type { HealthzReport } from "./monitor/healthz.ts";
export type { Leafz, LeafzOptions } from "./monitor/leafz.ts";
export type { Routez, RoutezOptions } from "./monitor/routez.ts";
export type { Subsz, SubszOptions } from "./monitor/subsz.ts";
export type { Varz } from "./monitor/varz.ts";
export { MIDGE_VERSION, NATS_VERSION } from "./server/version.ts";

/**
 * What a server is started with. The options take precedence over the configuration and obey its rules. Times are in
 * milliseconds, sizes in bytes. A block, such as `websocket`, replaces the whole block of the configuration; what it
 * does not name has its default. Without any options, the server listens on every address, port 4222.
 */
export interface MidgeOptions extends GivenOptions {
  /** The text of a configuration, as a file would hold it. Paths in it are relative to the working directory. */
  readonly config?: string;
  /** The path of a configuration file, in place of `config`. */
  readonly configFile?: string;
  /**
   * Called with every line of the log. Without it there is no log, unless the configuration names a log file or syslog.
   * What it throws is ignored, and so is a promise that it returns.
   */
  readonly log?: (level: LogLevel, text: string) => void;
}

/**
 * Says why a server did not start, such as a configuration that cannot be used, or a port that is taken. Each problem
 * is a line.
 */
export class MidgeStartError extends Error {
  override name = "MidgeStartError";
}

export class Midge {
  readonly #server: Server;
  /** Makes a reader of another configuration text; null if the server was not started with a text. */
  readonly #readerOf: ((text: string) => ConfigReader) | null;

  /**
   * Starts a server. Resolves once clients can connect. Rejects with `MidgeStartError`, or with `TypeError` for
   * arguments that do not fit.
   */
  static async start(settings: MidgeOptions = {}): Promise<Midge> {
    if (typeof settings !== "object" || settings === null || Array.isArray(settings)) {
      throw new TypeError("Midge.start: the options must be an object");
    }
    const { config, configFile, log, ...given } = settings;
    refuseUnknown(given);
    if (config !== undefined && configFile !== undefined) {
      throw new TypeError("Midge.start: give config or configFile, not both");
    }
    refuseWrongType("config", config, "string", "the text of a configuration");
    refuseWrongType("configFile", configFile, "string", "the path of a configuration");
    refuseWrongType("log", log, "function", "a function of a level and a text");
    const loadText = (text: string) =>
      checkLoaded(loadConfigText(text, TEXT_NAME, { readFile, environment: process.env }, given));
    const load = configFile
      ? () => checkLoaded(loadConfigFile(configFile, process.env, given))
      : () => loadText(config ?? "");
    const loaded = load();
    if (!loaded.ok) throw new MidgeStartError(loaded.lines.join("\n"));
    const { options, digest } = loaded;
    const obstacle = findObstacle(options);
    if (obstacle !== undefined) throw new MidgeStartError(obstacle);
    const isConfigured = config !== undefined || Boolean(configFile);
    const runtime = await loadRuntime();
    const openLog = log === undefined && isLogAsked(options) ? openLogOn(runtime) : null;
    try {
      const sink = openLog === null ? callbackSink(log) : await openLog(options);
      const server = await Server.start({
        options,
        runtime,
        logger: new Logger(sink, { debug: options.debug, trace: options.trace }),
        openLog,
        config: isConfigured ? { file: configFile ?? TEXT_NAME, digest, ...readerOf(load) } : null,
        executableName: EXECUTABLE,
        commandLine: [],
        endsProcess: false,
      });
      return new Midge(server, config === undefined ? null : (text) => readerOf(() => loadText(text)));
    } catch (error) {
      // A log that cannot be opened says why in its own words, and so do the server's other parts.
      throw new MidgeStartError(errorText(error), { cause: error });
    }
  }

  private constructor(server: Server, readerOfText: ((text: string) => ConfigReader) | null) {
    this.#server = server;
    this.#readerOf = readerOfText;
  }

  /** The server's public key, `N…`. It is new at each start. */
  get id(): string {
    return this.#server.id;
  }

  /** The URL for clients on this machine, such as `nats://127.0.0.1:4222`. */
  get clientUrl(): string {
    return this.#server.clientUrl;
  }

  /** The client port, also if it was chosen at random. */
  get port(): number {
    return this.#server.port;
  }

  /** The port for WebSockets, 0 if there is none. */
  get webSocketPort(): number {
    return this.#server.webSocketPort;
  }

  /** The port of HTTP monitoring, 0 if there is none. */
  get monitoringPort(): number {
    return this.#server.monitoringPort;
  }

  /** Resolves when the server has ended, because it was told to stop or because it has failed; the log says why. */
  get ended(): Promise<ServerEnd> {
    return this.#server.ended;
  }

  /** The report that `/varz` shows. */
  async varz(): Promise<Varz> {
    return varz(this.#server.monitor);
  }

  /** The report that `/connz` shows. Rejects with `RangeError` for options that `/connz` answers with 400. */
  async connz(options: Partial<ConnzOptions> = {}): Promise<Connz> {
    return reportOf(await connz(this.#server.monitor, options));
  }

  /** The report that `/subsz` shows. Rejects with `RangeError` for options that `/subsz` answers with 400. */
  async subsz(options: Partial<SubszOptions> = {}): Promise<Subsz> {
    return reportOf(await subsz(this.#server.monitor, options));
  }

  /**
   * The report that `/accountz` shows: the names of all accounts, or what there is to say about `account`. Rejects with
   * `RangeError` if there is no such account.
   */
  async accountz(account = ""): Promise<Accountz> {
    return reportOf(await accountz(this.#server.monitor, account));
  }

  /** The report that `/accstatz` shows. */
  async accstatz(options: Partial<AccstatzOptions> = {}): Promise<Accstatz> {
    return accstatz(this.#server.monitor, options);
  }

  /** The report that `/routez` shows. */
  async routez(options: Partial<RoutezOptions> = {}): Promise<Routez> {
    return routez(this.#server.monitor, options);
  }

  /** The report that `/gatewayz` shows. */
  async gatewayz(options: Partial<GatewayzOptions> = {}): Promise<Gatewayz> {
    return gatewayz(this.#server.monitor, options);
  }

  /** The report that `/leafz` shows. */
  async leafz(options: Partial<LeafzOptions> = {}): Promise<Leafz> {
    return leafz(this.#server.monitor, options);
  }

  /** Whether the server serves, as `/healthz` says it, with the status of its answer. */
  async healthz(): Promise<HealthzReport> {
    return healthzReport(healthz(await this.#server.monitor.health()), false, true);
  }

  /** The text that `/metrics` shows, for a page of metrics that the program serves itself. */
  async metrics(): Promise<string> {
    const { readMetrics, renderMetrics } = await import("./monitor/metrics/metrics.ts");
    return renderMetrics(await readMetrics(this.#server.monitor));
  }

  /**
   * Reads the configuration file again, or takes a new text in place of the one that the server was started with, and
   * applies what has changed. Rejects and changes nothing if the configuration is wrong, or has a change that needs a
   * new start. Calls are served in their order, each with the text that it was given.
   */
  async reload(config?: string): Promise<void> {
    if (config !== undefined && this.#readerOf === null) {
      throw new TypeError("Midge.reload: the server was not started with a config text");
    }
    if (config !== undefined && typeof config !== "string") {
      throw new TypeError(
        `Midge.reload: expected the text of a configuration, got a value of type ${typeof config}`,
      );
    }
    const result = await this.#server.reload(config === undefined ? undefined : this.#readerOf?.(config));
    if (!result.ok) throw new Error(`Failed to reload server configuration: ${result.reason.trimEnd()}`);
  }

  /** Tells clients to connect elsewhere, closes them one by one, and stops. `stop` cuts this short. */
  async lameDuck(): Promise<void> {
    await this.#server.lameDuck();
  }

  /** Closes every connection and frees what the server holds. It may be called again. */
  async stop(): Promise<void> {
    await this.#server.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** Makes one of the server's shards fail, to see what its clients do. The server replaces it. For tests. */
  failShard(index: number): void {
    this.#server.failShard(index);
  }
}

const EXECUTABLE = "midge";
const TEXT_NAME = "config";
const readFile = (path: string) => readFileSync(path, "utf8");

function refuseUnknown(given: GivenOptions): void {
  const known = defaultOptions();
  const unknown = Object.keys(given).find((name) => !Object.hasOwn(known, name));
  if (unknown !== undefined)
    throw new TypeError(`Midge.start: there is no option ${JSON.stringify(unknown)}`);
}

function refuseWrongType(name: string, value: unknown, type: "string" | "function", expected: string): void {
  if (value === undefined || typeof value === type) return;
  throw new MidgeStartError(`${name}: expected ${expected}, got a value of type ${typeof value}`);
}

function readerOf(load: () => LoadResult): ConfigReader {
  return {
    read: () => {
      const loaded = load();
      return loaded.ok ? loaded : { ok: false, reason: reloadProblem(loaded) };
    },
  };
}

/** Whether the configuration names a place for the log. Without one, a library does not log to standard error. */
function isLogAsked({ logFile, remoteSyslog, syslog }: Options): boolean {
  return Boolean(logFile || remoteSyslog || syslog);
}

function openLogOn(runtime: Runtime): (options: Options) => Promise<LogSink> {
  return async (options) =>
    isLogAsked(options) ? openLogTarget(options, EXECUTABLE, runtime) : callbackSink(undefined);
}

function callbackSink(log: MidgeOptions["log"]): LogSink {
  const write: LogSink["write"] = (level, text) => {
    try {
      const returned: unknown = log?.(level, text);
      if (returned instanceof Promise) returned.catch(() => {});
    } catch {
      // A failing log must not stop the server. A stop that was left halfway would keep the program from ending.
    }
  };
  return { write, close: () => {} };
}

function reportOf<T>(outcome: Outcome<T>): T {
  if (!outcome.ok) throw new RangeError(outcome.message);
  return outcome.report;
}
