import { expect } from "bun:test";
import { account, login, subscribe, tryLogin } from "../support/account_config.ts";
import { until } from "../support/deadline.ts";
import { linkAddress, messagesIn, Servers, untilReached } from "../support/links.ts";
import type { RawClient } from "../support/raw_client.ts";
import { readMessage, request } from "../support/request.ts";
import { row } from "../support/row.ts";

// A demilitarized zone: a leaf node with users of its own, through which outsiders reach one account of the inner
// cluster and nothing else.

/** What has come by the time that both sides' last message is there, in the order of its text. */
async function heard(client: RawClient): Promise<string[]> {
  await until(
    () => client.waitingText.includes("MSG news.in") && client.waitingText.includes("MSG news.out"),
    () => `news of one side did not come; there is ${JSON.stringify(client.waitingText)}`,
  );
  return messagesIn(client.waitingText).sort();
}

row("dmz: a leaf node bridges one account, and what is local stays local on both sides", async () => {
  await using servers = new Servers();
  const accounts = `accounts {
    ${account("PARTNERS")}
    ${account("INTERNAL")}
    SYS { users: [ { user: "sys", password: "p" } ] }
  }
  system_account: SYS`;
  const first = await servers.start({
    role: "peer",
    config: `
      server_name: INNER1
      ${accounts}
      cluster { name: INNER, listen: "127.0.0.1:-1" }
      leafnodes {
        listen: "127.0.0.1:-1"
        authorization { user: gate, password: "g", account: PARTNERS }
      }
    `,
  });
  const second = await servers.start({
    config: `
      server_name: INNER2
      ${accounts}
      cluster { name: INNER, listen: "127.0.0.1:-1"\n routes: [ "nats://${await linkAddress(first, "route")}" ] }
    `,
  });
  const zone = await servers.start({
    config: `
      server_name: ZONE
      accounts { ${account("OUT")} ${account("LOCAL")} }
      leafnodes {
        remotes: [ {
          url: "nats-leaf://gate:g@${await linkAddress(first, "leafnode")}"
          account: OUT
          deny_exports: ["private.>"]
        } ]
      }
    `,
  });
  const [outsider, local] = [await login(zone, "OUT"), await login(zone, "LOCAL")];
  const [partner, internal] = [await login(second, "PARTNERS"), await login(second, "INTERNAL")];
  const [outside, inside] = [await login(zone, "OUT"), await login(second, "PARTNERS")];
  await untilReached(outsider, partner);
  await untilReached(partner, outsider);

  // A service inside, asked from outside.
  await subscribe(partner, "orders.*");
  await untilReached(outsider, partner);
  const answered = request(outsider, "orders.new", "4711");
  const order = await readMessage(partner);
  expect(order).toMatchObject({ subject: "orders.new", payload: "4711" });
  partner.send(`PUB ${order.reply} 2\r\nok\r\n`);
  expect((await answered).payload).toBe("ok");

  // Whoever listens to everything on either side hears of the bridged account, and of nothing else.
  await subscribe(outside, "news.*", "secret.>", "private.>", "local.>");
  await subscribe(inside, "news.*", "secret.>", "private.>", "local.>");
  await untilReached(partner, outside);
  await untilReached(outsider, inside);
  local.send("PUB private.a 1\r\n8\r\nPUB local.a 1\r\n9\r\nPUB news.a 1\r\n7\r\n");
  internal.send("PUB secret.a 1\r\n3\r\nPUB news.a 1\r\n4\r\n");
  for (const client of [local, internal]) await client.roundTrip();
  outsider.send("PUB private.a 1\r\n1\r\nPUB local.a 1\r\n2\r\nPUB news.out 0\r\n\r\n");
  partner.send("PUB news.a 1\r\n5\r\nPUB news.in 0\r\n\r\n");
  expect(await heard(outside)).toEqual(["local.a 2", "news.a 5", "news.in ", "news.out ", "private.a 1"]);
  expect(await heard(inside)).toEqual(["local.a 2", "news.a 5", "news.in ", "news.out "]);

  // What outsiders may not ask of the inner servers: they are answered by nobody.
  for (const subject of ["$SYS.REQ.SERVER.PING", "$SYS.REQ.ACCOUNT.INTERNAL.CONNZ", "$JS.API.INFO"])
    expect((await request(outsider, subject)).headers).toStartWith("NATS/1.0 503");

  // Users are of one side.
  for (const [server, user] of [
    [zone, "PARTNERS"],
    [second, "OUT"],
  ] as const) {
    const stranger = await tryLogin(server, user);
    expect(await stranger.readToEnd()).toContain("-ERR 'Authorization Violation'");
  }
});
