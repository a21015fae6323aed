/** What a server is made from, and why it may not be. */
import type { Options } from "../config/option_table.ts";
import { validateForStart } from "../config/start_checks.ts";
import type { Logger, LogSink } from "../log/logger.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { findTlsFileProblem } from "../runtime/tls_files.ts";
import { tlsBlocks } from "./settings/tls_contexts.ts";

export interface ServerSettings {
  readonly options: Options;
  readonly runtime: Runtime;
  /** Belongs to the server from now on: it is closed at the end. */
  readonly logger: Logger;
  /** Opens the log's target anew when a reload changes it; null where the log is not the server's to choose. */
  readonly openLog: ((options: Options) => Promise<LogSink>) | null;
  /** What the options were read from; null for nothing. */
  readonly config: ConfigOrigin | null;
  /** Names the ports file. */
  readonly executableName: string;
  /** As it may be shown: without secrets. */
  readonly commandLine: readonly string[];
  /** The process ends with the server. */
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
