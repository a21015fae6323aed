import { expect, test } from "bun:test";
import { setImmediate } from "node:timers/promises";
import { loadRuntime } from "./mod.ts";
import type { SignalName } from "./runtime.ts";

const runtime = await loadRuntime();

test("loadRuntime() knows where it is", () => {
  expect(runtime.name).toBe(process.versions.bun === undefined ? "deno" : "bun");
  expect(runtime.version).toMatch(/^\d+\.\d+/);
});

test("onSignal() hears every signal nats-server uses, until it is taken back", async () => {
  const names: SignalName[] = ["SIGHUP", "SIGINT", "SIGTERM", "SIGUSR1", "SIGUSR2"];
  for (const name of names) {
    let firstCount = 0;
    let secondCount = 0;
    const stopFirst = runtime.onSignal(name, () => firstCount++);
    const stopSecond = runtime.onSignal(name, () => secondCount++);
    process.kill(process.pid, name);
    while (firstCount === 0 || secondCount === 0) await setImmediate();
    stopFirst();
    process.kill(process.pid, name);
    while (secondCount < 2) await setImmediate();
    stopSecond();
    expect(firstCount).toBe(1);
    expect(secondCount).toBe(2);
  }
});
