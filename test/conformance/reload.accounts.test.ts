import { expect } from "bun:test";
import { account, login, loginAll, settle, subscribe, tryLogin } from "../support/account_config.ts";
import { readMessage } from "../support/message.ts";
import type { RawClient } from "../support/raw_client.ts";
import { rowsInParallel } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";

const RELOADED = "Reloaded server configuration";

/** Accounts A, B and C with these bodies. */
const accounts = (bodies: { A?: string; B?: string; C?: string }) =>
  `accounts { ${account("A", bodies.A)} ${account("B", bodies.B)} ${account("C", bodies.C)} }`;

async function reload(server: ServerProcess, config: string): Promise<void> {
  expect(await server.reload(config)).toContain(RELOADED);
}

/** `requester` publishes on `subject`; the responder answers; the answer arrives. */
async function expectAnswered(
  requester: RawClient,
  responder: RawClient,
  subject: string,
  answer = "ok",
): Promise<void> {
  requester.send(`PUB ${subject} in.1 2\r\nhi\r\n`);
  const message = await readMessage(responder);
  responder.send(`PUB ${message.reply} ${answer.length}\r\n${answer}\r\n`);
  await requester.expect(`MSG in.1 1 ${answer.length}\r\n${answer}\r\n`);
}

async function expectNobody(requester: RawClient, subject: string): Promise<void> {
  requester.send(`PUB ${subject} in.1 2\r\nhi\r\n`);
  const size = 32 + subject.length;
  await requester.expect(
    `HMSG in.1 1 ${size} ${size}\r\nNATS/1.0 503\r\nNats-Subject: ${subject}\r\n\r\n\r\n`,
  );
}

