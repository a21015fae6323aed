import { expect } from "bun:test";
import { account, login, loginAll, settle, subscribe } from "../support/account_config.ts";
import { readMessage } from "../support/message.ts";
import { row, rowsInParallel, sharedServer } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";

const server = sharedServer({
  config: `
    server_name: S1
    accounts {
      M {
        users: [
          { user: M, password: p }
          { user: source, password: p, permissions: { publish: ["foo", "ok"] } }
          { user: destination, password: p, permissions: { publish: ["bar"] } }
          { user: thirds, password: p, permissions: { publish: ["third.*"] } }
          { user: anything, password: p, permissions: { publish: [">"] } }
          { user: nothing, password: p, permissions: { publish: { deny: [">"] } } }
        ]
        exports: [ { stream: "third.>" } ]
        mappings {
          foo: bar
          "w.*.*": "x.$2.{{wildcard(1)}}"
          "deep.>": "shallow.>"
          "one.*.>": "{{wildcard(1)}}.two.>"
          chain.a: chain.b
          chain.b: chain.c
          "half": { destination: half.mapped, weight: "50%" }
          "third": [ { dest: third.a, weight: 30 }, { dest: third.b, weight: "30%" } ]
          "lost": { destination: lost, weight: "0%" }
          "_GR_.>": "reserved.>"
          "to.reserved": "_GR_.aaaaaa.bbbbbb.x"
          "most.lost": [ { destination: most.lost, weight: 10 } ]
          "here": [ { destination: here.mine, weight: 100, cluster: C1 }, { destination: here.any, weight: 100 } ]
          "elsewhere": { destination: elsewhere.far, weight: 100, cluster: C2 }
        }
      }
      ${account("PLAIN")}
      ${account("IMPORTS", 'imports: [ { stream: { account: M, subject: "third.>" } } ]')}
    }
  `,
});

/** Publishes `subject` `count` times as one more client of M and counts by subject what `>` receives. */
async function tally(subject: string, count: number): Promise<Record<string, number>> {
  const [listener, publisher] = await loginAll(server(), "M", "M");
  await subscribe(listener!, ">");
  publisher!.send(`PUB ${subject} 1\r\nx\r\n`.repeat(count), "PUB end 1\r\nx\r\n");
  const counts: Record<string, number> = {};
  for (;;) {
    const message = await readMessage(listener!);
    if (message.subject === "end") break;
    counts[message.subject] = (counts[message.subject] ?? 0) + 1;
  }
  for (const client of [listener!, publisher!]) client.destroy();
  return counts;
}

row("§3.4 §8.62 a literal mapping: the destination gets it, a subscriber of the source nothing", async () => {
  const [listener, publisher] = await loginAll(server(), "M", "M");
  await subscribe(listener!, "foo", "bar");
  publisher!.send("PUB foo re 2\r\nhi\r\nHPUB foo 18 20\r\nNATS/1.0\r\nA: b\r\n\r\nhi\r\n");
  await listener!.expect("MSG bar 2 re 2\r\nhi\r\nHMSG bar 2 18 20\r\nNATS/1.0\r\nA: b\r\n\r\nhi\r\n");
  await settle(publisher!, listener!);
  for (const client of [listener!, publisher!]) client.destroy();
});

row("§3.4 §8.64 wildcards change places, > carries the rest", async () => {
  for (const [published, delivered] of [
    ["w.a.b", "x.b.a"],
    ["w.a", "w.a"],
    ["w.a.b.c", "w.a.b.c"],
    ["deep.a.b.c", "shallow.a.b.c"],
    ["deep", "deep"],
    ["one.x.y.z", "x.two.y.z"],
  ] as const) {
    expect(await tally(published, 1)).toEqual({ [delivered]: 1 });
  }
});

row("§3.4 a mapping is applied once", async () => {
  expect(await tally("chain.a", 3)).toEqual({ "chain.b": 3 });
  expect(await tally("chain.b", 3)).toEqual({ "chain.c": 3 });
});

row("§3.4 a mapping is not applied to subscriptions, and belongs to its account", async () => {
  const [mapped, plain] = await loginAll(server(), "M", "PLAIN");
  await subscribe(mapped!, "foo");
  await subscribe(plain!, ">");
  plain!.send("PUB foo 0\r\n\r\n");
  await plain!.expect("MSG foo 1 0\r\n\r\n");
  await settle(plain!, mapped!);
  for (const client of [mapped!, plain!]) client.destroy();
});

