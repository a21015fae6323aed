import { expect } from "bun:test";
import { account, login } from "../support/account_config.ts";
import { until } from "../support/deadline.ts";
import { findFreePort } from "../support/free_port.ts";
import { kindOf, linkAddress, linkPort, Servers, untilReached } from "../support/links.ts";
import type { RawClient } from "../support/raw_client.ts";
import { gatewayHash, RawGateway } from "../support/raw_gateway.ts";
import { acceptLeaf, joinLeaf } from "../support/raw_leaf.ts";
import { RawListener } from "../support/raw_listener.ts";
import { joinRoute } from "../support/raw_route.ts";
import { request } from "../support/request.ts";
import { rowsInParallel } from "../support/row.ts";
import { type Role, ServerProcess } from "../support/server_process.ts";

// Leaf nodes and hubs among several servers: clusters of both, chains, loops, gateways, other accounts.

const MESH_MS = 15_000;

interface Member {
  readonly role?: Role;
  readonly name: string;
  readonly cluster?: string;
  readonly routeTo?: ServerProcess;
  readonly leafOf?: ServerProcess;
  /** Listens for leaf nodes. */
  readonly isHub?: boolean;
}

async function start(servers: Servers, member: Member): Promise<ServerProcess> {
  const { role = "server", name, cluster, routeTo, leafOf, isHub = false } = member;
  const routes = routeTo === undefined ? "" : `routes: [ "nats://${await linkAddress(routeTo, "route")}" ]`;
  const remotes =
    leafOf === undefined
      ? ""
      : `remotes: [ { url: "nats-leaf://${await linkAddress(leafOf, "leafnode")}" } ]`;
  return await servers.start({
    role,
    config: `
      server_name: ${name}
      ${cluster === undefined ? "" : `cluster { name: ${cluster}, listen: "127.0.0.1:-1", ${routes} }`}
      leafnodes { ${isHub ? `listen: "127.0.0.1:-1"` : ""} \n ${remotes} }
    `,
  });
}

/** Waits until what each client publishes reaches each other. */
async function untilAllReached(clients: readonly RawClient[]): Promise<void> {
  for (const from of clients) {
    for (const to of clients) if (from !== to) await untilReached(from, to, MESH_MS);
  }
}

