import { describe, expect, test } from "bun:test";
import { createServer } from "node:net";
import process from "node:process";
import { addUsages, cpuBetween, findListener, machineCpuNs, readUsage, type Usage } from "./process_usage.ts";

describe("readUsage", () => {
  test("sees the CPU time this process spends", () => {
    const before = readUsage(process.pid);
    let sum = 0;
    for (let i = 0; i < 30_000_000; i++) sum = (sum + i) | 0;
    const { userNs, systemNs } = cpuBetween(before, readUsage(process.pid));
    expect(sum).toBe(sum | 0);
    expect(userNs + systemNs).toBeGreaterThan(1_000_000);
  });
  test("sees resident memory, never above its peak", () => {
    const usage = readUsage(process.pid);
    expect(usage.residentBytes).toBeGreaterThan(1_000_000);
    expect(usage.peakBytes).toBeGreaterThanOrEqual(usage.residentBytes);
  });
});

const usage = (userTicks: number, systemTicks: number, threads: [string, number][]): Usage => ({
  userTicks,
  systemTicks,
  threadNs: new Map(threads),
  residentBytes: 100,
  peakBytes: 200,
});

describe("cpuBetween", () => {
  test("takes the sum from the threads' clocks and the split from the ticks", () => {
    const before = usage(10, 10, [["1", 1_000]]);
    const after = usage(13, 11, [
      ["1", 5_000],
      ["2", 4_000],
    ]);
    expect(cpuBetween(before, after)).toEqual({ userNs: 6_000, systemNs: 2_000 });
  });
  test("takes the ticks when a thread ended in between", () => {
    const before = usage(0, 0, [
      ["1", 1_000],
      ["2", 9_000],
    ]);
    const after = usage(3, 1, [["1", 5_000]]);
    expect(cpuBetween(before, after)).toEqual({ userNs: 30_000_000, systemNs: 10_000_000 });
  });
});

describe("machineCpuNs", () => {
  test("never runs backwards and counts what this process spends", () => {
    const before = machineCpuNs();
    const own = readUsage(process.pid);
    while (cpuBetween(own, readUsage(process.pid)).userNs < 50_000_000);
    expect(machineCpuNs() - before).toBeGreaterThan(20_000_000);
  });
});

describe("findListener", () => {
  test("finds the process that listens on a port, and none for a port nobody listens on", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    expect(findListener(process.pid, port)).toBe(process.pid);
    await new Promise((resolve) => server.close(resolve));
    expect(findListener(process.pid, port)).toBe(null);
  });
});

describe("addUsages", () => {
  test("adds up everything and keeps all threads", () => {
    const sum = addUsages(usage(1, 2, [["7", 10]]), usage(3, 4, [["8", 20]]));
    expect(sum).toEqual({
      ...usage(4, 6, [
        ["7", 10],
        ["8", 20],
      ]),
      residentBytes: 200,
      peakBytes: 400,
    });
  });
});
