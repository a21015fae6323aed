import { findFreePort } from "../peers/ports.ts";
import { until } from "../support/deadline.ts";
import { linkAddress, linkPort, Servers } from "../support/links.ts";
import type { RawClient } from "../support/raw_client.ts";
import { readMessage, request } from "../support/request.ts";
import { row } from "../support/row.ts";
import type { ServerProcess } from "../support/server_process.ts";
import { SlowPath } from "../support/slow_path.ts";

// Disaster recovery as NATS 2.0 promised it: one service in several clusters, and requesters that configure nothing.

const FAR_MS = 40;
const FAILOVER_MS = 1000;
/** Enough for the slow path there and back; what is asked while somebody goes may be lost with it. */
const ANSWER_MS = 400;

/** Answers requests to `help` with the name of its cluster, as a member of the group all clusters share. */
async function serve(server: ServerProcess, name: string): Promise<RawClient> {
  const client = await server.connectAs();
  client.send("SUB help helpers 1\r\n");
  await client.roundTrip();
  const answer = async () => {
    for (;;) {
      const { reply } = await readMessage(client, 600_000);
      client.send(`PUB ${reply} ${name.length}\r\n${name}\r\n`);
    }
  };
  // Ends with its connection.
  void answer().catch(() => {});
  return client;
}

/** Who answers; asked by a client of its own, which no late answer finds any more. */
async function answerer(server: ServerProcess): Promise<string> {
  const client = await server.connectAs();
  try {
    const { headers, payload } = await request(client, "help", "", ANSWER_MS);
    return headers === "" ? payload : "nobody";
  } finally {
    client.destroy();
  }
}

/** Requests are answered by one cluster from now on, at the latest after `deadlineMs`. */
async function expectAnswersOf(home: ServerProcess, name: string, deadlineMs: number): Promise<void> {
  await until(
    async () => (await answerer(home).catch(() => "nobody in time")) === name,
    () => `requests are not answered by ${name}`,
    deadlineMs,
  );
  for (let i = 0; i < 50; i++) {
    const who = await answerer(home).catch((error: Error) => error.message);
    if (who !== name)
      throw new Error(`a request was answered by ${who} rather than ${name}, after ${i} that were`);
  }
}

row("recovery: requests are served at home, else by the nearest cluster, and come home again", async () => {
  await using path = await SlowPath.open(FAR_MS);
  await using servers = new Servers();
  const nearPort = await findFreePort();
  const cluster = (name: string, routes = "") =>
    `cluster { name: ${name}, listen: "127.0.0.1:-1"\n${routes} }`;
  const startNear = () =>
    servers.start({
      config: `
        server_name: NEAR
        ${cluster("NEAR")}
        gateway { name: NEAR, listen: "127.0.0.1:${nearPort}" }
      `,
    });
  const far = await servers.start({
    role: "peer",
    config: `
      server_name: FAR
      ${cluster("FAR")}
      gateway { name: FAR, listen: "127.0.0.1:-1", advertise: "${path.address}" }
    `,
  });
  path.targetPort = await linkPort(far, "gateways");
  let near = await startNear();
  const gateways = `gateway {
    name: HOME, listen: "127.0.0.1:-1"
    gateways: [ {name: NEAR, url: "nats://127.0.0.1:${nearPort}"}, {name: FAR, url: "nats://${path.address}"} ]
  }`;
  const home = await servers.start({ config: `server_name: HOME1\n${cluster("HOME")}\n${gateways}` });
  const route = `routes: ["nats://${await linkAddress(home, "route")}"]`;
  const second = await servers.start({
    role: "peer",
    config: `server_name: HOME2\n${cluster("HOME", route)}\n${gateways}`,
  });

  await serve(far, "FAR");
  await serve(near, "NEAR");
  let local = await serve(second, "HOME");
  await expectAnswersOf(home, "HOME", 10_000);

  local.destroy();
  await expectAnswersOf(home, "NEAR", FAILOVER_MS);

  near.signal("SIGKILL");
  await near.stop();
  await expectAnswersOf(home, "FAR", FAILOVER_MS);

  near = await startNear();
  await serve(near, "NEAR");
  await expectAnswersOf(home, "NEAR", 10_000);

  local = await serve(second, "HOME");
  await expectAnswersOf(home, "HOME", FAILOVER_MS);
});
