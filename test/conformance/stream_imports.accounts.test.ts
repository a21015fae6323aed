import { expect } from "bun:test";
import { account, login, loginAll, settle, subscribe } from "../support/account_config.ts";
import { readMessage } from "../support/message.ts";
import type { RawClient } from "../support/raw_client.ts";
import { row, sharedServer } from "../support/row.ts";

const server = sharedServer({
  config: `
    accounts {
      EXP {
        users: [ { user: EXP, password: p } ]
        mappings { old.name: pub.mapped }
        exports: [ { stream: "pub.>" }, { stream: "st.*.*" }, { stream: lit }, { stream: "wide.>" }, { service: ask } ]
        imports: [ { service: { account: SVC, subject: back } } ]
      }
      SVC { users: [ { user: SVC, password: p } ], exports: [ { service: back }, { stream: back } ] }
      IMP {
        users: [
          { user: IMP, password: p }
          { user: narrow, password: p, permissions: { subscribe: { allow: "from.exp.pub.*", deny: "from.exp.pub.no" } } }
        ]
        mappings { "from.exp.pub.m": never }
        imports: [
          { stream: { account: EXP, subject: "pub.>" }, prefix: from.exp }
          { stream: { account: EXP, subject: "st.*.*" }, to: "in.$2.$1" }
          { stream: { account: EXP, subject: lit }, to: renamed }
          { stream: { account: EXP, subject: "wide.only.>" } }
        ]
      }
      SAME { users: [ { user: SAME, password: p } ], imports: [ { stream: { account: EXP, subject: "pub.>" } } ] }
      MID {
        users: [ { user: MID, password: p } ]
        imports: [ { stream: { account: EXP, subject: "pub.>" } } ]
        exports: [ { stream: "pub.>" } ]
      }
      FAR { users: [ { user: FAR, password: p } ], imports: [ { stream: { account: MID, subject: "pub.>" } } ] }
      WATCH { users: [ { user: WATCH, password: p } ], imports: [ { stream: { account: SVC, subject: back } } ] }
      ${account("OUT")}
    }
  `,
});

/** Opens a publisher in EXP and a listener in `importer` with these subscriptions; both are closed when `body` is done. */
async function withPair(
  importer: string,
  subjects: string[],
  body: (publisher: RawClient, listener: RawClient) => Promise<void>,
): Promise<void> {
  const [publisher, listener] = await loginAll(server(), "EXP", importer);
  await subscribe(listener!, ...subjects);
  try {
    await body(publisher!, listener!);
  } finally {
    for (const client of [publisher!, listener!]) client.destroy();
  }
}

row("§4.3 §8.81 prefix: literal, * and > subscriptions get the local subject", async () => {
  for (const subject of [
    ...["from.exp.pub.a", "from.exp.pub.*", "from.exp.*.a", "from.*.pub.a", "*.exp.pub.a", "*.*.*.*"],
    ...["from.exp.pub.>", "from.exp.>", "from.>", ">", "*.>", "*.exp.>", "from.*.>"],
  ]) {
    await withPair("IMP", [subject], async (publisher, listener) => {
      publisher.send("PUB pub.a 2\r\nhi\r\n");
      await listener.expect("MSG from.exp.pub.a 1 2\r\nhi\r\n");
      await settle(publisher, listener);
    });
  }
});

row("§4.3 several subscriptions of one client that match: one message each", () =>
  withPair("IMP", ["from.exp.pub.a", "from.>", ">"], async (publisher, listener) => {
    publisher.send("PUB pub.a 0\r\n\r\n");
    const sids: string[] = [];
    for (let count = 0; count < 3; count++) {
      const message = await readMessage(listener);
      expect(message.subject).toBe("from.exp.pub.a");
      sids.push(message.sid);
    }
    expect(sids.sort()).toEqual(["1", "2", "3"]);
    await settle(publisher, listener);
  }),
);

row("§4.3 §8.81 reply and headers are unchanged, there is no info header", () =>
  withPair("IMP", ["from.>"], async (publisher, listener) => {
    publisher.send("PUB pub.a some.reply 2\r\nhi\r\nHPUB pub.b r 18 20\r\nNATS/1.0\r\nA: b\r\n\r\nhi\r\n");
    await listener.expect(
      "MSG from.exp.pub.a 1 some.reply 2\r\nhi\r\nHMSG from.exp.pub.b 1 r 18 20\r\nNATS/1.0\r\nA: b\r\n\r\nhi\r\n",
    );
  }),
);

row("§4.3 the exporter's subject yields nothing locally, nor do subjects outside the export", () =>
  withPair("IMP", ["pub.a", "pub.>", "lit", "wide.other.>", "from.exp.lit"], async (publisher, listener) => {
    publisher.send("PUB pub.a 0\r\n\r\nPUB lit 0\r\n\r\nPUB wide.other.x 0\r\n\r\nPUB private 0\r\n\r\n");
    await settle(publisher, listener);
  }),
);

