import { expect } from "bun:test";
import { account, login } from "../support/account_config.ts";
import { until } from "../support/deadline.ts";
import { kindOf, linkAddress, linkPort, Servers, untilReached } from "../support/links.ts";
import { readMessage } from "../support/message.ts";
import { acceptLeaf, joinLeaf } from "../support/raw_leaf.ts";
import type { RawLink } from "../support/raw_link.ts";
import { RawListener } from "../support/raw_listener.ts";
import { joinRoute } from "../support/raw_route.ts";
import { request } from "../support/request.ts";
import { row, rowsInParallel, sharedServer } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";

// What leaf nodes and hubs tell and send each other, as raw ends see it.

const HEADER = "NATS/1.0\r\nA: b\r\n\r\n";

const hub = sharedServer({
  config: `
    server_name: H
    no_system_account: true
    cluster { name: HC, listen: "127.0.0.1:-1" }
    leafnodes { listen: "127.0.0.1:-1" }
  `,
});
const hubPort = () => linkPort(hub(), "leafnode");

interface Spoke {
  readonly server: ServerProcess;
  /** The raw hub's end. */
  readonly link: RawLink;
}

/** Runs a row with a server that is a leaf node of a raw hub. */
async function withSpoke(body: (spoke: Spoke) => Promise<void>, terms = {}, remote = "", more = "") {
  await using listener = await RawListener.open();
  await using server = await ServerProcess.start({
    config: `
      server_name: L
      ${more}
      leafnodes { remotes [ { url: "nats-leaf://${listener.address}", ${remote} } ] }
    `,
  });
  const { link } = await acceptLeaf(listener, {}, terms);
  await body({ server, link });
  link.destroy();
}

/** A row at the shared hub, with the leaf nodes and clients of the row before gone. */
function hubRow(name: string, body: () => Promise<void>): void {
  row(name, async () => {
    const count = (what: string) => hub().log.split(what).length;
    await until(
      () =>
        ["Leafnode", "Client"].every(
          (kind) => count(`${kind} connection created`) === count(`${kind} connection closed`),
        ),
      () => "leaf nodes or clients of the row before are still there",
    );
    await body();
  });
}

hubRow("leafs 17: a hub tells interest as routes do", async () => {
  const leaf = await joinLeaf(await hubPort());
  const [client, other] = [await hub().connectAs(), await hub().connectAs()];
  client.send("SUB foo 1\r\nSUB foo 2\r\n");
  await leaf.expect("LS+ foo");
  client.send("UNSUB 1\r\n");
  await leaf.expectNoInterest(client, "LS+");
  client.send("UNSUB 2\r\n");
  await leaf.expect("LS- foo");
  client.send("SUB foo q1 1\r\n");
  await leaf.expect("LS+ foo q1 1");
  other.send("SUB foo q1 1\r\n");
  await leaf.expect("LS+ foo q1 2");
  other.send("UNSUB 1\r\n");
  await leaf.expect("LS+ foo q1 1");
  client.send("UNSUB 1\r\n");
  await leaf.expect("LS- foo q1");
  await leaf.expectNoInterest(client, "LS+");
  for (const each of [client, other, leaf]) each.destroy();
});

hubRow("leafs 19: a hub's messages", async () => {
  const leaf = await joinLeaf(await hubPort());
  leaf.send("LS+ foo", "LS+ bar.* q1 1", "LS+ bar.* q2 1", "LS+ both", "LS+ both q 1");
  await leaf.roundTrip();
  const client = await hub().connectAs();
  client.send(
    `PUB foo 1\r\n1\r\nPUB foo rp 1\r\n2\r\nHPUB foo 18 19\r\n${HEADER}3\r\nHPUB foo rp 18 18\r\n${HEADER}\r\n`,
  );
  await leaf.expect(
    "LMSG foo 1\r\n1",
    "LMSG foo rp 1\r\n2",
    `HMSG foo 18 19\r\n${HEADER}3`,
    `HMSG foo rp 18 18\r\n${HEADER}`,
  );
  client.send(`PUB both 0\r\n\r\nPUB both rp 0\r\n\r\nHPUB both rp 18 18\r\n${HEADER}\r\n`);
  await leaf.expect("LMSG both | q 0\r\n", "LMSG both + rp q 0\r\n", `HMSG both + rp q 18 18\r\n${HEADER}`);
  client.send("PUB bar.x 0\r\n\r\n");
  expect(["LMSG bar.x | q1 q2 0\r\n", "LMSG bar.x | q2 q1 0\r\n"]).toContain(await leaf.next());
  leaf.send("LS- foo", "LS- both", "LS- both q", "LS- unknown", "LS- foo q");
  await leaf.roundTrip();
  client.send("PUB foo 0\r\n\r\nPUB both 0\r\n\r\nPUB bar.end 0\r\n\r\n");
  expect(await leaf.next()).toMatch(/^LMSG bar\.end/);
  for (const each of [client, leaf]) each.destroy();
});