row("§3.4 the publisher's own subscription and echo: false see the mapped subject", async () => {
  const client = await login(server(), "M", { echo: false });
  const other = await login(server(), "M");
  await subscribe(client, ">");
  await subscribe(other, ">");
  client.send("PUB foo 0\r\n\r\n");
  await other.expect("MSG bar 1 0\r\n\r\n");
  await settle(client);
  for (const each of [client, other]) each.destroy();
});

row("§2.2 §8.63 the subject that is tested for permission is the mapped one", async () => {
  const [source, destination, listener] = await loginAll(server(), "source", "destination", "M");
  await subscribe(listener!, ">");
  source!.send("PUB foo 0\r\n\r\nPUB ok 0\r\n\r\n");
  await source!.expect(`-ERR 'Permissions Violation for Publish to "bar"'\r\n`);
  await listener!.expect("MSG ok 1 0\r\n\r\n");
  destination!.send("PUB foo 0\r\n\r\n");
  await listener!.expect("MSG bar 1 0\r\n\r\n");
  await settle(source!, destination!, listener!);
  for (const client of [source!, destination!, listener!]) client.destroy();
});

row("§2.2 §8.65 of weighted destinations each is tested, and nothing is lost between them", async () => {
  const [thirds, listener, importer] = await loginAll(server(), "thirds", "M", "IMPORTS");
  await subscribe(listener!, "third.>", "third");
  await subscribe(importer!, "third.>");
  const count = 60;
  for (const start of ["PUB third 1\r\n", "PUB third in 1\r\n", "HPUB third 12 13\r\nNATS/1.0\r\n\r\n"]) {
    thirds!.send(`${start}x\r\n`.repeat(count));
    const told = [];
    for (const client of [thirds!, listener!, importer!]) {
      client.send("PING\r\n");
      told.push(await client.readUntil("PONG\r\n"));
    }
    const [refusals, here, imported] = told as [string, string, string];
    const refused = refusals.match(/Permissions Violation for Publish to "third"/g)?.length ?? 0;
    const delivered = here.match(/MSG third\.[ab] 1 /g)?.length ?? 0;
    expect([refused > 0, refused + delivered]).toEqual([true, count]);
    expect(imported.match(/MSG third\.[ab] 1 /g)).toHaveLength(delivered);
  }
  for (const client of [thirds!, listener!, importer!]) client.destroy();
});

row("§3.4 §8.65 weights: the rest stays on the source", async () => {
  const half = await tally("half", 400);
  expect(Object.keys(half).sort()).toEqual(["half", "half.mapped"]);
  expect(half["half.mapped"]).toBeGreaterThan(140);
  expect(half["half.mapped"]).toBeLessThan(260);
  const third = await tally("third", 600);
  expect(Object.keys(third).sort()).toEqual(["third", "third.a", "third.b"]);
  for (const [subject, share] of [
    ["third", 0.4],
    ["third.a", 0.3],
    ["third.b", 0.3],
  ] as const) {
    expect(Math.abs(third[subject]! / 600 - share)).toBeLessThan(0.12);
  }
});

row("§3.4 §8.66 loss: the source listed with less than the rest", async () => {
  expect(await tally("lost", 50)).toEqual({});
  const some = await tally("most.lost", 400);
  expect(Object.keys(some)).toEqual(["most.lost"]);
  expect(some["most.lost"]).toBeGreaterThan(5);
  expect(some["most.lost"]).toBeLessThan(100);
});

row("§3.4 §8.66 a lost request gets the 503 with an empty Nats-Subject", async () => {
  const client = await login(server(), "M");
  await subscribe(client, "lost", "in");
  client.send("PUB lost in 0\r\n\r\n");
  await client.expect("HMSG in 2 32 32\r\nNATS/1.0 503\r\nNats-Subject: \r\n\r\n\r\n");
  client.destroy();
});

row("§2.2 §8.66 an allow list has no entry for what is lost, a deny list neither", async () => {
  const [anything, nothing] = await loginAll(server(), "anything", "nothing");
  anything!.send("PUB lost 1\r\nx\r\nPUB most 1\r\nx\r\nPING\r\n");
  await anything!.expect(`-ERR 'Permissions Violation for Publish to ""'\r\nPONG\r\n`);
  nothing!.send("PUB lost 1\r\nx\r\nPUB most 1\r\nx\r\nPING\r\n");
  await nothing!.expect(`-ERR 'Permissions Violation for Publish to "most"'\r\nPONG\r\n`);
  for (const client of [anything!, nothing!]) client.destroy();
});

