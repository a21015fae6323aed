import { describe, expect, test } from "bun:test";
import { formatLine, type LineFormat } from "./line.ts";

/** 2026-11-22 10:42:00.716083 UTC. */
const TIME_MICROS = 1_795_344_120_716_083;

const utc: LineFormat = { processId: 12358, timestamps: "utc", isColored: false };

describe("formatLine()", () => {
  test("writes the line that nats-server 2.15.2 wrote", () => {
    expect(formatLine(utc, "info", "Starting nats-server", TIME_MICROS)).toBe(
      "[12358] 2026/11/22 10:42:00.716083 [INF] Starting nats-server",
    );
  });

  test("leaves out the time and its space without timestamps", () => {
    expect(formatLine({ ...utc, timestamps: "none" }, "warn", "text", TIME_MICROS)).toBe(
      "[12358] [WRN] text",
    );
  });

  test("writes local time in the machine's zone, to the same microsecond", () => {
    const line = formatLine({ ...utc, timestamps: "local" }, "debug", "text", TIME_MICROS);
    const parts = /^\[12358\] (\d+)\/(\d+)\/(\d+) (\d+):(\d+):(\d+)\.716083 \[DBG\] text$/.exec(line);
    const [year, month, day, hour, minute, second] = (parts ?? []).slice(1).map(Number);
    expect(new Date(year!, month! - 1, day!, hour!, minute!, second!).getTime()).toBe(1_795_344_120_000);
  });

  test("pads each part to its width", () => {
    expect(formatLine(utc, "info", "x", Date.UTC(2026, 0, 2, 3, 4, 5) * 1000 + 7)).toBe(
      "[12358] 2026/01/02 03:04:05.000007 [INF] x",
    );
  });

  test("colours only the letters of the level", () => {
    const colored: LineFormat = { ...utc, timestamps: "none", isColored: true };
    const line = (level: Parameters<typeof formatLine>[1]) => formatLine(colored, level, "x", TIME_MICROS);
    expect(line("info")).toBe("[12358] [\x1b[32mINF\x1b[0m] x");
    expect(line("debug")).toBe("[12358] [\x1b[36mDBG\x1b[0m] x");
    expect(line("warn")).toBe("[12358] [\x1b[0;93mWRN\x1b[0m] x");
    expect(line("error")).toBe("[12358] [\x1b[31mERR\x1b[0m] x");
    expect(line("fatal")).toBe("[12358] [\x1b[31mFTL\x1b[0m] x");
    expect(line("trace")).toBe("[12358] [\x1b[33mTRC\x1b[0m] x");
  });
});
