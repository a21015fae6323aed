import { loadConfigFile } from "../config/load.ts";
import { defaultOptions } from "../config/option_table.ts";
import { Logger } from "../log/logger.ts";
import { createStderrSink } from "../log/stderr_sink.ts";
import { createWallClock } from "../log/wall_clock.ts";
import { loadRuntime } from "../runtime/mod.ts";
import { Server } from "../server/server.ts";
import { applyFlags, parseCommandLine } from "./flags.ts";

const command = parseCommandLine(process.argv.slice(2));
if (command.kind !== "serve") throw new Error("serve only");
const loaded = command.flags.configFile
  ? loadConfigFile(command.flags.configFile)
  : { ok: true as const, options: defaultOptions() };
if (!loaded.ok) throw new Error(loaded.lines.join());
const applied = applyFlags(loaded.options, command.flags);
if (!applied.ok) throw new Error(applied.text);
const runtime = await loadRuntime();
const logger = new Logger(
  createStderrSink({ processId: process.pid, timestamps: "local", isColored: false }, createWallClock()),
  { debug: applied.options.debug, trace: applied.options.trace },
);
const server = await Server.start(applied.options, runtime, logger);
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  runtime.onSignal(signal, async () => {
    await server.stop();
    process.exit(0);
  });
}