row("§4.2 §8.82 to: wildcards change places", async () => {
  for (const subject of ["in.x.y", "in.*.y", "in.x.*", "in.*.*", "in.>", "*.x.y", ">"]) {
    await withPair("IMP", [subject], async (publisher, listener) => {
      publisher.send("PUB st.y.x 1\r\n1\r\n");
      await listener.expect("MSG in.x.y 1 1\r\n1\r\n");
      await settle(publisher, listener);
    });
  }
  await withPair("IMP", ["in.y.x", "in.x.z", "in.x"], async (publisher, listener) => {
    publisher.send("PUB st.y.x 1\r\n1\r\n");
    await settle(publisher, listener);
  });
});

row("§4.2 a wildcard in a subject that is published is an ordinary token to `*` of an import", () =>
  withPair("IMP", ["in.>"], async (publisher, listener) => {
    publisher.send("PUB st.a.> 1\r\n1\r\nPUB st.a.* 1\r\n2\r\n");
    await listener.expect("MSG in.>.a 1 1\r\n1\r\nMSG in.*.a 1 1\r\n2\r\n");
  }),
);

row("§4.2 to: a literal gets another name", () =>
  withPair("IMP", ["renamed", "*"], async (publisher, listener) => {
    publisher.send("PUB lit 0\r\n\r\n");
    const messages = [await readMessage(listener), await readMessage(listener)];
    expect(messages.map((message) => message.subject)).toEqual(["renamed", "renamed"]);
  }),
);

row("§4.2 without prefix and to the subject stays, an import may be narrower than the export", async () => {
  await withPair("SAME", ["pub.>"], async (publisher, listener) => {
    publisher.send("PUB pub.a.b 0\r\n\r\n");
    await listener.expect("MSG pub.a.b 1 0\r\n\r\n");
  });
  await withPair("IMP", ["wide.>"], async (publisher, listener) => {
    publisher.send("PUB wide.other 0\r\n\r\nPUB wide.only.x 0\r\n\r\n");
    await listener.expect("MSG wide.only.x 1 0\r\n\r\n");
    await settle(publisher, listener);
  });
});

row("§4.3 §8.83 a queue group of the importing account: one member gets each message", async () => {
  const publisher = await login(server(), "EXP");
  const members = await loginAll(server(), "IMP", "IMP", "IMP");
  for (const member of members) {
    member.send("SUB from.exp.pub.* group 1\r\nSUB from.exp.pub.end 2\r\n");
    await member.roundTrip();
  }
  publisher.send("PUB pub.a 0\r\n\r\n".repeat(60));
  await publisher.roundTrip();
  let total = 0;
  for (const member of members) {
    member.send("PING\r\n");
    const count = (await member.readUntil("PONG\r\n")).match(/MSG from\.exp\.pub\.a 1 0/g)?.length ?? 0;
    expect(count).toBeGreaterThan(0);
    total += count;
  }
  expect(total).toBe(60);
  for (const client of [publisher, ...members]) client.destroy();
});

row(
  "§4.3 a group of exporter and importers with one name is one group, one of another name another",
  async () => {
    const [publisher, exporter, importer, imp, alone] = await loginAll(
      server(),
      ...["EXP", "EXP", "SAME", "IMP", "SAME"],
    );
    exporter!.send("SUB pub.a group 1\r\n");
    importer!.send("SUB pub.a group 1\r\n");
    imp!.send("SUB from.exp.pub.a group 1\r\n");
    alone!.send("SUB pub.a other 1\r\n");
    const members = [exporter!, importer!, imp!];
    await settle(...members, alone!);
    publisher!.send("PUB pub.a 0\r\n\r\n".repeat(60));
    await publisher!.roundTrip();
    await alone!.expect("MSG pub.a 1 0\r\n\r\n".repeat(60));
    let total = 0;
    for (const member of members) {
      member.send("PING\r\n");
      const count = (await member.readUntil("PONG\r\n")).match(/pub\.a 1 0/g)?.length ?? 0;
      expect(count).toBeGreaterThan(0);
      total += count;
    }
    expect(total).toBe(60);
    for (const client of [publisher!, alone!, ...members]) client.destroy();
  },
);

row("§4.3 the exporter's own subscribers and several importers all get it", async () => {
  const [publisher, own, imp, same, out] = await loginAll(server(), "EXP", "EXP", "IMP", "SAME", "OUT");
  for (const client of [own!, imp!, same!, out!]) await subscribe(client, ">");
  publisher!.send("PUB pub.a 2\r\nhi\r\n");
  await own!.expect("MSG pub.a 1 2\r\nhi\r\n");
  await imp!.expect("MSG from.exp.pub.a 1 2\r\nhi\r\n");
  await same!.expect("MSG pub.a 1 2\r\nhi\r\n");
  await settle(publisher!, out!, own!, imp!, same!);
  for (const client of [publisher!, own!, imp!, same!, out!]) client.destroy();
});

row("§4.3 what the importer publishes under the local subject stays with the importer", async () => {
  const [exporter, publisher, listener] = await loginAll(server(), "EXP", "SAME", "SAME");
  await subscribe(exporter!, "pub.>");
  await subscribe(listener!, "pub.>");
  publisher!.send("PUB pub.mine 0\r\n\r\n");
  await listener!.expect("MSG pub.mine 1 0\r\n\r\n");
  await settle(publisher!, exporter!);
  for (const client of [exporter!, publisher!, listener!]) client.destroy();
});

