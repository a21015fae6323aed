import type { Logger } from "../log/logger.ts";
import type { Runtime, SignalName } from "../runtime/runtime.ts";
import type { Server } from "../server/server.ts";

/** Go's names of signals, which nats-server's log uses. */
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
  // Lame duck mode goes on once it was asked for; SIGINT still ends the server at once.
  on("SIGTERM", (server) => (server.isLameDuck ? undefined : server.stop()));
  on("SIGUSR1", (server) => server.reopenLog());
  on("SIGUSR2", (server) => server.lameDuck());
  on("SIGHUP", (server) => server.reload());
}
