import { expect } from "bun:test";
import { AccountServer } from "../support/account_server.ts";
import { ask, updateSubject } from "../support/claims_requests.ts";
import { seconds } from "../support/jwt.ts";
import { expectRefused, login } from "../support/login.ts";
import { loginAsSystem, Operator } from "../support/operator.ts";
import { rowsInParallel } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";
import { startFailure } from "../support/start_failure.ts";

/** An operator whose accounts an account server has, and a server that asks it. */
async function start() {
  const operator = new Operator();
  const known = operator.account("known");
  const accountServer = await AccountServer.start();
  for (const { publicKey, jwt } of [operator.systemAccount, known])
    accountServer.accounts.set(publicKey, jwt);
  const server = await ServerProcess.start({
    config: operator.configWith(`URL("${accountServer.url}")`),
    flags: ["-D"],
  });
  return {
    operator,
    known,
    accountServer,
    server,
    async [Symbol.asyncDispose]() {
      await server.stop();
      await accountServer[Symbol.asyncDispose]();
    },
  };
}

rowsInParallel({
  "§8.124 URL: the base is probed and the system account fetched at start, an account at its first login":
    async () => {
      await using setup = await start();
      const { server, accountServer, known, operator } = setup;
      expect(accountServer.paths[0]).toBe("/accounts/");
      // nats-server asks twice.
      expect(accountServer.count(`/accounts/${operator.systemAccount.publicKey}`)).toBeGreaterThan(0);
      expect(accountServer.count(`/accounts/${known.publicKey}`)).toBe(0);
      for (let count = 0; count < 3; count++) await login(server, known.user().credentials);
      expect(accountServer.count(`/accounts/${known.publicKey}`)).toBe(1);
    },

  "§8.124 URL: an unknown account is asked for at every login, until it is there": async () => {
    await using setup = await start();
    const { server, accountServer, operator } = setup;
    const later = operator.account("later");
    const path = `/accounts/${later.publicKey}`;
    for (let count = 1; count <= 3; count++) {
      await expectRefused(server, later.user().credentials);
      expect(accountServer.count(path)).toBe(count);
    }
    expect(server.log).toContain(
      `could not fetch <"${accountServer.url}/${later.publicKey}">: 404 Not Found`,
    );
    accountServer.accounts.set(later.publicKey, later.jwt);
    await login(server, later.user().credentials);
    await login(server, later.user().credentials);
    expect(accountServer.count(path)).toBe(4);
  },

  "§8.124 URL: an account that expired is fetched again": async () => {
    await using setup = await start();
    const { server, accountServer, operator } = setup;
    const brief = operator.account("brief");
    accountServer.accounts.set(brief.publicKey, brief.jwtWith({}, { exp: seconds(2) }));
    const client = await login(server, brief.user().credentials);
    await client.expect("-ERR 'Account Authentication Expired'\r\n");
    await client.expectClosed();
    await expectRefused(server, brief.user().credentials);
    accountServer.accounts.set(brief.publicKey, brief.jwtWith({}, { exp: seconds(60) }));
    await new Promise((resolve) => setTimeout(resolve, 1100));
    await login(server, brief.user().credentials);
  },

  "§6.2 URL: what is no valid token of that account is refused": async () => {
    await using setup = await start();
    const { server, accountServer, operator, known } = setup;
    const broken = operator.account("broken");
    for (const jwt of [
      "nonsense",
      "",
      known.jwt,
      broken.jwtWith({}, { exp: seconds(-1) }),
      new Operator().account("x").jwt,
      "x".repeat(2_000_000),
      broken.jwtWith({}, {}, new Operator().key),
    ]) {
      accountServer.accounts.set(broken.publicKey, jwt);
      await expectRefused(server, broken.user().credentials);
    }
    accountServer.accounts.set(broken.publicKey, broken.jwt);
    await login(server, broken.user().credentials);
  },

  "§6.3 URL: an account that is loaded may be updated by request": async () => {
    await using setup = await start();
    const { server, operator, known } = setup;
    const system = await loginAsSystem(server, operator);
    const subject = updateSubject(known);
    expect((await ask(system, subject, known.jwt)).data?.message).toBe("jwt update skipped");
    await login(server, known.user().credentials);
    expect(
      (await ask(system, subject, known.jwtWith({ limits: { conn: 1, subs: -1, data: -1, payload: -1 } })))
        .data?.message,
    ).toBe("jwt updated");
    await expectRefused(
      server,
      known.user().credentials,
      "-ERR 'maximum account active connections exceeded'\r\n",
    );
  },

  "§6.2 URL: many logins of an account that is not there yet ask for it, and all get in": async () => {
    await using setup = await start();
    const { server, known } = setup;
    const clients = await Promise.all(
      Array.from({ length: 20 }, () => login(server, known.user().credentials)),
    );
    for (const client of clients) await client.roundTrip();
  },

  "§6.2 URL: an account server that does not answer holds up its own account only": async () => {
    await using setup = await start();
    const { server, accountServer, operator, known } = setup;
    const hanging = operator.account("hanging");
    accountServer.silentAbout.add(hanging.publicKey);
    const startMs = performance.now();
    const refusals = Array.from({ length: 3 }, () => expectRefused(server, hanging.user().credentials));
    for (let count = 0; count < 5; count++) await login(server, known.user().credentials);
    expect(performance.now() - startMs).toBeLessThan(1000);
    await Promise.all(refusals);
    expect(performance.now() - startMs).toBeGreaterThan(1500);
  },

  "§8.124 URL: nobody there, no start": async () => {
    const operator = new Operator();
    expect(await startFailure(operator.configWith(`URL("http://127.0.0.1:1/accounts")`))).toContain(
      `could not fetch <"http://127.0.0.1:1/accounts/">`,
    );
  },

  "§5.3 account_server_url of the operator is the resolver where there is none": async () => {
    await using accountServer = await AccountServer.start();
    const operator = new Operator({ account_server_url: accountServer.url.replace("/accounts", "") });
    const known = operator.account("known");
    for (const { publicKey, jwt } of [operator.systemAccount, known])
      accountServer.accounts.set(publicKey, jwt);
    await using server = await ServerProcess.start({ config: `operator: ${operator.jwt}` });
    await login(server, known.user().credentials);
  },
});