hubRow("leafs 19: a leaf node may send what its clients may not publish", async () => {
  const leaf = await joinLeaf(await hubPort());
  const client = await hub().connectAs();
  client.send("SUB $NRG.> 1\r\nSUB $GR.> 2\r\n");
  await client.roundTrip();
  leaf.send("LMSG $NRG.a 2", "hi", "LMSG $GR.a.b 2", "ho");
  await leaf.roundTrip();
  await client.expect("MSG $NRG.a 1 2\r\nhi\r\nMSG $GR.a.b 2 2\r\nho\r\n");
  for (const each of [client, leaf]) each.destroy();
});

hubRow("leafs 19: messages to a hub: groups only where they are named", async () => {
  const leaf = await joinLeaf(await hubPort());
  const client = await hub().connectAs();
  client.send("SUB x.q q 1\r\nSUB x.q 2\r\n");
  await leaf.expectInAnyOrder("LS+ x.q q 1", "LS+ x.q");
  leaf.send("LMSG x.q rp 2", "hi");
  await client.expect("MSG x.q 2 rp 2\r\nhi\r\n");
  leaf.send("LMSG x.q | other 2", "hi");
  await client.expect("MSG x.q 2 2\r\nhi\r\n");
  leaf.send("LMSG x.q + rp q 2", "hi");
  await until(
    () => client.waitingText.includes("MSG x.q 1 rp 2") && client.waitingText.includes("MSG x.q 2 rp 2"),
    () => "not both have the message",
  );
  client.send("UNSUB 2\r\nPING\r\n");
  expect((await client.readUntil("PONG\r\n")).match(/MSG/g)).toHaveLength(2);
  await leaf.expect("LS- x.q");
  leaf.send("LMSG x.q rp 2", "hi", `HMSG x.q + rp q 18 20`, `${HEADER}ho`);
  await client.expect(`HMSG x.q 1 rp 18 20\r\n${HEADER}ho\r\n`);
  await leaf.roundTrip();
  await client.roundTrip();
  for (const each of [client, leaf]) each.destroy();
});

hubRow("leafs 4.1: repeated lines, weight 0, and lines of routes", async () => {
  const leaf = await joinLeaf(await hubPort());
  const client = await hub().connectAs();
  leaf.send("LS+ foo", "LS+ foo", "LS+ w q 0", "RS+ rr");
  await leaf.roundTrip();
  client.send("PUB foo 0\r\n\r\nPUB w 0\r\n\r\nPUB rr 0\r\n\r\n");
  await leaf.expect("LMSG foo 0\r\n", "LMSG w | q 0\r\n", "LMSG rr 0\r\n");
  leaf.send("LS- foo");
  await leaf.roundTrip();
  client.send("PUB foo 0\r\n\r\nPUB rr 0\r\n\r\n");
  await leaf.expect("LMSG rr 0\r\n");
  for (const each of [client, leaf]) each.destroy();
});

hubRow("leafs 5: a message into a leaf node counts as delivered", async () => {
  const leaf = await joinLeaf(await hubPort());
  const client = await hub().connectAs();
  leaf.send("LS+ help", "LS+ help.* q 1");
  await leaf.roundTrip();
  client.send("SUB in 1\r\nPUB help in 0\r\n\r\nPUB help.x in 0\r\n\r\n");
  await leaf.expect("LS+ in", "LMSG help in 0\r\n", "LMSG help.x + in q 0\r\n");
  await client.roundTrip();
  leaf.send("LMSG in 2", "ok");
  await client.expect("MSG in 1 2\r\nok\r\n");
  for (const each of [client, leaf]) each.destroy();
});

