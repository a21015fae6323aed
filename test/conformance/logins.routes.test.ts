import { expect } from "bun:test";
import { linkPort } from "../support/links.ts";
import type { RawLink } from "../support/raw_link.ts";
import { RawListener } from "../support/raw_listener.ts";
import { acceptRoute, joinRoute, openRoute, routeConnect, routeInfo } from "../support/raw_route.ts";
import { rowsInParallel } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";

// How routes log in by a hashed password, and what becomes of them when a reload changes who may.

/** Of `p`; comparing takes some 0.2 s. */
const HASH = "$2b$11$irNWEUIl4p8wB4ortun.QevlPdQNNdvnu8T1UujKXYCBRkQD0arHS";
const HASH_OF_SECRET = "$2b$04$icAL8pUJvk.ETrHG/4awf.xy8vYDt.AahxeWFmGmJQV0DgIfYGpV.";
const WRONG_COUNT = 16;

/** `user` "": nobody has to log in. */
function config(user: string, password = "p", more = ""): string {
  const authorization =
    user === "" ? "" : `authorization { user: ${user}, password: "${password}", timeout: 2 }`;
  return `server_name: N\nno_system_account: true\ncluster { name: C1, listen: "127.0.0.1:-1", ${authorization} ${more} }`;
}

/** A member that has logged in as `r` with `p`. */
async function joinAs(server: ServerProcess): Promise<RawLink> {
  return await joinRoute(await linkPort(server, "route"), {}, { user: "r", pass: "p" });
}

/** Nothing has happened to this route. */
async function expectServed(server: ServerProcess, route: RawLink): Promise<void> {
  const client = await server.connectAs();
  await route.expectNoInterest(client);
  client.destroy();
}

rowsInParallel({
  "clusters 3.3: what comes behind CONNECT is taken once its hashed password is compared": async () => {
    await using server = await ServerProcess.start({ config: config("r", HASH) });
    const client = await server.connectAs();
    client.send("SUB here 1\r\n");
    await client.roundTrip();
    const route = await openRoute(await linkPort(server, "route"));
    const connect = `CONNECT ${JSON.stringify(routeConnect({ user: "r", pass: "p" }))}\r\n`;
    const interest = Array.from({ length: 20_000 }, (_, i) => `RS+ $G there.${i}\r\n`).join("");
    const message = "RMSG $G here 2\r\nhi\r\n";
    route.sendBytes(`${connect}INFO ${JSON.stringify(routeInfo())}\r\n${interest}${message}`);
    await client.expect("MSG here 1 2\r\nhi\r\n");
    client.send("PUB there.0 2\r\nhi\r\nPUB there.19999 2\r\nhi\r\n");
    await route.expectMessage("RMSG $G there.0 2\r\nhi");
    await route.expectMessage("RMSG $G there.19999 2\r\nhi");
    route.destroy();
    client.destroy();
  },

  "clusters 3.3: wrong passwords hold no other route up": async () => {
    await using server = await ServerProcess.start({ config: config("r", HASH) });
    const at = await linkPort(server, "route");
    const good = await joinRoute(at, {}, { user: "r", pass: "p" });
    const wrong = await Promise.all(Array.from({ length: WRONG_COUNT }, () => openRoute(at)));
    for (const [i, link] of wrong.entries())
      link.sendJson("CONNECT", routeConnect({ user: "r", pass: `wrong${i}` }));
    await new Promise((resolve) => setTimeout(resolve, 100));
    const startMs = performance.now();
    await good.roundTrip();
    expect(performance.now() - startMs).toBeLessThan(1500);
    for (const link of wrong)
      expect(await link.client.readToEnd(20_000)).toBe("-ERR 'Authorization Violation'\r\n");
    good.destroy();
  },

  "clusters 3.3: what comes behind a wrong password is not taken, whatever it is": async () => {
    await using server = await ServerProcess.start({ config: config("r") });
    const route = await openRoute(await linkPort(server, "route"));
    const connect = `CONNECT ${JSON.stringify(routeConnect({ user: "r", pass: "wrong" }))}\r\n`;
    route.sendBytes(`${connect}PING\r\nINFO ${JSON.stringify(routeInfo())}\r\nRS+\r\nnothing\r\n`);
    expect(await route.client.readToEnd()).toBe("-ERR 'Authorization Violation'\r\n");
    await server.waitForLog('authentication error - User "r"');
    expect(server.log).not.toMatch(/ERROR|Parse Error|Unknown/);
  },

  "clusters 3.3: a reload ends routes of who may not connect any more, and tells them": async () => {
    for (const [before, after] of [
      [config("r"), config("s")],
      [config("r"), config("r", "q")],
      [config(""), config("s")],
    ] as const) {
      await using server = await ServerProcess.start({ config: before });
      const route = await joinAs(server);
      expect(await server.reload(after)).toMatch(/Reloaded server configuration/);
      await route.expectError("Authorization Violation");
      await server.waitForLog('authentication error - User "r"');
      const again = await openRoute(await linkPort(server, "route"));
      again.sendJson("CONNECT", routeConnect({ user: "r", pass: "p" }));
      await again.expectError("Authorization Violation");
    }
  },

  "clusters 3.3: a reload leaves routes of who may connect still": async () => {
    for (const [before, after] of [
      [config("r"), config("r", "p", ", no_advertise: true")],
      [config("r"), config("r", HASH)],
      [config("r", HASH), config("r")],
      [config("r"), config("")],
    ] as const) {
      await using server = await ServerProcess.start({ config: before });
      const route = await joinAs(server);
      expect(await server.reload(after)).toMatch(/Reloaded server configuration/);
      await new Promise((resolve) => setTimeout(resolve, 1000));
      await expectServed(server, route);
      route.destroy();
    }
  },

  "clusters 3.3: a reload to another hash ends routes of who had the password before": async () => {
    await using server = await ServerProcess.start({ config: config("r") });
    const route = await joinAs(server);
    expect(await server.reload(config("r", HASH_OF_SECRET))).toMatch(/Reloaded server configuration/);
    await route.expectError("Authorization Violation");
  },

  "clusters 3.3: a reload leaves the route that the server dialled": async () => {
    await using listener = await RawListener.open();
    const routes = `, routes: [ "nats://r:p@${listener.address}" ]`;
    await using server = await ServerProcess.start({ config: config("r", "p", routes) });
    const route = await acceptRoute(listener);
    expect(await server.reload(config("s", "p", routes))).toMatch(/Reloaded server configuration/);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    await expectServed(server, route);
    route.destroy();
  },
});
