import { expect } from "bun:test";
import { login, loginAll, settle, subscribe } from "../support/account_config.ts";
import { headerValues, readMessage } from "../support/message.ts";
import type { RawClient } from "../support/raw_client.ts";
import { row, sharedServer } from "../support/row.ts";
import { REWRITTEN_REPLY, request, withPair as withPairOn } from "../support/services.ts";

const server = sharedServer({
  config: `
    accounts {
      EXP {
        users: [
          { user: EXP, password: p }
          { user: replier, password: p, permissions: { subscribe: ">", publish: none, allow_responses: true } }
        ]
        mappings { mapped: mapping.target }
        exports: [
          { service: svc }
          { service: "w.*.*" }
          { service: "tree.>" }
          { service: mapped }
          { service: own }
          { service: twice }
          { service: "back.*" }
        ]
        imports: [
          { service: { account: EXP, subject: own }, to: my.own }
          { service: { account: EXP, subject: "back.*" } }
        ]
      }
      OTHER { users: [ { user: OTHER, password: p } ], exports: [ { service: twice } ] }
      IMP {
        users: [
          { user: IMP, password: p }
          { user: narrow, password: p, permissions: { publish: one, subscribe: ">" } }
        ]
        imports: [
          { service: { account: EXP, subject: svc }, to: one }
          { service: { account: EXP, subject: "w.*.*" }, to: "wi.$2.$1" }
          { service: { account: EXP, subject: "w.*.*" }, to: "odd.$1x.$1.$2" }
          { service: { account: EXP, subject: "tree.a.>" }, to: "branch.>" }
          { service: { account: EXP, subject: mapped } }
          { service: { account: EXP, subject: twice } }
          { service: { account: OTHER, subject: twice } }
          { service: { account: EXP, subject: back.a }, to: there }
        ]
      }
      PEER { users: [ { user: PEER, password: p } ], imports: [ { service: { account: EXP, subject: svc } } ] }
    }
  `,
});

/** A responder to `service` and a requester with `SUB in.> 1`, of these users. */
const withPair = (
  service: string,
  body: (responder: RawClient, requester: RawClient) => Promise<void>,
  users: readonly [string, string] = ["EXP", "IMP"],
) => withPairOn(server(), users, service, body);

row("§4.3 §8.78 queue responders: each request goes to exactly one of each group", async () => {
  const responders = await loginAll(server(), "EXP", "EXP", "EXP");
  const requester = await login(server(), "IMP");
  for (const [index, responder] of responders.entries()) {
    responder.send(`SUB svc ${index < 2 ? "pair" : "alone"} 1\r\nSUB end 2\r\n`);
    await responder.roundTrip();
  }
  for (let index = 0; index < 40; index++) requester.send(`PUB one in.${index} 2\r\nhi\r\n`);
  await requester.roundTrip();
  responders[2]!.send("PUB end 0\r\n\r\n");
  const counts: number[] = [];
  for (const responder of responders) {
    let count = 0;
    while ((await readMessage(responder)).subject !== "end") count++;
    counts.push(count);
  }
  expect([counts[0]! + counts[1]!, counts[2]]).toEqual([40, 40]);
  for (const client of [...responders, requester]) client.destroy();
});

row("§4.3 several plain responders see one reply subject, and only the first answer passes", async () => {
  const [first, second, requester] = await loginAll(server(), "EXP", "EXP", "IMP");
  for (const responder of [first!, second!]) await subscribe(responder, "svc");
  await subscribe(requester!, "in.>");
  const atFirst = await request(requester!, first!, "one");
  expect((await readMessage(second!)).reply).toBe(atFirst.reply);
  second!.send(`PUB ${atFirst.reply} 1\r\n2\r\n`);
  await second!.roundTrip();
  await requester!.expect("MSG in.1 1 1\r\n2\r\n");
  first!.send(`PUB ${atFirst.reply} 1\r\n1\r\n`);
  await settle(first!, requester!);
  for (const client of [first!, second!, requester!]) client.destroy();
});

row("§4.3 §8.79 local subscribers of the local subject get the original as well", () =>
  withPair("svc", async (responder, requester) => {
    const local = await login(server(), "IMP");
    local.send("SUB one 1\r\nSUB one group 2\r\n");
    await local.roundTrip();
    const message = await request(requester, responder, "one");
    expect(message.reply).toMatch(REWRITTEN_REPLY);
    const sids = [await readMessage(local), await readMessage(local)].map(
      ({ subject, sid, reply, headers }) => {
        expect([subject, reply, headers]).toEqual(["one", "in.1", ""]);
        return sid;
      },
    );
    expect(sids.sort()).toEqual(["1", "2"]);
    await settle(requester, local);
    local.destroy();
  }),
);

row("§4.3 the exporter's subject in the importing account is an ordinary subject", () =>
  withPair("svc", async (responder, requester) => {
    requester.send("PUB svc in.1 2\r\nhi\r\n");
    await requester.expect("HMSG in.1 1 35 35\r\nNATS/1.0 503\r\nNats-Subject: svc\r\n\r\n\r\n");
    await settle(requester, responder);
  }),
);

row("§4.3 a request without reply is delivered with the info header", () =>
  withPair("svc", async (responder, requester) => {
    requester.send("PUB one 2\r\nhi\r\n");
    const message = await readMessage(responder);
    expect([message.reply, message.payload]).toEqual(["", "hi"]);
    expect(message.headers).toMatch(/^NATS\/1\.0\r\nNats-Request-Info: \{"acc":"IMP","rtt":\d+\}\r\n\r\n$/);
  }),
);

