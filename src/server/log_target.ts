import { createWallClock } from "../base/wall_clock.ts";
import type { Options } from "../config/option_table.ts";
import type { LogSink } from "../log/logger.ts";
import { openSink } from "../log/open_sink.ts";

/** Opens what the options log to: a file, syslog, or standard error. Rejects with the text of the fatal error. */
export function openLogTarget(options: Options, executableName: string): Promise<LogSink> {
  return openSink(
    {
      logFile: options.logFile ?? "",
      logSizeLimitBytes: options.logSizeLimitBytes,
      logFilesMax: options.logMaxFiles,
      remoteSyslogUrl: options.remoteSyslog ?? "",
      isSyslog: options.syslog,
      hasTimestamps: options.logTime,
      isTimestampUtc: options.logTimeUtc,
    },
    {
      processId: process.pid,
      executableName,
      isStderrTerminal: process.stderr.isTTY === true,
      clock: createWallClock(),
    },
  );
}
