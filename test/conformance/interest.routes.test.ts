import { expect } from "bun:test";
import { account, login } from "../support/account_config.ts";
import { clusterOfOne, dismiss } from "../support/cluster_of_one.ts";
import { kindOf, linkAddress, linkPort, Servers, untilReached } from "../support/links.ts";
import { readMessage } from "../support/message.ts";
import type { RawClient } from "../support/raw_client.ts";
import { joinLeaf } from "../support/raw_leaf.ts";
import type { RawLink } from "../support/raw_link.ts";
import { joinRoute } from "../support/raw_route.ts";
import { request } from "../support/request.ts";
import { row } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";

// Interest over routes, as raw members of the cluster see it.

const { server, join, withRoute } = clusterOfOne();

/** The route has been told nothing by way of messages: `client` publishes a mark that comes next. */
async function expectNoMessage(route: RawLink, client: RawClient): Promise<void> {
  route.send("RS+ $G the.mark");
  await route.roundTrip();
  client.send("PUB the.mark 1\r\n-\r\n");
  await route.expect("RMSG $G the.mark 1\r\n-");
  route.send("RS- $G the.mark");
}

row("clusters 29: plain interest is told when the first comes and when the last goes", async () => {
  await withRoute(async (route, client) => {
    client.send("SUB foo 1\r\nSUB foo 2\r\n");
    await route.expect("RS+ $G foo");
    await route.expectNoInterest(client);
    client.send("UNSUB 1\r\n");
    await route.expectNoInterest(client);
    client.send("UNSUB 2\r\n");
    await route.expect("RS- $G foo");
    await route.expectNoInterest(client);
  });
});

row("clusters 29: the same of clients on several shards", async () => {
  await withRoute(async (route, client) => {
    const clients = [];
    for (let i = 0; i < 6; i++) clients.push(await server().connectAs());
    for (const each of clients) {
      each.send("SUB shared.*.x 1\r\n");
      await each.roundTrip();
    }
    await route.expect("RS+ $G shared.*.x");
    await route.expectNoInterest(client);
    for (const each of clients.slice(1)) each.destroy();
    await route.expectNoInterest(client);
    clients[0]!.destroy();
    await route.expect("RS- $G shared.*.x");
  });
});

row("clusters 29: clients that come back with the same subjects stay heard", async () => {
  await withRoute(async (route, witness) => {
    const subjects = Array.from({ length: 300 }, (_, i) => `again.${i}`);
    const told = new Set<string>();
    const readTo = async (mark: string) => {
      witness.send(`SUB ${mark} ${mark}\r\n`);
      for (;;) {
        const [, verb, subject] = /^RS([+-]) \$G (\S+)$/.exec(await route.next()) ?? [];
        if (subject === mark) return;
        if (verb === "+") told.add(subject!);
        else told.delete(subject!);
      }
    };
    const join = async (number: number, order: (subjects: string[]) => string[]) => {
      const client = await server().connectAs();
      const own = order(subjects.filter((_, i) => i % 3 === number));
      client.send(own.map((subject, i) => `SUB ${subject} ${i + 1}\r\n`).join(""));
      await client.roundTrip();
      return client;
    };
    const clients = [];
    for (let i = 0; i < 3; i++) clients.push(await join(i, (own) => own));
    for (let round = 0; round < 6; round++) {
      // What is told together with the first mark may come behind it.
      for (const mark of ["first", "second"]) await readTo(`${mark}.${round}`);
      expect([...told].sort()).toEqual([...subjects].sort());
      const number = round % 3;
      clients[number]!.destroy();
      clients[number] = await join(number, round < 3 ? (own) => own.reverse() : (own) => own.sort());
    }
    for (const client of clients) await dismiss(client);
  });
});

row("clusters 30: a queue group is told with its weight at every change", async () => {
  await withRoute(async (route, client) => {
    const other = await server().connectAs();
    client.send("SUB foo q 1\r\n");
    await route.expect("RS+ $G foo q 1");
    other.send("SUB foo q 1\r\n");
    await route.expect("RS+ $G foo q 2");
    other.send("UNSUB 1\r\n");
    await route.expect("RS+ $G foo q 1");
    client.send("UNSUB 1\r\n");
    await route.expect("RS- $G foo q");
    await route.expectNoInterest(client);
    other.destroy();
  });
});