hubRow("leafs 21: a leaf node's own message does not come back", async () => {
  const leaf = await joinLeaf(await hubPort());
  const client = await hub().connectAs();
  leaf.send("LS+ echo");
  await leaf.roundTrip();
  client.send("SUB echo 1\r\n");
  await leaf.expect("LS+ echo");
  leaf.send("LMSG echo 2", "hi");
  await client.expect("MSG echo 1 2\r\nhi\r\n");
  await leaf.expectNoInterest(client, "LS+");
  for (const each of [client, leaf]) each.destroy();
});

hubRow("leafs 23: a hub tells its cluster of its leaf nodes, and them of the cluster", async () => {
  const route = await joinRoute(await linkPort(hub(), "route"), { cluster: "HC" }, { cluster: "HC" });
  const leaf = await joinLeaf(await hubPort());
  leaf.send("LS+ told", "LS+ told q 2");
  // nats-server counts what a leaf node repeats, as one did in a row before, twice, and never takes it back.
  while ((await route.next()) !== "LS+ LC $G told");
  await route.expect("LS+ LC $G told q 2");
  route.send("RS+ $G bar", "RS+ $G bar q 3", "LS+ LC $G mine", "LS+ OTHER $G theirs");
  await leaf.expect("LS+ bar", "LS+ bar q 3", "LS+ theirs");
  route.send("RMSG $G told | q 2", "hi");
  await leaf.expect("LMSG told | q 2\r\nhi");
  // leafs 48
  leaf.destroy();
  await route.expectInAnyOrder("LS- LC $G told", "LS- LC $G told q");
  route.destroy();
});

hubRow("leafs 28: leaf nodes hear of each other, unless they are of one cluster", async () => {
  const first = await joinLeaf(await hubPort(), { cluster: "ONE" });
  const second = await joinLeaf(await hubPort(), { cluster: "TWO" });
  const third = await joinLeaf(await hubPort(), { cluster: "ONE" });
  const client = await hub().connectAs();
  first.send("LS+ foo", "LS+ $LDS.abcdefghijklmnopqrstuv");
  await second.expect("LS+ foo");
  let loop = "";
  for (let tries = 0; tries < 20 && !loop.includes("abcdef"); tries++) loop = await second.client.readLine();
  expect(loop).toBe("LS+ $LDS.abcdefghijklmnopqrstuv");
  await third.expectNoInterest(client, "LS+");
  second.send("LMSG foo 2", "hi");
  while ((await first.next()) !== "LMSG foo 2\r\nhi");
  third.send("LMSG foo 2", "no");
  client.send("PUB foo 3\r\nend\r\n");
  while (true) {
    const entry = await first.next();
    expect(entry).not.toBe("LMSG foo 2\r\nno");
    if (entry === "LMSG foo 3\r\nend") break;
  }
  for (const each of [first, second, third, client]) each.destroy();
});

hubRow("leafs 40: members of a group at the hub come before those of its leaf nodes", async () => {
  const leaf = await joinLeaf(await hubPort());
  const [client, member] = [await hub().connectAs(), await hub().connectAs()];
  leaf.send("LS+ work q1 5");
  await leaf.roundTrip();
  member.send("SUB work q1 1\r\n");
  await leaf.expect("LS+ work q1 1");
  await member.roundTrip();
  client.send("PUB work 0\r\n\r\n".repeat(100));
  await member.expect("MSG work 1 0\r\n\r\n".repeat(100));
  leaf.send("LMSG work | q1 2", "hi");
  await member.expect("MSG work 1 2\r\nhi\r\n");
  member.send("UNSUB 1\r\n");
  await leaf.expect("LS- work q1");
  client.send("PUB work 0\r\n\r\n".repeat(3));
  await leaf.expect("LMSG work | q1 0\r\n", "LMSG work | q1 0\r\n", "LMSG work | q1 0\r\n");
  for (const each of [client, member, leaf]) each.destroy();
});