row("§2.2 §3.4 the subject that may be reserved is the mapped one", async () => {
  const [listener, publisher] = await loginAll(server(), "M", "M");
  await subscribe(listener!, ">");
  publisher!.send("PUB to.reserved 1\r\nx\r\nPUB _GR_.aaaaaa.bbbbbb.x 1\r\ny\r\n");
  await publisher!.expect(`-ERR 'Permissions Violation for Publish to "_GR_.aaaaaa.bbbbbb.x"'\r\n`);
  await listener!.expect("MSG reserved.aaaaaa.bbbbbb.x 1 1\r\ny\r\n");
  await settle(publisher!, listener!);
  for (const client of [listener!, publisher!]) client.destroy();
});

row("§2.2 a subject that is refused is told before a reply that is", async () => {
  const client = await login(server(), "nothing");
  client.send("PUB a _R_.x 1\r\nx\r\nPUB lost _R_.x 1\r\nx\r\nPING\r\n");
  await client.expect(
    `-ERR 'Permissions Violation for Publish to "a"'\r\n` +
      `-ERR 'Permissions Violation for Publish with Reply of "_R_.x"'\r\nPONG\r\n`,
  );
  client.destroy();
});

row("§3.4 the 503 names the mapped subject", async () => {
  const client = await login(server(), "M");
  await subscribe(client, "in");
  client.send("PUB w.a.b in 0\r\n\r\n");
  await client.expect("HMSG in 1 37 37\r\nNATS/1.0 503\r\nNats-Subject: x.b.a\r\n\r\n\r\n");
  client.destroy();
});

row("§3.4 §8.67 without that cluster the destinations without a cluster count", async () => {
  expect(await tally("here", 20)).toEqual({ "here.any": 20 });
  expect(await tally("elsewhere", 20)).toEqual({ elsewhere: 20 });
});

row("§3.4 request and reply over a mapped subject", async () => {
  const [responder, requester] = await loginAll(server(), "M", "M");
  responder!.send("SUB bar workers 1\r\n");
  await responder!.roundTrip();
  await subscribe(requester!, "in.*");
  requester!.send("PUB foo in.1 2\r\nhi\r\n");
  await responder!.expect("MSG bar 1 in.1 2\r\nhi\r\n");
  responder!.send("PUB in.1 2\r\nok\r\n");
  await requester!.expect("MSG in.1 1 2\r\nok\r\n");
  for (const client of [responder!, requester!]) client.destroy();
});

row("§3.4 verbose, pedantic and large messages are mapped alike", async () => {
  const [listener, publisher] = await loginAll(server(), "M", "M");
  await subscribe(listener!, "bar");
  const verbose = await login(server(), "M", { verbose: true, pedantic: true });
  verbose.send("PUB foo 1\r\nv\r\n");
  await verbose.expect("+OK\r\n");
  await listener!.expect("MSG bar 1 1\r\nv\r\n");
  const large = "x".repeat(300_000);
  publisher!.send(`PUB foo ${large.length}\r\n${large}\r\n`);
  await listener!.expect(`MSG bar 1 ${large.length}\r\n${large}\r\n`);
  for (const client of [listener!, publisher!, verbose]) client.destroy();
});

rowsInParallel(
  {
    "§3.4 reload adds, changes and removes mappings for live connections, from the next message on":
      async () => {
        const config = (mappings: string) => `accounts { ${account("A", mappings)} }`;
        await using changing = await ServerProcess.start({ config: config("") });
        const [listener, publisher] = await loginAll(changing, "A", "A");
        await subscribe(listener!, ">");
        const expectMapped = async (subject: string) => {
          publisher!.send("PUB foo 0\r\n\r\n".repeat(3));
          await listener!.expect(`MSG ${subject} 1 0\r\n\r\n`.repeat(3));
        };
        await expectMapped("foo");
        await changing.reload(config("mappings { foo: bar }"));
        await expectMapped("bar");
        await changing.reload(config(`mappings { "*": "baz.$1" }`));
        await expectMapped("baz.foo");
        await changing.reload(config(""));
        await expectMapped("foo");
        await settle(publisher!, listener!);
      },

    // Not tried: a reload that removes the last mapping of $G, which nats-server keeps until it restarts.
    "§3.4 reload changes and removes mappings of $G": async () => {
      await using changing = await ServerProcess.start({ config: "mappings { foo: bar, old: new }" });
      const client = await changing.connectAs();
      await subscribe(client, ">");
      client.send("PUB foo 0\r\n\r\nPUB old 0\r\n\r\n");
      await client.expect("MSG bar 1 0\r\n\r\nMSG new 1 0\r\n\r\n");
      await changing.reload("mappings { foo: baz }");
      client.send("PUB foo 0\r\n\r\nPUB old 0\r\n\r\n");
      await client.expect("MSG baz 1 0\r\n\r\nMSG old 1 0\r\n\r\n");
    },
  },
  3,
);
