import { expect } from "bun:test";
import { existsSync } from "node:fs";
import { ask, updateSubject } from "../support/claims_requests.ts";
import { until } from "../support/deadline.ts";
import { expectRefused, login } from "../support/login.ts";
import { readMessage } from "../support/message.ts";
import { loginAsSystem, Operator, preload } from "../support/operator.ts";
import { subscribeInbox } from "../support/request.ts";
import { rowsInParallel } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";

/** A cluster of two servers of one operator, each with this resolver. */
async function pair(resolver: string, other = resolver) {
  const operator = new Operator();
  const config = (own: string, routes: string) => `
    ${operator.configWith(own)}\n${preload([operator.systemAccount])}
    cluster { name: C, listen: "127.0.0.1:-1", routes: [ ${routes} ] }`;
  const first = await ServerProcess.start({ config: config(resolver, "") });
  await first.waitForLog(/Listening for route connections on \S+:\d+/);
  const port = first.listenerPort("Listening for route connections on ");
  const second = await ServerProcess.start({ config: config(other, `"nats://127.0.0.1:${port}"`) });
  await first.waitForLog("Route connection created");
  const probe = await loginAsSystem(first, operator);
  await until(
    async () => {
      const inbox = subscribeInbox(probe);
      probe.send(`PUB $SYS.REQ.SERVER.PING.IDZ ${inbox} 0\r\n\r\n`);
      await readMessage(probe);
      return await readMessage(probe, 200).then(
        () => true,
        () => false,
      );
    },
    () => "the servers' system accounts are not joined",
  );
  // Answers may still be under way to the probe.
  probe.destroy();
  const system = await loginAsSystem(first, operator);
  return {
    operator,
    first,
    second,
    system,
    async [Symbol.asyncDispose]() {
      await Promise.all([first.stop(), second.stop()]);
    },
  };
}

const FULL = `{ type: full, dir: "DIRECTORY/jwt", interval: "1s", timeout: "500ms" }`;
const CACHE = `{ type: cache, dir: "DIRECTORY/jwt", timeout: "500ms" }`;

rowsInParallel({
  "§8.126 FULL: every server stores an update, and answers it": async () => {
    await using setup = await pair(FULL);
    const { operator, first, second, system } = setup;
    const account = operator.account("pushed");
    const inbox = subscribeInbox(system);
    const { jwt } = account;
    system.send(`PUB $SYS.REQ.CLAIMS.UPDATE ${inbox} ${jwt.length}\r\n${jwt}\r\n`);
    const answers = [await readMessage(system), await readMessage(system)].map(
      ({ payload }) => JSON.parse(payload) as { server: { id: string }; data: { message: string } },
    );
    expect(answers.map((answer) => answer.data.message)).toEqual(["jwt updated", "jwt updated"]);
    expect(new Set(answers.map((answer) => answer.server.id)).size).toBe(2);
    for (const server of [first, second]) await login(server, account.user().credentials);
  },

  "§8.126 FULL: what one server missed comes with the next pack": async () => {
    const operator = new Operator();
    const account = operator.account("missed");
    const config = (routes: string) => `
      ${operator.configWith(FULL.replace("DIRECTORY/jwt", "DIRECTORY"))}\n${preload([operator.systemAccount])}
      cluster { name: C, listen: "127.0.0.1:-1", routes: [ ${routes} ] }`;
    await using first = await ServerProcess.start({
      files: { [`${account.publicKey}.jwt`]: account.jwt },
      config: config(""),
    });
    await first.waitForLog(/Listening for route connections on \S+:\d+/);
    const port = first.listenerPort("Listening for route connections on ");
    await using second = await ServerProcess.start({ config: config(`"nats://127.0.0.1:${port}"`) });
    await until(
      () => existsSync(second.path(`${account.publicKey}.jwt`)),
      () => "the second server has not got the account",
    );
    await login(second, account.user().credentials);
  },

  "§8.125 CACHE: an account is fetched from the full resolver elsewhere": async () => {
    await using setup = await pair(FULL, CACHE);
    const { operator, second, system } = setup;
    const account = operator.account("far");
    const answer = await ask(system, updateSubject(account), account.jwt);
    expect(answer.data?.code).toBe(200);
    await login(second, account.user().credentials);
    expect(existsSync(second.path(`jwt/${account.publicKey}.jwt`))).toBe(true);
  },

  "§6.4 an account nobody has is refused as soon as all have said so": async () => {
    await using setup = await pair(FULL.replace("500ms", "5s"));
    const start = performance.now();
    await expectRefused(setup.second, setup.operator.account("nobody's").user().credentials);
    expect(performance.now() - start).toBeLessThan(3000);
  },
});