row(
  "clusters 30: a client with several members leaves with one update or more, the last one right",
  async () => {
    await withRoute(async (route, client) => {
      client.send("SUB foo q 1\r\n");
      await route.expect("RS+ $G foo q 1");
      const other = await server().connectAs();
      other.send("SUB foo q 1\r\nSUB foo q 2\r\nSUB foo q 3\r\n");
      while ((await route.next()) !== "RS+ $G foo q 4");
      other.destroy();
      while ((await route.next()) !== "RS+ $G foo q 1");
      await route.expectNoInterest(client);
    });
  },
);

row("clusters 31: a subscription that ends itself is told when it comes and when it has ended", async () => {
  await withRoute(async (route, client) => {
    client.send("SUB au 1\r\nUNSUB 1 1\r\n");
    await route.expect("RS+ $G au");
    route.send("RMSG $G au 2", "hi");
    await client.expect("MSG au 1 2\r\nhi\r\n");
    await route.expect("RS- $G au");
    route.send("RMSG $G au 2", "hi");
    await route.roundTrip();
    await client.roundTrip();
  });
});

row("clusters 32: a route that comes back is told everything once", async () => {
  const info = { server_id: "NBACK", server_name: "BACK" };
  const client = await server().connectAs();
  client.send("SUB one 1\r\nSUB two.* 2\r\nSUB three q 3\r\n");
  await client.roundTrip();
  const all = ["RS+ $G one", "RS+ $G two.*", "RS+ $G three q 1"];
  for (let round = 0; round < 2; round++) {
    const route = await join(info);
    await route.expectInAnyOrder(...all);
    await route.expectNoInterest(client);
    const from = server().log.length;
    route.destroy();
    await server().waitForLog(/Router connection closed/, from);
    await client.roundTrip();
  }
  await dismiss(client);
});

row("clusters 33: the interest of a route that is gone is gone", async () => {
  await withRoute(async (route, client) => {
    route.send("RS+ $G only.there", "RS+ $G only.* q 2");
    await route.roundTrip();
    client.send("SUB answers 1\r\nPUB only.there answers 2\r\nhi\r\n");
    await route.expect("RS+ $G answers", "RMSG $G only.there + answers q 2\r\nhi");
    const from = server().log.length;
    route.destroy();
    await server().waitForLog(/Router connection closed/, from);
    let answer = await request(client, "only.there");
    for (let tries = 0; answer.headers === "" && tries < 50; tries++)
      answer = await request(client, "only.there");
    if (!answer.headers.startsWith("NATS/1.0 503")) throw new Error("there is still somebody who responds");
  });
});

row("clusters 34: what one route says or sends goes to no other", async () => {
  await withRoute(async (first, client) => {
    const second = await join();
    second.send("RS+ $G pl");
    await second.roundTrip();
    first.send("RS+ $G x", "RMSG $G pl 2", "hi");
    await first.roundTrip();
    await second.expectNoInterest(client);
    await expectNoMessage(second, client);
    second.destroy();
  });
});

row("clusters 46: an account that nobody knows is ignored", async () => {
  await withRoute(async (route, client) => {
    route.send("RS+ NOPE foo", "RS+ NOPE foo q 1", "RS- NOPE foo", "RMSG NOPE foo 2", "hi");
    await route.roundTrip();
    await expectNoMessage(route, client);
  });
});

row("clusters 46b: weight 0 counts as 1", async () => {
  await withRoute(async (route, client) => {
    route.send("RS+ $G foo q 0");
    await route.roundTrip();
    client.send("PUB foo 2\r\nhi\r\n");
    await route.expect("RMSG $G foo | q 2\r\nhi");
  });
});

