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
 * A server runs on threads of its own. It installs no signal handlers, ends no process and prints nothing; several run
 * side by side. Under Deno it needs the permissions named in `runtime/runtime.ts`.
 */
import { readFileSync } from "node:fs";
import { loadConfigFile, loadConfigText } from "./config/load.ts";
import { defaultOptions, type Options } from "./config/option_table.ts";
import { Logger, type LogLevel, type LogSink } from "./log/logger.ts";
import { type Connz, type ConnzOptions, connz } from "./monitor/connz.ts";
import type { Outcome } from "./monitor/outcome.ts";
import { type Subsz, type SubszOptions, subsz } from "./monitor/subsz.ts";
import { type Varz, varz } from "./monitor/varz.ts";
import { loadRuntime } from "./runtime/mod.ts";
import type { Runtime } from "./runtime/runtime.ts";
import { openLogTarget } from "./server/files/log_target.ts";
import { Server, type ServerEnd, ServerStartError } from "./server/server.ts";
import { type ConfigOrigin, findObstacle } from "./server/server_settings.ts";
import { checkLoaded } from "./server/settings/check_loaded.ts";

export type { LogLevel } from "./log/logger.ts";
export type { Connz, ConnzOptions } from "./monitor/connz.ts";
export type { Subsz, SubszOptions } from "./monitor/subsz.ts";
export type { Varz } from "./monitor/varz.ts";
export { MIDGE_VERSION, NATS_VERSION } from "./server/version.ts";

/**
 * What a server is started with. The fields of `Options` win over the configuration; times are milliseconds, sizes
 * bytes. Without anything it listens on every address, port 4222.
 */
export interface MidgeOptions extends Partial<Options> {
  /** The text of a configuration, as a file would hold it. Paths in it are relative to the working directory. */
  readonly config?: string;
  /** Or the path of one. */
  readonly configFile?: string;
  /**
   * Hears every line of the log. Without it there is no log, unless the configuration names a `log_file`. What it throws is
   * lost.
   */
  readonly log?: (level: LogLevel, text: string) => void;
}

/** Why a server did not start: a configuration that cannot be used, a port that is taken. Each problem is a line. */
export class MidgeStartError extends Error {
  override name = "MidgeStartError";
}

export class Midge {
  readonly #server: Server;
  readonly #config: ConfigText | null;

  /** Starts a server; resolves once clients can connect. Rejects with `MidgeStartError`. */
  static async start(settings: MidgeOptions = {}): Promise<Midge> {
    const { config, configFile, log, ...fields } = settings;
    const overrides = overridesOf(fields);
    if (config !== undefined && configFile !== undefined) {
      throw new TypeError("Midge.start: give config or configFile, not both");
    }
    const text = config === undefined ? null : new ConfigText(config);
    const read = text === null ? configFile && (() => loadConfigFile(configFile)) : () => text.load();
    const load = read && (() => checkLoaded(read()));
    const loaded = load ? load() : null;
    if (loaded?.ok === false) throw new MidgeStartError(loaded.lines.join("\n"));
    const options = { ...(loaded?.options ?? defaultOptions()), ...overrides };
    const obstacle = findObstacle(options);
    if (obstacle !== undefined) throw new MidgeStartError(obstacle);
    const origin: ConfigOrigin | null =
      loaded === null || !load
        ? null
        : {
            file: configFile ?? TEXT_NAME,
            digest: loaded.digest,
            read: () => {
              const again = load();
              return again.ok
                ? { ok: true, options: { ...again.options, ...overrides }, digest: again.digest }
                : { ok: false, reason: again.lines.join("\n") };
            },
          };
    const runtime = await loadRuntime();
    const openLog = log === undefined && isLogAsked(options) ? openLogOn(runtime) : null;
    try {
      const sink = openLog === null ? callbackSink(log) : await openLog(options);
      const server = await Server.start({
        options,
        runtime,
        logger: new Logger(sink, { debug: options.debug, trace: options.trace }),
        openLog,
        config: origin,
        executableName: EXECUTABLE,
        commandLine: [],
        endsProcess: false,
      });
      return new Midge(server, text);
    } catch (error) {
      throw error instanceof ServerStartError ? new MidgeStartError(error.message) : error;
    }
  }

