import { expect } from "bun:test";
import { clusterOfOne, dismiss } from "../support/cluster_of_one.ts";
import { until } from "../support/deadline.ts";
import { linkAddress, linkPort, Servers, untilReached } from "../support/links.ts";
import type { RawClient } from "../support/raw_client.ts";
import { joinLeaf } from "../support/raw_leaf.ts";
import type { RawLink } from "../support/raw_link.ts";
import { joinRoute } from "../support/raw_route.ts";
import { row } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";

// Messages over routes, as raw members of the cluster send and receive them.

const { server, join, withRoute } = clusterOfOne();

const HEADER = "NATS/1.0\r\nA: b\r\n\r\n";

/** Subscribes, known to the whole server on return and told to the route. */
async function subscribe(client: RawClient, route: RawLink, ...subjects: string[]): Promise<void> {
  for (const [at, subject] of subjects.entries()) {
    client.send(`SUB ${subject} ${at + 1}\r\n`);
    await route.expect(`RS+ $G ${subject}${subject.includes(" ") ? " 1" : ""}`);
  }
  await client.roundTrip();
}

/** Nothing waits at the client: what the route sent before has come, or will not. */
async function settle(route: RawLink, client: RawClient): Promise<void> {
  await route.roundTrip();
  await client.roundTrip();
}

row("clusters 36: a group named by a route whose members are elsewhere is sent on once", async () => {
  await withRoute(async (first, client) => {
    const second = await join();
    second.send("RS+ $G foo q 1");
    await second.roundTrip();
    first.send("RMSG $G foo | q 2", "hi");
    await second.expect("RMSG $G foo | q 2\r\nhi");
    await second.expectNoInterest(client);
    second.destroy();
  });
});

row("clusters 36: a group named by a route that alone has members left goes back to it", async () => {
  await withRoute(async (route) => {
    route.send("RS+ $G foo q 1", "RMSG $G foo | q 2", "hi");
    await route.expect("RMSG $G foo | q 2\r\nhi");
  });
});

row("clusters 36: a routed message prefers the members of the server it came to", async () => {
  await withRoute(async (first, client) => {
    const second = await join();
    second.send("RS+ $G foo q 100");
    await second.roundTrip();
    await subscribe(client, first, "foo q");
    for (let i = 0; i < 20; i++) first.send("RMSG $G foo | q 2", "hi");
    await client.expect("MSG foo 1 2\r\nhi\r\n".repeat(20));
    second.destroy();
  });
});

row("clusters 37: groups are served only where a routed message names them", async () => {
  await withRoute(async (route, client) => {
    await subscribe(client, route, "foo", "foo q", "foo r");
    route.send("RMSG $G foo 1", "1");
    await client.expect("MSG foo 1 1\r\n1\r\n");
    await settle(route, client);
    route.send("RMSG $G foo | q 1", "2");
    await until(
      () => client.waitingBytes >= 2 * "MSG foo 1 1\r\n2\r\n".length,
      () => "two messages are due",
    );
    await settleOf(client, ["1", "2"]);
    route.send("RMSG $G foo + re.ply q r other 1", "3");
    await until(
      () => client.waitingBytes >= 3 * "MSG foo 1 re.ply 1\r\n3\r\n".length,
      () => "three messages are due",
    );
    await settleOf(client, ["1", "2", "3"], "re.ply ");
  });
});

/** Messages on `foo` for these sids, in any order, and nothing else. */
async function settleOf(client: RawClient, sids: readonly string[], reply = ""): Promise<void> {
  client.send("PING\r\n");
  const text = await client.readUntil("PONG\r\n");
  const received = [...text.matchAll(/^MSG foo (\d) (.*)1\r\n/gm)];
  expect(received.map(([, sid]) => sid).sort()).toEqual([...sids]);
  expect(new Set(received.map(([, , word]) => word))).toEqual(new Set([reply]));
}

