import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type LogEnvironment, type LogOptions, openSink } from "./open_sink.ts";

const nothing: LogOptions = {
  logFile: "",
  logSizeLimitBytes: 0,
  logFilesMax: 0,
  remoteSyslogUrl: "",
  isSyslog: false,
  hasTimestamps: true,
  isTimestampUtc: true,
};

const environment: LogEnvironment = {
  processId: 7,
  executableName: "nats-server",
  isStderrTerminal: true,
  clock: () => 1_795_344_120_716_083,
};

test("openSink() prefers the file and never colours it", async () => {
  const directory = mkdtempSync(join(tmpdir(), "midge-log-"));
  const logFile = join(directory, "nats.log");
  const options = { ...nothing, logFile, remoteSyslogUrl: "http://nowhere", isSyslog: true };
  const sink = await openSink(options, environment);
  sink.write("info", "text");
  sink.close();
  expect(readFileSync(logFile, "utf8")).toBe("[7] 2026/11/22 10:42:00.716083 [INF] text\n");
  rmSync(directory, { recursive: true });
});

test("openSink() tells which file cannot be opened", async () => {
  const options = { ...nothing, logFile: "/nowhere/nats.log" };
  await expect(openSink(options, environment)).rejects.toThrow(/^error opening file: .*\/nowhere\/nats\.log/);
});

test("openSink() takes the remote syslog before the local one", async () => {
  const options = { ...nothing, remoteSyslogUrl: "http://nowhere", isSyslog: true };
  await expect(openSink(options, environment)).rejects.toThrow('error invalid network type: "http"');
});
