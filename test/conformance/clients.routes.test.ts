import { expect } from "bun:test";
import { until } from "../support/deadline.ts";
import { linkAddress, linkPort, Servers } from "../support/links.ts";
import type { Info, RawClient } from "../support/raw_client.ts";
import { joinLeaf, openLeaf } from "../support/raw_leaf.ts";
import { joinRoute } from "../support/raw_route.ts";
import { rowsInParallel } from "../support/row.ts";
import type { ServerProcess } from "../support/server_process.ts";
import { WebSocketPeer, webSocketPort } from "../support/websocket_peer.ts";

// What clients hear of the cluster: its servers, and those that are about to leave.

/** A member of C1, with more lines of the cluster block and of the file. */
function config(name: string, cluster = "", more = ""): string {
  return `server_name: ${name}\ncluster { name: C1, listen: "127.0.0.1:-1"\n${cluster} }\n${more}`;
}

async function joined(
  servers: Servers,
  seed: ServerProcess,
  cluster = "",
  name = "P",
): Promise<ServerProcess> {
  const routes = `routes: [ "nats://${await linkAddress(seed, "route")}" ]`;
  return await servers.start({ role: "peer", config: config(name, `${routes}\n${cluster}`) });
}

function urlOf(server: ServerProcess): string {
  return `127.0.0.1:${server.clientPort}`;
}

/** A client that takes INFO at any time. */
async function listener(server: ServerProcess): Promise<RawClient> {
  return await server.connectAs({ protocol: 1 });
}

/** Takes INFO lines until one is as wanted. */
async function infoUntil(
  client: RawClient | WebSocketPeer,
  isWanted: (info: Info) => boolean,
): Promise<Info> {
  for (;;) {
    const line = await client.readLine();
    const info = JSON.parse(line.slice("INFO ".length)) as Info;
    if (isWanted(info)) return info;
  }
}

function urlsOf(info: Info): string[] {
  return (info.connect_urls ?? []) as string[];
}

