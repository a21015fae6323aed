/** The main thread: one server from its options to its end. */
import { cpus } from "node:os";
import { createServer as createUserNkey } from "nkeys.js";
import type { Options } from "../config/option_table.ts";
import type { Logger } from "../log/logger.ts";
import type { ServerInfo } from "../protocol/info.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { Fleet } from "./fleet.ts";
import { shardOptions } from "./shard_settings.ts";

/** Announced to clients, which compare it to know what a server can do. */
export const NATS_VERSION = "2.15.2";

export class Server {
  readonly #fleet: Fleet;

  constructor(fleet: Fleet) {
    this.#fleet = fleet;
  }

  static async start(options: Options, runtime: Runtime, logger: Logger): Promise<Server> {
    const posix = options.midge.transport === "runtime" ? null : runtime.openPosix();
    const id = createUserNkey().getPublicKey();
    const info: ServerInfo = {
      serverId: id,
      serverName: options.serverName ?? id,
      version: NATS_VERSION,
      goVersion: `${runtime.name} ${runtime.version}`,
      host: options.host,
      port: options.port,
      headers: !options.noHeaderSupport,
      maxPayloadBytes: options.maxPayloadBytes,
    };
    const cpuCount = cpus().length;
    const fleet = new Fleet(
      {
        shardCount: options.midge.shards || 1,
        cpuCount,
        posix: posix !== null && posix.ok ? posix.posix : null,
        host: options.host,
        port: options.port === -1 ? 0 : options.port,
      },
      shardOptions(options),
      info,
      {
        log: (level, text) => {
          if (level === "warning") logger.warn(text);
          else logger[level](text);
        },
        closed: () => {},
        fatal: (text) => logger.fatal(text),
      },
    );
    await fleet.start();
    const result = await fleet.listen((port) => ({ ...info, port }));
    if (!result.ok) throw new Error(result.error);
    logger.info(`Listening for client connections on ${options.host}:${result.port}`);
    logger.info("Server is ready");
    return new Server(fleet);
  }

  async stop(): Promise<void> {
    await this.#fleet.stop();
  }
}