rowsInParallel(
  {
    "§8.1 an account goes while a client of it is still being closed": async () => {
      await using server = await ServerProcess.start({ config: accounts({}) });
      const [slow, publisher] = await loginAll(server, "B", "B");
      await subscribe(slow!, "flood");
      slow!.pause();
      const payload = "y".repeat(60_000);
      for (let i = 0; i < 300; i++) publisher!.send(`PUB flood ${payload.length}\r\n${payload}\r\n`);
      await publisher!.roundTrip();
      // What is queued for it may still leave for a while, but it reads nothing.
      slow!.send("NONSENSE\r\n");
      const neighbour = await login(server, "A");
      await reload(server, `accounts { ${account("A")} ${account("C")} }`);
      await neighbour.roundTrip();
      await publisher!.expectClosed();
      expect(server.log).not.toContain("Shard 0 ");
      for (const client of [slow!, neighbour]) client.destroy();
    },

    "§2.6 §4.2 a service moves to another account by reload, and its clients notice nothing": async () => {
      const config = (exporter: "A" | "C") =>
        accounts({
          A: "exports: [ { service: svc } ]",
          B: `imports: [ { service: { account: ${exporter}, subject: svc } } ]`,
          C: "exports: [ { service: svc } ]",
        });
      await using server = await ServerProcess.start({ config: config("A") });
      const [old, moved, requester] = await loginAll(server, "A", "C", "B");
      for (const responder of [old!, moved!]) await subscribe(responder, "svc");
      await subscribe(requester!, "in.>");
      await expectAnswered(requester!, old!, "svc", "old");
      await reload(server, config("C"));
      await expectAnswered(requester!, moved!, "svc", "new");
      await settle(old!, moved!, requester!);
      await reload(server, config("A"));
      await expectAnswered(requester!, old!, "svc", "old");
      await settle(old!, moved!, requester!);
    },

    "§4.2 reload adds a service export and its import, and takes them away": async () => {
      const open = accounts({
        A: "exports: [ { service: svc } ]",
        B: "imports: [ { service: { account: A, subject: svc }, to: local } ]",
      });
      await using server = await ServerProcess.start({ config: accounts({}) });
      const [responder, requester] = await loginAll(server, "A", "B");
      await subscribe(responder!, "svc");
      await subscribe(requester!, "in.>");
      await expectNobody(requester!, "local");
      await reload(server, open);
      await expectAnswered(requester!, responder!, "local");
      await reload(server, accounts({}));
      await expectNobody(requester!, "local");
      await reload(server, open);
      await expectAnswered(requester!, responder!, "local");
    },

    "§4.2 reload changes what a service import is called here and there": async () => {
      const config = (remote: string, local: string) =>
        accounts({
          A: `exports: [ { service: "svc.*" } ]`,
          B: `imports: [ { service: { account: A, subject: ${remote} }, to: ${local} } ]`,
        });
      await using server = await ServerProcess.start({ config: config("svc.1", "one") });
      const [responder, requester] = await loginAll(server, "A", "B");
      await subscribe(responder!, "svc.*");
      await subscribe(requester!, "in.>");
      await expectAnswered(requester!, responder!, "one");
      await reload(server, config("svc.2", "two"));
      await expectNobody(requester!, "one");
      requester!.send("PUB two in.1 2\r\nhi\r\n");
      expect((await readMessage(responder!)).subject).toBe("svc.2");
    },

    "§4.6 reload changes share": async () => {
      const config = (share: boolean) =>
        accounts({
          A: "exports: [ { service: svc } ]",
          B: `imports: [ { service: { account: A, subject: svc }, share: ${share} } ]`,
        });
      await using server = await ServerProcess.start({ config: config(false) });
      const [responder, requester] = await loginAll(server, "A", "B");
      await subscribe(responder!, "svc");
      for (const share of [false, true, false]) {
        await reload(server, config(share));
        requester!.send("PUB svc in.1 2\r\nhi\r\n");
        expect((await readMessage(responder!)).headers.includes(`"user":"B"`)).toBe(share);
      }
    },

    "§4.5 reload changes the kind of answer": async () => {
      const config = (response: string) =>
        accounts({
          A: `exports: [ { service: svc, response: ${response} } ]`,
          B: "imports: [ { service: { account: A, subject: svc } } ]",
        });
      await using server = await ServerProcess.start({ config: config("single") });
      const [responder, requester] = await loginAll(server, "A", "B");
      await subscribe(responder!, "svc");
      await subscribe(requester!, "in.>");
      await expectAnswered(requester!, responder!, "svc");
      await reload(server, config("stream"));
      requester!.send("PUB svc in.1 2\r\nhi\r\n");
      const { reply } = await readMessage(responder!);
      responder!.send(`PUB ${reply} 1\r\n1\r\nPUB ${reply} 1\r\n2\r\nPUB ${reply} 0\r\n\r\n`);
      await requester!.expect("MSG in.1 1 1\r\n1\r\nMSG in.1 1 1\r\n2\r\nMSG in.1 1 0\r\n\r\n");
    },

    "§4.7 reload turns latency on and off": async () => {
      const config = (latency: string) =>
        accounts({
          A: `exports: [ { service: svc ${latency} } ]`,
          B: "imports: [ { service: { account: A, subject: svc } } ]",
        });
      await using server = await ServerProcess.start({ config: config("") });
      const [responder, requester, listener] = await loginAll(server, "A", "B", "A");
      await subscribe(responder!, "svc");
      await subscribe(requester!, "in.>");
      await subscribe(listener!, "lat.>");
      await expectAnswered(requester!, responder!, "svc");
      await settle(listener!);
      await reload(server, config(", latency: lat.one"));
      await expectAnswered(requester!, responder!, "svc");
      expect((await readMessage(listener!)).subject).toBe("lat.one");
      await reload(server, config(", latency: lat.two"));
      await expectAnswered(requester!, responder!, "svc");
      expect((await readMessage(listener!)).subject).toBe("lat.two");
      await reload(server, config(""));
      await expectAnswered(requester!, responder!, "svc");
      await settle(responder!, requester!, listener!);
    },

    "§4.3 reload adds a stream import for subscriptions that are there, and takes it away": async () => {
      const config = (imports: string) => accounts({ A: `exports: [ { stream: "pub.>" } ]`, B: imports });
      const imported = config(`imports: [ { stream: { account: A, subject: "pub.>" }, prefix: from } ]`);
      await using server = await ServerProcess.start({ config: config("") });
      const [publisher, listener, member] = await loginAll(server, "A", "B", "B");
      await subscribe(listener!, "from.pub.x", "from.>");
      member!.send("SUB from.pub.* group 7\r\n");
      await member!.roundTrip();
      const publish = () => publisher!.send("PUB pub.x 1\r\nx\r\n");
      publish();
      await settle(publisher!, listener!, member!);
      await reload(server, imported);
      publish();
      const sids = [(await readMessage(listener!)).sid, (await readMessage(listener!)).sid];
      expect(sids.sort()).toEqual(["1", "2"]);
      await member!.expect("MSG from.pub.x 7 1\r\nx\r\n");
      await reload(server, config(""));
      publish();
      await settle(publisher!, listener!, member!);
      await reload(
        server,
        config(`imports: [ { stream: { account: A, subject: "pub.>" }, to: "from.pub.x.>" } ]`),
      );
      publish();
      await listener!.expect("MSG from.pub.x.x 2 1\r\nx\r\n");
      await settle(publisher!, listener!, member!);
    },

    "§4.2 §8.85 reload makes an export private: an import that is no longer allowed refuses the reload":
      async () => {
        const config = (list: string) =>
          accounts({
            A: `exports: [ { service: svc, accounts: [${list}] } ]`,
            B: "imports: [ { service: { account: A, subject: svc } } ]",
          });
        await using server = await ServerProcess.start({ config: config("B") });
        const [responder, requester] = await loginAll(server, "A", "B");
        await subscribe(responder!, "svc");
        await subscribe(requester!, "in.>");
        expect(await server.reload(config("C"))).toContain("service import not authorized");
        await expectAnswered(requester!, responder!, "svc");
      },

    "§3.2 reload adds an account, and takes it away with its users": async () => {
      const one = `accounts { ${account("A")} }`;
      const two = `accounts { ${account("A")} ${account("NEW")} }`;
      await using server = await ServerProcess.start({ config: one, monitoring: true });
      const stays = await login(server, "A");
      await subscribe(stays, ">");
      await reload(server, two);
      const [first, second] = await loginAll(server, "NEW", "NEW");
      await subscribe(first!, "x");
      second!.send("PUB x 0\r\n\r\n");
      await first!.expect("MSG x 1 0\r\n\r\n");
      await reload(server, one);
      for (const client of [first!, second!]) await client.expectClosed();
      const refused = await tryLogin(server, "NEW");
      await refused.expect("-ERR 'Authorization Violation'\r\n");
      await refused.expectClosed();
      stays.send("PUB y 0\r\n\r\n");
      await stays.expect("MSG y 1 0\r\n\r\n");
      const page = await server.json<{ accounts: string[] }>("/accountz");
      expect(page.accounts).not.toContain("NEW");
    },

    "§2.6 reload moves a user to another account: closed without -ERR, the next login is there": async () => {
      const config = (home: "A" | "B") => `accounts {
        A { users: [ { user: a, password: p }, ${home === "A" ? "{ user: mover, password: p }" : ""} ] }
        B { users: [ { user: b, password: p }, ${home === "B" ? "{ user: mover, password: p }" : ""} ] }
      }`;
      await using server = await ServerProcess.start({ config: config("A") });
      const [mover, a, b] = await loginAll(server, "mover", "a", "b");
      for (const client of [a!, b!]) await subscribe(client, "x");
      mover!.send("PUB x 1\r\n1\r\n");
      await a!.expect("MSG x 1 1\r\n1\r\n");
      await reload(server, config("B"));
      await mover!.expectClosed();
      const again = await login(server, "mover");
      again.send("PUB x 1\r\n2\r\n");
      await b!.expect("MSG x 1 1\r\n2\r\n");
      await settle(again, a!, b!);
    },

    "§2.6 reload that changes nothing of an account leaves its clients, subscriptions and requests alone":
      async () => {
        const config = (other: string) =>
          accounts({
            A: `exports: [ { service: svc }, { stream: "pub.>" } ], mappings { m: n }`,
            B: `imports: [ { service: { account: A, subject: svc } }, { stream: { account: A, subject: "pub.>" } } ]`,
            C: other,
          });
        await using server = await ServerProcess.start({ config: config("") });
        const [a, b] = await loginAll(server, "A", "B");
        await subscribe(a!, "svc", "n");
        await subscribe(b!, "in.>", "pub.>");
        for (const other of ["limits { max_payload: 10 }", "mappings { x: y }", ""]) {
          await reload(server, config(other));
          await expectAnswered(b!, a!, "svc");
          a!.send("PUB m 0\r\n\r\nPUB pub.x 0\r\n\r\n");
          await a!.expect("MSG n 2 0\r\n\r\n");
          await b!.expect("MSG pub.x 2 0\r\n\r\n");
        }
        await settle(a!, b!);
      },

    "§4.5 a request that waits for its answer survives a reload of its own accounts": async () => {
      const config = (rest: string) =>
        accounts({
          A: `exports: [ { service: svc }, { service: many, response: stream } ], ${rest}`,
          B: `imports: [ { service: { account: A, subject: svc } }, { service: { account: A, subject: many } } ], ${rest}`,
        });
      await using server = await ServerProcess.start({ config: config("") });
      const [responder, requester] = await loginAll(server, "A", "B");
      await subscribe(responder!, "svc", "many");
      await subscribe(requester!, "in.>");
      requester!.send("PUB svc in.1 0\r\n\r\nPUB many in.2 0\r\n\r\n");
      const [single, stream] = [await readMessage(responder!), await readMessage(responder!)];
      responder!.send(`PUB ${stream.reply} 1\r\n1\r\n`);
      await requester!.expect("MSG in.2 1 1\r\n1\r\n");
      await reload(server, config("mappings { x: y }"));
      responder!.send(`PUB ${stream.reply} 1\r\n2\r\nPUB ${single.reply} 2\r\nok\r\n`);
      await requester!.expect("MSG in.2 1 1\r\n2\r\nMSG in.1 1 2\r\nok\r\n");
    },

    "§2.6 messages that flow while the configuration is reloaded again and again arrive once and in order":
      async () => {
        const config = (round: number) =>
          accounts({
            A: `exports: [ { stream: "pub.>" } ]`,
            B: `imports: [ { stream: { account: A, subject: "pub.>" } } ]`,
            C: `mappings { x: "y${round}" }`,
          });
        await using server = await ServerProcess.start({ config: config(0) });
        const [publisher, own, importer] = await loginAll(server, "A", "A", "B");
        for (const listener of [own!, importer!]) await subscribe(listener, "pub.n");
        let sent = 0;
        const publishSome = () => {
          for (let count = 0; count < 20; count++)
            publisher!.send(`PUB pub.n 6\r\n${String(sent++).padStart(6)}\r\n`);
        };
        const timer = setInterval(publishSome, 2);
        for (let round = 1; round <= 5; round++) await reload(server, config(round));
        clearInterval(timer);
        publishSome();
        for (let index = 0; index < sent; index++) {
          await own!.expect(`MSG pub.n 1 6\r\n${String(index).padStart(6)}\r\n`);
        }
        // An import that is made anew may miss what is published meanwhile, but nothing comes twice or late.
        let last = -1;
        while (last < sent - 1) {
          const number = Number((await readMessage(importer!)).payload);
          expect(number).toBeGreaterThan(last);
          last = number;
        }
      },

    "§2.2 reload changes an account's default permissions": async () => {
      const config = (publish: string) => `accounts { A {
        default_permissions { publish: "${publish}" }
        users: [ { user: A, password: p }, { user: free, password: p, permissions: { publish: ">" } } ]
      } }`;
      await using server = await ServerProcess.start({ config: config("one") });
      const [narrow, free] = await loginAll(server, "A", "free");
      const violation = (subject: string) => `-ERR 'Permissions Violation for Publish to "${subject}"'\r\n`;
      narrow!.send("PUB one 0\r\n\r\nPUB two 0\r\n\r\n");
      await narrow!.expect(violation("two"));
      await reload(server, config("two"));
      narrow!.send("PUB one 0\r\n\r\nPUB two 0\r\n\r\n");
      await narrow!.expect(violation("one"));
      free!.send("PUB one 0\r\n\r\nPUB two 0\r\n\r\n");
      await settle(narrow!, free!);
    },
  },
  3,
);
