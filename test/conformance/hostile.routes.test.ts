import { expect } from "bun:test";
import { account, login } from "../support/account_config.ts";
import { until } from "../support/deadline.ts";
import { linkAddress, linkPort, Servers, untilReached } from "../support/links.ts";
import { RawClient } from "../support/raw_client.ts";
import type { RawLink } from "../support/raw_link.ts";
import { joinRoute, openRoute, routeConnect, routeInfo } from "../support/raw_route.ts";
import { row, sharedServer } from "../support/row.ts";

// Members of a cluster that mean harm, or are broken: they are closed, and everybody else is served.

const server = sharedServer({
  config: `server_name: N\nno_system_account: true\ncluster { name: C1, listen: "127.0.0.1:-1" }`,
});

const port = () => linkPort(server(), "route");

/** What a route that is up, and clients, still do. */
async function expectServed(witness: RawLink): Promise<void> {
  const [publisher, subscriber] = [await server().connectAs(), await server().connectAs()];
  subscriber.send("SUB served 1\r\n");
  // What the row itself subscribed to stands before it.
  while ((await witness.next()) !== "RS+ $G served");
  await subscriber.roundTrip();
  publisher.send("PUB served 2\r\nhi\r\n");
  await subscriber.expect("MSG served 1 2\r\nhi\r\n");
  witness.send("RMSG $G served 2", "ho");
  await subscriber.expect("MSG served 1 2\r\nho\r\n");
  subscriber.send("UNSUB 1\r\n");
  while ((await witness.next()) !== "RS- $G served");
  for (const client of [publisher, subscriber]) client.destroy();
}

/** A member that behaves. */
async function withWitness(body: () => Promise<void>): Promise<void> {
  const witness = await joinRoute(await port());
  await body();
  await expectServed(witness);
  witness.destroy();
}

row("hostile: garbage instead of CONNECT", async () => {
  await withWitness(async () => {
    const pieces = [
      "\x00\x01\x02\x03\r\n",
      `\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03${"\x00".repeat(500)}`,
      "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
      "\r\n\r\n\r\nCONNEC\r\n",
      `CONNECT ${"[".repeat(10_000)}\r\n`,
      'CONNECT {"cluster":"C1","headers":"yes"}\r\n',
      "CONNECT null\r\n",
      "CONNECT\r\n",
    ];
    for (const piece of pieces) {
      const client = await RawClient.open(await port());
      client.send(piece);
      await client.readToEnd(6000).catch((error: Error) => {
        throw new Error(`${JSON.stringify(piece.slice(0, 40))}: ${error.message}`);
      });
    }
  });
});

row("hostile: garbage once the route is up", async () => {
  await withWitness(async () => {
    const pieces = [
      "\x00\x00\x00\r\n",
      "RMSG\r\n",
      "RS+ \x00\r\n",
      "RMSG $G a 99999999999\r\n",
      "INFO {]\r\n",
      "-ERR\r\n",
    ];
    for (const piece of pieces) {
      const route = await joinRoute(await port());
      route.sendBytes(piece);
      await route.client.readToEnd(6000).catch((error: Error) => {
        throw new Error(`${JSON.stringify(piece)}: ${error.message}`);
      });
    }
  });
});