row(
  "clusters 3.11: repeated and unknown lines change nothing, a repeated queue line replaces the weight",
  async () => {
    await withRoute(async (route, client) => {
      route.send(
        "RS+ $G foo",
        "RS+ $G foo",
        "RS- $G bar",
        "RS- $G foo q",
        "RS+ $G q.s q 5",
        "RS+ $G q.s q 1",
      );
      await route.roundTrip();
      client.send("PUB foo 1\r\n1\r\nPUB q.s 1\r\n2\r\n");
      await route.expect("RMSG $G foo 1\r\n1", "RMSG $G q.s | q 1\r\n2");
      route.send("RS- $G foo", "RS- $G q.s q");
      await route.roundTrip();
      client.send("PUB foo 1\r\n1\r\nPUB q.s 1\r\n2\r\n");
      await expectNoMessage(route, client);
    });
  },
);

row("clusters 46c: what a leaf node subscribes to of a stream import is told without origin", async () => {
  await using importing = await ServerProcess.start({
    config: `
      server_name: I
      cluster { name: C1, listen: "127.0.0.1:-1" }
      accounts {
        ${account("A", "exports: [ { stream: ev.> } ]")}
        ${account("B", "imports: [ { stream: { account: A, subject: ev.> } } ]")}
      }
      leafnodes { listen: "127.0.0.1:-1", authorization { users: [ { user: l, password: p, account: B } ] } }
    `,
  });
  const port = await linkPort(importing, "route");
  const plain = await joinRoute(port);
  // Who knows that form knows the older ones.
  const knowing = await joinRoute(port, { ln: true, lnoc: undefined, lnocu: undefined });
  const leaf = await joinLeaf(await linkPort(importing, "leafnode"), { user: "l", pass: "p" });
  leaf.send("LS+ ev.x");
  await plain.expectInAnyOrder("LS+ LC B ev.x", "RS+ A ev.x");
  // The form without origin is for two servers that both know it.
  await knowing.expectInAnyOrder("LS+ LC B ev.x", "LS+ _ A ev.x");
  leaf.send("LS- ev.x");
  await plain.expectInAnyOrder("LS- LC B ev.x", "RS- A ev.x");
  await knowing.expectInAnyOrder("LS- LC B ev.x", "LS- _ A ev.x");
  for (const link of [plain, knowing, leaf]) link.destroy();
});

row("clusters 47: LS- without origin, after two spaces, as old servers write it", async () => {
  await withRoute(
    async (route, client) => {
      route.send("LS+ LC $G lf");
      await route.roundTrip();
      client.send("PUB lf 2\r\nhi\r\n");
      await route.expect("RMSG $G lf 2\r\nhi");
      route.send("LS-  $G lf");
      await route.roundTrip();
      client.send("PUB lf 2\r\nhi\r\n");
      await expectNoMessage(route, client);
    },
    { lnocu: undefined },
  );
});

row("clusters 48: LS- with origin leaves the plain interest", async () => {
  await withRoute(async (route, client) => {
    route.send("LS+ LC $G lf", "RS+ $G lf", "LS- LC $G lf");
    await route.roundTrip();
    client.send("PUB lf 2\r\nhi\r\n");
    await route.expect("RMSG $G lf 2\r\nhi");
    route.send("RS- $G lf");
    await route.roundTrip();
    client.send("PUB lf 2\r\nhi\r\n");
    await expectNoMessage(route, client);
  });
});

row("clusters 3.11: a leaf node's interest has its origin, for those who know of it", async () => {
  await withRoute(async (knowing, client) => {
    const unaware = await join({ lnoc: undefined, lnocu: undefined });
    const leaf = await joinLeaf(await linkPort(server(), "leafnode"));
    leaf.send("LS+ foo", "LS+ foo q 3", "LS- foo", "LS- foo q");
    await knowing.expect("LS+ LC $G foo", "LS+ LC $G foo q 3", "LS- LC $G foo", "LS- LC $G foo q");
    await unaware.expect("RS+ $G foo", "RS+ $G foo q 3", "RS- $G foo", "RS- $G foo q");
    await knowing.expectNoInterest(client);
    leaf.destroy();
    unaware.destroy();
  });
});

