import { describe, expect, test } from "bun:test";
import { Logger, type LogLevel, type LogSink } from "./logger.ts";

class MemorySink implements LogSink {
  readonly lines: string[] = [];
  isClosed = false;

  write(level: LogLevel, text: string): void {
    this.lines.push(`${level} ${text}`);
  }

  close(): void {
    this.isClosed = true;
  }
}

describe("Logger", () => {
  test("writes debug and trace only while they are switched on", () => {
    const sink = new MemorySink();
    const logger = new Logger(sink, { debug: false, trace: false });
    logger.debug("hidden");
    logger.trace("hidden");
    logger.setSwitches({ debug: true, trace: true });
    logger.debug("shown");
    logger.trace("shown");
    expect(sink.lines).toEqual(["debug shown", "trace shown"]);
  });

  test("writes the other levels always", () => {
    const sink = new MemorySink();
    const logger = new Logger(sink, { debug: false, trace: false });
    logger.info("a");
    logger.warn("b");
    logger.error("c");
    logger.fatal("d");
    expect(sink.lines).toEqual(["info a", "warn b", "error c", "fatal d"]);
  });

  test("log() holds a message from another thread to its own switches", () => {
    const sink = new MemorySink();
    const logger = new Logger(sink, { debug: true, trace: false });
    logger.log("trace", "hidden");
    logger.log("debug", "a");
    logger.log("error", "b");
    expect(sink.lines).toEqual(["debug a", "error b"]);
  });

  test("setSink() closes the sink it replaces", () => {
    const [first, second] = [new MemorySink(), new MemorySink()];
    const logger = new Logger(first, { debug: false, trace: false });
    logger.setSink(second);
    logger.info("a");
    expect([first.isClosed, first.lines, second.lines]).toEqual([true, [], ["info a"]]);
  });

  test("reopen() says that there is no file", () => {
    const sink = new MemorySink();
    new Logger(sink, { debug: false, trace: false }).reopen();
    expect(sink.lines).toEqual(["info File log re-open ignored, not a file logger"]);
  });

  test("reopen() goes on with the old file when the new one cannot be opened", () => {
    const sink = Object.assign(new MemorySink(), {
      reopen() {
        throw new Error("EACCES: permission denied");
      },
    });
    new Logger(sink, { debug: false, trace: false }).reopen();
    expect(sink.lines).toEqual([
      "error File log not re-opened, writing to the old file: EACCES: permission denied",
    ]);
  });
});
