import { expect } from "bun:test";
import type { RawClient } from "../support/raw_client.ts";
import { rowsInParallel, sharedServer } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";

// Intervals are short, and only order and lower bounds are asserted: a loaded machine is late, never early.

const server = sharedServer({ config: `ping_interval: "400ms"\nping_max: 2` });
const patient = sharedServer({ config: `ping_interval: "300ms"\nping_max: 8` });
const slow = sharedServer({ config: `ping_interval: "10m"` });

const STALE = "-ERR 'Stale Connection'\r\n";

/** A connection that shows the server's PINGs instead of answering them. */
async function observe(process: ServerProcess, connect?: string): Promise<RawClient> {
  const client = await process.connect();
  client.showsKeepAlive = true;
  if (connect !== undefined) client.send(connect);
  return client;
}

const QUIET = `CONNECT {"verbose":false}\r\n`;

rowsInParallel({
  "§11 a client that never answers gets ping_max PINGs, then Stale Connection": async () => {
    const client = await observe(server(), QUIET);
    await client.expect(`PING\r\nPING\r\n${STALE}`);
    await client.expectClosed();
  },

  "§11 without CONNECT the same holds": async () => {
    const client = await observe(server());
    await client.expect(`PING\r\nPING\r\n${STALE}`);
    await client.expectClosed();
  },

  "§11 PONG answers all outstanding PINGs and keeps the connection": async () => {
    const client = await observe(patient(), QUIET);
    // Were a PONG to answer only one PING, the second five would end in Stale Connection.
    await client.expect("PING\r\n".repeat(5));
    client.send("PONG\r\n");
    await client.expect("PING\r\n".repeat(5));
    client.send("PONG\r\nPING\r\n");
    await client.expectOneOf(["PONG\r\n", "PING\r\nPONG\r\n"]);
    client.destroy();
  },

  "§11 PONGs ahead of time buy nothing": async () => {
    const client = await observe(server(), QUIET);
    client.send("PONG\r\n".repeat(50));
    await client.expect(`PING\r\nPING\r\n${STALE}`);
    await client.expectClosed();
  },

  "§11 an active client is not stale though it never sends PONG": async () => {
    const client = await observe(patient(), QUIET);
    // A client that does nothing is stale after nine intervals, 2.7 s; `other` tells when that time has come.
    const other = await observe(patient(), QUIET);
    while (!other.isClosed) {
      client.send("PUB busy 0\r\n\r\n");
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(client.isClosed).toBe(false);
    // The first expiry always sends a PING, later ones only when this process was too slow to be active.
    expect(client.waitingText).toMatch(/^PING\r\n(PING\r\n){0,6}$/);
    client.destroy();
  },

  "§11 messages delivered to a silent client do not keep it alive": async () => {
    const client = await observe(server(), `${QUIET}SUB drip 1\r\n`);
    const publisher = await server().connectAs();
    let isPublishing = true;
    const publishing = (async () => {
      while (isPublishing) {
        publisher.send("PUB drip 0\r\n\r\n");
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    })();
    const text = await client.readToEnd();
    isPublishing = false;
    await publishing;
    publisher.destroy();
    expect(text.replaceAll("MSG drip 1 0\r\n\r\n", "")).toBe(`PING\r\nPING\r\n${STALE}`);
  },

  "§11 the first PING comes about two seconds after CONNECT, however long the interval": async () => {
    const client = await observe(slow());
    const start = performance.now();
    client.send(`CONNECT {"verbose":false}\r\nPING\r\n`);
    await client.expect("PONG\r\nPING\r\n");
    expect(performance.now() - start).toBeGreaterThan(1900);
    client.send("PONG\r\n");
    await client.roundTrip();
    client.destroy();
  },

  "§11 without CONNECT a long interval has no early PING": async () => {
    const client = await observe(slow());
    const other = await observe(slow(), QUIET);
    // The other client's first PING marks the time by which this one would have had its own.
    await other.expect("PING\r\n");
    expect(client.waitingText).toBe("");
    client.destroy();
    other.destroy();
  },

  "§11 ping_max 1: one PING, then stale": async () => {
    await using strict = await ServerProcess.start({ config: `ping_interval: "300ms"\nping_max: 1` });
    const client = await observe(strict, QUIET);
    await client.expect(`PING\r\n${STALE}`);
    await client.expectClosed();
  },

  "§11 PINGs are never closer than the interval": async () => {
    const start = performance.now();
    const client = await observe(server(), QUIET);
    await client.expect("PING\r\nPING\r\n");
    expect(performance.now() - start).toBeGreaterThan(2 * 400 - 20);
    client.destroy();
  },
});
