import { expect } from "bun:test";
import { AUTHORIZATION_VIOLATION, login } from "../support/login.ts";
import type { RawClient } from "../support/raw_client.ts";
import { row, rowsInParallel, sharedServer } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";

// What `permissions` asks, once more, with users of different permissions on eight connections each: on a server that spreads
// connections over threads they sit on different ones, and share what it remembers of a subject.

const CONNECTION_COUNT = 8;

const users = (narrow: string) => `authorization { users: [
  { user: free, password: p }
  { user: narrow, password: p, permissions: ${narrow} }
] }`;

const NARROW = `{
  publish: { allow: ["in.>"], deny: ["in.secret"] }
  subscribe: { allow: ["out.>", "end.>", "ask.>"], deny: ["out.secret", "out.*.secret"] }
  allow_responses: true
}`;

const server = sharedServer({ config: users(NARROW) });

/** Eight connections of each user, in turn, so that both sit everywhere. */
async function open(on = server()): Promise<{ free: RawClient[]; narrow: RawClient[]; all: RawClient[] }> {
  const [free, narrow]: [RawClient[], RawClient[]] = [[], []];
  for (let count = 0; count < CONNECTION_COUNT; count++) {
    free.push(await login(on, { user: "free", pass: "p" }));
    narrow.push(await login(on, { user: "narrow", pass: "p" }));
  }
  return { free, narrow, all: [...free, ...narrow] };
}

async function subscribeAll(clients: readonly RawClient[], lines: string): Promise<void> {
  for (const client of clients) client.send(lines);
  for (const client of clients) await client.roundTrip();
}

const publishViolation = (subject: string) => `-ERR 'Permissions Violation for Publish to "${subject}"'\r\n`;

row("§8.38 the same subject, free to some and refused to others, on every connection in turn", async () => {
  const { free, narrow, all } = await open();
  await subscribeAll(free.slice(0, 1), "SUB *.secret 1\r\n");
  for (let round = 0; round < 3; round++) {
    for (let index = 0; index < CONNECTION_COUNT; index++) {
      free[index]!.send("PUB in.secret 4\r\nfree\r\nPUB out.secret 4\r\nfree\r\n");
      narrow[index]!.send("PUB in.secret 4\r\nevil\r\nPUB out.secret 4\r\nevil\r\n");
    }
  }
  for (const client of narrow) {
    await client.expect((publishViolation("in.secret") + publishViolation("out.secret")).repeat(3));
    await client.roundTrip();
  }
  for (const client of free.slice(1)) await client.roundTrip();
  let text = "";
  for (let left = 6 * CONNECTION_COUNT; left > 0; left--) text += await free[0]!.readUntil("\r\nfree\r\n");
  expect(text).not.toContain("evil");
  await free[0]!.roundTrip();
  for (const client of all) client.destroy();
});

row("§8.41 the filter holds on every connection, for small and large messages", async () => {
  const { free, narrow, all } = await open();
  await subscribeAll(narrow, "SUB out.> 1\r\nSUB end.> end\r\n");
  await subscribeAll(free, "SUB out.> 1\r\nSUB end.> end\r\n");
  const large = "y".repeat(200_000);
  const lines = (subjects: readonly string[]) =>
    subjects
      .map((subject) => `PUB ${subject} 1\r\nx\r\nPUB ${subject} ${large.length}\r\n${large}\r\n`)
      .join("");
  free[5]!.send(`${lines(["out.secret", "out.a.secret", "out.seen", "out.secret"])}PUB end.mark 0\r\n\r\n`);
  const received = (subjects: readonly string[]) =>
    subjects
      .map((subject) => `MSG ${subject} 1 1\r\nx\r\nMSG ${subject} 1 ${large.length}\r\n${large}\r\n`)
      .join("");
  const end = "MSG end.mark end 0\r\n\r\n";
  for (const client of narrow) await client.expect(received(["out.seen"]) + end);
  for (const client of free)
    await client.expect(received(["out.secret", "out.a.secret", "out.seen", "out.secret"]) + end);
  for (const client of all) client.destroy();
});

