import { expect } from "bun:test";
import { closedReason } from "../support/closed_connection.ts";
import { AUTHORIZATION_VIOLATION, expectRefused, login } from "../support/login.ts";
import { NKey } from "../support/nkey.ts";
import { Operator, signature } from "../support/operator.ts";
import { row, rowsInParallel, sharedServer } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";

const proxy = new NKey("user");
const second = new NKey("account");
const trusted = `proxies { trusted: [ {key: ${proxy.publicKey}}, {public_key: ${second.publicKey}} ] }`;

const server = sharedServer({
  monitoring: true,
  flags: ["-D"],
  config: `${trusted}\nauthorization { users: [
    {user: through, password: p, proxy_required: true}
    {user: any, password: p}
  ] }`,
});

const by =
  (key: NKey, user = "through") =>
  (nonce: string) => ({ user, pass: "p", proxy_sig: signature(key, nonce) });

row("§8.37 INFO has a nonce as soon as a proxy is trusted", async () => {
  const client = await server().connect();
  expect(client.info.nonce).toMatch(/^[A-Za-z0-9_-]{15}$/);
  client.destroy();
});

row("§8.37 a connection through a trusted proxy, shown in connz", async () => {
  for (const key of [proxy, second]) {
    const client = await login(server(), by(key));
    const page = await server().json<{ connections: { proxy?: { key: string } }[] }>(
      `/connz?cid=${client.info.client_id}`,
    );
    expect(page.connections[0]!.proxy).toEqual({ key: key.publicKey });
    client.destroy();
  }
  (await login(server(), by(proxy, "any"))).destroy();
});

row("§8.37 a user that must come through a proxy and does not", async () => {
  const from = server().log.length;
  expect(await closedReason(server(), await expectRefused(server(), { user: "through", pass: "p" }))).toBe(
    "Proxy Required",
  );
  await server().waitForLog("proxy connection required", from);
});

row("§8.37 a proxy nobody trusts is refused for every user", async () => {
  for (const user of ["through", "any"]) {
    const from = server().log.length;
    expect(await closedReason(server(), await expectRefused(server(), by(new NKey("user"), user)))).toBe(
      "Proxy Not Trusted",
    );
    await server().waitForLog("proxy is not trusted", from);
  }
  await expectRefused(server(), { user: "any", pass: "p", proxy_sig: "nonsense" });
});

row("§8.37 a proxy vouches for no password", async () => {
  await expectRefused(server(), (nonce) => ({ user: "any", pass: "x", proxy_sig: signature(proxy, nonce) }));
});

row("§8.37 the proxy's signature is of this connection's nonce", async () => {
  const other = await server().connect();
  await expectRefused(server(), {
    user: "any",
    pass: "p",
    proxy_sig: signature(proxy, String(other.info.nonce)),
  });
  other.destroy();
});

rowsInParallel({
  "§1.9 reload: a key that is trusted no longer disconnects its clients": async () => {
    const config = (keys: string) =>
      `proxies { trusted: [ ${keys} ] }\nauthorization { users: [ {user: any, password: p} ] }`;
    await using own = await ServerProcess.start({
      config: config(`{key: ${proxy.publicKey}}, {key: ${second.publicKey}}`),
      monitoring: true,
    });
    const client = await login(own, by(proxy, "any"));
    const other = await login(own, by(second, "any"));
    await own.reload(config(`{key: ${second.publicKey}}`));
    await client.expect(AUTHORIZATION_VIOLATION);
    await client.expectClosed();
    expect(await closedReason(own, client)).toBe("Proxy Not Trusted");
    await other.roundTrip();
  },

  "§1.9 proxy_required for everyone": async () => {
    await using own = await ServerProcess.start({
      config: `${trusted}\nauthorization { token: t, proxy_required: true }`,
    });
    await expectRefused(own, { auth_token: "t" });
    await login(own, (nonce) => ({ auth_token: "t", proxy_sig: signature(proxy, nonce) }));
  },

  "§1.9 proxy_required in a user's token": async () => {
    const operator = new Operator();
    const account = operator.account("a");
    await using own = await ServerProcess.start({
      config: `${trusted}\n${operator.configWithMemory(account)}`,
      monitoring: true,
    });
    const user = account.user({ proxy_required: true });
    const refused = await expectRefused(own, user.credentials);
    expect(await closedReason(own, refused)).toBe("Proxy Required");
    await login(own, (nonce) => ({ ...user.credentials(nonce), proxy_sig: signature(proxy, nonce) }));
  },
});
