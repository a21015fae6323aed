import { expect } from "bun:test";
import { account, login, loginAll, refusal, settle, subscribe } from "../support/account_config.ts";
import { readMessage } from "../support/message.ts";
import { row, rowsInParallel, sharedServer } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";

const server = sharedServer({
  config: `
    accounts { ${account("A")} ${account("B")} ${account("a")} }
    authorization { users: [ { user: global, password: p } ] }
  `,
});

/** Subjects that look like another account's, like the server's own, or like parts of a key made of both. */
const HOSTILE = [
  ...["A", "B", "A.x", "B.x", "$G", "$G.x", "$G.>", "$SYS", "$SYS.x", "$SYS.ACCOUNT.A.CONNECT", "$SYS.REQ"],
  ...["$SYS.REQ.ACCOUNT.A.CONNZ", "$SYS.REQ.USER.B.INFO", "$SYS._INBOX.x.y", "$SYS.DEBUG.SUBSCRIBERS"],
  ...["$MAP.A.x", "$GNR.A.x", "$LDS.x", "$NRG.R.x", "$JS.API.INFO", "$MQTT.x", "_R_.AAAAAA.BBBBBB", "_R_"],
  ...[
    "_INBOX.A",
    "A\x00x",
    "\x00",
    "\x01.\x02",
    "A\x7fx",
    "é.ü",
    "\u{1f4a9}",
    "*",
    ">",
    "*.x",
    "x.>",
    "x.*.y",
  ],
  ...[
    "1",
    "1.x",
    "2.x",
    "-1",
    "A:x",
    "A/x",
    "A|x",
    "A,x",
    '"A".x',
    "%41.x",
    "{A}.x",
    "'",
    "\\",
    "$",
    "$1",
    "@",
  ],
  ...["a".repeat(500), `${"t.".repeat(100)}t`, "SUB", "+OK", "-ERR", "PING"],
];

/** What no client may publish outside the system account. */
const RESERVED = /^\$NRG\./;

row(
  "§3.2 §8.57 the same subject is not visible across accounts: literal, wildcards, queue groups",
  async () => {
    const [a, b] = await loginAll(server(), "A", "B");
    for (const client of [a!, b!]) await subscribe(client, "same", "*", ">", "same group", "s*e");
    a!.send("PUB same 5\r\nfromA\r\n");
    for (let count = 0; count < 4; count++) expect((await readMessage(a!)).payload).toBe("fromA");
    await settle(a!, b!);
    b!.send("PUB same 5\r\nfromB\r\n");
    for (let count = 0; count < 4; count++) expect((await readMessage(b!)).payload).toBe("fromB");
    await settle(b!, a!);
    for (const client of [a!, b!]) client.destroy();
  },
);

row("§3.2 names of accounts are case-sensitive", async () => {
  const [upper, lower] = await loginAll(server(), "A", "a");
  await subscribe(upper!, "x");
  await subscribe(lower!, "x");
  lower!.send("PUB x 0\r\n\r\n");
  await lower!.expect("MSG x 1 0\r\n\r\n");
  await settle(lower!, upper!);
  for (const client of [upper!, lower!]) client.destroy();
});

row("§3.2 queue groups of one name are one group per account", async () => {
  const [a1, a2, b] = await loginAll(server(), "A", "A", "B");
  for (const client of [a1!, a2!, b!]) {
    client.send("SUB work.* pool 7\r\nSUB end 8\r\n");
    await client.roundTrip();
  }
  b!.send("PUB work.1 0\r\n\r\n".repeat(30));
  await b!.expect("MSG work.1 7 0\r\n\r\n".repeat(30));
  a1!.send("PUB work.2 0\r\n\r\n".repeat(30), "PUB end 0\r\n\r\n");
  const end = "MSG end 8 0\r\n\r\n";
  const texts = [await a1!.readUntil(end), await a2!.readUntil(end)];
  expect(texts.join("").match(/MSG work\.2 7 0/g)).toHaveLength(30);
  await settle(a1!, a2!, b!);
  for (const client of [a1!, a2!, b!]) client.destroy();
});

row("§3.2 an inbox of one account cannot be answered from another", async () => {
  const [a, b] = await loginAll(server(), "A", "B");
  await subscribe(a!, "_INBOX.a.>", "service");
  await subscribe(b!, "_INBOX.b.>", "service");
  a!.send("PUB service _INBOX.a.1 2\r\nhi\r\n");
  await a!.expect("MSG service 2 _INBOX.a.1 2\r\nhi\r\n");
  await settle(a!, b!);
  b!.send("PUB _INBOX.a.1 3\r\nevl\r\n");
  await settle(b!, a!);
  for (const client of [a!, b!]) client.destroy();
});

row("§3.2 a subscriber in another account is no responder", async () => {
  const [a, b] = await loginAll(server(), "A", "B");
  await subscribe(a!, "help", ">");
  await subscribe(b!, "in");
  b!.send("PUB help in 0\r\n\r\n");
  await b!.expect("HMSG in 1 36 36\r\nNATS/1.0 503\r\nNats-Subject: help\r\n\r\n\r\n");
  await settle(b!, a!);
  for (const client of [a!, b!]) client.destroy();
});

