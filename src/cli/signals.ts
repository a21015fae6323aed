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

/**
 * Makes the signals do to the server what they do to nats-server; those that come while it starts wait until it has.
 * Source: nats-server server/signal.go.
 */
export function handleSignals(starting: Promise<Server>, runtime: Runtime, logger: Logger): void {
  const on = (name: SignalName, act: (server: Server) => unknown) => {
    runtime.onSignal(name, () => {
      logger.info(`Trapped ${JSON.stringify(NAMES[name])} signal`);
      // A server that does not start ends the program by itself.
      starting.then(act, () => {});
    });
  };
  on("SIGINT", (server) => server.stop());
  // Who asked for a slow end gets it; SIGINT is there for those who changed their mind.
  on("SIGTERM", (server) => (server.isLameDuck ? undefined : server.stop()));
  on("SIGUSR1", (server) => server.reopenLog());
  on("SIGUSR2", (server) => server.lameDuck());
  on("SIGHUP", (server) => server.reload());
}
