import { fileErrorText } from "../base/error_text.ts";
import type { WallClock } from "../base/wall_clock.ts";
import { FileSink, type FileSinkOptions } from "./file_sink.ts";
import type { LogSink } from "./logger.ts";
import { createStderrSink } from "./stderr_sink.ts";
import type { OpenUnixDatagram } from "./syslog_sink.ts";

/** The options of a config file that choose and shape the log. An empty text means not set. */
export interface LogOptions {
  logFile: string;
  /** `log_size_limit`; 0 means no limit. */
  logSizeLimitBytes: number;
  /** `log_max_num`; 0 means no limit. */
  logFilesMax: number;
  remoteSyslogUrl: string;
  isSyslog: boolean;
  /** `logtime`. */
  hasTimestamps: boolean;
  /** `logtime_utc`. */
  isTimestampUtc: boolean;
}

/** What the log needs to know about the process it runs in. */
export interface LogEnvironment {
  processId: number;
  /** The tag of syslog messages. */
  executableName: string;
  isStderrTerminal: boolean;
  clock: WallClock;
  openUnixDatagram?: OpenUnixDatagram;
}

/**
 * Opens the log's target: the first of a file, a remote syslog, the local syslog and standard error that the options
 * name. Rejects with the text of the fatal error if it cannot be opened.
 */
export async function openSink(options: LogOptions, environment: LogEnvironment): Promise<LogSink> {
  const { processId, executableName, clock, openUnixDatagram, isStderrTerminal } = environment;
  const zone = options.isTimestampUtc ? "utc" : "local";
  const timestamps = options.hasTimestamps ? zone : "none";
  if (options.logFile !== "") {
    return openFile(options, { format: { processId, timestamps, isColored: false }, clock });
  }
  if (options.remoteSyslogUrl !== "" || options.isSyslog) {
    // Loaded where it is asked for: its sockets would cost every start some milliseconds.
    const { openLocalSyslog, openRemoteSyslog } = await import("./syslog_sink.ts");
    const syslogOptions = { tag: executableName, processId, clock };
    if (options.remoteSyslogUrl !== "") return openRemoteSyslog(options.remoteSyslogUrl, syslogOptions);
    return openLocalSyslog(syslogOptions, openUnixDatagram);
  }
  return createStderrSink({ processId, timestamps, isColored: isStderrTerminal }, clock);
}

function openFile(options: LogOptions, shape: Pick<FileSinkOptions, "format" | "clock">): LogSink {
  const { logFile: path, logSizeLimitBytes: sizeLimitBytes, logFilesMax: filesMax } = options;
  try {
    return new FileSink({ path, sizeLimitBytes, filesMax, ...shape });
  } catch (error) {
    throw new Error(`error opening file: ${fileErrorText(error)}`);
  }
}
