import { expect } from "bun:test";
import { RawClient } from "../support/raw_client.ts";
import { rowsInParallel } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";

const GRACE_MS = 700;
const CONFIG = `lame_duck_duration: "30s"\nlame_duck_grace_period: "${GRACE_MS}ms"`;

/** A connection attempt that must be refused. */
async function expectRefused(port: number): Promise<void> {
  let isRefused = false;
  await RawClient.open(port).catch(() => {
    isRefused = true;
  });
  expect(isRefused).toBe(true);
}

rowsInParallel({
  "§17 without clients SIGUSR2 shuts down at once, exit 0": async () => {
    await using server = await ServerProcess.start({ config: CONFIG });
    server.signal("SIGUSR2");
    const exit = await server.waitForExit();
    expect(exit.code).toBe(0);
    expect(exit.stderr).toContain("Entering lame duck mode, stop accepting new clients");
    expect(exit.stderr).toContain("Server Exiting..");
  },

  "§17 clients with protocol 1 and a PONG get INFO with ldm, everyone works on, is closed without text, then exit 0":
    async () => {
      await using server = await ServerProcess.start({ config: CONFIG, monitoring: true });
      const told = await server.connectAs({ protocol: 1 });
      const old = await server.connectAs();
      const silent = await server.connect();
      silent.send(`CONNECT {"verbose":false,"protocol":1}\r\n`);
      told.send("SUB duck 1\r\n");
      await told.roundTrip();
      const start = performance.now();
      server.signal("SIGUSR2");
      const info = await told.readInfo();
      expect(info.ldm).toBe(true);
      expect(info.server_id).toBe(told.info.server_id);
      expect(info.connect_info).toBe(undefined);
      await expectRefused(server.clientPort);
      old.send("PUB duck 5\r\nquack\r\n");
      await told.expect("MSG duck 1 5\r\nquack\r\n");
      await old.roundTrip();
      const health = await server.http("/healthz");
      expect(health.status).toBe(500);
      expect(JSON.parse(health.body).status).toBe("error");
      expect(JSON.parse(health.body).error).toMatch(/^failed to be ready for connections after .*: server$/);
      await Promise.all([told, old, silent].map((client) => client.expectClosed(30_000)));
      expect(performance.now() - start).toBeGreaterThan(GRACE_MS);
      const exit = await server.waitForExit();
      expect(exit.code).toBe(0);
      expect(exit.stderr).toContain("Closing existing clients");
    },

  "§17 clients are closed one by one": async () => {
    await using server = await ServerProcess.start({ config: CONFIG });
    const clients = [await server.connectAs(), await server.connectAs(), await server.connectAs()];
    const closedMs: number[] = [];
    server.signal("SIGUSR2");
    await Promise.all(
      clients.map(async (client) => {
        await client.expectClosed(30_000);
        closedMs.push(performance.now());
      }),
    );
    // At most a second each, randomised between half and full: never all in one moment.
    expect(closedMs[2]! - closedMs[0]!).toBeGreaterThan(400);
    expect((await server.waitForExit()).code).toBe(0);
  },

  "§17 a second SIGUSR2 and SIGTERM are ignored, SIGINT ends it at once": async () => {
    await using server = await ServerProcess.start({
      config: `lame_duck_duration: "60s"\nlame_duck_grace_period: "50s"`,
    });
    const client = await server.connectAs();
    server.signal("SIGUSR2");
    await server.waitForLog("Entering lame duck mode");
    server.signal("SIGUSR2");
    await server.waitForLog(/user defined signal 2[\s\S]*user defined signal 2/);
    server.signal("SIGTERM");
    await server.waitForLog(`Trapped "terminated" signal`);
    await client.roundTrip();
    expect(server.hasExited).toBe(false);
    server.signal("SIGINT");
    expect((await server.waitForExit()).code).toBe(0);
    await client.expectClosed();
  },

  "§17 plain shutdown closes all connections with no text": async () => {
    await using server = await ServerProcess.start();
    const clients = [
      await server.connectAs({ protocol: 1 }),
      await server.connectAs(),
      await server.connect(),
    ];
    server.signal("SIGINT");
    await Promise.all(clients.map((client) => client.expectClosed()));
    expect((await server.waitForExit()).code).toBe(0);
  },
});
