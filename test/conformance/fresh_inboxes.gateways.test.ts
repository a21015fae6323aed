import { expect } from "bun:test";
import { findFreePort } from "../support/free_port.ts";
import { linkPort, Servers, untilReached } from "../support/links.ts";
import { readMessage } from "../support/message.ts";
import { row } from "../support/row.ts";
import type { Role } from "../support/server_process.ts";
import { SlowPath } from "../support/slow_path.ts";

// Answers from another cluster that come in by another member than the one that asked, sooner than that one has told it of
// the inbox: they are handed on by what the reply says of who asked.

const REQUESTS = 200;
/** Between the members; all that crosses gateways is faster. */
const ROUTE_MS = 100;
const UP_MS = 20_000;

/** The requester is on a server of kind `asking`, the gateway of the other cluster leads to one of kind `entry`. */
async function expectAnswers(asking: Role, entry: Role): Promise<void> {
  await using path = await SlowPath.open(ROUTE_MS);
  await using servers = new Servers();
  const farPort = await findFreePort();
  const home = (name: string, gateway: string, routes: string) => `
    server_name: ${name}
    gateway {
      name: HOME, listen: "127.0.0.1:-1", gateways: [ {name: FAR, url: "nats://127.0.0.1:${farPort}"} ]
      ${gateway}
    }
    cluster { name: HOME, listen: "127.0.0.1:-1", ${routes} }
  `;
  const door = await servers.start({ role: entry, config: home("DOOR", "", "") });
  path.targetPort = await linkPort(door, "route");
  const entrance = `127.0.0.1:${await linkPort(door, "gateways")}`;
  const own = await servers.start({
    role: asking,
    // Whichever member the other cluster hears of, it comes to the one.
    config: home("OWN", `advertise: "${entrance}"`, `routes: [ "nats-route://${path.address}" ]`),
    monitoring: true,
  });
  const far = await servers.start({
    role: "peer",
    config: `
      server_name: FAR
      gateway {
        name: FAR, listen: "127.0.0.1:${farPort}"
        gateways: [ {name: HOME, url: "nats://${entrance}"} ]
      }
    `,
  });
  const [requester, responder, neighbour] = [
    await own.connectAs(),
    await far.connectAs(),
    await door.connectAs(),
  ];
  await untilReached(neighbour, requester, UP_MS);
  await untilReached(requester, neighbour, UP_MS);
  responder.send("SUB ask 1\r\n");
  await responder.roundTrip();
  await untilReached(requester, responder, UP_MS);
  await untilReached(responder, requester, UP_MS);

  const { inbound_gateways } = await own.json<{ inbound_gateways: object }>("/gatewayz");
  expect(inbound_gateways).toEqual({});

  for (let i = 0; i < REQUESTS; i++) {
    requester.send(`SUB _INBOX.fresh.${i} ${i + 10}\r\nPUB ask _INBOX.fresh.${i} 0\r\n\r\n`);
  }
  for (let i = 0; i < REQUESTS; i++) {
    const { reply } = await readMessage(responder, UP_MS);
    responder.send(`PUB ${reply} 2\r\nok\r\n`);
  }
  const answered: string[] = [];
  for (let i = 0; i < REQUESTS; i++) answered.push((await readMessage(requester, UP_MS)).subject);
  expect(answered).toEqual(Array.from({ length: REQUESTS }, (_, i) => `_INBOX.fresh.${i}`));
}

row("clusters 83: an answer that enters by another server finds a fresh inbox here", async () => {
  await expectAnswers("server", "peer");
});

row("clusters 83: an answer that enters here finds a fresh inbox on another server", async () => {
  await expectAnswers("peer", "server");
});

row("clusters 83: the same between servers of one kind", async () => {
  await expectAnswers("server", "server");
});
