import { expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { loadRuntime } from "./mod.ts";

const runtime = await loadRuntime();

test("loadRuntime() knows where it is", () => {
  expect(runtime.name).toBe(process.versions.bun === undefined ? "deno" : "bun");
  expect(runtime.version).toMatch(/^\d+\.\d+/);
});

// It runs in a process of its own, because a test runner takes SIGINT for itself.
test("onSignal() hears every signal nats-server uses, until it is taken back", () => {
  const program = fileURLToPath(new URL("./testing/signal_program.ts", import.meta.url));
  const how = runtime.name === "bun" ? [] : ["run", "--allow-all", "--no-config"];
  const heard = execFileSync(process.execPath, [...how, program], { encoding: "utf8", timeout: 30_000 });
  expect(heard.trim().split("\n")).toEqual([
    "SIGHUP 1 2",
    "SIGINT 1 2",
    "SIGTERM 1 2",
    "SIGUSR1 1 2",
    "SIGUSR2 1 2",
  ]);
});
