import { expect } from "bun:test";
import { until } from "../support/deadline.ts";
import { findFreePort } from "../support/free_port.ts";
import { linkAddress, linkPort, Servers, untilReached } from "../support/links.ts";
import type { Info } from "../support/raw_client.ts";
import {
  acceptGateway,
  dialGateway,
  gatewayConnect,
  gatewayInfo,
  payloadOf,
  RawGateway,
} from "../support/raw_gateway.ts";
import { RawLink } from "../support/raw_link.ts";
import { RawListener } from "../support/raw_listener.ts";
import { joinRoute } from "../support/raw_route.ts";
import { rowsInParallel } from "../support/row.ts";
import { type Role, ServerProcess } from "../support/server_process.ts";

// How clusters find each other, and who is turned away.

/** A cluster of that name with one server, which is told of these other clusters. */
function config(
  name: string,
  remotes: Readonly<Record<string, string>> = {},
  gateway = "",
  server = name,
): string {
  const others = Object.entries(remotes).map(([of, address]) => `{ name: ${of}, url: "nats://${address}" }`);
  return `
    server_name: ${server}
    no_system_account: true
    cluster { name: ${name}, listen: "127.0.0.1:-1" }
    gateway {
      name: ${name}
      ${gateway.includes("listen") ? "" : `listen: "127.0.0.1:-1"`}
      gateways: [ ${others.join(", ")} ]
      ${gateway}
    }
  `;
}

async function open(server: ServerProcess): Promise<RawLink> {
  const link = await RawLink.open(await linkPort(server, "gateways"));
  await link.readInfo();
  return link;
}

/** Messages go both ways between two clusters. */
async function expectJoined(first: ServerProcess, second: ServerProcess): Promise<void> {
  const [here, there] = [await first.connectAs(), await second.connectAs()];
  await untilReached(here, there, 15_000);
  await untilReached(there, here, 15_000);
  for (const client of [here, there]) client.destroy();
}

