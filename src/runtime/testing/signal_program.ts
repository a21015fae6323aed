/**
 * Sends itself every signal that nats-server uses. Prints how often each of two handlers got it, one of them taken
 * back.
 */
import { setImmediate } from "node:timers/promises";
import { loadRuntime } from "../mod.ts";
import type { SignalName } from "../runtime.ts";

const runtime = await loadRuntime();
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
  console.log(`${name} ${firstCount} ${secondCount}`);
}
process.exit(0);