row("§3.2 ending a subscription or a connection leaves the same interest of other accounts", async () => {
  const [a, b, doomed] = await loginAll(server(), "A", "B", "A");
  await subscribe(a!, "keep.*", "keep.x");
  await subscribe(b!, "keep.*", "keep.x");
  await subscribe(doomed!, "keep.*", "keep.x");
  b!.send("UNSUB 1\r\nUNSUB 2\r\n");
  await b!.roundTrip();
  a!.send("PUB keep.x 1\r\n1\r\n");
  for (const client of [a!, doomed!]) {
    const sids = [await readMessage(client), await readMessage(client)].map((message) => message.sid);
    expect(sids.sort()).toEqual(["1", "2"]);
  }
  doomed!.end();
  await doomed!.expectClosed();
  a!.send("PUB keep.x 1\r\n2\r\n");
  expect([(await readMessage(a!)).payload, (await readMessage(a!)).payload]).toEqual(["2", "2"]);
  b!.send("PUB keep.x 1\r\n3\r\n");
  await settle(a!, b!, a!);
  for (const client of [a!, b!]) client.destroy();
});

row("§3.2 hostile subjects stay in their account, whichever way they are subscribed to", async () => {
  const [a, b] = await loginAll(server(), "A", "B");
  a!.send("SUB > 1\r\n");
  HOSTILE.forEach((subject, index) => {
    a!.send(`SUB ${subject} ${index + 2}\r\n`);
    a!.send(`SUB ${subject} group ${index + 2000}\r\n`);
  });
  a!.send("PING\r\n");
  const refused = (await a!.readUntil("PONG\r\n")).replaceAll(/^-ERR '[^']*'\r\n/gm, "");
  expect(refused).toBe("PONG\r\n");
  await subscribe(b!, ">");
  for (const subject of HOSTILE) b!.send(`PUB ${subject} 1\r\nx\r\n`);
  b!.send("PING\r\n");
  await b!.readUntil("PONG\r\n");
  await a!.roundTrip();
  for (const client of [a!, b!]) client.destroy();
});

row("§3.2 hostile subjects are delivered inside their account", async () => {
  const a = await login(server(), "A");
  await subscribe(a, ">");
  for (const subject of HOSTILE.filter((each) => !RESERVED.test(each))) {
    a.send(`PUB ${subject} 1\r\nx\r\n`);
    expect((await readMessage(a)).subject).toBe(subject);
  }
  a.destroy();
});

row("§3.2 what the system account publishes is not seen in other accounts", async () => {
  const a = await login(server(), "A");
  await subscribe(a, "$SYS.>", ">");
  const b = await login(server(), "B");
  await subscribe(b, "x");
  b.end();
  await b.expectClosed();
  await a.roundTrip();
  a.destroy();
});

row("§3.1 users without an account are in $G", async () => {
  const [global, a] = await loginAll(server(), "global", "A");
  await subscribe(global!, ">");
  await subscribe(a!, ">");
  const told = await server().connect();
  told.send(`CONNECT {"verbose":false,"user":"global","pass":"p","protocol":1}\r\nPING\r\n`);
  await told.expect("PONG\r\n");
  const info = await told.readInfo();
  expect([info.connect_info, info.remote_account, info.acc_is_sys]).toEqual([true, "$G", undefined]);
  told.send("PUB mine 0\r\n\r\n");
  await global!.expect("MSG mine 1 0\r\n\r\n");
  await settle(told, a!);
  for (const client of [global!, a!, told]) client.destroy();
});

row("§1.1 the INFO after the first PING names the account", async () => {
  for (const name of ["A", "B", "a"]) {
    const client = await server().connect();
    client.send(`CONNECT {"verbose":false,"user":"${name}","pass":"p","protocol":1}\r\nPING\r\n`);
    await client.expect("PONG\r\n");
    expect((await client.readInfo()).remote_account).toBe(name);
    client.destroy();
  }
});

/** Names that, with a subject, read like another account with another subject, and such that JSON must escape. */
const ODD_NAMES = ["N", "N.x", "N.", "N.x.y", "1", "1.x", "*", ">", 'q<"é>', "$N", "N\u{1f4a9}"];

