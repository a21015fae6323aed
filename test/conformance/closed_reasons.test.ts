import { expect } from "bun:test";
import { type ClosedConnection, closedConnection, closedReason } from "../support/closed_connection.ts";
import { RawClient } from "../support/raw_client.ts";
import { row, sharedServer } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";

const server = sharedServer({ monitoring: true });

for (const [cause, input, reason] of [
  ["an unknown verb", "BOOM\r\n", "Protocol Violation"],
  ["bad PUB arguments", "PUB foo\r\n", "Protocol Violation"],
  ["bad SUB arguments", "SUB foo\r\n", "Protocol Violation"],
  ["bad UNSUB arguments", "UNSUB 1 1 1\r\n", "Protocol Violation"],
  ["bad HPUB sizes", "HPUB foo 5 2\r\n", "Protocol Violation"],
  ["a payload without CR LF after it", "PUB foo 1\r\nxyz\r\n", "Protocol Violation"],
  ["bad CONNECT JSON", "CONNECT {\r\n", "Protocol Violation"],
  ["bad INFO JSON", "INFO {\r\n", "Protocol Violation"],
  ["an -ERR from the client", "-ERR 'x'\r\n", "Parse Error"],
  ["protocol 2", `CONNECT {"protocol":2}\r\n`, "Bad Client Protocol Version"],
  [
    "no_responders without headers",
    `CONNECT {"headers":false,"no_responders":true}\r\n`,
    "No Responders Requires Headers",
  ],
  ["a payload over the limit", "PUB foo 1048577\r\n", "Maximum Message Payload Exceeded"],
  ["a control line over the limit", `SUB ${"a".repeat(5000)} 1\r\n`, "Maximum Control Line Exceeded"],
  ["a legacy account field", `CONNECT {"account":"A"}\r\n`, "Authentication Failure"],
] as const) {
  row(`§15 ${cause}: ${reason}`, async () => {
    const client = await server().connectAs();
    client.send(input);
    await client.readToEnd();
    expect(await closedReason(server(), client)).toBe(reason);
  });
}

row("§15 HPUB without negotiated headers: Protocol Violation", async () => {
  const client = await server().connectAs({ headers: false, no_responders: false });
  client.send("HPUB foo 12 12\r\nNATS/1.0\r\n\r\n\r\n");
  await client.expectClosed();
  expect(await closedReason(server(), client)).toBe("Protocol Violation");
});

row("§15 the end of the stream: Client Closed, with the subscriptions it had", async () => {
  const client = await server().connectAs();
  client.send("SUB a 1\r\nSUB b 2\r\n");
  await client.roundTrip();
  client.end();
  await client.expectClosed();
  const entry = await closedConnection(server(), client);
  expect(entry.reason).toBe("Client Closed");
  expect(entry.subscriptions).toBe(2);
  expect(Date.parse(entry.stop)).toBeGreaterThan(Date.parse(entry.start) - 1);
});

row("§15 a reset: Read Error or Client Closed", async () => {
  const client = await server().connectAs();
  client.socket.resetAndDestroy();
  expect(await closedReason(server(), client)).toMatch(/^(Read Error|Client Closed)$/);
});

row("§15 a bare connect and close: Client Closed", async () => {
  const client = await server().connect();
  client.end();
  await client.expectClosed();
  expect(await closedReason(server(), client)).toBe("Client Closed");
});

row("§15 a connection over max_connections: Maximum Connections Exceeded", async () => {
  await using full = await ServerProcess.start({ config: "max_connections: 1", monitoring: true });
  await full.connectAs();
  const rejected = await RawClient.open(full.clientPort);
  await rejected.readInfo();
  await rejected.readToEnd();
  expect(await closedReason(full, rejected)).toBe("Maximum Connections Exceeded");
});

row("§15 missed PONGs: Stale Connection, counted in varz", async () => {
  await using strict = await ServerProcess.start({
    config: `ping_interval: "200ms"\nping_max: 1`,
    monitoring: true,
  });
  const client = await strict.connect();
  client.showsKeepAlive = true;
  await client.expect("PING\r\n-ERR 'Stale Connection'\r\n");
  await client.expectClosed();
  expect(await closedReason(strict, client)).toBe("Stale Connection");
  const varz = await strict.json<{ stale_connections: number; stale_connection_stats: { clients: number } }>(
    "/varz",
  );
  expect(varz.stale_connections).toBe(1);
  expect(varz.stale_connection_stats.clients).toBe(1);
});

row("§15 the last max_closed_clients are kept, the oldest goes first", async () => {
  await using small = await ServerProcess.start({ config: "max_closed_clients: 3", monitoring: true });
  const cids: number[] = [];
  for (let index = 0; index < 5; index++) {
    const client = await small.connect();
    client.end();
    await client.expectClosed();
    await closedConnection(small, client);
    cids.push(client.info.client_id);
  }
  const page = await small.json<{ connections: ClosedConnection[]; total: number }>("/connz?state=closed");
  expect(page.connections.map((entry) => entry.cid)).toEqual(cids.slice(2));
  expect(page.total).toBe(3);
});