row("clusters 38: plain interest and groups of one server share one line", async () => {
  await withRoute(async (route, client) => {
    route.send("RS+ $G mm", "RS+ $G mm a 1", "RS+ $G mm b 1", "RS+ $G *", "RS+ $G mm.other c 1");
    await route.roundTrip();
    client.send("PUB mm 1\r\n1\r\n");
    expect(["RMSG $G mm | a b 1\r\n1", "RMSG $G mm | b a 1\r\n1"]).toContain(await route.next());
    client.send("PUB mm 1\r\n2\r\n");
    expect(await route.next()).toMatch(/^RMSG \$G mm \| (a b|b a) 1\r\n2$/);
  });
});

row("clusters 39: replies, with and without groups", async () => {
  await withRoute(async (route, client) => {
    route.send("RS+ $G bar", "RS+ $G foo q1 1");
    await route.roundTrip();
    client.send("PUB bar re.ply 2\r\nhi\r\nPUB foo re.ply 2\r\nho\r\nPUB foo 0\r\n\r\nPUB bar 0\r\n\r\n");
    await route.expect(
      "RMSG $G bar re.ply 2\r\nhi",
      "RMSG $G foo + re.ply q1 2\r\nho",
      "RMSG $G foo | q1 0\r\n",
      "RMSG $G bar 0\r\n",
    );
  });
});

row("clusters 39: every form of a message is understood", async () => {
  await withRoute(async (route, client) => {
    await subscribe(client, route, "foo");
    route.send("RMSG $G foo 1", "1", "RMSG $G foo re 1", "2", "rmsg\t$G  foo | q 1", "3");
    route.send("RMSG $G foo + re 1", "4", "RMSG $G foo + re q 1", "5", "HMSG $G foo 18 19", `${HEADER}6`);
    route.send("HMSG $G foo re 18 19", `${HEADER}7`, "HMSG $G foo | q 18 19", `${HEADER}8`);
    route.send("HMSG $G foo + re q w 18 19", `${HEADER}9`);
    const replies = ["", "re ", "", "re ", "re "];
    await client.expect(replies.map((reply, at) => `MSG foo 1 ${reply}1\r\n${at + 1}\r\n`).join(""));
    const others = ["", "re ", "", "re "];
    await client.expect(
      others.map((reply, at) => `HMSG foo 1 ${reply}18 19\r\n${HEADER}${at + 6}\r\n`).join(""),
    );
  });
});

row("clusters 40: headers travel, and are left out where they are not understood", async () => {
  await withRoute(async (route, client) => {
    const unaware = await join({ headers: undefined });
    for (const each of [route, unaware]) {
      each.send("RS+ $G bar");
      await each.roundTrip();
    }
    client.send(`HPUB bar 18 20\r\n${HEADER}hi\r\nHPUB bar re 18 18\r\n${HEADER}\r\n`);
    await route.expect(`HMSG $G bar 18 20\r\n${HEADER}hi`, `HMSG $G bar re 18 18\r\n${HEADER}`);
    await unaware.expect("RMSG $G bar 2\r\nhi", "RMSG $G bar re 0\r\n");
    await subscribe(client, route, "back");
    route.send("HMSG $G back 18 20", `${HEADER}hi`);
    await client.expect(`HMSG back 1 18 20\r\n${HEADER}hi\r\n`);
    unaware.destroy();
  });
});

row("clusters 42: members of a group are chosen by their number, wherever they are", async () => {
  await withRoute(async (route, client) => {
    await subscribe(client, route, "dist q");
    route.send("RS+ $G dist q 3");
    await route.roundTrip();
    const publisher = await server().connectAs();
    publisher.send("PUB dist 0\r\n\r\n".repeat(400), "PING\r\n");
    await publisher.readUntil("PONG\r\n");
    client.send("PING\r\n");
    const here = (await client.readUntil("PONG\r\n")).match(/MSG dist/g)?.length ?? 0;
    expect(here).toBeGreaterThan(69);
    expect(here).toBeLessThan(131);
    for (let left = 400 - here; left > 0; left--) await route.expect("RMSG $G dist | q 0\r\n");
    await route.expectNoInterest(client);
    publisher.destroy();
  });
});