hubRow("leafs 27: who hears its own loop subject ends the connection", async () => {
  const leaf = await joinLeaf(await hubPort());
  let own = "";
  while (!own.includes("$LDS.")) own = await leaf.client.readLine();
  leaf.send(own);
  await leaf.expectError(`Loop detected for leafnode account="$G". Delaying attempt to reconnect for 30s`);
});

rowsInParallel(
  {
    "leafs 17: a leaf node tells interest, and takes messages": async () => {
      await withSpoke(async ({ server, link }) => {
        const client = await server.connectAs();
        client.send("SUB foo 1\r\nSUB foo 2\r\nSUB bar q1 3\r\n");
        await link.expect("LS+ foo", "LS+ bar q1 1");
        link.send("LMSG foo rp 2", "hi", "LMSG bar 2", "no", "LMSG bar | q1 2", "hi");
        const both = "MSG foo 1 rp 2\r\nhi\r\nMSG foo 2 rp 2\r\nhi\r\n";
        await client.expectOneOf([both, "MSG foo 2 rp 2\r\nhi\r\nMSG foo 1 rp 2\r\nhi\r\n"]);
        await client.expect("MSG bar 3 2\r\nhi\r\n");
        client.send("UNSUB 1\r\nUNSUB 2\r\nUNSUB 3\r\n");
        await link.expect("LS- foo", "LS- bar q1");
        link.send("LS+ up", "LS+ up q 1");
        await link.roundTrip();
        client.send(`PUB up rp 1\r\n1\r\nHPUB up 18 19\r\n${HEADER}2\r\n`);
        await link.expect("LMSG up + rp q 1\r\n1", `HMSG up | q 18 19\r\n${HEADER}2`);
      });
    },

    "leafs 40: a leaf node's own members come first": async () => {
      await withSpoke(async ({ server, link }) => {
        const [client, member] = [await server.connectAs(), await server.connectAs()];
        link.send("LS+ work q1 7");
        await link.roundTrip();
        member.send("SUB work q1 1\r\n");
        await link.expect("LS+ work q1 1");
        await member.roundTrip();
        client.send("PUB work 0\r\n\r\n".repeat(100));
        await member.expect("MSG work 1 0\r\n\r\n".repeat(100));
        member.send("UNSUB 1\r\n");
        await link.expect("LS- work q1");
        client.send("PUB work 0\r\n\r\n");
        await link.expect("LMSG work | q1 0\r\n");
      });
    },

    "leafs 40: a group that a hub without a cluster names goes back to it if no member is left": async () => {
      await withSpoke(async ({ link }) => {
        link.send("LS+ work q1 1", "LMSG work | q1 2", "hi");
        await link.expect("LMSG work | q1 2\r\nhi");
      });
    },

    "leafs 5: a subject that is mapped goes to all groups, if the message names none": async () => {
      const exporter = account("A", "mappings { job: work }, exports: [ { stream: work } ]");
      const importer = account("B", "imports: [ { stream: { account: A, subject: work } } ]");
      await withSpoke(
        async ({ server, link }) => {
          const client = await login(server, "B");
          client.send("SUB work q2 1\r\n");
          await link.expectInAnyOrder("LS+ job", "LS+ work q2 1");
          await client.roundTrip();
          link.send("LMSG work 2", "no", "LMSG job | q3 2", "no", "LMSG job 2", "hi");
          await client.expect("MSG work 1 2\r\nhi\r\n");
          link.send("LS+ work q1 1", "LMSG job 2", "ho");
          await link.expect("LMSG work | q1 2\r\nho");
          await client.expect("MSG work 1 2\r\nho\r\n");
        },
        {},
        "account: A",
        `accounts { ${exporter} ${importer} }`,
      );
    },

    "leafs 22: what its own routes want, a leaf node does not tell its hub": async () => {
      await withSpoke(
        async ({ server, link }) => {
          const route = await joinRoute(
            await linkPort(server, "route"),
            { cluster: "LEAFS" },
            { cluster: "LEAFS" },
          );
          route.send("RS+ $G theirs");
          await route.roundTrip();
          const client = await server.connectAs();
          await link.expectNoInterest(client, "LS+");
          // Nor does it tell them what the hub wants.
          link.send("LS+ above");
          await link.roundTrip();
          client.send("SUB last 1\r\n");
          for (let entry = ""; entry !== "RS+ $G last"; entry = await route.next()) {
            expect(entry).not.toContain("above");
          }
          // And messages between the two stop here.
          client.send("SUB here 2\r\n");
          await route.expect("RS+ $G here");
          await link.expect("LS+ last", "LS+ here");
          link.send("LMSG theirs 2", "no", "LMSG here 2", "hi");
          await client.expect("MSG here 2 2\r\nhi\r\n");
          route.send("RMSG $G above 2", "no", "RMSG $G here 2", "ho");
          await client.expect("MSG here 2 2\r\nho\r\n");
          client.send("PUB theirs 3\r\nend\r\nPUB above 3\r\nend\r\n");
          await route.expectMessage("RMSG $G theirs 3\r\nend");
          await link.expectMessage("LMSG above 3\r\nend");
          route.destroy();
        },
        {},
        "",
        `no_system_account: true\ncluster { name: LEAFS, listen: "127.0.0.1:-1" }`,
      );
    },

    "leafs 29: a leaf node keeps to what its hub permits": async () => {
      await withSpoke(
        async ({ server, link }) => {
          const client = await server.connectAs();
          client.send("SUB zz 1\r\nSUB ss.a 2\r\nSUB > 3\r\n");
          await link.expectInAnyOrder("LS+ ss.a", "LS+ >");
          link.send("LS+ zz", "LS+ pp.a");
          await link.roundTrip();
          client.send("UNSUB 3\r\nPUB zz 1\r\n1\r\nPUB pp.a 1\r\n2\r\n");
          await link.expectMessage("LMSG pp.a 1\r\n2");
        },
        { import: { allow: ["ss.>"] }, export: { allow: ["pp.>"] } },
      );
    },

    "leafs 32: a leaf node denies imports and exports by itself": async () => {
      await using listener = await RawListener.open();
      await using server = await ServerProcess.start({
        config: `
          server_name: L
          leafnodes {
            remotes [ { url: "nats-leaf://${listener.address}", deny_imports: [ "di.>" ], deny_exports: [ "de.>" ] } ]
          }
        `,
      });
      const { link, connect } = await acceptLeaf(listener);
      expect(connect.deny_pub).toEqual(["di.>"]);
      const client = await server.connectAs();
      client.send("SUB di.x 1\r\nSUB ok.x 2\r\n");
      await link.expect("LS+ ok.x");
      link.send("LS+ de.x", "LS+ ok.y", "LMSG di.x 2", "no", "LMSG ok.x 2", "hi");
      await client.expect("MSG ok.x 2 2\r\nhi\r\n");
      await link.roundTrip();
      client.send("PUB de.x 1\r\n1\r\nPUB ok.y 1\r\n2\r\n");
      await link.expect("LMSG ok.y 1\r\n2");
      link.destroy();
    },

    "leafs 34: JetStream's own subjects stay on a leaf node": async () => {
      await withSpoke(async ({ server, link }) => {
        const client = await server.connectAs();
        client.send("SUB $KV.a.b 1\r\nSUB $OBJ.x 2\r\nSUB $JS.API.INFO 3\r\nSUB end 4\r\n");
        let entry = "";
        while (entry !== "LS+ end") {
          entry = await link.client.readLine();
          if (entry.startsWith("INFO ") || entry.startsWith("LS+ $LDS.")) continue;
          expect(entry).toBe("LS+ end");
        }
        client.send("UNSUB 3\r\n");
        link.send("LS+ $JS.API.>", "LS+ $KV.>");
        await link.roundTrip();
        const answer = await request(client, "$JS.API.STREAM.NAMES");
        expect(answer.headers).toStartWith("NATS/1.0 503");
        client.send("PUB $KV.a.c 0\r\n\r\nPUB ask 0\r\n\r\n");
        link.send("LS+ ask");
        await link.roundTrip();
        client.send("PUB ask 0\r\n\r\n");
        expect(await link.nextMessage()).toBe("LMSG ask 0\r\n");
      });
    },

    "leafs 30: a leaf node that oversteps its permissions is ended": async () => {
      await using limited = await ServerProcess.start({
        config: `
          server_name: H
          leafnodes { listen: "127.0.0.1:-1" }
          authorization { users: [
            { user: l, password: p, permissions: { publish: "pp.>", subscribe: "ss.>" } }
            { user: free, password: p }
          ] }
        `,
      });
      const port = await linkPort(limited, "leafnode");
      const login = { user: "l", pass: "p" };
      const leaf = await joinLeaf(port, login);
      expect(leaf.info.import).toBeUndefined();
      leaf.send("LS+ ss.ok", "LS+ >", "LMSG pp.ok 2", "hi");
      await leaf.roundTrip();
      const client = await limited.connectAs({ user: "free", pass: "p", echo: false });
      client.send("SUB pp.x 1\r\nSUB zz 2\r\nSUB pp.> 3\r\n");
      await leaf.expect("LS+ pp.x", "LS+ pp.>");
      client.send("PUB zz 1\r\n1\r\nPUB ss.x 1\r\n2\r\n");
      await leaf.expect("LMSG ss.x 1\r\n2");
      leaf.send("LS+ zz");
      await leaf.expectError('Permissions Violation for Subscription to "zz"');
      const second = await joinLeaf(port, login);
      second.send("LMSG zz 2", "no");
      await second.client.readUntil(`-ERR 'Permissions Violation for Publish to "zz"'\r\n`);
      await second.client.readToEnd();
      await client.roundTrip();
    },

    "leafs 30: queue groups that a leaf node's user is denied get nothing": async () => {
      await using limited = await ServerProcess.start({
        config: `
          server_name: H
          leafnodes { listen: "127.0.0.1:-1" }
          authorization { users: [
            { user: l, password: p, permissions: { subscribe: { deny: [ "aa.> one", "bb.b two.*" ] } } }
            { user: free, password: p }
          ] }
        `,
      });
      const leaf = await joinLeaf(await linkPort(limited, "leafnode"), { user: "l", pass: "p" });
      leaf.send("LS+ aa.b one 1", "LS+ aa.b other 1", "LS+ bb.* one 1", "LS+ bb.* two.x 1");
      await leaf.roundTrip();
      const client = await limited.connectAs({ user: "free", pass: "p" });
      client.send("PUB aa.b 1\r\n1\r\nPUB bb.b 1\r\n2\r\nPUB bb.c 0\r\n\r\n");
      await leaf.expectMessage("LMSG aa.b | other 1\r\n1");
      await leaf.expectMessage("LMSG bb.b | one 1\r\n2");
      expect(await leaf.nextMessage()).toMatch(/^LMSG bb.c \| (one two.x|two.x one) 0\r\n/);
      leaf.destroy();
    },

    "clusters 5.2: members far away serve a group whose members here cannot": async () => {
      const leaf = await joinLeaf(await hubPort());
      leaf.send("LS+ own.group q 1", "LS+ mark");
      await leaf.roundTrip();
      const [mute, other] = [await hub().connectAs({ echo: false }), await hub().connectAs()];
      mute.send("SUB own.group q 1\r\nSUB own.group q 2\r\nPUB own.group 1\r\n1\r\n");
      await leaf.expectMessage("LMSG own.group | q 1\r\n1");
      other.send("SUB own.group q 3\r\n");
      await other.roundTrip();
      for (let times = 0; times < 20; times++) mute.send("PUB own.group 1\r\n2\r\n");
      await other.expect("MSG own.group 3 1\r\n2\r\n".repeat(20));
      mute.send("PUB mark 0\r\n\r\n");
      await leaf.expectMessage("LMSG mark 0\r\n");
      for (const each of [leaf, mute, other]) each.destroy();
    },

    "leafs 47: leaf nodes that are isolated do not hear of each other": async () => {
      await using server = await ServerProcess.start({
        config: `server_name: H\nleafnodes { listen: "127.0.0.1:-1", isolate_leafnode_interest: true }`,
      });
      const port = await linkPort(server, "leafnode");
      const [first, second] = [
        await joinLeaf(port, { cluster: "ONE" }),
        await joinLeaf(port, { cluster: "TWO" }),
      ];
      first.send("LS+ foo");
      await first.roundTrip();
      const client = await server.connectAs();
      await second.expectNoInterest(client, "LS+");
      await first.expectNoInterest(client, "LS+").catch(() => undefined);
      for (const each of [first, second]) each.destroy();
    },

    "leafs 47: isolation that a leaf node asks for": async () => {
      const isolated = await joinLeaf(await hubPort(), { cluster: "ALONE", isolate: true });
      const other = await joinLeaf(await hubPort(), { cluster: "OTHER" });
      other.send("LS+ of.another");
      await other.roundTrip();
      const client = await hub().connectAs();
      client.send("SUB of.the.hub 1\r\n");
      let entry = "";
      while (entry !== "LS+ of.the.hub") {
        entry = await isolated.next();
        expect(entry).not.toBe("LS+ of.another");
      }
      for (const each of [isolated, other, client]) each.destroy();
    },

    "leafs 50: the services that an account imports are interest": async () => {
      await using server = await ServerProcess.start({
        config: `
          server_name: H
          accounts {
            ${account("A", "exports: [ { service: svc } ]")}
            ${account("B", "imports: [ { service: { account: A, subject: svc }, to: my.svc } ]")}
          }
          leafnodes { listen: "127.0.0.1:-1", authorization { user: l, password: p, account: B } }
        `,
      });
      const leaf = await joinLeaf(await linkPort(server, "leafnode"), { user: "l", pass: "p" });
      await leaf.expect("LS+ my.svc");
      const responder = await login(server, "A");
      responder.send("SUB svc 1\r\n");
      await responder.roundTrip();
      leaf.send("LS+ answers", "LMSG my.svc answers 2", "hi");
      const message = await readMessage(responder);
      expect([message.subject, message.payload]).toEqual(["svc", "hi"]);
      expect(message.reply).toMatch(/^_R_\./);
      responder.send(`PUB ${message.reply} 2\r\nok\r\n`);
      await leaf.expectMessage("LMSG answers 2\r\nok");
      leaf.destroy();
    },

    "leafs 39: roles swapped: the hub dials": async () => {
      await using servers = new Servers();
      const peer = await servers.start({
        role: "peer",
        config: `server_name: P\nleafnodes { listen: "127.0.0.1:-1" }`,
      });
      const server = await servers.start({
        config: `server_name: H\nleafnodes { remotes [ { url: "nats-leaf://${await linkAddress(peer, "leafnode")}", hub: true } ] }`,
      });
      const [above, below] = [await server.connectAs(), await peer.connectAs()];
      await untilReached(above, below, 10_000);
      await untilReached(below, above);
    },

    "leafs 39: roles swapped: what is said": async () => {
      await using listener = await RawListener.open();
      await using server = await ServerProcess.start({
        config: `server_name: H\nleafnodes { remotes [ { url: "nats-leaf://${listener.address}", hub: true } ] }`,
      });
      const { link, connect } = await acceptLeaf(listener);
      expect(connect.is_hub).toBe(true);
      const client = await server.connectAs();
      await link.expectNoInterest(client, "LS+");
      link.destroy();
    },

    "leafs 37: two remotes to one hub account": async () => {
      await using servers = new Servers();
      const peer = await servers.start({
        role: "peer",
        config: `server_name: P\nleafnodes { listen: "127.0.0.1:-1" }`,
      });
      if ((await kindOf(peer)).isOld) return;
      const url = `url: "nats-leaf://${await linkAddress(peer, "leafnode")}"`;
      const server = await servers.start({
        config: `
          server_name: L
          accounts { ${account("A")} ${account("C")} }
          leafnodes { remotes [ { ${url}, account: A }, { ${url}, account: C } ] }
        `,
      });
      const [inA, inC, above] = [await login(server, "A"), await login(server, "C"), await peer.connectAs()];
      await untilReached(inA, above, 10_000);
      await untilReached(inC, above, 10_000);
      const from = server.log.length;
      await new Promise((resolve) => setTimeout(resolve, 1500));
      expect(server.log.slice(from)).not.toContain("Duplicate");
    },
  },
  5,
);
