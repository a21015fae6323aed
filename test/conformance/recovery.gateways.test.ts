import { expect } from "bun:test";
import { DEADLINE_MS, until } from "../support/deadline.ts";
import { findFreePort } from "../support/free_port.ts";
import { linkAddress, linkPort, Servers } from "../support/links.ts";
import { readMessage } from "../support/message.ts";
import type { RawClient } from "../support/raw_client.ts";
import { row } from "../support/row.ts";
import type { ServerProcess } from "../support/server_process.ts";
import { SlowPath } from "../support/slow_path.ts";

// Disaster recovery as NATS 2.0 promised it: one service in several clusters, and requesters that configure nothing.

const FAR_MS = 40;
/** Bounds what takes less than a second on a quiet machine. */
const FAILOVER_MS = 10_000;
/** Enough for the slow path there and back; what is asked while somebody goes may be lost with it. */
const ANSWER_MS = 250;
/** By then every server has measured how near its gateways are: nats-server pings for the first time after a second. */
const MEASURED_MS = 2500;

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

/** Asks as libraries do: with one subscription for all answers, which every server has heard of long before. */
class Requester {
  readonly #client: RawClient;
  #asked = 0;

  private constructor(client: RawClient) {
    this.#client = client;
  }

  static async open(server: ServerProcess): Promise<Requester> {
    const client = await server.connectAs();
    client.send("SUB _INBOX.who.* 1\r\n");
    await client.roundTrip();
    return new Requester(client);
  }

  /** Requests are answered by one cluster from now on, at the latest after `deadlineMs`. */
  async expectAnswersOf(name: string, deadlineMs: number): Promise<void> {
    await until(
      async () => (await this.#ask(ANSWER_MS)) === name,
      () => `requests are not answered by ${name}`,
      deadlineMs,
    );
    for (let i = 0; i < 50; i++) {
      const who = await this.#ask(DEADLINE_MS);
      if (who !== name)
        throw new Error(`a request was answered by ${who} rather than ${name}, after ${i} that were`);
    }
  }

  /** Who answers. */
  async #ask(deadlineMs: number): Promise<string> {
    const inbox = `_INBOX.who.${++this.#asked}`;
    this.#client.send(`PUB help ${inbox} 0\r\n\r\n`);
    for (;;) {
      const answer = await readMessage(this.#client, deadlineMs).catch(() => undefined);
      if (answer === undefined) return "nobody in time";
      // What was asked before may be answered late.
      if (answer.subject === inbox) return answer.headers === "" ? answer.payload : "nobody";
    }
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

  const requester = await Requester.open(home);
  await serve(far, "FAR");
  await serve(near, "NEAR");
  let local = await serve(second, "HOME");
  await requester.expectAnswersOf("HOME", FAILOVER_MS);
  await new Promise((resolve) => setTimeout(resolve, MEASURED_MS));

  local.destroy();
  await requester.expectAnswersOf("NEAR", FAILOVER_MS);

  near.signal("SIGKILL");
  await near.stop();
  await requester.expectAnswersOf("FAR", FAILOVER_MS);

  near = await startNear();
  await serve(near, "NEAR");
  await requester.expectAnswersOf("NEAR", FAILOVER_MS);

  local = await serve(second, "HOME");
  await requester.expectAnswersOf("HOME", FAILOVER_MS);
});

row("§4.6 services are told of a requester's other clusters, as latency samples are", async () => {
  const ACCOUNTS = `accounts {
    $SYS { users: [ { user: sys, password: p } ] }
    EXP { users: [ { user: e, password: p } ], exports: [ { service: s, latency: lat } ] }
    IMP { users: [ { user: i, password: p } ], imports: [ { service: { account: EXP, subject: s }, share: true } ] }
  }`;
  await using servers = new Servers();
  const far = await servers.start({
    config: `${ACCOUNTS}\ngateway { name: GB, listen: "127.0.0.1:-1" }`,
    role: "peer",
  });
  const near = await servers.start({
    config: `${ACCOUNTS}\ngateway { name: GA, listen: "127.0.0.1:-1", gateways: [ { name: GB, url: "nats://${await linkAddress(far, "gateways")}" } ] }`,
  });
  const [responder, requester] = await Promise.all([
    near.connectAs({ user: "e", pass: "p" }),
    near.connectAs({ user: "i", pass: "p" }),
  ]);
  responder.send("SUB s 1\r\nSUB lat 2\r\n");
  requester.send("SUB in 1\r\n");
  for (const client of [responder, requester]) await client.roundTrip();
  let sample: Record<"requestor" | "responder", { cluster?: string; alts?: string[] }> | undefined;
  await until(
    async () => {
      requester.send("PUB s in 0\r\n\r\n");
      const { reply, headers: header } = await readMessage(responder);
      const told = JSON.parse(header.slice(header.indexOf("{"))) as { cluster?: string; alts?: string[] };
      responder.send(`PUB ${reply} 0\r\n\r\n`);
      sample = JSON.parse((await readMessage(responder)).payload);
      return told.cluster === "GA" && told.alts?.join() === "GB";
    },
    () => "the service is not told of GB",
  );
  for (const who of [sample!.requestor, sample!.responder])
    expect([who.cluster, who.alts]).toEqual(["GA", ["GB"]]);
});
