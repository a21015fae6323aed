/** Serves until a signal or a failure ends it. */
import { defaultOptions, type Options } from "../config/option_table.ts";
import { Logger } from "../log/logger.ts";
import { loadRuntime } from "../runtime/mod.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { openLogTarget } from "../server/files/log_target.ts";
import { Server, ServerStartError } from "../server/server.ts";
import { type ConfigOrigin, findObstacle, type ReadAgain } from "../server/server_settings.ts";
import { checkLoaded } from "../server/settings/check_loaded.ts";
import { applyFlags, type Flags, redactArguments } from "./flags.ts";
import { EXECUTABLE, refuse } from "./program.ts";
import { handleSignals } from "./signals.ts";

/** Returns the exit code. */
export async function serve(flags: Flags, args: readonly string[]): Promise<number> {
  const runtime = await loadRuntime();
  const read = await readOptions(flags);
  if (!read.ok) return refuse(read.reason);
  const { options } = read;
  for (const line of read.warnings) console.error(line);
  const obstacle = findObstacle(options);
  if (obstacle !== undefined) return refuse(obstacle);

  const openLog = (chosen: Options) => openLogTarget(chosen, EXECUTABLE, runtime);
  let logger: Logger;
  try {
    logger = new Logger(await openLog(options), { debug: options.debug, trace: options.trace });
  } catch (error) {
    return refuse((error as Error).message);
  }
  onUncaught((text) => {
    logger.fatal(text);
    process.exit(1);
  });
  try {
    const starting = Server.start({
      options,
      runtime,
      logger,
      openLog,
      config: read.config,
      executableName: EXECUTABLE,
      commandLine: ["nats-server", ...redactArguments(args)],
      endsProcess: true,
    });
    handleSignals(starting, runtime, logger);
    const server = await starting;
    nameProcess(runtime);
    return (await server.ended) === "stopped" ? 0 : 1;
  } catch (error) {
    if (!(error instanceof ServerStartError)) throw error;
    return error.isLogged ? 1 : refuse(error.message);
  }
}

type Read =
  | {
      readonly ok: true;
      readonly options: Options;
      readonly warnings: readonly string[];
      readonly config: ConfigOrigin | null;
    }
  | { readonly ok: false; readonly reason: string };

/** The options of the file, if there is one, with the flags over them. */
async function readOptions(flags: Flags): Promise<Read> {
  const { configFile } = flags;
  if (!configFile) {
    const applied = applyFlags(defaultOptions(), flags);
    return applied.ok ? { ...applied, warnings: [], config: null } : { ok: false, reason: applied.text };
  }
  const { loadConfigFile, reloadProblem } = await import("../config/load.ts");
  const load = () => checkLoaded(loadConfigFile(configFile));
  const loaded = load();
  if (!loaded.ok) return { ok: false, reason: loaded.lines.join("\n") };
  const applied = applyFlags(loaded.options, flags);
  if (!applied.ok) return { ok: false, reason: applied.text };
  const config: ConfigOrigin = {
    file: configFile,
    digest: loaded.digest,
    read: (): ReadAgain => {
      const again = load();
      if (!again.ok) return { ok: false, reason: reloadProblem(again) };
      const flagged = applyFlags(again.options, flags);
      return flagged.ok ? { ...flagged, digest: again.digest } : { ok: false, reason: flagged.text };
    },
  };
  return { ...applied, warnings: loaded.warnings, config };
}

/** Names the process so that ps, pgrep and killall find it, as `--signal` does. */
function nameProcess(runtime: Runtime): void {
  const opened = runtime.openPosix();
  if (opened.ok) opened.posix.nameThread(EXECUTABLE);
}

/** An uncaught error is a mistake of ours: the server's state cannot be trusted any more. */
function onUncaught(handle: (text: string) => void): void {
  const textOf = (error: unknown) =>
    error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.on("uncaughtException", (error) => handle(`Uncaught error on the main thread: ${textOf(error)}`));
  process.on("unhandledRejection", (error) => handle(`Uncaught error on the main thread: ${textOf(error)}`));
}
