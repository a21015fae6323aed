import { expect } from "bun:test";
import { closedReason } from "../support/closed_connection.ts";
import { until } from "../support/deadline.ts";
import { AUTHORIZATION_VIOLATION, expectRefused, login } from "../support/login.ts";
import { NKey } from "../support/nkey.ts";
import { signature } from "../support/operator.ts";
import { rowsInParallel } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";

const users = (...list: string[]) => `authorization { users: [ ${list.join("\n")} ] }`;

const removed = (what: string) => `-ERR 'Permissions Violation for Subscription to ${what}'\r\n`;

/** Of the password "secret", with a cost of 4. */
const BCRYPT = "$2b$04$icAL8pUJvk.ETrHG/4awf.xy8vYDt.AahxeWFmGmJQV0DgIfYGpV.";

rowsInParallel(
  {
    "§8.54 reload: allow_responses holds from then on, also for who is judged by a hash": async () => {
      for (const password of ["secret", BCRYPT]) {
        const config = (responses: string) =>
          users(
            `{user: a, password: "${password}", permissions: {publish: none, subscribe: ">" ${responses}}}`,
            "{user: b, password: p}",
          );
        await using server = await ServerProcess.start({ config: config("") });
        const responder = await login(server, { user: "a", pass: "secret" });
        responder.send("SUB ask 1\r\n");
        await responder.roundTrip();
        await server.reload(config(", allow_responses: true"));
        const requester = await login(server, { user: "b", pass: "p" });
        requester.send("SUB box 1\r\n");
        await requester.roundTrip();
        // The hash may still be compared.
        await until(
          async () => {
            requester.send("PUB ask box 2\r\nhi\r\n");
            await responder.expect("MSG ask 1 box 2\r\nhi\r\n");
            responder.send("PUB box 2\r\nok\r\nPING\r\n");
            return !(await responder.readUntil("PONG\r\n")).includes("-ERR");
          },
          () => `${password}: the answer is refused`,
        );
        await requester.expect("MSG box 1 2\r\nok\r\n");
      }
    },

    "§8.54 reload: subscriptions that are no longer allowed go, by name and sid; the others still receive":
      async () => {
        await using server = await ServerProcess.start({
          config: users("{user: a, password: p}", "{user: b, password: p}"),
        });
        const client = await login(server, { user: "a", pass: "p" });
        client.send("SUB keep 1\r\nSUB lose 4\r\nSUB keep.* 5\r\nSUB lose.> 6\r\n");
        await client.roundTrip();
        const log = await server.reload(
          users(
            `{user: a, password: p, permissions: {subscribe: ["keep", "keep.*"]}}`,
            "{user: b, password: p}",
          ),
        );
        expect([await client.readUntil("\r\n"), await client.readUntil("\r\n")].sort()).toEqual([
          removed(`"lose" (sid "4")`),
          removed(`"lose.>" (sid "6")`),
        ]);
        const publisher = await login(server, { user: "b", pass: "p" });
        for (const subject of ["lose", "lose.x", "keep", "keep.x"])
          publisher.send(`PUB ${subject} 0\r\n\r\n`);
        await client.expect("MSG keep 1 0\r\n\r\nMSG keep.x 5 0\r\n\r\n");
        await client.roundTrip();
        expect(log).toContain(`Removed sub "lose" (sid "4") for User "a" - not authorized`);
      },

    "§8.54 reload: a removed queue subscription is named with its queue": async () => {
      await using server = await ServerProcess.start({ config: users("{user: a, password: p}") });
      const client = await login(server, { user: "a", pass: "p" });
      client.send("SUB jobs w1 1\r\nSUB jobs w2 2\r\nSUB jobs 3\r\n");
      await client.roundTrip();
      await server.reload(users(`{user: a, password: p, permissions: {subscribe: ["jobs w1"]}}`));
      expect([await client.readUntil("\r\n"), await client.readUntil("\r\n")].sort()).toEqual([
        removed(`"jobs" (sid "3")`),
        removed(`"jobs" using queue "w2" (sid "2")`),
      ]);
      client.send("PUB jobs 0\r\n\r\n");
      await client.expect("MSG jobs 1 0\r\n\r\n");
      await client.roundTrip();
    },

    "§2.6 reload: a sid that was removed is free again": async () => {
      await using server = await ServerProcess.start({ config: users("{user: a, password: p}") });
      const client = await login(server, { user: "a", pass: "p" });
      client.send("SUB lose 4\r\n");
      await client.roundTrip();
      await server.reload(users(`{user: a, password: p, permissions: {subscribe: keep}}`));
      await client.expect(removed(`"lose" (sid "4")`));
      client.send("SUB keep 4\r\nPUB keep 0\r\n\r\n");
      await client.expect("MSG keep 4 0\r\n\r\n");
    },

    "§2.6 reload: publish permissions hold for the next message, tighter and wider": async () => {
      await using server = await ServerProcess.start({ config: users("{user: a, password: p}") });
      const client = await login(server, { user: "a", pass: "p" });
      client.send("SUB > 1\r\nPUB x 0\r\n\r\n");
      await client.expect("MSG x 1 0\r\n\r\n");
      await server.reload(users(`{user: a, password: p, permissions: {publish: y}}`));
      client.send("PUB x 0\r\n\r\nPUB y 0\r\n\r\n");
      await client.expect(`-ERR 'Permissions Violation for Publish to "x"'\r\nMSG y 1 0\r\n\r\n`);
      await server.reload(users(`{user: a, password: p, permissions: {publish: [x, y]}}`));
      client.send("PUB x 0\r\n\r\n");
      await client.expect("MSG x 1 0\r\n\r\n");
    },

    "§2.6 reload: a new deny filters a wildcard that stays": async () => {
      await using server = await ServerProcess.start({ config: users("{user: a, password: p}") });
      const client = await login(server, { user: "a", pass: "p" });
      client.send("SUB foo.* 1\r\nPUB foo.bar 0\r\n\r\n");
      await client.expect("MSG foo.bar 1 0\r\n\r\n");
      await server.reload(users(`{user: a, password: p, permissions: {subscribe: {deny: "foo.bar"}}}`));
      client.send("PUB foo.bar 0\r\n\r\nPUB foo.baz 0\r\n\r\n");
      await client.expect("MSG foo.baz 1 0\r\n\r\n");
      await client.roundTrip();
    },

    "§8.55 reload: a changed password closes with the violation": async () => {
      await using server = await ServerProcess.start({
        config: users("{user: a, password: p}"),
        monitoring: true,
      });
      const client = await login(server, { user: "a", pass: "p" });
      await server.reload(users("{user: a, password: q}"));
      await client.expect(AUTHORIZATION_VIOLATION);
      await client.expectClosed();
      expect(await closedReason(server, client)).toBe("Authentication Failure");
      await expectRefused(server, { user: "a", pass: "p" });
      await login(server, { user: "a", pass: "q" });
    },

    "§8.55 reload: a removed user and nkey are closed without a word": async () => {
      const key = new NKey("user");
      await using server = await ServerProcess.start({
        config: users("{user: a, password: p}", "{user: b, password: p}", `{nkey: ${key.publicKey}}`),
        monitoring: true,
      });
      const byName = await login(server, { user: "a", pass: "p" });
      const byKey = await login(server, (nonce) => ({ nkey: key.publicKey, sig: signature(key, nonce) }));
      const staying = await login(server, { user: "b", pass: "p" });
      await server.reload(users("{user: b, password: p}"));
      for (const client of [byName, byKey]) {
        await client.expectClosed();
        expect(await closedReason(server, client)).toBe("Client Closed");
      }
      await staying.roundTrip();
      await expectRefused(server, { user: "a", pass: "p" });
    },

    "§8.55 reload: a user that moves to another account is closed without a word": async () => {
      const accounts = (a: string, b: string) => `accounts { A { users: [ ${a} ] }, B { users: [ ${b} ] } }`;
      const [mover, stayer] = ["{user: mover, password: p}", "{user: stayer, password: p}"];
      await using server = await ServerProcess.start({
        config: accounts(`${mover}, ${stayer}`, "{user: other, password: p}"),
        monitoring: true,
      });
      const moving = await login(server, { user: "mover", pass: "p" });
      const staying = await login(server, { user: "stayer", pass: "p" });
      await server.reload(accounts(stayer, `${mover}, {user: other, password: p}`));
      await moving.expectClosed();
      expect(await closedReason(server, moving)).toBe("Client Closed");
      await staying.roundTrip();
      await login(server, { user: "mover", pass: "p" });
    },

    "§2.6 reload: authentication that comes closes who brought none": async () => {
      await using server = await ServerProcess.start({ config: "debug: false" });
      const client = await server.connectAs();
      await server.reload("authorization { token: t }");
      await client.expect(AUTHORIZATION_VIOLATION);
      await client.expectClosed();
      expect((await server.connect()).info.auth_required).toBe(true);
    },

    "§2.6 reload: a changed token closes with the violation": async () => {
      await using server = await ServerProcess.start({ config: "authorization { token: t }" });
      const client = await login(server, { auth_token: "t" });
      await server.reload("authorization { token: u }");
      await client.expect(AUTHORIZATION_VIOLATION);
      await client.expectClosed();
      await login(server, { auth_token: "u" });
    },

    "§2.6 reload: default_permissions that change are the user's from then on": async () => {
      const defaults = (subject: string) =>
        `authorization { default_permissions: {publish: ${subject}}, users: [ {user: a, password: p} ] }`;
      await using server = await ServerProcess.start({ config: defaults("x") });
      const client = await login(server, { user: "a", pass: "p" });
      client.send("SUB > 1\r\n");
      await server.reload(defaults("y"));
      client.send("PUB x 0\r\n\r\nPUB y 0\r\n\r\n");
      await client.expect(`-ERR 'Permissions Violation for Publish to "x"'\r\nMSG y 1 0\r\n\r\n`);
    },

    "§2.6 reload: a file whose permissions are wrong leaves all as it was": async () => {
      await using server = await ServerProcess.start({ config: users("{user: a, password: p}") });
      const client = await login(server, { user: "a", pass: "p" });
      client.send("SUB a 1\r\n");
      await client.roundTrip();
      const log = await server.reload(users(`{user: a, password: p, permissions: {subscribe: "a..b"}}`));
      expect(log).toContain("Failed to reload server configuration: ");
      client.send("PUB a 0\r\n\r\n");
      await client.expect("MSG a 1 0\r\n\r\n");
    },

    "§2.6 reload: who is in by no_auth_user is judged as if it had sent that user's old password":
      async () => {
        const of = (guest: string, others = "") =>
          `no_auth_user: guest\naccounts { A { users: [${guest}] }, B { users: [{user: b, password: p}${others}] } }`;
        const guest = (rest: string) => of(`{user: guest, ${rest}}, {user: a, password: p}`);
        const start = guest("password: secret");
        const moved = of("{user: a, password: p}", ", {user: guest, password: secret}");
        const greetings = ['CONNECT {"verbose":false}\r\nPING\r\n', "PING\r\n"];
        const ends: readonly (readonly [config: string, end: "stays" | "violation" | "closed"])[] = [
          [guest("password: other"), "violation"],
          [guest("password: secret, allowed_connection_types: [WEBSOCKET]"), "violation"],
          [guest("password: secret, proxy_required: true"), "violation"],
          [guest(`password: "${BCRYPT}"`), "stays"],
          [guest("password: secret, permissions: {subscribe: y}"), "stays"],
          [start.replace("user: a, password: p", "user: a, password: q"), "stays"],
          [moved, "closed"],
        ];
        for (const [config, end] of ends) {
          await using server = await ServerProcess.start({ config: start });
          const clients = await Promise.all(
            greetings.map(async (greeting) => {
              const client = await server.connect();
              client.send(greeting);
              await client.readUntil("PONG\r\n");
              return client;
            }),
          );
          await server.reload(config);
          for (const client of clients) {
            if (end === "stays") await client.roundTrip();
            else
              expect([config, await client.readToEnd()]).toEqual([
                config,
                end === "closed" ? "" : AUTHORIZATION_VIOLATION,
              ]);
          }
          if (end === "violation")
            await server.waitForLog(/(.* - authentication error - User "guest"\n.*){2}/s);
        }
      },

    "§2.6 reload: no_auth_user goes with its user, and so do those who are it": async () => {
      await using server = await ServerProcess.start({
        config: `no_auth_user: a\n${users("{user: a, password: p}", "{user: b, password: p}")}`,
      });
      const anonymous = await server.connectAs();
      const named = await server.connectAs({ user: "b", pass: "p" });
      expect(await server.reload(users("{user: b, password: p}"))).toContain("Reloaded server configuration");
      expect(await anonymous.readToEnd()).toBe("");
      await named.roundTrip();
      expect((await server.connect()).info.auth_required).toBe(true);
    },

    "§2.6 reload: no_auth_user, auth_callout, operator and trusted keys are not reloadable": async () => {
      const one = users("{user: a, password: p}", "{user: b, password: p}");
      for (const [from, to, field] of [
        [one, `no_auth_user: a\n${one}`, "NoAuthUser"],
        [`no_auth_user: a\n${one}`, `no_auth_user: b\n${one}`, "NoAuthUser"],
        ["debug: false", `trusted_keys: [${new NKey("operator").publicKey}]`, "TrustedKeys"],
      ] as const) {
        await using server = await ServerProcess.start({ config: from });
        expect(await server.reload(to)).toContain(`config reload not supported for ${field}: old=`);
      }
    },
  },
  8,
);