row(
  "clusters 49: a leaf node's interest and a client's in one subject end apart at an old server, too",
  async () => {
    await using servers = new Servers();
    const seed = await servers.start({
      config: `
      server_name: S
      cluster { name: C1, listen: "127.0.0.1:-1" }
      leafnodes { listen: "127.0.0.1:-1" }
    `,
    });
    const peer = await servers.start({
      role: "peer",
      config: `
      server_name: P
      cluster { name: C1, listen: "127.0.0.1:-1", routes: [ "nats://${await linkAddress(seed, "route")}" ] }
    `,
    });
    const [subscriber, publisher] = [await seed.connectAs(), await peer.connectAs()];
    const leaf = await joinLeaf(await linkPort(seed, "leafnode"));
    subscriber.send("SUB foo 1\r\n");
    leaf.send("LS+ foo");
    await leaf.roundTrip();
    await untilReached(publisher, subscriber);
    leaf.send("LS- foo");
    await leaf.roundTrip();
    await untilReached(publisher, subscriber);
    publisher.send("PUB foo 2\r\nhi\r\n");
    // nats-server 2.15 takes the one for the other when it speaks to 2.9, which has one counter for both.
    if ((await kindOf(seed)).isNatsServer && (await kindOf(peer)).isOld) return;
    await subscriber.expect("MSG foo 1 2\r\nhi\r\n");
    leaf.send("LS+ foo");
    await leaf.roundTrip();
    subscriber.send("UNSUB 1\r\n");
    await untilReached(publisher, subscriber);
    publisher.send("PUB foo 2\r\nhi\r\n");
    await leaf.expectMessage("LMSG foo 2\r\nhi");
  },
);

row("clusters 53: permissions of the cluster are about interest, not about messages", async () => {
  await using limited = await ServerProcess.start({
    config: `
      server_name: P
      no_system_account: true
      cluster {
        name: C1, listen: "127.0.0.1:-1"
        permissions { import: { allow: "imp.>" }, export: { allow: "exp.>" } }
      }
    `,
  });
  const route = await joinRoute(await linkPort(limited, "route"));
  const { import: imported, export: exported } = route.info as { import?: unknown; export?: unknown };
  if (JSON.stringify([imported, exported]) !== '[{"allow":["imp.>"]},{"allow":["exp.>"]}]') {
    throw new Error(`INFO has the permissions ${JSON.stringify([imported, exported])}`);
  }
  const client = await limited.connectAs();
  client.send("SUB other 1\r\nSUB imp.a 2\r\nSUB exp.a 3\r\n");
  await route.expect("RS+ $G imp.a");
  route.send("RS+ $G other", "RS+ $G exp.*", "RS+ $G imp.a");
  await route.roundTrip();
  client.send("PUB other 1\r\n1\r\nPUB imp.a 1\r\n2\r\nPUB exp.a 1\r\n3\r\n");
  await route.expect("RMSG $G exp.a 1\r\n3");
  for (const sid of [1, 2, 3]) {
    const { sid: delivered } = await readMessage(client);
    if (delivered !== `${sid}`) throw new Error(`sid ${delivered} instead of ${sid}`);
  }
  route.send("RMSG $G other 2", "hi");
  await client.expect("MSG other 1 2\r\nhi\r\n");
  route.destroy();
});

row("clusters 2: accounts of one name are one account, whichever server", async () => {
  await using servers = new Servers();
  const config = (name: string, routes = "") => `
    server_name: ${name}
    cluster { name: C1, listen: "127.0.0.1:-1" ${routes} }
    accounts { ${account("A")} ${account("B")} }
  `;
  const seed = await servers.start({ config: config("S") });
  const routes = `, routes: [ "nats://${await linkAddress(seed, "route")}" ]`;
  const peer = await servers.start({ role: "peer", config: config("P", routes) });
  const [here, there, elsewhere] = [await login(seed, "A"), await login(peer, "A"), await login(peer, "B")];
  await untilReached(there, here);
  here.send("SUB open 1\r\nSUB secret 2\r\n");
  await untilReached(there, here);
  elsewhere.send("PUB secret 1\r\nx\r\n");
  await elsewhere.roundTrip();
  there.send("PUB open 1\r\nx\r\n");
  await here.expect("MSG open 1 1\r\nx\r\n");
});