row("clusters 42: the same of two real servers, each with members and publishers", async () => {
  await using servers = new Servers();
  const seed = await servers.start({
    config: `server_name: S\ncluster { name: C1, listen: "127.0.0.1:-1" }`,
  });
  const peer = await servers.start({
    role: "peer",
    config: `
      server_name: P
      cluster { name: C1, listen: "127.0.0.1:-1", routes: [ "nats://${await linkAddress(seed, "route")}" ] }
    `,
  });
  const [here, there] = [await seed.connectAs(), await peer.connectAs()];
  here.send("SUB dist q 1\r\n");
  there.send("SUB dist q 1\r\nSUB dist q 1b\r\nSUB dist q 1c\r\n");
  await untilReached(here, there);
  await untilReached(there, here);
  for (const publisher of [await seed.connectAs(), await peer.connectAs()]) {
    publisher.send("PUB dist 1\r\n-\r\n".repeat(400), "PING\r\n");
    await publisher.readUntil("PONG\r\n");
    const counts = () => [here, there].map((client) => client.waitingText.match(/MSG dist/g)?.length ?? 0);
    await until(
      () => counts()[0]! + counts()[1]! >= 400,
      () => `of 400 messages the servers' members have ${counts()}`,
    );
    for (const client of [here, there]) client.send("PING\r\n");
    const got = [await here.readUntil("PONG\r\n"), await there.readUntil("PONG\r\n")].map(
      (text) => text.match(/MSG dist/g)?.length ?? 0,
    );
    expect(got[0]! + got[1]!).toBe(400);
    expect(got[0]).toBeGreaterThan(59);
    expect(got[0]).toBeLessThan(141);
  }
});

row("clusters 50: a message of a leaf node names its cluster, where that is understood", async () => {
  await withRoute(async (knowing) => {
    const unaware = await join({ lnoc: undefined, lnocu: undefined });
    for (const each of [knowing, unaware]) {
      each.send("RS+ $G pp", "RS+ $G hh", "RS+ $G pp q 1");
      await each.roundTrip();
    }
    const leaf = await joinLeaf(await linkPort(server(), "leafnode"));
    leaf.send("LMSG pp 2", "hi", "LMSG hh re 2", "ho", "HMSG hh 18 20", `${HEADER}hi`);
    await knowing.expect(
      "LMSG LC $G pp 0 2\r\nhi",
      "LMSG LC $G hh re 0 2\r\nho",
      `LMSG LC $G hh 18 20\r\n${HEADER}hi`,
    );
    await unaware.expect("RMSG $G pp 2\r\nhi", "RMSG $G hh re 2\r\nho", `HMSG $G hh 18 20\r\n${HEADER}hi`);
    unaware.send("RS- $G pp q");
    await unaware.roundTrip();
    leaf.send("LMSG pp | q 2", "hi", "LMSG pp + re q 2", "hi");
    await knowing.expect("LMSG LC $G pp | q 0 2\r\nhi", "LMSG LC $G pp + re q 0 2\r\nhi");
    leaf.destroy();
    unaware.destroy();
  });
});

row("clusters 51: every form of LMSG is understood", async () => {
  await withRoute(async (route, client) => {
    await subscribe(client, route, "foo");
    route.send("LMSG LC $G foo 0 1", "1", "LMSG LC $G foo rep 0 1", "2", "LMSG LC $G foo | q 0 1", "3");
    route.send("LMSG LC $G foo + rep q 0 1", "4", "LMSG LC $G foo rep 18 20", `${HEADER}hi`);
    await client.expect(
      "MSG foo 1 1\r\n1\r\nMSG foo 1 rep 1\r\n2\r\nMSG foo 1 1\r\n3\r\nMSG foo 1 rep 1\r\n4\r\n",
    );
    await client.expect(`HMSG foo 1 rep 18 20\r\n${HEADER}hi\r\n`);
  });
});

