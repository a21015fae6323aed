import type { Logger } from "../log/logger.ts";
import type { Runtime, SignalName } from "../runtime/runtime.ts";
import type { Server } from "../server/server.ts";

/** As Go names them, and so the log of nats-server. */
const NAMES: Readonly<Record<SignalName, string>> = {
  SIGHUP: "hangup",
  SIGINT: "interrupt",
  SIGTERM: "terminated",
  SIGUSR1: "user defined signal 1",
  SIGUSR2: "user defined signal 2",
};

/** Makes the signals do to the server what they do to nats-server. Source: nats-server server/signal.go. */
export function handleSignals(server: Server, runtime: Runtime, logger: Logger): void {
  const on = (name: SignalName, act: () => unknown) => {
    runtime.onSignal(name, () => {
      logger.info(`Trapped ${JSON.stringify(NAMES[name])} signal`);
      act();
    });
  };
  on("SIGINT", () => server.stop());
  // Who asked for a slow end gets it; SIGINT is there for those who changed their mind.
  on("SIGTERM", () => (server.isLameDuck ? undefined : server.stop()));
  on("SIGUSR1", () => server.reopenLog());
  on("SIGUSR2", () => server.lameDuck());
  on("SIGHUP", () => server.reload());
}
