/** JetStream of other members of a cluster is asked by way of the system account, on servers without it, too. */
import { expect } from "bun:test";
import { account, login, subscribe } from "../support/account_config.ts";
import { headerValues, readMessage } from "../support/message.ts";
import type { RawClient } from "../support/raw_client.ts";
import { row } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";

const CLUSTER = 'cluster { name: C, listen: "127.0.0.1:-1" }';
const GATEWAY = 'gateway { name: C, listen: "127.0.0.1:-1" }';
const SYSTEM = "system_account: SYS";

const config = (links: string, accounts = "") =>
  `${links}\n${SYSTEM}\naccounts { ${account("SYS")} ${accounts} }
  authorization { users: [ { user: G, password: p } ] }`;

/** Has `user` ask for JetStream, and the system account answer it. */
async function expectAnswered(server: ServerProcess, user: string, name: string): Promise<void> {
  const [system, client] = [await login(server, "SYS"), await login(server, user)];
  await subscribe(system, "$JS.API.>");
  await subscribe(client, "in.>");
  client.send("PUB $JS.API.STREAM.NAMES in.1 2\r\n{}\r\n");
  const asked = await readMessage(system);
  expect([asked.subject, asked.payload]).toEqual(["$JS.API.STREAM.NAMES", "{}"]);
  expect(asked.reply).toMatch(/^_R_\./);
  const [info] = headerValues(asked, "Nats-Request-Info");
  expect(JSON.parse(info!)).toMatchObject({ acc: name, user, kind: "Client", client_type: "nats" });
  system.send(`PUB ${asked.reply} 2\r\n[]\r\n`);
  await client.expect("MSG in.1 1 2\r\n[]\r\n");
  for (const each of [system, client]) each.destroy();
}

async function expectNobody(server: ServerProcess, user: string): Promise<void> {
  const [system, client] = [await login(server, "SYS"), await login(server, user)];
  await subscribe(system, "$JS.API.>");
  await expectUnanswered(client);
  for (const each of [system, client]) each.destroy();
}

async function expectUnanswered(client: RawClient): Promise<void> {
  await subscribe(client, "in.>");
  client.send("PUB $JS.API.INFO in.1 0\r\n\r\n");
  const answer = await readMessage(client);
  expect([answer.subject, answer.headers.split("\r\n", 1)[0]]).toEqual(["in.1", "NATS/1.0 503"]);
}

for (const [where, links] of [
  ["a cluster", CLUSTER],
  ["a supercluster", GATEWAY],
] as const) {
  row(`§4.9 in ${where} the global account may ask for JetStream, if it is the only one`, async () => {
    await using server = await ServerProcess.start({ config: config(links) });
    await expectAnswered(server, "G", "$G");
  });
}

row("§4.9 a server by itself has nobody to ask for JetStream", async () => {
  await using server = await ServerProcess.start({ config: config("") });
  await expectNobody(server, "G");
});

row("§4.9 beside other accounts only those that say so may ask for JetStream", async () => {
  const accounts = [
    account("SAYS", "jetstream: enabled"),
    account("LIMITS", "jetstream { max_mem: 1MB, max_streams: 2 }"),
    account("OFF", "jetstream: disabled"),
    account("SILENT"),
  ];
  await using server = await ServerProcess.start({ config: config(CLUSTER, accounts.join("")) });
  for (const name of ["SAYS", "LIMITS"]) await expectAnswered(server, name, name);
  for (const name of ["OFF", "SILENT", "G"]) await expectNobody(server, name);
});
