import { expect } from "bun:test";
import { linkPort } from "../support/links.ts";
import { joinRoute, openRoute, routeConnect, routeInfo } from "../support/raw_route.ts";
import { rowsInParallel } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";

// How routes log in by a hashed password.

/** Of `p`; comparing takes some 0.2 s. */
const HASH = "$2b$11$irNWEUIl4p8wB4ortun.QevlPdQNNdvnu8T1UujKXYCBRkQD0arHS";
const WRONG_COUNT = 16;

function config(user: string, password = "p"): string {
  const authorization = `authorization { user: ${user}, password: "${password}", timeout: 2 }`;
  return `server_name: N\nno_system_account: true\ncluster { name: C1, listen: "127.0.0.1:-1", ${authorization} }`;
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
    expect(performance.now() - startMs).toBeLessThan(1000);
    for (const link of wrong)
      expect(await link.client.readToEnd(20_000)).toBe("-ERR 'Authorization Violation'\r\n");
    good.destroy();
  },
});
