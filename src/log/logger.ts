/** In the order of their letters on a line: see `line.ts`. */
export type LogLevel = "info" | "debug" | "warn" | "error" | "fatal" | "trace";

/** Where finished messages go. `write` never throws: a server must outlive its log. */
export interface LogSink {
  write(level: LogLevel, text: string): void;
  /**
   * Opens the target again, for a file that was moved away; absent for targets that cannot be reopened. If it cannot be
   * opened, throws and keeps the old one.
   */
  reopen?(): void;
  close(): void;
}

/** Which of the two chatty levels are written; the others always are. */
export interface LogSwitches {
  debug: boolean;
  trace: boolean;
}

/**
 * The logger of a thread. On main the sink is a file, a terminal or syslog; the sinks of other threads post `(level,
 * text)` to main, which passes both to its own logger's `log`. A reload can change sink and switches.
 */
export class Logger {
  #sink: LogSink;
  #switches: LogSwitches;

  constructor(sink: LogSink, switches: LogSwitches) {
    this.#sink = sink;
    this.#switches = { ...switches };
  }

  info(text: string): void {
    this.#sink.write("info", text);
  }

  warn(text: string): void {
    this.#sink.write("warn", text);
  }

  error(text: string): void {
    this.#sink.write("error", text);
  }

  /** Logs only; stopping the process with exit code 1 is the caller's next step. */
  fatal(text: string): void {
    this.#sink.write("fatal", text);
  }

  debug(text: string): void {
    if (this.#switches.debug) this.#sink.write("debug", text);
  }

  trace(text: string): void {
    if (this.#switches.trace) this.#sink.write("trace", text);
  }

  /** Logs a message that another thread built, under this thread's switches. */
  log(level: LogLevel, text: string): void {
    if (level === "debug") this.debug(text);
    else if (level === "trace") this.trace(text);
    else this.#sink.write(level, text);
  }

  setSwitches(switches: LogSwitches): void {
    this.#switches = { ...switches };
  }

  /** Closes the sink in use and writes to `sink` from now on. */
  setSink(sink: LogSink): void {
    if (sink === this.#sink) return;
    const previous = this.#sink;
    this.#sink = sink;
    previous.close();
  }

  /** Answers SIGUSR1: reopens a log file, and says which of the two happened. */
  reopen(): void {
    if (this.#sink.reopen === undefined) {
      this.info("File log re-open ignored, not a file logger");
      return;
    }
    try {
      this.#sink.reopen();
    } catch (error) {
      this.error(`File log not re-opened, writing to the old file: ${(error as Error).message}`);
      return;
    }
    this.info("File log re-opened");
  }

  close(): void {
    this.#sink.close();
  }
}