rowsInParallel(
  {
    "clusters 54: an advertised address stands in INFO": async () => {
      await using servers = new Servers();
      const server = await servers.start({ config: config("N", `advertise: "10.1.2.3:6666"`) });
      const route = await joinRoute(await linkPort(server, "route"));
      expect(route.info).toMatchObject({ host: "10.1.2.3", port: 6666, ip: "nats-route://10.1.2.3:6666/" });
      route.destroy();
    },

    "clusters 54: INFO of a route has where clients reach the server": async () => {
      await using servers = new Servers();
      const server = await servers.start({ config: config("N") });
      const route = await joinRoute(await linkPort(server, "route"));
      expect(route.info.connect_urls).toEqual([urlOf(server)]);
      route.destroy();
    },

    "clusters 55: clients are told of a server that joins, and of one that leaves": async () => {
      await using servers = new Servers();
      const seed = await servers.start({ config: config("S") });
      const client = await listener(seed);
      const other = await joined(servers, seed);
      const more = await infoUntil(client, (info) => urlsOf(info).length === 2);
      expect(urlsOf(more)).toEqual([urlOf(seed), urlOf(other)]);
      const there = await other.connect();
      expect(urlsOf(there.info)).toEqual([urlOf(other), urlOf(seed)]);
      const raw = await joinRoute(await linkPort(seed, "route"), {
        connect_urls: ["127.0.0.1:7", "127.0.0.1:8"],
      });
      const four = await infoUntil(client, (info) => urlsOf(info).length === 4);
      expect(urlsOf(four)[0]).toBe(urlOf(seed));
      raw.destroy();
      await infoUntil(client, (info) => urlsOf(info).length === 2);
      other.signal("SIGKILL");
      const less = await infoUntil(client, (info) => urlsOf(info).length === 1);
      expect(urlsOf(less)).toEqual([urlOf(seed)]);
    },

    "clusters 55: clients of protocol 0 are told nothing": async () => {
      await using servers = new Servers();
      const seed = await servers.start({ config: config("S") });
      const [silent, told] = [await seed.connectAs(), await listener(seed)];
      const raw = await joinRoute(await linkPort(seed, "route"), { connect_urls: ["127.0.0.1:7"] });
      await infoUntil(told, (info) => urlsOf(info).length === 2);
      await silent.roundTrip();
      raw.destroy();
    },

    "clusters 55: WebSocket clients are told of WebSocket ports, own first, and clients of theirs":
      async () => {
        await using servers = new Servers();
        const port = (more = "") => `websocket { listen: "127.0.0.1:-1", no_tls: true, ${more} }`;
        const server = await servers.start({ config: config("N", "", port()), monitoring: true });
        const own = `127.0.0.1:${webSocketPort(server)}`;
        const early = await WebSocketPeer.connect(server, { protocol: 1 });
        expect(early.info.connect_urls).toBe(undefined);
        const client = await listener(server);
        const route = await joinRoute(await linkPort(server, "route"), { ws_connect_urls: ["127.0.0.1:7"] });
        expect(route.info.ws_connect_urls).toEqual([own]);
        const told = await infoUntil(early, (info) => info.connect_info !== true);
        expect(urlsOf(told)).toEqual([own, "127.0.0.1:7"]);
        expect(told.ws_connect_urls).toBe(undefined);
        const later = await WebSocketPeer.open(server);
        expect(urlsOf(later.info)).toEqual([own, "127.0.0.1:7"]);
        // Nothing of it concerns clients of the other port.
        await client.roundTrip();
        expect(urlsOf((await server.connect()).info)).toEqual([]);
        expect((await server.json<Info>("/varz")).ws_connect_urls).toEqual([own, "127.0.0.1:7"]);
        route.destroy();
        expect(urlsOf(await infoUntil(early, () => true))).toEqual([own]);
        const advertised = await servers.start({
          config: config("A", "", port(`advertise: "ws.example:443"`)),
        });
        const other = await joinRoute(await linkPort(advertised, "route"));
        expect(other.info.ws_connect_urls).toEqual(["ws.example:443"]);
        other.destroy();
      },

    "clusters 56: without advertising, servers and clients are told of no addresses": async () => {
      await using servers = new Servers();
      const server = await servers.start({
        config: config("N", "no_advertise: true", `websocket { listen: "127.0.0.1:-1", no_tls: true }`),
      });
      const client = await listener(server);
      const route = await joinRoute(await linkPort(server, "route"), { connect_urls: ["127.0.0.1:7"] });
      expect(route.info.connect_urls).toBeUndefined();
      expect(route.info.ws_connect_urls).toBeUndefined();
      await client.roundTrip();
      const later = await server.connect();
      expect(urlsOf(later.info)).not.toContain("127.0.0.1:7");
      route.destroy();
    },

    "clusters 57: lame duck mode: who leaves is named to nobody any more, its routes stay": async () => {
      await using servers = new Servers();
      const seed = await servers.start({
        config: config(
          "S",
          "",
          `leafnodes { listen: "127.0.0.1:-1" }\nlame_duck_duration: "30s"\nlame_duck_grace_period: "20s"`,
        ),
      });
      const other = await joined(servers, seed);
      const leafPort = await linkPort(seed, "leafnode");
      const leaf = await joinLeaf(leafPort);
      const route = await joinRoute(await linkPort(seed, "route"));
      const [here, there] = [await listener(seed), await listener(other)];
      const hasBoth = (info: Info) => urlsOf(info).length === 2;
      for (const [server, client] of [
        [seed, here],
        [other, there],
      ] as const) {
        if (!hasBoth((await server.connect()).info)) await infoUntil(client, hasBoth);
      }
      seed.signal("SIGUSR2");
      const lame = await route.readInfo((info) => info.ldm === true);
      expect(lame.server_name).toBe("S");
      const own = await infoUntil(here, (info) => info.ldm === true);
      expect(urlsOf(own)).toEqual([urlOf(other)]);
      const away = await infoUntil(there, (info) => urlsOf(info).length === 1);
      expect(urlsOf(away)).toEqual([urlOf(other)]);
      expect(away.ldm).not.toBe(true);
      // The route still carries messages.
      here.send("SUB last.words 1\r\n");
      await here.roundTrip();
      await until(
        async () => {
          there.send("PUB last.words 0\r\n\r\n");
          await there.roundTrip();
          return here.waitingBytes > 0;
        },
        () => "no message crosses the route",
      );
      // No leaf node is let in any more.
      const refused = await openLeaf(leafPort).then(
        () => "let in",
        () => "refused",
      );
      expect(refused).toBe("refused");
      leaf.destroy();
      route.destroy();
    },

    "clusters 57: lame duck of a member is heard": async () => {
      await using servers = new Servers();
      const seed = await servers.start({ config: config("S") });
      const raw = await joinRoute(await linkPort(seed, "route"), {
        ...{ server_id: "NLAME", server_name: "LAME", connect_urls: ["127.0.0.1:7"] },
      });
      const client = await listener(seed);
      const first = (await seed.connect()).info;
      if (urlsOf(first).length < 2) await infoUntil(client, (info) => urlsOf(info).length === 2);
      raw.sendJson("INFO", {
        ...{ server_id: "NLAME", server_name: "LAME", cluster: "C1", port: 1, host: "127.0.0.1" },
        ldm: true,
      });
      const less = await infoUntil(client, (info) => urlsOf(info).length === 1);
      expect(urlsOf(less)).toEqual([urlOf(seed)]);
      expect(less.ldm).not.toBe(true);
      await raw.expectNoInterest(await seed.connectAs());
      raw.destroy();
    },

    "system account: the servers of a cluster answer together": async () => {
      await using servers = new Servers();
      const accounts =
        "accounts { $SYS { users: [ { user: sys, password: p } ] }, A { users: [ { user: a, password: p } ] } }";
      const seed = await servers.start({ config: config("S", "", accounts) });
      const routes = `routes: [ "nats://${await linkAddress(seed, "route")}" ]`;
      const other = await servers.start({ role: "peer", config: config("P", routes, accounts) });
      const system = await seed.connectAs({ user: "sys", pass: "p" });
      let names: string[] = [];
      await until(
        async () => {
          const inbox = `_INBOX.${Math.random()}`;
          system.send(`SUB ${inbox} 1\r\nPUB $SYS.REQ.SERVER.PING ${inbox} 0\r\n\r\n`);
          await new Promise((resolve) => setTimeout(resolve, 200));
          system.send("UNSUB 1\r\nPING\r\n");
          const text = await system.readUntil("PONG\r\n");
          names = [...text.matchAll(/"server":\{"name":"(\w)"/g)].map(([, name]) => name!).sort();
          return names.join() === "P,S";
        },
        () => `the servers ${names.join()} answer`,
      );
      // An event of the one is heard at the other.
      system.send("SUB $SYS.ACCOUNT.A.CONNECT 2\r\n");
      await system.roundTrip();
      await until(
        async () => {
          const client = await other.connectAs({ user: "a", pass: "p" });
          client.destroy();
          return system.waitingText.includes("$SYS.ACCOUNT.A.CONNECT");
        },
        () => "no event has come",
      );
    },
  },
  4,
);
