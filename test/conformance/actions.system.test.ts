import { expect } from "bun:test";
import { writeFileSync } from "node:fs";
import { row, rowsInParallel, sharedServer } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";
import {
  ask,
  askForSilence,
  dataOf,
  type Json,
  listen,
  loginAs,
  nextMessage,
  SYSTEM_ACCOUNTS,
} from "../support/system.ts";

// What the system account may do to a server: kick and reload, lame duck of one client and of the whole.

const server = sharedServer({ config: SYSTEM_ACCOUNTS });

const own = (client: { info: { server_id: string } }, what: string) =>
  `$SYS.REQ.SERVER.${client.info.server_id}.${what}`;

row("§8.42 KICK closes a client without a word", async () => {
  const system = await loginAs(server(), "sys");
  await listen(system, "$SYS.ACCOUNT.A.DISCONNECT");
  const client = await loginAs(server(), "a");
  const { json } = await ask(system, own(system, "KICK"), { cid: client.info.client_id });
  expect(Object.keys(json)).toEqual(["server"]);
  await client.expectClosed();
  expect((await nextMessage(system)).json).toMatchObject({
    reason: "Kicked",
    client: { id: client.info.client_id },
  });
  system.destroy();
});

row("§8.43 KICK of nobody, and without a client", async () => {
  const system = await loginAs(server(), "sys");
  for (const body of ["{}", "null", { cid: 999_999 }, { cid: 0 }]) {
    const { json } = await ask(system, own(system, "KICK"), body);
    expect(Object.keys(json)).toEqual(["server", "error"]);
    expect(json.error).toEqual({ code: 500, description: "no such client or leafnode id" });
  }
  await askForSilence(
    system,
    [own(system, "KICK"), ""],
    [own(system, "KICK"), '{"cid":"x"}'],
    [own(system, "KICK"), "{bad"],
    [own(system, "KICK"), "[]"],
  );
  system.destroy();
});

row("§8.44 KICK, LDM and RELOAD without a reply do nothing", async () => {
  const system = await loginAs(server(), "sys");
  const client = await loginAs(server(), "a", { protocol: 1 });
  const body = JSON.stringify({ cid: client.info.client_id });
  for (const what of ["KICK", "LDM", "RELOAD"]) {
    system.send(`PUB ${own(system, what)} ${body.length}\r\n${body}\r\n`);
  }
  await askForSilence(system);
  await client.roundTrip();
  for (const each of [system, client]) each.destroy();
});

row("§8.45 LDM asks one client to go, and leaves it connected", async () => {
  const system = await loginAs(server(), "sys");
  const client = await loginAs(server(), "a", { protocol: 1 });
  const other = await loginAs(server(), "a", { protocol: 1 });
  const { json } = await ask(system, own(system, "LDM"), { cid: client.info.client_id });
  expect(Object.keys(json)).toEqual(["server"]);
  expect(await client.readInfo()).toMatchObject({ ldm: true, client_id: client.info.client_id });
  await client.roundTrip();
  await other.roundTrip();
  for (const each of [system, client, other]) each.destroy();
});

row("§5.5 LDM of nobody, and of a client that takes no INFO", async () => {
  const system = await loginAs(server(), "sys");
  const old = await loginAs(server(), "a", { protocol: 0 });
  const descriptionOf = async (body: unknown) =>
    ((await ask(system, own(system, "LDM"), body)).json.error as Json).description;
  expect(await descriptionOf("{}")).toBe("no such client id");
  expect(await descriptionOf({ cid: 999_999 })).toBe("no such client id");
  expect(await descriptionOf({ cid: old.info.client_id })).toBe(
    "client does not support Lame Duck Mode or is not ready to receive the notification",
  );
  await askForSilence(system, [own(system, "LDM"), ""], [own(system, "LDM"), '{"cid":-1}']);
  for (const each of [system, old]) each.destroy();
});

row("§5.5 who filters another server does nothing here", async () => {
  const system = await loginAs(server(), "sys");
  const client = await loginAs(server(), "a");
  await askForSilence(system, [own(system, "KICK"), { cid: client.info.client_id, server_name: "zz" }]);
  await client.roundTrip();
  for (const each of [system, client]) each.destroy();
});

rowsInParallel({
  "§8.46 RELOAD applies the configuration, or says what is wrong with it": async () => {
    await using server = await ServerProcess.start({
      config: `ping_interval: 60s\n${SYSTEM_ACCOUNTS}`,
      monitoring: true,
    });
    const system = await loginAs(server, "sys");
    server.writeConfig(`ping_interval: 90s\n${SYSTEM_ACCOUNTS}`);
    expect(Object.keys((await ask(system, own(system, "RELOAD"))).json)).toEqual(["server"]);
    const varz = dataOf(await ask(system, "$SYS.REQ.SERVER.PING.VARZ"));
    expect(varz.ping_interval).toBe(90e9);
    writeFileSync(server.configPath, "ping_interval: {");
    const { json } = await ask(system, own(system, "RELOAD"), "{}");
    expect(Object.keys(json)).toContain("error");
    expect((json.error as Json).code).toBe(500);
    expect(String((json.error as Json).description)).toMatch(/.[^\n]$/);
    server.writeConfig(`foo: 1\nbar: 2\n${SYSTEM_ACCOUNTS}`);
    const { json: wrong } = await ask(system, own(system, "RELOAD"), "{}");
    // nats-server says them in no order.
    const lines = String((wrong.error as Json).description).split("\n");
    expect(lines.sort()).toEqual(
      ["", `:1:0: unknown field "foo"`, `:2:1: unknown field "bar"`].map(
        (line) => line && server.configPath + line,
      ),
    );
    expect(dataOf(await ask(system, "$SYS.REQ.SERVER.PING.VARZ")).ping_interval).toBe(90e9);
  },

  "§8.21 lame duck mode is told, with the bare server": async () => {
    await using server = await ServerProcess.start({
      config: `lame_duck_duration: 30s\nlame_duck_grace_period: 1s\n${SYSTEM_ACCOUNTS}`,
    });
    const system = await loginAs(server, "sys");
    await listen(system, "$SYS.SERVER.*.LAMEDUCK");
    server.signal("SIGUSR2");
    const { subject, json } = await nextMessage(system);
    expect(subject).toBe(`$SYS.SERVER.${system.info.server_id}.LAMEDUCK`);
    expect(Object.keys(json)).toEqual([
      ...["name", "host", "id", "ver", "feature_flags", "jetstream", "flags", "seq", "time"],
    ]);
  },
});
