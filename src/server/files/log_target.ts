import { createWallClock } from "../../base/wall_clock.ts";
import type { Options } from "../../config/option_table.ts";
import type { LogSink } from "../../log/logger.ts";
import { openSink } from "../../log/open_sink.ts";
import type { SyslogTransport } from "../../log/syslog_sink.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { openUnixDatagram } from "../../runtime/unix_datagram.ts";

/** Opens what the options log to: a file, syslog, or standard error. Rejects with the text of the fatal error. */
export function openLogTarget(options: Options, executableName: string, runtime: Runtime): Promise<LogSink> {
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
      openUnixDatagram: (path) => openDatagram(runtime, path),
    },
  );
}

/** Without libc there is only a daemon that listens on a stream. */
function openDatagram(runtime: Runtime, path: string): SyslogTransport | undefined {
  const opened = runtime.openPosix();
  return opened.ok ? openUnixDatagram(opened.posix, path) : undefined;
}