row("§8.46 of a queue over every connection those get a message who may have it, each once", async () => {
  const { free, narrow, all } = await open();
  await subscribeAll(all, "SUB out.> workers 1\r\nSUB end.> end\r\n");
  const count = 200;
  for (let number = 0; number < count; number++) {
    const publisher = free[number % CONNECTION_COUNT]!;
    publisher.send(`PUB out.secret 3\r\n${String(number).padStart(3, "0")}\r\n`);
  }
  for (const client of free) client.send("PUB end.mark 0\r\n\r\n");
  // Each publisher's mark follows its messages; the last of them is the end.
  const end = "MSG end.mark end 0\r\n\r\n";
  const numbers = [];
  for (const client of free) {
    let text = "";
    for (let left = CONNECTION_COUNT; left > 0; left--) text += await client.readUntil(end);
    numbers.push(...[...text.matchAll(/MSG out\.secret 1 3\r\n(\d{3})/g)].map((match) => Number(match[1])));
  }
  expect(numbers.sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, index) => index));
  for (const client of narrow) await client.expect(end.repeat(CONNECTION_COUNT));
  for (const client of all) client.destroy();
});

const withHeaders = { headers: true, no_responders: true };
const noResponders = (inbox: string, subject: string) => {
  const header = `NATS/1.0 503\r\nNats-Subject: ${subject}\r\n\r\n`;
  return `HMSG ${inbox} 1 ${header.length} ${header.length}\r\n${header}\r\n`;
};

/** Eight connections that are told when nobody responds, each with an inbox of its own. */
async function openRequestors(on = server()): Promise<RawClient[]> {
  const requestors: RawClient[] = [];
  for (let index = 0; index < CONNECTION_COUNT; index++) {
    const requestor = await login(on, { user: "free", pass: "p" }, withHeaders);
    requestor.send(`SUB inbox.${index} 1\r\n`);
    requestors.push(requestor);
  }
  return requestors;
}

/** From each connection a request to each subject, to which nobody responds. */
async function expectNoResponders(requestors: readonly RawClient[], subjects: readonly string[]) {
  for (const [index, requestor] of requestors.entries()) {
    for (const subject of subjects) requestor.send(`PUB ${subject} inbox.${index} 1\r\nx\r\n`);
    await requestor.expect(subjects.map((subject) => noResponders(`inbox.${index}`, subject)).join(""));
  }
}

for (const queue of ["", " workers"]) {
  row(`§2.3 who anywhere may not have a request is no responder, SUB out.>${queue}`, async () => {
    const { free, narrow, all } = await open();
    const requestors = await openRequestors();
    await subscribeAll(narrow, `SUB out.>${queue} 1\r\nSUB end.> end\r\n`);
    await expectNoResponders(requestors, ["out.secret", "out.a.secret"]);
    await subscribeAll(free.slice(0, 1), `SUB out.>${queue} 1\r\n`);
    for (const [index, requestor] of requestors.entries()) {
      requestor.send(`PUB out.secret inbox.${index} 1\r\nx\r\n`);
      await free[0]!.expect(`MSG out.secret 1 inbox.${index} 1\r\nx\r\n`);
    }
    free[0]!.send("UNSUB 1\r\n");
    await free[0]!.roundTrip();
    await expectNoResponders(requestors, ["out.secret"]);
    for (const requestor of requestors) {
      requestor.send("PUB end.mark 0\r\n\r\n");
      await requestor.roundTrip();
    }
    for (const client of narrow) await client.expect("MSG end.mark end 0\r\n\r\n".repeat(CONNECTION_COUNT));
    for (const client of [...all, ...requestors]) client.destroy();
  });
}

row("§8.48 a responder anywhere may answer who asks anywhere, once", async () => {
  const { free, narrow, all } = await open();
  for (const [index, responder] of narrow.entries())
    await subscribeAll([responder], `SUB ask.${index} 1\r\n`);
  for (const [index, requestor] of free.entries()) await subscribeAll([requestor], `SUB re.${index} 1\r\n`);
  for (let responder = 0; responder < CONNECTION_COUNT; responder++) {
    for (let requestor = 0; requestor < CONNECTION_COUNT; requestor++) {
      free[requestor]!.send(`PUB ask.${responder} re.${requestor} 2\r\nhi\r\n`);
      await narrow[responder]!.expect(`MSG ask.${responder} 1 re.${requestor} 2\r\nhi\r\n`);
      narrow[responder]!.send(`PUB re.${requestor} 2\r\nok\r\nPUB re.${requestor} 2\r\nno\r\n`);
      await narrow[responder]!.expect(publishViolation(`re.${requestor}`));
      await free[requestor]!.expect(`MSG re.${requestor} 1 2\r\nok\r\n`);
    }
  }
  for (const client of free) await client.roundTrip();
  for (const client of all) client.destroy();
});

