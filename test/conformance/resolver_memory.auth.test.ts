import { expect } from "bun:test";
import { ask, lookupSubject, push, updateSubject } from "../support/claims_requests.ts";
import { expectRefused, login } from "../support/login.ts";
import { loginAsSystem, Operator, preload } from "../support/operator.ts";
import { request } from "../support/request.ts";
import { row, rowsInParallel, sharedServer } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";

const operator = new Operator();
const loaded = operator.account("loaded");
const other = operator.account("other");
const foreign = new Operator();

const server = sharedServer({ config: operator.configWithMemory(loaded, other) });

const asSystem = () => loginAsSystem(server(), operator);

row("§8.115 MEM: an account that is loaded is updated", async () => {
  const system = await asSystem();
  (await login(server(), loaded.user().credentials)).destroy();
  for (const subject of [updateSubject(loaded), `$SYS.ACCOUNT.${loaded.publicKey}.CLAIMS.UPDATE`]) {
    const answer = await ask(system, subject, loaded.jwt);
    expect(answer.data).toEqual({ account: loaded.publicKey, code: 200, message: "jwt updated" });
    expect(answer.server.id).toBe(system.info.server_id);
  }
  system.destroy();
});

row("§8.115 MEM: one that is not loaded is skipped", async () => {
  const system = await asSystem();
  const stranger = operator.account("stranger");
  const answer = await ask(system, updateSubject(stranger), stranger.jwt);
  expect(answer.data).toEqual({ account: stranger.publicKey, code: 200, message: "jwt update skipped" });
  await expectRefused(server(), stranger.user().credentials);
  system.destroy();
});

row("§8.115 MEM: what is refused", async () => {
  const system = await asSystem();
  (await login(server(), loaded.user().credentials)).destroy();
  for (const [payload, description] of [
    ["", "jwt update error - request body is empty"],
    ["nonsense", "jwt update resulted in error - expected 3 chunks"],
    [other.jwt, "jwt update resulted in error - subject does not match jwt content"],
    [loaded.jwtWith({}, {}, foreign.key), "jwt update resulted in error - account validation failed"],
  ] as const) {
    const answer = await ask(system, updateSubject(loaded), payload);
    expect(answer.error?.code).toBe(500);
    expect(answer.error?.description).toBe(description);
  }
  (await login(server(), loaded.user().credentials)).destroy();
  system.destroy();
});

row("§6.3 MEM: an update holds at once", async () => {
  const system = await asSystem();
  const client = await login(server(), other.user().credentials);
  await push(system, other, { mappings: { from: [{ subject: "to" }] } });
  client.send("SUB to 1\r\nPUB from 2\r\nhi\r\n");
  await client.expect("MSG to 1 2\r\nhi\r\n");
  for (const each of [client, system]) each.destroy();
});

row("§6.3 MEM: LOOKUP, LIST, PACK and DELETE have nobody to answer", async () => {
  const system = await asSystem();
  for (const subject of [
    lookupSubject(loaded),
    "$SYS.REQ.CLAIMS.LIST",
    "$SYS.REQ.CLAIMS.PACK",
    "$SYS.REQ.CLAIMS.DELETE",
    "$SYS.REQ.CLAIMS.UPDATE",
  ]) {
    expect((await request(system, subject)).headers).toContain("NATS/1.0 503");
  }
  system.destroy();
});

row("§6.3 clients of other accounts do not reach the system account", async () => {
  const client = await login(server(), loaded.user().credentials);
  for (const subject of [updateSubject(loaded), `$SYS.ACCOUNT.${loaded.publicKey}.CLAIMS.UPDATE`]) {
    expect((await request(client, subject, loaded.jwtWith({ limits: {} }))).headers).toContain(
      "NATS/1.0 503",
    );
  }
  await client.roundTrip();
  client.destroy();
});

rowsInParallel({
  "§6.1 MEM and {type: mem} are the same": async () => {
    for (const resolver of ["MEM", `{ type: mem }`]) {
      await using own = await ServerProcess.start({
        config: `${operator.configWith(resolver)}\n${preload([operator.systemAccount, loaded])}`,
      });
      await login(own, loaded.user().credentials);
    }
  },

  "§6.6 MEM: an account that a reload drops closes its clients with the violation": async () => {
    await using own = await ServerProcess.start({ config: operator.configWithMemory(loaded, other) });
    const client = await login(own, loaded.user().credentials);
    const staying = await login(own, other.user().credentials);
    expect(await own.reload(operator.configWithMemory(other))).toContain("Reloaded server configuration");
    await client.expect("-ERR 'Authorization Violation'\r\n");
    await client.expectClosed();
    await staying.roundTrip();
    await expectRefused(own, loaded.user().credentials);
  },

  "§6.3 MEM: after a reload the preload counts again": async () => {
    await using own = await ServerProcess.start({ config: operator.configWithMemory(loaded) });
    const system = await loginAsSystem(own, operator);
    const client = await login(own, loaded.user().credentials);
    await push(system, loaded, { mappings: { from: [{ subject: "to" }] } });
    client.send("SUB * 1\r\nPUB from 0\r\n\r\n");
    await client.expect("MSG to 1 0\r\n\r\n");
    await own.reload(operator.configWithMemory(loaded));
    client.send("PUB from 0\r\n\r\n");
    await client.expect("MSG from 1 0\r\n\r\n");
  },
});
