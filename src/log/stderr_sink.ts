import { writeSync } from "node:fs";
import type { WallClock } from "../base/wall_clock.ts";
import { formatLine, type LineFormat } from "./line.ts";
import type { LogLevel, LogSink } from "./logger.ts";

const STDERR_FD = 2;

/** Tries for one line while the reader of a non-blocking pipe is behind; past them the rest of it is lost. */
const WRITE_ATTEMPTS_MAX = 1000;

/** Lines on standard error, written before `write` returns, so that a crash loses none. */
export function createStderrSink(format: LineFormat, clock: WallClock): LogSink {
  return {
    write(level: LogLevel, text: string): void {
      writeAll(Buffer.from(`${formatLine(format, level, text, clock())}\n`));
    },
    close(): void {},
  };
}

function writeAll(bytes: Uint8Array): void {
  let written = 0;
  for (let attempt = 0; attempt < WRITE_ATTEMPTS_MAX && written < bytes.length; attempt++) {
    try {
      written += writeSync(STDERR_FD, bytes, written);
    } catch (error) {
      // Anything but "try again" means that nobody reads standard error any more.
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") return;
    }
  }
}
