/** What a server is made from, and the check whether it can be. */
import type { Options } from "../config/option_table.ts";
import { validateForStart } from "../config/start_checks.ts";
import type { Logger, LogSink } from "../log/logger.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { findTlsFileProblem } from "../runtime/tls_files.ts";
import { tlsBlocks } from "./settings/tls_contexts.ts";

export interface ServerSettings {
  readonly options: Options;
  readonly runtime: Runtime;
  /** The server owns it from now on, and closes it at the end. */
  readonly logger: Logger;
  /** Opens the log's new target when a reload changes it; null if the server does not choose where its log goes. */
  readonly openLog: ((options: Options) => Promise<LogSink>) | null;
  /** What the options were read from; null for nothing. */
  readonly config: ConfigOrigin | null;
  /** Names the ports file. */
  readonly executableName: string;
  /** The arguments without secrets, fit to be shown. */
  readonly commandLine: readonly string[];
  /** Whether the process ends with the server. */
  readonly endsProcess: boolean;
}

export interface ConfigOrigin extends ConfigReader {
  readonly file: string;
  /** `sha256:<hex>`. */
  readonly digest: string;
}

export interface ConfigReader {
  /** Reads it again, with the flags of the command line over it, or with what a program gives. */
  read(): ReadAgain;
}

export type ReadAgain =
  | { readonly ok: true; readonly options: Options; readonly digest: string }
  | { readonly ok: false; readonly reason: string };

/** What keeps a server with these options from starting, before anything is opened; undefined for nothing. */
export function findObstacle(options: Options): string | undefined {
  const tlsProblem = () =>
    tlsBlocks(options)
      .map(findTlsFileProblem)
      .find((problem) => problem !== undefined);
  return validateForStart(options) ?? tlsProblem();
}