  private constructor(server: Server, config: ConfigText | null) {
    this.#server = server;
    this.#config = config;
  }

  /** The server's public key, `N…`, new at each start. */
  get id(): string {
    return this.#server.id;
  }

  /** Where clients of this machine connect: `nats://127.0.0.1:4222`. */
  get clientUrl(): string {
    return this.#server.clientUrl;
  }

  /** The client port, also where it was chosen at random. */
  get port(): number {
    return this.#server.port;
  }

  /** The port for WebSockets, 0 without. */
  get webSocketPort(): number {
    return this.#server.webSocketPort;
  }

  /** The port of HTTP monitoring, 0 without. */
  get monitoringPort(): number {
    return this.#server.monitoringPort;
  }

  /** Resolves when the server has ended: stopped as it was told, or failed as the log says. */
  get ended(): Promise<ServerEnd> {
    return this.#server.ended;
  }

  /** What `/varz` shows. */
  async varz(): Promise<Varz> {
    return varz(await this.#server.monitor.server());
  }

  /** What `/connz` shows. Throws `RangeError` where that answers 400. */
  async connz(options: Partial<ConnzOptions> = {}): Promise<Connz> {
    return reportOf(await connz(this.#server.monitor, options));
  }

  /** What `/subsz` shows. Throws `RangeError` where that answers 400. */
  async subsz(options: Partial<SubszOptions> = {}): Promise<Subsz> {
    return reportOf(await subsz(this.#server.monitor, options));
  }

  /**
   * Reads the configuration file again, or takes a new text in place of the one it was started with, and applies what
   * changed. Rejects, and changes nothing, when the configuration is wrong or names a change that needs a new start.
   */
  async reload(config?: string): Promise<void> {
    if (config !== undefined && this.#config === null) {
      throw new TypeError("Midge.reload: the server was not started with a config text");
    }
    const before = this.#config?.text;
    if (config !== undefined) this.#config!.text = config;
    const result = await this.#server.reload();
    if (result.ok) return;
    if (before !== undefined) this.#config!.text = before;
    throw new Error(`Failed to reload server configuration: ${result.reason}`);
  }

  /** Tells clients to go elsewhere, closes them one by one, and stops; `stop` cuts it short. */
  async lameDuck(): Promise<void> {
    await this.#server.lameDuck();
  }

  /** Closes every connection and frees what the server holds. May be called again. */
  async stop(): Promise<void> {
    await this.#server.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** Makes one of the server's threads fail, to see what its clients do; the server replaces it. For tests. */
  failShard(index: number): void {
    this.#server.failShard(index);
  }
}

/** The fields that say something: one that is undefined says nothing, whatever the compiler of the program allows. */
function overridesOf(fields: Partial<Options>): Partial<Options> {
  const known = defaultOptions();
  const unknown = Object.keys(fields).find((name) => !Object.hasOwn(known, name));
  if (unknown !== undefined)
    throw new TypeError(`Midge.start: there is no option ${JSON.stringify(unknown)}`);
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

const EXECUTABLE = "midge";
const TEXT_NAME = "config";

/** A configuration that is no file. */
class ConfigText {
  text: string;

  constructor(text: string) {
    this.text = text;
  }

  load() {
    const readFile = (path: string) => readFileSync(path, "utf8");
    return loadConfigText(this.text, TEXT_NAME, { readFile, environment: process.env });
  }
}

/** A library writes a log where its configuration names a place for it, never to standard error by default. */
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
      log?.(level, text);
    } catch {
      // A server outlives its log: a stop that is left halfway would keep the program from ending.
    }
  };
  return { write, close: () => {} };
}

function reportOf<T>(outcome: Outcome<T>): T {
  if (!outcome.ok) throw new RangeError(outcome.message);
  return outcome.report;
}