rowsInParallel(
  {
    "leafs 24, 25: two leaf nodes of one cluster at two hubs of another: everybody gets one copy":
      async () => {
        await using servers = new Servers();
        const h1 = await start(servers, { name: "H1", cluster: "HC", isHub: true });
        const h2 = await start(servers, {
          role: "peer",
          name: "H2",
          cluster: "HC",
          isHub: true,
          routeTo: h1,
        });
        const l1 = await start(servers, { name: "L1", cluster: "LC", leafOf: h1 });
        const l2 = await start(servers, { role: "peer", name: "L2", cluster: "LC", leafOf: h2, routeTo: l1 });
        const clients: RawClient[] = [];
        for (const server of [h1, h2, l1, l2]) clients.push(await server.connectAs());
        await untilAllReached(clients);
        for (const client of clients) {
          client.send("SUB copies 1\r\nSUB shared.copies g 2\r\n");
          await client.roundTrip();
        }
        await untilAllReached(clients);
        for (const [at, publisher] of clients.entries()) {
          const payload = `from${at}`;
          publisher.send(`PUB copies 5\r\n${payload}\r\nPUB shared.copies 5\r\n${payload}\r\n`);
          await until(
            () => clients.every(({ waitingText }) => waitingText.includes(`MSG copies 1 5\r\n${payload}`)),
            () => `a copy from ${at} is missing: ${clients.map(({ waitingText }) => waitingText.length)}`,
          );
        }
        // Whatever is sent twice comes before this.
        for (const from of clients) {
          for (const to of clients) {
            if (from === to) continue;
            from.send("PUB copies 4\r\nlast\r\n");
          }
        }
        await until(
          () => clients.every(({ waitingText }) => (waitingText.match(/last/g)?.length ?? 0) >= 12),
          () => "the last messages are missing",
        );
        const texts: string[] = [];
        for (const client of clients) {
          client.send("PING\r\n");
          texts.push(await client.readUntil("PONG\r\n"));
        }
        for (const text of texts) {
          expect(text.match(/last/g)).toHaveLength(12);
          for (const at of clients.keys())
            expect(text.match(new RegExp(`MSG copies 1 5\r\nfrom${at}`, "g"))).toHaveLength(1);
        }
        const all = texts.join("");
        for (const at of clients.keys()) {
          expect(all.match(new RegExp(`MSG shared.copies 2 5\r\nfrom${at}`, "g"))).toHaveLength(1);
        }
      },

    "leafs 26: a chain of leaf nodes": async () => {
      await using servers = new Servers();
      const top = await start(servers, { role: "peer", name: "TOP", isHub: true });
      const middle = await start(servers, { name: "MIDDLE", isHub: true, leafOf: top });
      const bottom = await start(servers, { role: "peer", name: "BOTTOM", leafOf: middle });
      const clients = [await top.connectAs(), await middle.connectAs(), await bottom.connectAs()];
      await untilAllReached(clients);
      // A request from one end to the other.
      clients[0]!.send("SUB help 1\r\n");
      await untilReached(clients[2]!, clients[0]!);
      clients[2]!.send("SUB in 1\r\nPUB help in 2\r\nhi\r\n");
      await clients[0]!.expect("MSG help 1 in 2\r\nhi\r\n");
      clients[0]!.send("PUB in 2\r\nok\r\n");
      await clients[2]!.expect("MSG in 1 2\r\nok\r\n");
    },

    "leafs 27: a loop is noticed": async () => {
      await using servers = new Servers();
      const [first, second] = [await findFreePort(), await findFreePort()];
      const loop = (role: Role, name: string, own: number, other: number) =>
        servers.start({
          role,
          config: `
            server_name: ${name}
            leafnodes { listen: "127.0.0.1:${own}", remotes: [ { url: "nats-leaf://127.0.0.1:${other}" } ] }
          `,
        });
      const [server, peer] = await Promise.all([
        loop("server", "A", first, second),
        loop("peer", "B", second, first),
      ]);
      await until(
        () => [server!, peer!].some(({ log }) => /Loop detected for leafnode account="\$G"/.test(log)),
        () => "nobody has noticed",
        MESH_MS,
      );
      expect([server!, peer!].some(({ hasExited }) => hasExited)).toBe(false);
    },

    "leafs 27: a leaf node that is told of a loop waits": async () => {
      await using listener = await RawListener.open();
      await using server = await ServerProcess.start({
        config: `server_name: L\nleafnodes { remotes: [ { url: "nats-leaf://${listener.address}" } ] }`,
      });
      const { link } = await acceptLeaf(listener);
      link.send(`-ERR 'Loop detected for leafnode account="$G". Delaying attempt to reconnect for 30s'`);
      await link.client.readToEnd();
      await server.waitForLog(/Loop detected/);
      // The rest of the 30 s is for unit tests, whose time is virtual.
      await new Promise((resolve) => setTimeout(resolve, 3000));
      expect(listener.arrivals).toHaveLength(1);
    },

    "leafs 4.2: a hub's other leaf nodes and its cluster are one for a leaf node": async () => {
      await using servers = new Servers();
      const h1 = await start(servers, { name: "H1", cluster: "HC", isHub: true });
      const h2 = await start(servers, { role: "peer", name: "H2", cluster: "HC", isHub: true, routeTo: h1 });
      const one = await start(servers, { role: "peer", name: "ONE", leafOf: h1 });
      const two = await start(servers, { name: "TWO", leafOf: h2 });
      const clients = [await one.connectAs(), await two.connectAs(), await h1.connectAs()];
      await untilAllReached(clients);
      // leafs 48: what is gone is gone everywhere.
      clients[1]!.send("SUB only.two 1\r\nSUB in 2\r\n");
      await untilReached(clients[0]!, clients[1]!);
      clients[0]!.send("SUB in 1\r\nPUB only.two in 0\r\n\r\n");
      await clients[1]!.expect("MSG only.two 1 in 0\r\n\r\n");
      two.signal("SIGKILL");
      await until(
        async () => {
          // What is sent while the leaf node dies is lost.
          const answer = await request(clients[0]!, "only.two", "", 1000).catch(() => undefined);
          return answer?.headers.startsWith("NATS/1.0 503") ?? false;
        },
        () => "somebody still responds",
      );
    },

    "leafs 44: a request of another cluster is answered by a leaf node": async () => {
      await using servers = new Servers();
      const server = await servers.start({
        config: `
          server_name: H
          system_account: SYS
          accounts { SYS { }, A { users: [ { user: a, password: p } ] } }
          no_auth_user: a
          cluster { name: GN, listen: "127.0.0.1:-1" }
          gateway { name: GN, listen: "127.0.0.1:-1" }
          leafnodes { listen: "127.0.0.1:-1", authorization { user: l, password: p, account: A } }
        `,
      });
      await using gateway = await RawGateway.join(await linkPort(server, "gateways"), "GX");
      const leaf = await servers.start({
        role: "peer",
        config: `server_name: L\nleafnodes { remotes: [ { url: "nats-leaf://l:p@${await linkAddress(server, "leafnode")}" } ] }`,
      });
      const responder = await leaf.connectAs();
      responder.send("SUB svc q 1\r\n");
      let entry = "";
      while (entry !== "RS+ A svc q 1") entry = await gateway.inbound.next(MESH_MS);
      const mapped = `_GR_.${gatewayHash("GX")}.SRVHSH.inbox.77`;
      gateway.inbound.send(`RMSG A svc + ${mapped} q 2`, "hi");
      await responder.expect("MSG svc 1 inbox.77 2\r\nhi\r\n");
      responder.send("PUB inbox.77 2\r\nok\r\n");
      expect(await gateway.outbound.nextMessage()).toBe(`RMSG A ${mapped} 2\r\nok`);
    },

    "leafs 44: the same on this server's side of the leaf node": async () => {
      await using listener = await RawListener.open();
      await using server = await ServerProcess.start({
        config: `server_name: L\nleafnodes { remotes: [ { url: "nats-leaf://${listener.address}" } ] }`,
      });
      const { link } = await acceptLeaf(listener);
      const responder = await server.connectAs();
      responder.send("SUB svc q 1\r\n");
      await link.expect("LS+ svc q 1");
      link.send("LS+ _GR_.>", "LMSG svc + _GR_.Dp1IYz.SRVHSH.inbox.77 q 2", "hi");
      await responder.expect("MSG svc 1 inbox.77 2\r\nhi\r\n");
      responder.send("PUB inbox.77 2\r\nok\r\n");
      await link.expect("LMSG _GR_.Dp1IYz.SRVHSH.inbox.77 2\r\nok");
      link.destroy();
    },

    "leafs 35: JetStream of a hub by its domain": async () => {
      await using servers = new Servers();
      const hub = await servers
        .start({
          role: "peer",
          config: `
          server_name: H
          jetstream { store_dir: "DIRECTORY/js", domain: HUB }
          leafnodes { listen: "127.0.0.1:-1" }
        `,
        })
        .catch(() => undefined);
      // Servers without JetStream refuse the block.
      if (hub === undefined || !(await kindOf(hub)).isNatsServer) return;
      const leaf = await start(servers, { name: "L", leafOf: hub });
      const client = await leaf.connectAs();
      await untilReached(await hub.connectAs(), client, MESH_MS);
      const answer = await request(client, "$JS.HUB.API.INFO");
      expect(answer.payload).toContain("io.nats.jetstream.api.v1.account_info_response");
      const refused = await request(client, "$JS.API.INFO");
      expect(refused.headers).toStartWith("NATS/1.0 503");
    },

    "leafs 45: a leaf node over WebSocket": async () => {
      await using servers = new Servers();
      const hub = await servers.start({
        role: "peer",
        config: `
          server_name: H
          leafnodes { listen: "127.0.0.1:-1" }
          websocket { listen: "127.0.0.1:-1", no_tls: true }
        `,
      });
      const port = hub.listenerPort("Listening for websocket clients on ws://");
      for (const options of ["", ", ws_no_masking: true", ", ws_compression: true"]) {
        const leaf = await servers.start({
          config: `server_name: L${options.length}\nleafnodes { remotes: [ { url: "ws://127.0.0.1:${port}" ${options} } ] }`,
        });
        const [above, below] = [await hub.connectAs(), await leaf.connectAs()];
        await untilReached(above, below, MESH_MS);
        await untilReached(below, above);
        below.destroy();
        await leaf.stop();
      }
    },

    "leafs 45: a hub over WebSocket": async () => {
      await using servers = new Servers();
      const hub = await servers.start({
        config: `
          server_name: H
          leafnodes { listen: "127.0.0.1:-1" }
          websocket { listen: "127.0.0.1:-1", no_tls: true }
        `,
      });
      const port = hub.listenerPort("Listening for websocket clients on ws://");
      const leaf = await servers.start({
        role: "peer",
        config: `server_name: L\nleafnodes { remotes: [ { url: "ws://127.0.0.1:${port}", ws_no_masking: true } ] }`,
      });
      await untilReached(await hub.connectAs(), await leaf.connectAs(), MESH_MS);
    },

    "a leaf node in a demilitarized zone: its own users, one account bridged, its own traffic unseen outside":
      async () => {
        await using servers = new Servers();
        const inside = await servers.start({
          role: "peer",
          config: `
          server_name: INSIDE
          accounts { ${account("CORE")} ${account("OTHER")} }
          leafnodes {
            listen: "127.0.0.1:-1"
            authorization { users: [ { user: dmz, password: p, account: CORE } ] }
          }
        `,
        });
        const dmz = await servers.start({
          config: `
          server_name: DMZ
          accounts {
            ${account("LOCAL", "exports: [ { service: dmz.open } ]")}
            ${account("BRIDGE", "imports: [ { service: { account: LOCAL, subject: dmz.open } } ]")}
          }
          leafnodes {
            remotes [ {
              url: "nats-leaf://dmz:p@${await linkAddress(inside, "leafnode")}", account: BRIDGE
              deny_exports: [ "private.>" ], deny_imports: [ "internal.>" ]
            } ]
          }
        `,
        });
        const core = await login(inside, "CORE");
        const other = await login(inside, "OTHER");
        const bridge = await login(dmz, "BRIDGE");
        const local = await login(dmz, "LOCAL");
        await untilReached(core, bridge, MESH_MS);
        core.send("SUB > 1\r\n");
        other.send("SUB > 1\r\n");
        local.send("SUB dmz.open 1\r\nSUB bridged.> 2\r\nSUB internal.> 3\r\n");
        bridge.send("SUB internal.> 2\r\nSUB bridged.> 3\r\n");
        for (const client of [core, other, local, bridge]) await client.roundTrip();
        await until(
          async () => {
            bridge.send("PUB ready 0\r\n\r\n");
            await bridge.roundTrip();
            return core.waitingBytes > 0;
          },
          () => "the bridge is not up",
        );
        // Local traffic, and what is private, stays: the mark that follows comes first inside.
        local.send("PUB secret 1\r\nx\r\nPUB bridged.x 1\r\nx\r\n");
        await local.expect("MSG bridged.x 2 1\r\nx\r\n");
        bridge.send("PUB private.x 1\r\nx\r\nPUB mark 4\r\nmark\r\n");
        const seen = await core.readUntil("mark\r\n");
        for (const hidden of ["secret", "bridged", "private"]) expect(seen).not.toContain(hidden);
        await other.roundTrip();
        // What is internal does not come out, what is bridged does, to its account alone.
        core.send("PUB internal.x 1\r\nx\r\nPUB bridged.y 1\r\ny\r\n");
        await bridge.expect("MSG bridged.y 3 1\r\ny\r\n");
        await local.roundTrip();
        await core.expect("MSG internal.x 1 1\r\nx\r\nMSG bridged.y 1 1\r\ny\r\n");
        // The one service that is opened is reached from inside, and from nowhere else.
        core.send("PUB dmz.open answers 2\r\nhi\r\n");
        let line = "";
        while (!/ dmz\.open 1 _R_\./.test(line)) line = await local.readLine();
        const reply = line.split(" ")[3];
        local.send(`PUB ${reply} 2\r\nok\r\n`);
        await core.readUntil("MSG answers 1 2\r\nok\r\n");
        await other.roundTrip();
      },

    "4.2: an import returns nothing to a hub, only what came from another one": async () => {
      await using first = await RawListener.open();
      await using second = await RawListener.open();
      for (const [of, to, crosses] of [
        ["ONE", "TWO", true],
        ["ONE", "ONE", false],
        ["ONE", undefined, false],
        [undefined, undefined, false],
      ] as const) {
        await using server = await ServerProcess.start({
          config: `
            server_name: L
            accounts {
              ${account("EXP", `exports: [ { stream: "a.*" }, { service: svc } ]`)}
              ${account(
                "IMP",
                `imports: [
                   { stream: { account: EXP, subject: "a.*" }, to: "b.$1" }
                   { service: { account: EXP, subject: svc } }
                 ]`,
              )}
            }
            leafnodes { remotes: [
              { url: "nats-leaf://${first.address}", account: EXP }
              { url: "nats-leaf://${second.address}", account: IMP }
            ] }
          `,
        });
        const { link: exporter } = await acceptLeaf(first, { cluster: of });
        const { link: importer } = await acceptLeaf(second, { cluster: to });
        importer.send("LS+ b.*");
        await importer.roundTrip();
        const local = await login(server, "EXP");
        local.send("SUB a.* 1\r\n");
        await local.roundTrip();
        exporter.send("LMSG a.hub 1", "1");
        await exporter.roundTrip();
        await local.expect("MSG a.hub 1 1\r\n1\r\n");
        local.send("PUB a.local 1\r\n2\r\n");
        if (crosses) await importer.expectMessage("LMSG b.hub 1\r\n1");
        await importer.expectMessage("LMSG b.local 1\r\n2");
        await local.expect("MSG a.local 1 1\r\n2\r\n");
        // A request takes the other way.
        local.send("SUB svc 2\r\n");
        exporter.send("LS+ svc");
        for (const each of [local, exporter]) await each.roundTrip();
        importer.send("LMSG svc 1", "3");
        await local.readUntil("3\r\n");
        if (crosses) expect(await exporter.nextMessage()).toMatch(/^HMSG svc .*\r\n\r\n3$/s);
        local.send("PUB svc 1\r\n4\r\n");
        await exporter.expectMessage("LMSG svc 1\r\n4");
        for (const link of [exporter, importer, local]) link.destroy();
      }
    },

    "clusters 52: what came over a route from a cluster of leaf nodes reaches it by an import": async () => {
      await using hub = await ServerProcess.start({
        config: `
          server_name: H
          cluster { name: HC, listen: "127.0.0.1:-1" }
          leafnodes { listen: "127.0.0.1:-1" }
          accounts {
            ${account("EXP", `exports: [ { stream: "a.*" } ]`)}
            ${account("IMP", `imports: [ { stream: { account: EXP, subject: "a.*" }, to: "b.$1" } ]`)}
          }
        `,
      });
      const port = await linkPort(hub, "leafnode");
      const [exporter, importer] = [
        await joinLeaf(port, { user: "EXP", pass: "p" }),
        await joinLeaf(port, { user: "IMP", pass: "p" }),
      ];
      const route = await joinRoute(await linkPort(hub, "route"), { cluster: "HC" }, { cluster: "HC" });
      exporter.send("LS+ a.*", "LS+ a.* q 1");
      importer.send("LS+ b.*", "LS+ b.group q 1");
      for (const leaf of [exporter, importer]) await leaf.roundTrip();
      route.send(
        "LMSG LC EXP a.plain 0 1",
        "1",
        "LMSG LC EXP a.group | q 0 1",
        "2",
        "LMSG ZZ EXP a.end 0 1",
        "3",
      );
      await importer.expectMessage("LMSG b.plain 1\r\n1");
      await importer.expectMessage("LMSG b.group | q 1\r\n2");
      await importer.expectMessage("LMSG b.end 1\r\n3");
      await exporter.expectMessage("LMSG a.end 1\r\n3");
      for (const link of [exporter, importer, route]) link.destroy();
    },

    "isolation: hostile subjects stay in their account, over a leaf node": async () => {
      await using servers = new Servers();
      const hub = await servers.start({
        config: `
          server_name: H
          accounts { ${account("A")} ${account("B")} }
          leafnodes { listen: "127.0.0.1:-1", authorization { user: l, password: p, account: A } }
        `,
      });
      const leaf = await joinLeaf(await linkPort(hub, "leafnode"), { user: "l", pass: "p" });
      const [a, b] = [await login(hub, "A"), await login(hub, "B")];
      b.send("SUB > 1\r\n");
      await b.roundTrip();
      a.send("SUB > 1\r\n");
      while ((await leaf.next()) !== "LS+ >");
      const subjects = [
        "A",
        "B",
        "B.x",
        "$G",
        "$G.x",
        "é.ü",
        "A|x",
        "|",
        "+",
        "x|y",
        "\x00",
        "A\x00B",
        "_INBOX.B",
        "LMSG",
        "RS+",
      ];
      for (const subject of subjects) leaf.send(`LMSG ${subject} 1`, "x");
      for (const subject of subjects) await a.expect(`MSG ${subject} 1 1\r\nx\r\n`);
      await b.roundTrip();
      leaf.send("LS+ >", "LS+ * q 1");
      await leaf.roundTrip();
      for (const subject of subjects) b.send(`PUB ${subject} 1\r\nx\r\n`);
      for (const subject of subjects) await b.expect(`MSG ${subject} 1 1\r\nx\r\n`);
      a.send("PUB mark 0\r\n\r\n");
      await leaf.expectMessage("LMSG mark | q 0\r\n");
      leaf.destroy();
    },

    "hostile: leaf nodes that mean harm": async () => {
      await using hub = await ServerProcess.start({
        config: `server_name: H\nleafnodes { listen: "127.0.0.1:-1" }`,
      });
      const port = await linkPort(hub, "leafnode");
      const witness = await joinLeaf(port, { cluster: "GOOD" });
      for (const bytes of [
        "\x00\x01\r\n",
        "LMSG a 99999999999\r\n",
        `LS+ ${"x".repeat(70_000)}\r\n`,
        "INFO {]\r\n",
        "LMSG a 2\r\nabcdef\r\n",
      ]) {
        const leaf = await joinLeaf(port);
        leaf.sendBytes(bytes);
        await leaf.client.readToEnd();
      }
      // Somebody who does not read, and somebody who owes most of a message.
      const deaf = await joinLeaf(port, { cluster: "DEAF" });
      deaf.send("LS+ flood");
      await deaf.roundTrip();
      deaf.client.pause();
      const slow = await joinLeaf(port, { cluster: "SLOW" });
      slow.sendBytes("LMSG served 1000000\r\nxxxx");
      const [publisher, subscriber] = [await hub.connectAs(), await hub.connectAs()];
      subscriber.send("SUB flood 1\r\nSUB served 2\r\n");
      await subscriber.roundTrip();
      const payload = "z".repeat(64_000);
      for (let i = 0; i < 200; i++) {
        await publisher.sendAll(`PUB flood ${payload.length}\r\n${payload}\r\n`);
        await subscriber.expect(`MSG flood 1 ${payload.length}\r\n${payload}\r\n`);
      }
      witness.send("LMSG served 2", "hi");
      await subscriber.expect("MSG served 2 2\r\nhi\r\n");
      witness.send("LS+ out");
      await witness.roundTrip();
      publisher.send("PUB out 0\r\n\r\n");
      await witness.expectMessage("LMSG out 0\r\n");
      for (const link of [witness, deaf, slow]) link.destroy();
    },
  },
  4,
);