row("§4.3 §8.84 streams do not chain: only the middle account's own messages go on", async () => {
  const [exporter, middle, middleListener, far] = await loginAll(server(), "EXP", "MID", "MID", "FAR");
  for (const client of [middleListener!, far!]) await subscribe(client, "pub.>");
  exporter!.send("PUB pub.from.exp 0\r\n\r\n");
  await middleListener!.expect("MSG pub.from.exp 1 0\r\n\r\n");
  await settle(exporter!, far!);
  middle!.send("PUB pub.from.middle 0\r\n\r\n");
  await far!.expect("MSG pub.from.middle 1 0\r\n\r\n");
  await settle(middle!, far!);
  for (const client of [exporter!, middle!, middleListener!, far!]) client.destroy();
});

row("§4.3 what came in through a service import is not handed to stream imports", async () => {
  const [requester, service, watcher] = await loginAll(server(), "EXP", "SVC", "WATCH");
  await subscribe(service!, "back");
  await subscribe(watcher!, "back");
  requester!.send("PUB back 2\r\nhi\r\n");
  expect((await readMessage(service!)).payload).toBe("hi");
  await settle(requester!, watcher!);
  service!.send("PUB back 3\r\nown\r\n");
  await watcher!.expect("MSG back 1 3\r\nown\r\n");
  for (const client of [requester!, service!, watcher!]) client.destroy();
});

row("§4.3 the exporter's mappings come before the export, the importer's do not apply", () =>
  withPair("IMP", [">"], async (publisher, listener) => {
    publisher.send("PUB old.name 0\r\n\r\nPUB pub.m 0\r\n\r\n");
    await listener.expect("MSG from.exp.pub.mapped 1 0\r\n\r\nMSG from.exp.pub.m 1 0\r\n\r\n");
  }),
);

row("§2.3 permissions of the importing user are those of its local subject", async () => {
  const [publisher, narrow] = await loginAll(server(), "EXP", "narrow");
  narrow!.send("SUB pub.a 1\r\nSUB from.exp.pub.* 2\r\n");
  await narrow!.expect(`-ERR 'Permissions Violation for Subscription to "pub.a"'\r\n`);
  await narrow!.roundTrip();
  publisher!.send("PUB pub.no 0\r\n\r\nPUB pub.yes 0\r\n\r\n");
  await narrow!.expect("MSG from.exp.pub.yes 2 0\r\n\r\n");
  await settle(publisher!, narrow!);
  for (const client of [publisher!, narrow!]) client.destroy();
});

// Not tried: UNSUB with a maximum, towards which nats-server does not count what comes through an import.
row("§4.3 UNSUB and the end of a connection end the import's interest", async () => {
  const [publisher, listener, leaving] = await loginAll(server(), "EXP", "IMP", "IMP");
  await subscribe(listener!, "from.>", "from.exp.pub.*");
  await subscribe(leaving!, "from.>");
  leaving!.end();
  await leaving!.expectClosed();
  listener!.send("UNSUB 2\r\n");
  await listener!.roundTrip();
  publisher!.send("PUB pub.a 0\r\n\r\n");
  await listener!.expect("MSG from.exp.pub.a 1 0\r\n\r\n");
  listener!.send("UNSUB 1\r\n");
  await listener!.roundTrip();
  publisher!.send("PUB pub.a 0\r\n\r\n");
  await settle(publisher!, listener!);
  for (const client of [publisher!, listener!]) client.destroy();
});

row(
  "§4.3 a request that only a stream import sees is answered through its reply by nobody else",
  async () => {
    const [requester, listener] = await loginAll(server(), "EXP", "IMP");
    await subscribe(requester!, "in.>");
    await subscribe(listener!, "from.>");
    requester!.send("PUB pub.a in.1 2\r\nhi\r\n");
    await listener!.expect("MSG from.exp.pub.a 1 in.1 2\r\nhi\r\n");
    listener!.send("PUB in.1 2\r\nok\r\n");
    await settle(listener!, requester!);
    for (const client of [requester!, listener!]) client.destroy();
  },
);

row("§4.3 messages of one publisher arrive in order, imported and not, small and large", async () => {
  const [publisher, own, listener] = await loginAll(server(), "EXP", "EXP", "IMP");
  await subscribe(own!, "pub.>");
  await subscribe(listener!, "from.>");
  const payloads = Array.from({ length: 300 }, (_, index) =>
    `${index}:`.padEnd(index % 7 === 0 ? 3000 : 8, "x"),
  );
  for (const payload of payloads) publisher!.send(`PUB pub.n ${payload.length}\r\n${payload}\r\n`);
  for (const client of [own!, listener!]) {
    for (const payload of payloads) expect((await readMessage(client)).payload).toBe(payload);
  }
  for (const client of [publisher!, own!, listener!]) client.destroy();
});