row("clusters 52: a message that came from a cluster of leaf nodes does not go back to it", async () => {
  await withRoute(async (route) => {
    const leaf = await joinLeaf(await linkPort(server(), "leafnode"));
    leaf.send("LS+ lf");
    await route.expect("LS+ LC $G lf");
    route.send("LMSG LC $G lf 0 1", "1", "LMSG ZZ $G lf 0 1", "2", "RMSG $G lf 1", "3");
    await leaf.expectMessage("LMSG lf 1\r\n2");
    await leaf.expectMessage("LMSG lf 1\r\n3");
    await dismiss(leaf.client);
  });
});

row("clusters 60: a reply of a push consumer carries the subject that the client sees", async () => {
  await withRoute(async (route, client) => {
    await subscribe(client, route, "deliver.it");
    const ack = "$JS.ACK.ORDERS.CONSUMER.1.1.1.1700000000000000000.0";
    route.send(`RMSG $G deliver.it ${ack}@orders.new@home 2`, "hi");
    await client.expect(`MSG orders.new@home 1 ${ack} 2\r\nhi\r\n`);
    route.send(`HMSG $G deliver.it ${ack}@orders 18 20`, `${HEADER}hi`);
    await client.expect(`HMSG orders 1 ${ack} 18 20\r\n${HEADER}hi\r\n`);
    // Too few tokens to be one.
    route.send("RMSG $G deliver.it $JS.ACK.a@b 2", "hi", `RMSG $G deliver.it ${ack} 2`, "ho");
    await client.expect("MSG deliver.it 1 $JS.ACK.a@b 2\r\nhi\r\n");
    await client.expect(`MSG deliver.it 1 ${ack} 2\r\nho\r\n`);
  });
});

row("clusters 1.6: a subscription is told before a message that follows it", async () => {
  await withRoute(async (route, client) => {
    route.send("RS+ $G out");
    await route.roundTrip();
    for (let i = 0; i < 20; i++) {
      client.send(`SUB in.${i} ${i}\r\nPUB out in.${i} 0\r\n\r\n`);
      await route.expect(`RS+ $G in.${i}`, `RMSG $G out in.${i} 0\r\n`);
    }
  });
});

row("clusters 1.6: messages of one client arrive in order, whatever their size", async () => {
  await withRoute(async (route, client) => {
    route.send("RS+ $G size.*");
    await route.roundTrip();
    const sizes = [0, 1, 100, 1000, 70_000, 5, 200_000, 3, 1_048_576, 0, 40_000, 2];
    for (const [at, size] of sizes.entries())
      client.send(`PUB size.${at} ${size}\r\n${"x".repeat(size)}\r\n`);
    for (const [at, size] of sizes.entries()) {
      expect(await route.next()).toBe(`RMSG $G size.${at} ${size}\r\n${"x".repeat(size)}`);
    }
  });
});

row("clusters 1.1: what a route sends may be larger than clients may send", async () => {
  await withRoute(async (route, client) => {
    await subscribe(client, route, "large");
    const payload = "y".repeat(1_500_000);
    route.send(`RMSG $G large ${payload.length}`, payload);
    await client.expect(`MSG large 1 ${payload.length}\r\n${payload}\r\n`);
  });
});

row(
  "clusters 3: a member that takes nothing has as long as the cluster's own write_deadline says",
  async () => {
    const cluster = `cluster { name: C1, listen: "127.0.0.1:-1", write_deadline: "300ms" }`;
    await using impatient = await ServerProcess.start({ config: `write_deadline: "60s"\n${cluster}` });
    const route = await joinRoute(await linkPort(impatient, "route"));
    route.send("RS+ $G flood");
    await route.roundTrip();
    route.client.pause();
    const publisher = await impatient.connectAs();
    const payload = "x".repeat(256 * 1024);
    for (let sent = 0; sent < 64; sent++) {
      await publisher.sendAll(`PUB flood ${payload.length}\r\n${payload}\r\n`);
    }
    await impatient.waitForLog(
      / - rid:\d+ - Slow Consumer (Detected|State): WriteDeadline of 300ms exceeded with \d+ chunks/,
    );
    await impatient.waitForLog(/ - rid:\d+ - Router connection closed: Slow Consumer \(Write Deadline\)/);
    route.destroy();
  },
);