row("§4.2 wildcards of `to` change places", () =>
  withPair("w.*.*", async (responder, requester) => {
    expect((await request(requester, responder, "wi.b.a")).subject).toBe("w.a.b");
    requester.send("PUB w.a.b 2\r\nno\r\nPUB wi.a 2\r\nno\r\nPUB wi.a.b.c 2\r\nno\r\n");
    await settle(requester, responder);
  }),
);

row("§4.2 where `to` has more references than there are wildcards, the pattern itself is asked", () =>
  withPair("w.*.*", async (responder, requester) => {
    expect((await request(requester, responder, "odd.a.b.c")).subject).toBe("w.*.*");
  }),
);

row("§4.2 a wildcard in a subject that is published is an ordinary token to `*` of an import", () =>
  withPair("w.*.*", async (responder, requester) => {
    for (const token of [">", "*"]) {
      expect((await request(requester, responder, `wi.${token}.a`)).subject).toBe(`w.a.${token}`);
    }
  }),
);

row("§4.2 a part of an exported tree under another root", () =>
  withPair("tree.>", async (responder, requester) => {
    const message = await request(requester, responder, "branch.x.y");
    expect(message.subject).toBe("tree.a.x.y");
    responder.send(`PUB ${message.reply} 2\r\nok\r\n`);
    await requester.expect("MSG in.1 1 2\r\nok\r\n");
    requester.send("PUB tree.a.x 2\r\nno\r\nPUB branch 2\r\nno\r\n");
    await settle(requester, responder);
  }),
);

row("§4.3 the exporter's mappings apply to the remote subject", () =>
  withPair("mapping.target", async (responder, requester) => {
    const message = await request(requester, responder, "mapped");
    expect(message.subject).toBe("mapping.target");
    responder.send(`PUB ${message.reply} 2\r\nok\r\n`);
    await requester.expect("MSG in.1 1 2\r\nok\r\n");
  }),
);

row("§4.2 an account imports its own service under another subject", () =>
  withPair(
    "own",
    async (responder, requester) => {
      const message = await request(requester, responder, "my.own");
      expect(message.subject).toBe("own");
      expect(message.reply).toMatch(REWRITTEN_REPLY);
      responder.send(`PUB ${message.reply} 2\r\nok\r\n`);
      await requester.expect("MSG in.1 1 2\r\nok\r\n");
    },
    ["EXP", "EXP"],
  ),
);

row("§4.8 a request does not enter an export that it has passed, by another import either", () =>
  withPair("back.a", async (responder, requester) => {
    const message = await request(requester, responder, "there");
    expect(headerValues(message, "Nats-Request-Info")[0]).toContain(`"acc":"IMP"`);
    await settle(requester, responder);
  }),
);

row("§4.2 two accounts behind one local subject both get the request", async () => {
  const [exp, other, requester] = await loginAll(server(), "EXP", "OTHER", "IMP");
  await subscribe(exp!, "twice");
  await subscribe(other!, "twice");
  await subscribe(requester!, "in.>");
  requester!.send("PUB twice in.1 2\r\nhi\r\n");
  const replies = [(await readMessage(exp!)).reply, (await readMessage(other!)).reply];
  expect(replies[0] === replies[1]).toBe(false);
  exp!.send(`PUB ${replies[0]} 1\r\n1\r\n`);
  await requester!.expect("MSG in.1 1 1\r\n1\r\n");
  other!.send(`PUB ${replies[1]} 1\r\n2\r\n`);
  await requester!.expect("MSG in.1 1 1\r\n2\r\n");
  for (const client of [exp!, other!, requester!]) client.destroy();
});

row("§4.3 two importing accounts: each answer goes back where its request came from", async () => {
  const [responder, imp, peer] = await loginAll(server(), "EXP", "IMP", "PEER");
  await subscribe(responder!, "svc");
  for (const requester of [imp!, peer!]) await subscribe(requester, "in.>");
  const fromImp = await request(imp!, responder!, "one", "in.same");
  const fromPeer = await request(peer!, responder!, "svc", "in.same");
  expect(headerValues(fromPeer, "Nats-Request-Info")[0]).toContain(`"acc":"PEER"`);
  responder!.send(`PUB ${fromPeer.reply} 4\r\npeer\r\nPUB ${fromImp.reply} 3\r\nimp\r\n`);
  await peer!.expect("MSG in.same 1 4\r\npeer\r\n");
  await imp!.expect("MSG in.same 1 3\r\nimp\r\n");
  await settle(responder!, imp!, peer!);
  for (const client of [responder!, imp!, peer!]) client.destroy();
});

row("§4.3 the requester needs publish permission on the local subject alone", async () => {
  const [responder, narrow] = await loginAll(server(), "EXP", "narrow");
  await subscribe(responder!, "svc");
  await subscribe(narrow!, "in.>");
  const { reply } = await request(narrow!, responder!, "one");
  responder!.send(`PUB ${reply} 2\r\nok\r\n`);
  await narrow!.expect("MSG in.1 1 2\r\nok\r\n");
  narrow!.send("PUB many in.1 2\r\nhi\r\n");
  await narrow!.expect(`-ERR 'Permissions Violation for Publish to "many"'\r\n`);
  for (const client of [responder!, narrow!]) client.destroy();
});

row("§2.4 allow_responses covers the rewritten reply, once", () =>
  withPair(
    "svc",
    async (responder, requester) => {
      const { reply } = await request(requester, responder, "one");
      responder.send(`PUB ${reply} 2\r\nok\r\n`);
      await requester.expect("MSG in.1 1 2\r\nok\r\n");
      responder.send(`PUB ${reply} 2\r\nno\r\n`);
      await responder.expect(`-ERR 'Permissions Violation for Publish to "${reply}"'\r\n`);
    },
    ["replier", "IMP"],
  ),
);
