import { closeSync, fstatSync, openSync, readdirSync, renameSync, unlinkSync, writeSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { errorText } from "../base/error_text.ts";
import type { WallClock } from "../base/wall_clock.ts";
import { formatLine, type LineFormat, splitTime } from "./line.ts";
import type { LogLevel, LogSink } from "./logger.ts";

const FILE_MODE = 0o640;

/** In place of a file descriptor; `writeSync` refuses it. */
const CLOSED = -1;

/** The time of a rotation at the end of a backup's name: date, time of day, nanoseconds. */
const BACKUP_SUFFIX = /^\d{4}\.\d{2}\.\d{2}\.\d{2}\.\d{2}\.\d{2}\.\d{1,9}$/;

export interface FileSinkOptions {
  path: string;
  /** The write that takes the file past this size rotates it; 0 means never. */
  sizeLimitBytes: number;
  /** How many files to keep, the active one counted; 0 keeps them all. */
  filesMax: number;
  format: LineFormat;
  clock: WallClock;
}

/**
 * Appends lines to a file and rotates it by size. The constructor throws the system's error if the file cannot be
 * opened; later failures are logged, if that is still possible.
 * Source: nats-server logger/log.go.
 */
export class FileSink implements LogSink {
  readonly #options: FileSinkOptions;
  #fileDescriptor: number;
  #sizeBytes: number;

  constructor(options: FileSinkOptions) {
    this.#options = options;
    this.#fileDescriptor = openSync(options.path, "a", FILE_MODE);
    this.#sizeBytes = fstatSync(this.#fileDescriptor).size;
    if (this.#isTooBig()) this.write("info", "Rotating logfile...");
  }

  write(level: LogLevel, text: string): void {
    this.#append(level, text, "\n");
    if (this.#isTooBig()) this.#rotate();
  }

  reopen(): void {
    const fileDescriptor = openSync(this.#options.path, "a", FILE_MODE);
    closeSync(this.#fileDescriptor);
    this.#fileDescriptor = fileDescriptor;
    this.#sizeBytes = fstatSync(fileDescriptor).size;
  }

  close(): void {
    if (this.#fileDescriptor === CLOSED) return;
    closeSync(this.#fileDescriptor);
    // The number may soon belong to a socket: a late message must not be written there.
    this.#fileDescriptor = CLOSED;
  }

  #isTooBig(): boolean {
    return this.#options.sizeLimitBytes > 0 && this.#sizeBytes > this.#options.sizeLimitBytes;
  }

  #append(level: LogLevel, text: string, lineEnd: string): void {
    const { format, clock } = this.#options;
    const bytes = Buffer.from(formatLine(format, level, text, clock()) + lineEnd);
    try {
      writeSync(this.#fileDescriptor, bytes);
      this.#sizeBytes += bytes.length;
    } catch {
      // A full disk must not stop the server, and there is no better place to report it.
    }
  }

  #rotate(): void {
    const { path, filesMax, clock } = this.#options;
    const time = splitTime(clock(), "local");
    const backup = `${path}.${time.year}.${time.month}.${time.day}.${time.hour}.${time.minute}.${time.second}.${time.micros}000`;
    try {
      renameSync(path, backup);
      this.reopen();
    } catch (error) {
      // Without this the next line would try again, and so would every line after it.
      this.#sizeBytes = 0;
      this.#append("error", `Unable to rotate logfile (${errorText(error)}), will attempt again`, "\r\n");
      return;
    }
    this.#append("info", `Rotated log, backup saved as ${JSON.stringify(backup)}`, "\r\n");
    if (filesMax > 0) this.#purge(filesMax - 1);
  }

  /** Removes the oldest backups beyond `backupsMax`; other files beside the log are left alone. */
  #purge(backupsMax: number): void {
    const directory = dirname(this.#options.path);
    const prefix = `${basename(this.#options.path)}.`;
    try {
      const backups = readdirSync(directory)
        .filter((name) => name.startsWith(prefix) && BACKUP_SUFFIX.test(name.slice(prefix.length)))
        .sort();
      for (const name of backups.slice(0, Math.max(0, backups.length - backupsMax))) {
        unlinkSync(join(directory, name));
        this.#append("info", `Purged log file ${JSON.stringify(name)}`, "\r\n");
      }
    } catch (error) {
      this.#append(
        "error",
        `Unable to purge log files (${errorText(error)}), will attempt next rotation`,
        "\r\n",
      );
    }
  }
}