rowsInParallel(
  {
    "§3.2 accounts with hostile names are accounts like others": async () => {
      const exporter = "exports: [ { service: svc } ]";
      const importer = `imports: [ { service: { account: "N.x", subject: svc }, to: ask } ]`;
      const user = (index: number) => `users: [ { user: u${index}, password: p } ]`;
      const accounts = ODD_NAMES.map((name, index) => {
        const body = name === "N.x" ? exporter : name === 'q<"é>' ? importer : "";
        return `'${name}' { ${user(index)}, ${body} }`;
      });
      await using odd = await ServerProcess.start({ config: `accounts { ${accounts.join("\n")} }` });
      const clients = await loginAll(odd, ...ODD_NAMES.map((_, index) => `u${index}`));
      for (const client of clients) await subscribe(client, "y", "x.y", "x.x.y", "*.y", "svc");
      for (const [index, client] of clients.entries()) {
        client.send(
          `PUB y 1\r\n${index % 10}\r\nPUB x.y 1\r\n${index % 10}\r\nPUB x.x.y 1\r\n${index % 10}\r\n`,
        );
        client.send("PING\r\n");
      }
      for (const [index, client] of clients.entries()) {
        const got = (await client.readUntil("PONG\r\n")).replaceAll(/^-ERR .*\r\n/gm, "");
        const payloads = [...got.matchAll(/^MSG \S+ \d+ 1\r\n(.)\r\n/gm)].map((match) => match[1]);
        expect(payloads).toEqual(Array(4).fill(String(index % 10)));
      }
      clients[ODD_NAMES.indexOf('q<"é>')]!.send("PUB ask 1\r\nx\r\n");
      const request = await readMessage(clients[ODD_NAMES.indexOf("N.x")]!);
      expect(request.headers).toContain('{"acc":"q\\u003c\\"é\\u003e","rtt":');
    },

    "§3.2 accounts as a list of names": async () => {
      await using named = await ServerProcess.start({ config: "accounts: [X, Y]", monitoring: true });
      const page = await named.json<{ accounts: string[] }>("/accountz");
      expect(page.accounts.sort()).toEqual(["$G", "$SYS", "X", "Y"]);
      await (await named.connectAs()).roundTrip();
    },

    "§3.1 §8.13 only the system account has users: anonymous clients are in $G": async () => {
      await using open = await ServerProcess.start({
        config: `accounts { ${account("$SYS")} }`,
        monitoring: true,
      });
      const anonymous = await open.connect();
      expect(anonymous.info.auth_required).toBe(true);
      anonymous.send(`CONNECT {"verbose":false,"protocol":1}\r\nPING\r\n`);
      await anonymous.expect("PONG\r\n");
      expect((await anonymous.readInfo()).remote_account).toBe("$G");
      const system = await open.connect();
      system.send(`CONNECT {"verbose":false,"user":"$SYS","pass":"p","protocol":1}\r\nPING\r\n`);
      await system.expect("PONG\r\n");
      const info = await system.readInfo();
      expect([info.remote_account, info.acc_is_sys]).toEqual(["$SYS", true]);
      await subscribe(anonymous, "private");
      system.send("PUB private 0\r\n\r\n");
      await settle(system, anonymous);
    },

    "§3.1 system_account selects another account": async () => {
      await using other = await ServerProcess.start({
        config: `system_account: ADMIN\naccounts { ${account("ADMIN")} ${account("A")} }`,
        monitoring: true,
      });
      const page = await other.json<{ accounts: string[]; system_account: string }>("/accountz");
      expect([page.system_account, page.accounts.sort()]).toEqual(["ADMIN", ["$G", "A", "ADMIN"]]);
      const client = await other.connect();
      client.send(`CONNECT {"verbose":false,"user":"ADMIN","pass":"p","protocol":1}\r\nPING\r\n`);
      await client.expect("PONG\r\n");
      expect((await client.readInfo()).acc_is_sys).toBe(true);
    },

    "§2.2 in the system account $NRG. is a subject like others": async () => {
      await using other = await ServerProcess.start({
        config: `system_account: ADMIN\naccounts { ${account("ADMIN")} }`,
      });
      const client = await login(other, "ADMIN");
      client.send("SUB $NRG.> 1\r\nPUB $NRG.a 1\r\nx\r\n");
      await client.expect("MSG $NRG.a 1 1\r\nx\r\n");
    },

    "§3.1 no_system_account: there is none": async () => {
      await using none = await ServerProcess.start({
        config: `no_system_account: true\naccounts { ${account("A")} }`,
        monitoring: true,
      });
      const page = await none.json<{ accounts: string[]; system_account?: string }>("/accountz");
      expect([page.system_account, page.accounts.sort()]).toEqual([undefined, ["$G", "A"]]);
      await (await login(none, "A")).roundTrip();
    },

    "§3.1 a system account that is not configured": async () => {
      const exit = await refusal(`system_account: NOPE\naccounts { ${account("A")} }`);
      expect([exit?.code, exit?.stderr]).toEqual([
        1,
        expect.stringContaining("error resolving system account: account missing"),
      ]);
    },

    "§3.1 top-level mappings belong to $G": async () => {
      await using mapped = await ServerProcess.start({
        config: `mappings { from: to }\naccounts { ${account("A")} }\n
          authorization { users: [ { user: global, password: p } ] }`,
      });
      const [global, a] = await loginAll(mapped, "global", "A");
      for (const client of [global!, a!]) await subscribe(client, ">");
      global!.send("PUB from 0\r\n\r\n");
      await global!.expect("MSG to 1 0\r\n\r\n");
      a!.send("PUB from 0\r\n\r\n");
      await a!.expect("MSG from 1 0\r\n\r\n");
    },
  },
  3,
);