rowsInParallel(
  {
    "clusters 61: another server's gateway is accepted, and dialled back (63)": async () => {
      await using servers = new Servers();
      const server = await servers.start({ config: config("GN") });
      const peer = await servers.start({
        role: "peer",
        config: config("GP", { GN: await linkAddress(server, "gateways") }),
      });
      await expectJoined(server, peer);
      await server.waitForLog(/Inbound gateway connection from "GP" .* registered/);
      await server.waitForLog(/Outbound gateway connection to "GP" .* registered/);
    },

    "clusters 62: another server's gateway is dialled": async () => {
      await using servers = new Servers();
      const peer = await servers.start({ role: "peer", config: config("GP") });
      const server = await servers.start({
        config: config("GN", { GP: await linkAddress(peer, "gateways") }),
      });
      await expectJoined(server, peer);
    },

    "clusters 61: what is said by who accepts": async () => {
      await using server = await ServerProcess.start({ config: config("GN") });
      const link = await open(server);
      const address = await linkAddress(server, "gateways");
      expect(link.info).toMatchObject({
        ...{ server_name: "GN", gateway: "GN", gateway_url: address, gateway_urls: [address] },
        ...{ gateway_nrp: true, gateway_iom: true, headers: true },
      });
      link.destroy();
    },

    "clusters 61: a server without headers says so": async () => {
      await using own = await ServerProcess.start({ config: `no_header_support: true\n${config("GN")}` });
      const link = await RawLink.open(await linkPort(own, "gateways"));
      expect((await link.readInfo()).headers ?? false).toBe(false);
      link.destroy();
    },

    "clusters 62: who dials waits for INFO, then says CONNECT and INFO": async () => {
      await using listener = await RawListener.open();
      await using server = await ServerProcess.start({ config: config("GN", { GX: listener.address }) });
      const link = await listener.accept();
      await new Promise((resolve) => setTimeout(resolve, 300));
      expect(link.client.waitingBytes).toBe(0);
      link.sendJson("INFO", gatewayInfo("GX", listener.address));
      const connect = await link.readConnect();
      expect(connect).toMatchObject({ echo: false, verbose: false, pedantic: false, gateway: "GN" });
      const info = await link.readInfo();
      expect(info).toMatchObject({ gateway: "GN", server_name: "GN" });
      expect(info.server_id).toBe(connect.name as string);
      await server.waitForLog(/Outbound gateway connection to "GX" .* registered/);
      link.destroy();
    },

    "clusters 4.3: the smallest forms": async () => {
      await using server = await ServerProcess.start({ config: config("GN") });
      const link = await open(server);
      link.sendJson("CONNECT", { gateway: "GX" });
      link.sendJson("INFO", { gateway: "GX" });
      await link.readInfo((info) => info.gateway_cmd === 3);
      link.destroy();
    },

    "clusters 64: a gateway of another name, and a port of clients": async () => {
      await using servers = new Servers();
      await using listener = await RawListener.open();
      const peer = await servers.start({ role: "peer", config: config("WRONG") });
      const server = await servers.start({
        config: config("GN", {
          GX: await linkAddress(peer, "gateways"),
          GV: `127.0.0.1:${peer.clientPort}`,
          GW: listener.address,
        }),
      });
      const link = await listener.accept();
      link.sendJson("INFO", gatewayInfo("OTHER", listener.address));
      await link.expectError('Connection from "GN" rejected, wanted to connect to "GW", this is "OTHER"');
      const again = await listener.accept();
      again.sendJson("INFO", { ...gatewayInfo("", listener.address), gateway: undefined });
      await again.expectError('Attempt to connect to gateway "GW" using wrong port');
      // Who dialled goes on trying, every second.
      await listener.accept();
      await server.waitForLog(/"GX".*"WRONG"/);
      await server.waitForLog(/Attempt to connect to gateway "GV" using wrong port/);
    },

    "clusters 66: clients, strangers and unknown clusters are turned away": async () => {
      await using server = await ServerProcess.start({ config: config("GN", {}, "reject_unknown: true") });
      const refused: [Record<string, unknown>, string][] = [
        [{ lang: "go", gateway: undefined }, "attempted to connect to gateway port"],
        [{ gateway: undefined }, "attempted to connect to gateway port"],
        [{ gateway: "GQ" }, 'Connection to gateway "GN" rejected'],
      ];
      for (const [fields, error] of refused) {
        const link = await open(server);
        link.sendJson("CONNECT", gatewayConnect("GQ", fields));
        await link.expectError(error);
      }
      for (const line of [
        "PING",
        `INFO ${JSON.stringify(gatewayInfo("GQ", "127.0.0.1:1"))}`,
        "RMSG $G a 0",
      ]) {
        const link = await open(server);
        link.send(line);
        await link.expectError("Authorization Violation");
      }
    },

    "clusters 23: a server of the same name is turned away": async () => {
      await using server = await ServerProcess.start({ config: config("GN") });
      const link = await dialGateway(await linkPort(server, "gateways"), "GX", "127.0.0.1:1", {
        server_name: "GN",
      });
      await link.expectEnd();
      await server.waitForLog('Remote server has a duplicate name: "GN"');
    },

    "clusters 4.4: credentials of gateways": async () => {
      await using listener = await RawListener.open();
      await using server = await ServerProcess.start({
        config: config("GN", { GX: listener.address }, "authorization { user: g, password: p, timeout: 1 }"),
      });
      const { connect } = await acceptGateway(listener, "GX");
      expect([connect.user, connect.pass]).toEqual(["g", "p"]);
      const silent = await open(server);
      for (const fields of [{}, { user: "g", pass: "x" }]) {
        const bad = await open(server);
        bad.sendJson("CONNECT", gatewayConnect("GX", fields));
        await bad.expectError("Authorization Violation");
      }
      const good = await open(server);
      good.sendJson("CONNECT", gatewayConnect("GX", { user: "g", pass: "p" }));
      good.sendJson("INFO", gatewayInfo("GX", listener.address));
      await good.readInfo((info) => info.gateway_cmd === 3);
      await silent.expectError("Authentication Timeout");
      good.destroy();
    },

    "clusters 4.4: what comes behind CONNECT is taken once its hashed password is compared": async () => {
      await using listener = await RawListener.open();
      // Of `p`.
      const hash = "$2b$11$irNWEUIl4p8wB4ortun.QevlPdQNNdvnu8T1UujKXYCBRkQD0arHS";
      await using server = await ServerProcess.start({
        config: config("GN", { GX: listener.address }, `authorization { user: g, password: "${hash}" }`),
      });
      const client = await server.connectAs();
      client.send("SUB here 1\r\n");
      await client.roundTrip();
      for (const [pass, isIn] of [
        ["x", false],
        ["p", true],
      ] as const) {
        const link = await open(server);
        const connect = JSON.stringify(gatewayConnect("GX", { user: "g", pass }));
        const info = JSON.stringify(gatewayInfo("GX", listener.address));
        link.sendBytes(`CONNECT ${connect}\r\nINFO ${info}\r\nRMSG $G here 2\r\nhi\r\n`);
        if (isIn) await client.expect("MSG here 1 2\r\nhi\r\n");
        else await link.expectError("Authorization Violation");
        link.destroy();
      }
      client.destroy();
    },

    "clusters 4.4: commands that lack their account, and unknown ones": async () => {
      await using listener = await RawListener.open();
      await using server = await ServerProcess.start({ config: config("GN", { GX: listener.address }) });
      const expected = [
        [2, "Account absent from receive-all-subscriptions-start command"],
        [3, "Account absent from receive-all-subscriptions-complete command"],
      ] as const;
      for (const [command, error] of expected) {
        const { link } = await acceptGateway(listener, "GX");
        link.sendJson("INFO", { gateway: "GX", gateway_cmd: command });
        await link.expectError(error);
      }
      const { link } = await acceptGateway(listener, "GX");
      link.sendJson("INFO", { gateway: "GX", gateway_cmd: 9 });
      await link.roundTrip();
      await server.waitForLog(/Received unknown command 9 from gateway "GX"/);
      link.destroy();
    },

    "clusters 68: a third cluster is told of the second, and they join": async () => {
      await using servers = new Servers();
      const server = await servers.start({ config: config("GN") });
      const remotes = { GN: await linkAddress(server, "gateways") };
      const [first, second] = [
        await servers.start({ role: "peer", config: config("GX", remotes) }),
        await servers.start({ role: "peer", config: config("GY", remotes) }),
      ];
      await expectJoined(first, second);
      await expectJoined(server, first);
      await expectJoined(server, second);
    },

    "clusters 68: the same where the server itself is told": async () => {
      await using servers = new Servers();
      const middle = await servers.start({ role: "peer", config: config("GM") });
      const remotes = { GM: await linkAddress(middle, "gateways") };
      const [server, other] = [
        await servers.start({ config: config("GN", remotes) }),
        await servers.start({ role: "peer", config: config("GY", remotes) }),
      ];
      await expectJoined(server, other);
    },

    "clusters 68: what is told of other clusters": async () => {
      await using server = await ServerProcess.start({ config: config("GN") });
      const port = await linkPort(server, "gateways");
      await using first = await RawGateway.join(port, "GX");
      const link = await dialGateway(port, "GY", "127.0.0.1:1");
      const told = await link.readInfo((info) => info.gateway_cmd === 1);
      expect([told.gateway, told.gateway_urls]).toEqual(["GX", [first.listener.address]]);
      link.destroy();
    },

    "clusters 69: members are told of clusters": async () => {
      await using server = await ServerProcess.start({ config: config("GN") });
      const of = { cluster: "GN" };
      const route = await joinRoute(await linkPort(server, "route"), of, of);
      await using gateway = await RawGateway.join(await linkPort(server, "gateways"), "GX");
      const told = await route.readInfo((info) => info.gateway === "GX");
      expect([told.gateway_cmd, told.gateway_urls]).toEqual([1, [gateway.listener.address]]);
      expect(told.server_id).toBe(`GW${route.info.server_id}`);
      // Who joins later is told, too.
      const late = await joinRoute(await linkPort(server, "route"), of, of);
      const again = await late.readInfo((info) => info.gateway === "GX");
      expect([again.gateway_cmd, again.gateway_urls]).toEqual([1, [gateway.listener.address]]);
      for (const link of [route, late]) link.destroy();
    },

    "clusters 69: a member's word of a cluster is followed": async () => {
      await using listener = await RawListener.open();
      await using server = await ServerProcess.start({ config: config("GN") });
      const of = { cluster: "GN" };
      const route = await joinRoute(await linkPort(server, "route"), of, of);
      const about = { gateway: "GZ", gateway_urls: [listener.address], gateway_cmd: 1 };
      route.sendJson("INFO", { server_id: "GWNX", server_name: "", ...about });
      const { link } = await acceptGateway(listener, "GZ");
      await server.waitForLog(/Outbound gateway connection to "GZ" .* registered/);
      for (const each of [route, link]) each.destroy();
    },

    "clusters 70: other clusters are told of members that come and go": async () => {
      await using server = await ServerProcess.start({ config: config("GN") });
      const own = await linkAddress(server, "gateways");
      await using gateway = await RawGateway.join(await linkPort(server, "gateways"), "GX");
      const of = { cluster: "GN" };
      const route = await joinRoute(
        await linkPort(server, "route"),
        { ...of, gateway_url: "127.0.0.1:9" },
        of,
      );
      const urls = (info: Info) => ((info.gateway_urls ?? []) as string[]).toSorted().join();
      await gateway.inbound.readInfo((info) => urls(info) === [own, "127.0.0.1:9"].sort().join());
      route.destroy();
      await gateway.inbound.readInfo((info) => urls(info) === own);
    },

    "clusters 4.5: an explicit gateway is dialled again a second after it ended": async () => {
      await using listener = await RawListener.open();
      await using server = await ServerProcess.start({ config: config("GN", { GX: listener.address }) });
      const { link } = await acceptGateway(listener, "GX");
      await server.waitForLog(/Outbound gateway connection to "GX" .* registered/);
      const ended = performance.now();
      link.destroy();
      await acceptGateway(listener, "GX");
      const after = listener.arrivals.at(-1)! - ended;
      expect(after).toBeGreaterThan(900);
      expect(after).toBeLessThan(2500);
    },

    "clusters 79: messages go where a service is nearest, and elsewhere when it is gone": async () => {
      await using servers = new Servers();
      const [portN, portX, portY] = [await findFreePort(), await findFreePort(), await findFreePort()];
      const remotes = { GN: `127.0.0.1:${portN}`, GX: `127.0.0.1:${portX}`, GY: `127.0.0.1:${portY}` };
      const start = (role: Role, name: string, port: number, member = name) =>
        servers.start({ role, config: config(name, remotes, `listen: "127.0.0.1:${port}"`, member) });
      const [here, near, far] = [
        await start("server", "GN", portN),
        await start("peer", "GX", portX),
        await start("peer", "GY", portY),
      ];
      for (const [first, second] of [
        [here, near],
        [here, far],
        [near, far],
      ] as const)
        await expectJoined(first, second);
      const requester = await here.connectAs();
      requester.send("SUB answers 1\r\n");
      const responders = [];
      for (const [name, server] of [
        ["here", here],
        ["near", near],
        ["far", far],
      ] as const) {
        const client = await server.connectAs();
        client.send("SUB svc workers 1\r\n");
        await client.roundTrip();
        await untilReached(requester, client, 15_000);
        responders.push({ name, server, client });
        client.socket.on("data", () => {
          const text = client.waitingText;
          const count = text.match(/MSG svc 1 answers 0\r\n\r\n/g)?.length ?? 0;
          if (count === 0) return;
          void client.readUntil("MSG svc 1 answers 0\r\n\r\n".repeat(count)).then(() => {
            client.send(`PUB answers ${name.length}\r\n${name}\r\n`.repeat(count));
          });
        });
      }
      const ask = async (deadlineMs = 1000) => {
        requester.send("PUB svc answers 0\r\n\r\n");
        const line = await requester.readLine(deadlineMs);
        const size = Number(line.split(" ").at(-1));
        const payload = new TextDecoder().decode(await requester.readBytes(size + 2));
        return payload.trimEnd();
      };
      for (let i = 0; i < 20; i++) expect(await ask(5000)).toBe("here");
      responders[0]!.client.destroy();
      let answer = "";
      const gone = performance.now();
      await until(
        async () => {
          answer = await ask().catch(() => "");
          return answer === "near" || answer === "far";
        },
        () => `the answer comes from ${answer}`,
      );
      expect(performance.now() - gone).toBeLessThan(2000);
      // One cluster serves all, as long as the way to it stays the shortest; then the last one does.
      const nearest = answer;
      const other = nearest === "near" ? "far" : "near";
      responders.find(({ name }) => name === nearest)!.server.signal("SIGKILL");
      await until(
        async () => (await ask().catch(() => "")) === other,
        () => `the answers do not come from ${other}`,
      );
      // Back home.
      const back = await here.connectAs();
      back.send("SUB svc workers 1\r\n");
      await back.roundTrip();
      requester.send("PUB svc answers 0\r\n\r\n");
      await back.expect("MSG svc 1 answers 0\r\n\r\n");
    },

    "hostile: garbage, and lines that end a gateway's connection": async () => {
      await using server = await ServerProcess.start({ config: config("GN") });
      const port = await linkPort(server, "gateways");
      await using witness = await RawGateway.join(port, "GX");
      for (const line of [
        "RMSG $G",
        "HMSG $G a 9 2",
        "FOO",
        "LMSG a b c 0 0",
        "INFO {",
        "RMSG $G a 9999999999",
        "-ERR 'x'",
      ]) {
        const link = await dialGateway(port, "GY", "127.0.0.1:1", { gateway_urls: [], gateway_url: "" });
        await link.roundTrip();
        link.send(line);
        await link.client.readToEnd();
      }
      for (const bytes of [
        "\x00\x01\r\n",
        "\x16\x03\x01\x00\x05hello\r\n",
        `CONNECT ${"{".repeat(5000)}\r\n`,
      ]) {
        const link = await open(server);
        link.sendBytes(bytes);
        await link.client.readToEnd();
      }
      const client = await server.connectAs();
      client.send("SUB served 1\r\n");
      await witness.inbound.expect("RS+ $G served");
      witness.inbound.send("RMSG $G served 2", "hi");
      await client.expect("MSG served 1 2\r\nhi\r\n");
      await witness.tell("$G", "out");
      client.send("PUB out 0\r\n\r\n");
      await witness.outbound.expect("RMSG $G out 0\r\n");
      expect(payloadOf("$G")).toBe("JEc=");
    },
  },
  5,
);
