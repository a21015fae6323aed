import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FileSink } from "./file_sink.ts";
import type { LineFormat } from "./line.ts";
import { Logger } from "./logger.ts";

const format: LineFormat = { processId: 7, timestamps: "none", isColored: false };
const BACKUP = /^nats\.log\.\d{4}\.\d{2}\.\d{2}\.\d{2}\.\d{2}\.\d{2}\.\d{9}$/;

let directory: string;
let path: string;
let timeMicros: number;

/** A second passes between any two questions, so that each rotation has a name of its own. */
function clock(): number {
  timeMicros += 1_000_000;
  return timeMicros;
}

function open(sizeLimitBytes = 0, filesMax = 0): FileSink {
  return new FileSink({ path, sizeLimitBytes, filesMax, format, clock });
}

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "midge-log-"));
  path = join(directory, "nats.log");
  timeMicros = 1_795_344_120_716_083;
});

afterEach(() => {
  rmSync(directory, { recursive: true });
});

describe("FileSink", () => {
  test("appends to what is there, in a file that others cannot read", () => {
    const first = open();
    first.write("info", "a");
    first.close();
    const second = open();
    second.write("error", "b");
    second.close();
    expect(readFileSync(path, "utf8")).toBe("[7] [INF] a\n[7] [ERR] b\n");
    expect(statSync(path).mode & 0o137).toBe(0);
  });

  test("rotates after the write that exceeds the limit", () => {
    const sink = open(30);
    sink.write("info", "fifteen"); // 18 bytes
    expect(readdirSync(directory)).toEqual(["nats.log"]);
    sink.write("info", "more");
    sink.close();
    const [active, backup] = readdirSync(directory).sort();
    expect(active).toBe("nats.log");
    expect(backup).toMatch(BACKUP);
    expect(readFileSync(join(directory, backup!), "utf8")).toBe("[7] [INF] fifteen\n[7] [INF] more\n");
    expect(readFileSync(path, "utf8")).toBe(
      `[7] [INF] Rotated log, backup saved as "${join(directory, backup!)}"\r\n`,
    );
  });

  test("rotates at once a file that is too big when it is opened", () => {
    writeFileSync(path, "x".repeat(40));
    open(30).close();
    const backup = readdirSync(directory).find((name) => BACKUP.test(name));
    expect(readFileSync(join(directory, backup!), "utf8")).toBe(
      `${"x".repeat(40)}[7] [INF] Rotating logfile...\n`,
    );
  });

  test("keeps the newest backups that `filesMax` allows and nothing else's files", () => {
    const oldest = "nats.log.2020.01.02.03.04.05.000000001";
    const other = "nats.log.notes";
    for (const name of [oldest, other]) writeFileSync(join(directory, name), "");
    const sink = open(10, 3);
    for (const text of ["first", "second", "third"]) sink.write("info", text);
    sink.close();
    const names = readdirSync(directory).sort();
    expect(names.filter((name) => BACKUP.test(name)).length).toBe(2);
    expect(names).toContain(other);
    expect(names).not.toContain(oldest);
    expect(readFileSync(path, "utf8")).toMatch(/\[INF\] Purged log file "nats\.log\.2026\.[\d.]+"\r\n$/);
  });

  test("reopen() writes to a new file after the old one was moved away", () => {
    const logger = new Logger(open(), { debug: false, trace: false });
    logger.info("before");
    renameSync(path, join(directory, "moved"));
    logger.reopen();
    logger.close();
    expect(readFileSync(join(directory, "moved"), "utf8")).toBe("[7] [INF] before\n");
    expect(readFileSync(path, "utf8")).toBe("[7] [INF] File log re-opened\n");
  });

  test("writes nothing after close()", () => {
    const sink = open();
    sink.close();
    sink.close();
    sink.write("info", "late");
    expect(readFileSync(path, "utf8")).toBe("");
  });
});