row("§8.25 a connection that changes its user leaves the other's permissions behind", async () => {
  const { free, narrow, all } = await open();
  await subscribeAll(free.slice(0, 1), "SUB in.secret 1\r\n");
  const as = (user: string) => `CONNECT {"verbose":false,"user":"${user}","pass":"p"}\r\n`;
  const publish = "PUB in.secret 2\r\nhi\r\n";
  for (const client of narrow) {
    client.send(`${publish}${as("free")}${publish}${as("narrow")}${publish}PING\r\n`);
    await client.expect(`${publishViolation("in.secret")}${publishViolation("in.secret")}PONG\r\n`);
  }
  await free[0]!.expect("MSG in.secret 1 2\r\nhi\r\n".repeat(CONNECTION_COUNT));
  await free[0]!.roundTrip();
  for (const client of all) client.destroy();
});

rowsInParallel({
  "§8.54 a reload reaches every connection": async () => {
    await using own = await ServerProcess.start({ config: users(NARROW) });
    const { free, narrow, all } = await open(own);
    await subscribeAll(narrow, "SUB out.a 1\r\nSUB out.b 2\r\nSUB out.> 3\r\n");
    await own.reload(users(`{ publish: "in.secret", subscribe: ["out.a"] }`));
    for (const client of narrow) {
      const lines = [await client.readLine(), await client.readLine()].sort();
      expect(lines).toEqual(
        [`"out.>" (sid "3")`, `"out.b" (sid "2")`].map(
          (what) => `-ERR 'Permissions Violation for Subscription to ${what}'`,
        ),
      );
    }
    free[3]!.send("PUB out.b 1\r\nx\r\nPUB out.c 1\r\nx\r\nPUB out.a 1\r\nx\r\n");
    for (const client of narrow) await client.expect("MSG out.a 1 1\r\nx\r\n");
    for (const client of narrow) client.send("PUB in.other 0\r\n\r\nPUB in.secret 0\r\n\r\nPING\r\n");
    for (const client of narrow) await client.expect(`${publishViolation("in.other")}PONG\r\n`);
    for (const client of all) client.destroy();
  },

  "§8.54 a reload that changes what is denied changes who responds, wherever they sit": async () => {
    const denying = (subjects: string) => users(`{ subscribe: { deny: [${subjects}] } }`);
    await using own = await ServerProcess.start({ config: denying(`"out.a"`) });
    const { narrow, all } = await open(own);
    const requestors = await openRequestors(own);
    await subscribeAll(narrow, "SUB out.> workers 1\r\nSUB end.> end\r\n");
    await expectNoResponders(requestors, ["out.a"]);
    await own.reload(denying(`"out.b"`));
    await expectNoResponders(requestors, ["out.b"]);
    await own.reload(denying(""));
    await own.reload(denying(`"out.a", "out.*.a", "other"`));
    await expectNoResponders(requestors, ["out.a", "out.x.a"]);
    const count = 100;
    for (let number = 0; number < count; number++) {
      const index = number % CONNECTION_COUNT;
      requestors[index]!.send(`PUB out.b inbox.${index} 1\r\nx\r\n`);
    }
    for (const requestor of requestors) {
      requestor.send("PUB end.mark 0\r\n\r\n");
      await requestor.roundTrip();
    }
    let delivered = 0;
    for (const client of narrow) {
      let text = "";
      for (let left = CONNECTION_COUNT; left > 0; left--)
        text += await client.readUntil("MSG end.mark end 0\r\n\r\n");
      expect(text).not.toContain("out.a");
      delivered += text.split("MSG out.b 1 inbox.").length - 1;
    }
    expect(delivered).toBe(count);
    for (const client of [...all, ...requestors]) client.destroy();
  },

  "§8.55 a reload that changes a password closes every connection of that user": async () => {
    await using own = await ServerProcess.start({ config: users(NARROW) });
    const { free, narrow, all } = await open(own);
    await own.reload(users(NARROW).replace("user: narrow, password: p", "user: narrow, password: q"));
    for (const client of narrow) {
      await client.expect(AUTHORIZATION_VIOLATION);
      await client.expectClosed();
    }
    for (const client of free) await client.roundTrip();
    for (const client of all) client.destroy();
  },
});