row("hostile: every line in pieces of a byte", async () => {
  await withWitness(async () => {
    const route = await openRoute(await port());
    const text = `CONNECT ${JSON.stringify(routeConnect())}\r\nINFO ${JSON.stringify(routeInfo())}\r\nRS+ $G slow\r\nPING\r\n`;
    for (const byte of text) {
      route.sendBytes(byte);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await route.roundTrip();
    const client = await server().connectAs();
    client.send("PUB slow 2\r\nhi\r\n");
    await route.expect("RMSG $G slow 2\r\nhi");
    client.destroy();
    route.destroy();
  });
});

row("hostile: a message that never ends, and connections that say nothing", async () => {
  await withWitness(async () => {
    const silent = [];
    for (let i = 0; i < 20; i++) silent.push(await openRoute(await port()));
    const route = await joinRoute(await port());
    route.sendBytes(`RMSG $G endless 900000000\r\n${"x".repeat(100_000)}`);
    await expectServedBeside();
    for (const each of [...silent, route]) each.destroy();
  });
});

async function expectServedBeside(): Promise<void> {
  const witness = await joinRoute(await port());
  await expectServed(witness);
  witness.destroy();
}

row("hostile: interest in invalid subjects, and very much of it", async () => {
  await withWitness(async () => {
    const route = await joinRoute(await port());
    route.send("RS+ $G foo..bar", "RS+ $G .", "RS+ $G foo.>.bar", "RS- $G ..");
    const subjects = Array.from({ length: 20_000 }, (_, at) => `RS+ $G many.${at}.x`);
    route.send(...subjects);
    const alive = await route.roundTrip().then(
      () => true,
      () => false,
    );
    if (alive) {
      const client = await server().connectAs();
      client.send("PUB many.19999.x 0\r\n\r\n");
      await route.expectMessage("RMSG $G many.19999.x 0\r\n");
      client.destroy();
    }
    route.destroy();
  });
});

row("hostile: bytes of S2, where nobody has agreed to compress", async () => {
  await withWitness(async () => {
    const route = await joinRoute(await port());
    // A stream whose one chunk claims to hold 64 MiB.
    const bomb = [0xff, 6, 0, 0, ...new TextEncoder().encode("S2sTwO"), 0, 0xff, 0xff, 0xff, 0, 0, 0, 0];
    route.sendBytes(new Uint8Array([...bomb, ...new Array<number>(5000).fill(0xfe)]));
    route.sendBytes("\r\n");
    await route.client.readToEnd(6000);
  });
});

row("hostile: who does not read holds up nobody else", async () => {
  await withWitness(async () => {
    const deaf = await joinRoute(await port());
    deaf.send("RS+ $G flood");
    await deaf.roundTrip();
    deaf.client.pause();
    const [publisher, subscriber] = [await server().connectAs(), await server().connectAs()];
    subscriber.send("SUB flood 1\r\n");
    await subscriber.roundTrip();
    const payload = "z".repeat(64_000);
    const message = `MSG flood 1 ${payload.length}\r\n${payload}\r\n`;
    for (let i = 0; i < 400; i++) {
      await publisher.sendAll(`PUB flood ${payload.length}\r\n${payload}\r\n`);
      await subscriber.expect(message);
    }
    for (const client of [publisher, subscriber]) client.destroy();
    deaf.destroy();
  });
});

row("isolation: hostile subjects stay in their account, over a route", async () => {
  await using servers = new Servers();
  const accounts = `accounts { ${account("A")} ${account("B")} }`;
  const config = (name: string, routes = "") =>
    `server_name: ${name}\n${accounts}\ncluster { name: C1, listen: "127.0.0.1:-1" ${routes} }`;
  const seed = await servers.start({ config: config("S") });
  const peer = await servers.start({
    role: "peer",
    config: config("P", `, routes: [ "nats://${await linkAddress(seed, "route")}" ]`),
  });
  const subjects = [
    ...[
      "A",
      "B",
      "A.x",
      "B.x",
      "$G",
      "$G.x",
      "$SYS.x",
      "$LDS.x",
      "_R_.AAAAAA.BBBBBB",
      "_R_",
      "_INBOX.A",
      "RS+",
    ],
    ...["A\x00x", "\x00", "A\x7fx", "é.ü", "A|x", "|", "+", "A,x", '"A".x', "{A}", "\\", "RMSG", "$MAP.A.x"],
  ];
  const [here, there] = [await login(seed, "A"), await login(peer, "B")];
  const insiders = [await login(seed, "B"), await login(peer, "A")];
  await untilReached(insiders[1]!, here);
  for (const [at, subject] of subjects.entries())
    here.send(`SUB ${subject} ${at}\r\nSUB ${subject} g g${at}\r\n`);
  here.send("SUB *.* 900\r\n");
  await here.roundTrip();
  for (const subject of subjects) there.send(`PUB ${subject} 1\r\nx\r\n`);
  there.send("PING\r\n");
  await there.readUntil("PONG\r\n");
  // What B's other client hears is what A's must not have heard by then.
  await untilReached(there, insiders[0]!);
  await here.roundTrip();
  // And inside the account all of them arrive.
  insiders[1]!.send(
    subjects
      .filter((subject) => !subject.startsWith("$SYS"))
      .map((subject) => `PUB ${subject} 1\r\nx\r\n`)
      .join(""),
  );
  await until(
    () => (here.waitingText.match(/^MSG /gm)?.length ?? 0) >= 2 * (subjects.length - 1),
    () => `only ${here.waitingText.match(/^MSG /gm)?.length} messages came`,
  );
  expect(here.waitingText).toContain("MSG A\x00x ");
});
