import { expect } from "bun:test";
import { account, login, loginAll, settle, subscribe } from "../support/account_config.ts";
import { headerValues, readMessage } from "../support/message.ts";
import type { RawClient } from "../support/raw_client.ts";
import { row, sharedServer } from "../support/row.ts";
import { REWRITTEN_REPLY } from "../support/services.ts";

// The way of a request from an account into the system account and back, as a client of the system account sees it.
// What the server itself answers there is another matter.

const server = sharedServer({
  config: `
    server_name: S1
    accounts { ${account("$SYS")} ${account("A")} ${account("B")} }
  `,
});

const IMPORTS: Record<string, string> = {
  "$SYS.REQ.ACCOUNT.PING.CONNZ": "$SYS.REQ.ACCOUNT.A.CONNZ",
  "$SYS.REQ.SERVER.PING.CONNZ": "$SYS.REQ.ACCOUNT.A.CONNZ",
  "$SYS.REQ.ACCOUNT.PING.STATZ": "$SYS.REQ.ACCOUNT.A.STATZ",
  "$SYS.REQ.USER.INFO": "$SYS.REQ.USER.A.INFO",
};

/** Takes what is there up to a message with this payload; fails when anything else than messages comes. */
async function readUntilPayload(client: RawClient, payload: string) {
  for (;;) {
    const message = await readMessage(client);
    if (message.payload === payload) return message;
  }
}

for (const [local, remote] of Object.entries(IMPORTS)) {
  row(`§4.9 §8.92 ${local} reaches ${remote} in the system account`, async () => {
    const [system, a] = await loginAll(server(), "$SYS", "A");
    await subscribe(system!, "$SYS.REQ.ACCOUNT.*.*", "$SYS.REQ.USER.*.INFO");
    await subscribe(a!, "in.>");
    a!.send(`PUB ${local} in.1 5\r\nwhat?\r\n`);
    const message = await readUntilPayload(system!, "what?");
    expect(message.subject).toBe(remote);
    expect(message.reply).toMatch(REWRITTEN_REPLY);
    const info = JSON.parse(headerValues(message, "Nats-Request-Info")[0]!);
    expect(info).toMatchObject({ acc: "A", server: "S1" });
    const isShared = local === "$SYS.REQ.USER.INFO";
    expect([info.user, info.kind, info.id]).toEqual(
      isShared ? ["A", "Client", a!.info.client_id] : Array(3).fill(undefined),
    );
    for (const client of [system!, a!]) client.destroy();
  });
}

row("§4.9 the answers of a CONNZ request pass, one after the other, on the requester's inbox", async () => {
  const [system, a, b] = await loginAll(server(), "$SYS", "A", "B");
  await subscribe(system!, "$SYS.REQ.ACCOUNT.*.CONNZ");
  await subscribe(b!, ">");
  await subscribe(a!, "in.>");
  a!.send("PUB $SYS.REQ.ACCOUNT.PING.CONNZ in.1 5\r\nwhat?\r\n");
  const { reply } = await readUntilPayload(system!, "what?");
  for (const answer of ["first", "second"]) {
    system!.send(`PUB ${reply} ${answer.length}\r\n${answer}\r\n`);
    expect(await readUntilPayload(a!, answer)).toMatchObject({ subject: "in.1", sid: "1", headers: "" });
  }
  await settle(b!);
  for (const client of [system!, a!, b!]) client.destroy();
});

row("§4.9 everything else below $SYS is an ordinary subject that nobody answers", async () => {
  const a = await login(server(), "A");
  await subscribe(a, "in.>");
  for (const subject of [
    ...[
      "$SYS.REQ.SERVER.PING",
      "$SYS.REQ.SERVER.PING.VARZ",
      "$SYS.REQ.ACCOUNT.PING.SUBSZ",
      "$SYS.REQ.ACCOUNT.PING",
    ],
    ...[
      "$SYS.REQ.ACCOUNT.A.CONNZ",
      "$SYS.REQ.ACCOUNT.B.CONNZ",
      "$SYS.REQ.ACCOUNT.B.STATZ",
      "$SYS.REQ.USER.A.INFO",
    ],
    ...["$SYS.REQ.USER.B.INFO", "$SYS.REQ.USER.INFO.X", "$SYS.REQ.CLAIMS.LIST", "$SYS.DEBUG.SUBSCRIBERS"],
    ...["$SYS.REQ.USER.AUTH", "$SYS.ACCOUNT.A.CONNECT", "$SYS.req.user.info"],
  ]) {
    a.send(`PUB ${subject} in.1 0\r\n\r\n`);
    const size = 32 + subject.length;
    await a.expect(`HMSG in.1 1 ${size} ${size}\r\nNATS/1.0 503\r\nNats-Subject: ${subject}\r\n\r\n\r\n`);
  }
  a.destroy();
});

row("§4.9 clients of the account may listen to the local subjects too", async () => {
  const [a, listener] = await loginAll(server(), "A", "A");
  await subscribe(listener!, "$SYS.REQ.>");
  a!.send("PUB $SYS.REQ.USER.INFO in.1 1\r\nx\r\n");
  await listener!.expect("MSG $SYS.REQ.USER.INFO 1 in.1 1\r\nx\r\n");
  for (const client of [a!, listener!]) client.destroy();
});
