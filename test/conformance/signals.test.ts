import { expect } from "bun:test";
import { rowsInParallel } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";

rowsInParallel(
  {
    "§9 SIGINT: exit 0, by itself and not by the signal": async () => {
      await using server = await ServerProcess.start();
      server.signal("SIGINT");
      const exit = await server.waitForExit();
      expect([exit.code, exit.signal]).toEqual([0, null]);
      expect(exit.stderr).toContain(`Trapped "interrupt" signal`);
    },

    "§9 SIGTERM: exit 0": async () => {
      await using server = await ServerProcess.start();
      server.signal("SIGTERM");
      const exit = await server.waitForExit();
      expect([exit.code, exit.signal]).toEqual([0, null]);
      expect(exit.stderr).toContain(`Trapped "terminated" signal`);
    },

    "§9 SIGTERM: who hears of the end by its connection finds the process gone": async () => {
      // A supervisor that waits for the process must not be behind the clients, which connect elsewhere at once.
      const behindMs: number[] = [];
      for (let run = 0; run < 5; run++) {
        await using server = await ServerProcess.start();
        const client = await server.connectAs();
        server.signal("SIGTERM");
        await client.expectClosed();
        const closedMs = performance.now();
        await server.waitForExit();
        behindMs.push(performance.now() - closedMs);
      }
      // Other processes may come between; not each time.
      expect(Math.min(...behindMs)).toBeLessThan(7);
    },

    "§9 SIGTERM with clients connected and a backlog: exit 0": async () => {
      // nats-server takes up to a write deadline to give up on a client that does not read.
      await using server = await ServerProcess.start({ config: `write_deadline: "500ms"` });
      const subscriber = await server.connectAs();
      const publisher = await server.connectAs();
      subscriber.send("SUB big 1\r\n");
      await subscriber.roundTrip();
      subscriber.pause();
      const chunk = "x".repeat(500_000);
      for (let count = 0; count < 40; count++) await publisher.sendAll(`PUB big 500000\r\n${chunk}\r\n`);
      await publisher.roundTrip();
      server.signal("SIGTERM");
      expect((await server.waitForExit()).code).toBe(0);
      await publisher.expectClosed();
    },

    "§10 signals are logged by their names": async () => {
      await using server = await ServerProcess.start();
      server.signal("SIGHUP");
      await server.waitForLog(`Trapped "hangup" signal`);
      server.signal("SIGUSR1");
      await server.waitForLog(`Trapped "user defined signal 1" signal`);
      server.signal("SIGUSR2");
      await server.waitForLog(`Trapped "user defined signal 2" signal`);
      expect((await server.waitForExit()).code).toBe(0);
    },

    "§14.1 SIGHUP without a configuration file is refused and the server works on": async () => {
      await using server = await ServerProcess.start();
      server.signal("SIGHUP");
      await server.waitForLog(
        /\[ERR\] Failed to reload server configuration: can only reload config when a file is provided using -c or --config/,
      );
      await (await server.connectAs()).roundTrip();
    },
  },
  6,
);
