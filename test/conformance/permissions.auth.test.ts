import { expect } from "bun:test";
import { login } from "../support/login.ts";
import type { RawClient } from "../support/raw_client.ts";
import { isNatsServer } from "../support/reference.ts";
import { row, rowsInParallel, sharedServer } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";

const PERMISSIONS = {
  open: `{}`,
  allowOne: `{ publish: "sandbox.>" }`,
  allowMany: `{ publish: ["a", "b.*", "c.*.d", "e.>"], subscribe: ["a", "b.*", "c.*.d", "e.>"] }`,
  denyPublish: `{ publish: { deny: "x.*.y" } }`,
  allowAndDeny: `{ publish: { allow: "z.>", deny: ["z.secret", "z.*.secret"] } }`,
  subscribeFoo: `{ subscribe: ["foo"] }`,
  denyFooBar: `{ subscribe: { deny: "foo.bar" } }`,
  denyWild: `{ subscribe: { deny: ["foo.*", "x.y"] } }`,
  queues: `{ subscribe: ["plain", "bar v1", "baz *.dev", "any >", "both", "both v1"] }`,
  queueDeny: `{ subscribe: { deny: ["foo adm", "gone", "wild *.x", "star *"] } }`,
  bothDenied: `{ subscribe: { deny: ["foo", "foo adm", "*.b", "a.> adm"] } }`,
  emptyPublish: `{ publish: [], subscribe: [] }`,
  emptyAllow: `{ publish: { allow: [] }, subscribe: { allow: [] } }`,
  emptyMaps: `{ publish: {}, subscribe: {} }`,
  oldNames: `{ import: "in", export: "out" }`,
  everything: `{ publish: ">", subscribe: [">", "*.*"] }`,
  nothing: `{ publish: { deny: ">" }, subscribe: { deny: ">" } }`,
} as const;

const users = Object.entries(PERMISSIONS).map(
  ([name, permissions]) => `{ user: ${name}, password: p, permissions: ${permissions} }`,
);

const server = sharedServer({ config: `authorization { users: [ ${users.join("\n")} ] }` });

const as = (user: keyof typeof PERMISSIONS, fields: Record<string, unknown> = {}) =>
  login(server(), { user, pass: "p", ...fields });

const publishViolation = (subject: string) => `-ERR 'Permissions Violation for Publish to "${subject}"'\r\n`;
const subscribeViolation = (subject: string, queue?: string) =>
  `-ERR 'Permissions Violation for Subscription to "${subject}"${queue === undefined ? "" : ` using queue "${queue}"`}'\r\n`;

/** Publishes to each subject: exactly those of `refused` are refused, and exactly the others arrive. */
async function expectPublishes(
  user: keyof typeof PERMISSIONS,
  subjects: { allowed: readonly string[]; refused: readonly string[] },
): Promise<void> {
  const witness = await as("open");
  witness.send("SUB > 1\r\n");
  await witness.roundTrip();
  const client = await as(user);
  for (const subject of subjects.refused) client.send(`PUB ${subject} 2\r\nno\r\n`);
  for (const subject of subjects.allowed) client.send(`PUB ${subject} 2\r\nok\r\n`);
  await client.expect(subjects.refused.map(publishViolation).join(""));
  await client.roundTrip();
  for (const subject of subjects.allowed) await witness.expect(`MSG ${subject} 1 2\r\nok\r\n`);
  await witness.roundTrip();
  witness.destroy();
  client.destroy();
}

/** Subscribes to each of `subject` or `subject queue`: exactly those of `refused` are refused. */
async function expectSubscribes(
  user: keyof typeof PERMISSIONS,
  subjects: { allowed: readonly string[]; refused: readonly string[] },
): Promise<void> {
  const client = await as(user);
  for (const subject of subjects.refused) client.send(`SUB ${subject} 1\r\n`);
  for (const subject of subjects.allowed) client.send(`SUB ${subject} 2\r\n`);
  const errors = subjects.refused.map((each) => {
    const [subject, queue] = each.split(" ");
    return subscribeViolation(subject!, queue);
  });
  await client.expect(errors.join(""));
  await client.roundTrip();
  client.destroy();
}

/** Publishes one message on each subject and waits until the server has handled them. */
async function publishAll(subjects: readonly string[]): Promise<void> {
  const publisher = await as("open");
  for (const subject of subjects) publisher.send(`PUB ${subject} 1\r\nx\r\n`);
  await publisher.roundTrip();
  publisher.destroy();
}

async function subscribed(user: keyof typeof PERMISSIONS, lines: string): Promise<RawClient> {
  const client = await as(user);
  client.send(lines);
  await client.roundTrip();
  return client;
}

row("§8.38 publish allow: what is not allowed is refused, not delivered, and the connection stays", () =>
  expectPublishes("allowOne", {
    allowed: ["sandbox.a", "sandbox.a.b"],
    refused: ["foo", "sandbox", "sandboxx.a", "Sandbox.a"],
  }),
);

row("§8.38 publish allow: literal, *, > and tokens in between", () =>
  expectPublishes("allowMany", {
    allowed: ["a", "b.1", "c.1.d", "e.1", "e.1.2"],
    refused: ["b", "b.1.2", "c.d", "c.1.2.d", "c.1.x", "e", "a.a"],
  }),
);

row("§8.39 publish deny", () =>
  expectPublishes("denyPublish", {
    allowed: ["x.1.z", "x.y", "x.1.y.2", "y"],
    refused: ["x.1.y", "x.x.y"],
  }),
);

row("§2.2 publish: allow must match, deny must not", () =>
  expectPublishes("allowAndDeny", {
    allowed: ["z.open", "z.a.b"],
    refused: ["other", "z.secret", "z.a.secret"],
  }),
);

row("§2.2 wildcards in a published subject are tested as literal tokens", async () => {
  const client = await as("allowMany");
  client.send("PUB b.> 0\r\n\r\nPUB b.* 0\r\n\r\nPUB c.> 0\r\n\r\nPUB > 0\r\n\r\n");
  await client.expect(publishViolation("c.>") + publishViolation(">"));
  await client.roundTrip();
  client.destroy();
  const denied = await as("denyPublish");
  denied.send("PUB x.*.y 0\r\n\r\n");
  await denied.expect(publishViolation("x.*.y"));
  denied.destroy();
});

row("§2.2 a refused request gets no 503", async () => {
  const client = await as("allowOne");
  client.send("SUB inbox 1\r\nPUB nobody inbox 0\r\n\r\n");
  await client.expect(publishViolation("nobody"));
  await client.roundTrip();
  client.destroy();
});

row("§2.2 a refused HPUB is refused like a PUB", async () => {
  const client = await as("allowOne");
  client.send("HPUB nobody 12 14\r\nNATS/1.0\r\n\r\nok\r\nHPUB sandbox.a 12 14\r\nNATS/1.0\r\n\r\nok\r\n");
  await client.expect(publishViolation("nobody"));
  await client.roundTrip();
  client.destroy();
});

row("§2.2 the reply subject of a message is not tested", async () => {
  const witness = await subscribed("open", "SUB sandbox.a 1\r\n");
  const client = await as("allowOne");
  client.send("PUB sandbox.a not.allowed 2\r\nok\r\n");
  await witness.expect("MSG sandbox.a 1 not.allowed 2\r\nok\r\n");
  await client.roundTrip();
  for (const each of [witness, client]) each.destroy();
});

row("§2.1 import and export are old names of publish and subscribe", async () => {
  await expectPublishes("oldNames", { allowed: ["in"], refused: ["out"] });
  await expectSubscribes("oldNames", { allowed: ["out"], refused: ["in"] });
});

row("§2.1 deny > leaves nothing", async () => {
  await expectPublishes("nothing", { allowed: [], refused: ["a", "a.b", "_INBOX.x"] });
  await expectSubscribes("nothing", { allowed: [], refused: ["a", "a.*", ">", "a q"] });
});

row("§8.40 subscribe allow: what is not allowed is refused, and its sid is free", async () => {
  const client = await as("subscribeFoo");
  client.send("SUB bar 1\r\nSUB foo 1\r\n");
  await client.expect(subscribeViolation("bar"));
  await client.roundTrip();
  await publishAll(["bar", "foo"]);
  await client.expect("MSG foo 1 1\r\nx\r\n");
  await client.roundTrip();
  client.destroy();
});

row("§2.3 subscribe allow: literal, *, > and tokens in between", () =>
  expectSubscribes("allowMany", {
    allowed: ["a", "b.1", "b.*", "c.1.d", "c.*.d", "e.1", "e.*.x", "e.>"],
    refused: ["b", "c.>", "c.1.*", "*", ">", "e", "*.1", "b.1.2"],
  }),
);

row("§8.41 a wildcard over a deny is accepted and filtered at delivery", async () => {
  const client = await as("denyFooBar");
  client.send("SUB foo.bar 9\r\nSUB foo.* 1\r\nSUB > 2\r\n");
  await client.expect(subscribeViolation("foo.bar"));
  await client.roundTrip();
  await publishAll(["foo.bar", "foo.baz"]);
  expect([await client.readUntil("x\r\n"), await client.readUntil("x\r\n")].sort()).toEqual([
    "MSG foo.baz 1 1\r\nx\r\n",
    "MSG foo.baz 2 1\r\nx\r\n",
  ]);
  await client.roundTrip();
  client.destroy();
});

row("§2.3 a deny that merely overlaps is filtered too", async () => {
  const client = await subscribed("denyWild", "SUB *.y 1\r\nSUB x.> 2\r\nSUB x.* q 3\r\n");
  await publishAll(["x.y", "z.y", "x.z"]);
  const got = [];
  for (let count = 0; count < 3; count++) got.push(await client.readUntil("x\r\n"));
  expect(got.sort()).toEqual(["MSG x.z 2 1\r\nx\r\n", "MSG x.z 3 1\r\nx\r\n", "MSG z.y 1 1\r\nx\r\n"]);
  await client.roundTrip();
  client.destroy();
});

row("§2.3 a deny of foo.* refuses foo.a and foo.*", () =>
  expectSubscribes("denyWild", {
    allowed: ["foo", "foo.a.b", "x.z"],
    refused: ["foo.a", "foo.*", "x.y", "x.y q"],
  }),
);

// nats-server looks the pattern up as if its tokens were literal, so `foo.*` covers `foo.>`: it accepts the
// subscription and then delivers `foo.a.b`. Midge allows a wildcard only where all it can match is allowed, and answers
// with the violation; both deliver what the permission names.
row("§8.42 allow b.* and SUB b.>: nats-server accepts and delivers b.1.2, Midge refuses", async () => {
  const client = await as("allowMany");
  client.send("SUB b.> 1\r\nSUB b.* 2\r\nPING\r\n");
  const isAccepted =
    (await client.expectOneOf([`${subscribeViolation("b.>")}PONG\r\n`, "PONG\r\n"])) === "PONG\r\n";
  expect(isAccepted).toBe(isNatsServer(client));
  await publishAll(["b.1", "b.1.2"]);
  const deliveries = [];
  for (let count = isAccepted ? 3 : 1; count > 0; count--) deliveries.push(await client.readUntil("x\r\n"));
  expect(deliveries.sort()).toEqual(
    isAccepted
      ? ["MSG b.1 1 1\r\nx\r\n", "MSG b.1 2 1\r\nx\r\n", "MSG b.1.2 1 1\r\nx\r\n"]
      : ["MSG b.1 2 1\r\nx\r\n"],
  );
  await client.roundTrip();
  client.destroy();
});

row("§8.43 §8.44 queue allow: plain and queue subscriptions", () =>
  expectSubscribes("queues", {
    allowed: ["plain", "plain q", "bar v1", "baz a.dev", "baz *.dev", "any q", "both", "both v1"],
    refused: ["bar", "bar v2", "baz", "baz a.prod", "any", "both v2", "other q"],
  }),
);

row("§8.45 queue deny refuses that queue only", () =>
  expectSubscribes("queueDeny", {
    allowed: ["foo", "foo user", "wild", "wild a.y"],
    refused: ["foo adm", "gone", "gone q", "wild a.x"],
  }),
);

row("§2.3 what is denied to everyone stays so where a queue is denied it as well", () =>
  expectSubscribes("bothDenied", {
    allowed: ["a.c", "a.c user"],
    refused: ["foo", "foo adm", "foo user", "a.b", "a.b adm", "a.b user", "a.c adm"],
  }),
);

row("§2.3 a queue deny also filters a broader queue subscription of that queue", async () => {
  const client = await subscribed("queueDeny", "SUB *o adm 1\r\nSUB * adm 2\r\nSUB * user 3\r\n");
  await publishAll(["foo", "mark"]);
  const got = [];
  for (let count = 0; count < 3; count++) got.push(await client.readUntil("x\r\n"));
  expect(got.sort()).toEqual(["MSG foo 3 1\r\nx\r\n", "MSG mark 2 1\r\nx\r\n", "MSG mark 3 1\r\nx\r\n"]);
  await client.roundTrip();
  client.destroy();
});

row("§8.46 messages that one member of a queue may not have go to the other", async () => {
  const denied = await subscribed("denyFooBar", "SUB foo.* workers 1\r\n");
  const member = await subscribed("open", "SUB foo.* workers 1\r\n");
  await publishAll(Array.from({ length: 40 }, () => "foo.bar"));
  await member.expect("MSG foo.bar 1 1\r\nx\r\n".repeat(40));
  await member.roundTrip();
  await denied.roundTrip();
  for (const client of [denied, member]) client.destroy();
});

row("§2.3 a message that was filtered does not count for UNSUB", async () => {
  const client = await subscribed("denyFooBar", "SUB foo.* 1\r\nUNSUB 1 2\r\n");
  await publishAll(["foo.bar", "foo.bar", "foo.bar", "foo.a", "foo.b", "foo.c"]);
  await client.expect("MSG foo.a 1 1\r\nx\r\nMSG foo.b 1 1\r\nx\r\n");
  await client.roundTrip();
  client.destroy();
});

row("§2.3 one's own messages are filtered like others'", async () => {
  const client = await as("denyFooBar");
  client.send("SUB foo.* 1\r\nPUB foo.bar 0\r\n\r\nPUB foo.baz 0\r\n\r\n");
  await client.expect("MSG foo.baz 1 0\r\n\r\n");
  await client.roundTrip();
  client.destroy();
});

row("§2.3 who may not have a request is no responder", async () => {
  for (const queue of ["", "q "]) {
    const denied = await subscribed("denyFooBar", `SUB foo.* ${queue}1\r\n`);
    const requestor = await as("open");
    requestor.send("SUB inbox 1\r\nPUB foo.bar inbox 0\r\n\r\n");
    await requestor.expect("HMSG inbox 1 39 39\r\nNATS/1.0 503\r\nNats-Subject: foo.bar\r\n\r\n\r\n");
    for (const client of [denied, requestor]) client.destroy();
  }
});

row("§8.47 empty lists allow everything", async () => {
  for (const user of ["emptyPublish", "emptyAllow", "emptyMaps"] as const) {
    await expectPublishes(user, { allowed: ["a", "b.c"], refused: [] });
    await expectSubscribes(user, { allowed: ["a", ">", "a q"], refused: [] });
  }
});

row("§8.51 a reply subject that only servers use is refused", async () => {
  const client = await as("open");
  for (const reply of ["_R_.x", "_R_.a.b", "_GR_.x", "$GR.x", "$JS.ACK.x"]) {
    client.send(`PUB foo ${reply} 1\r\nx\r\n`);
    await client.expect(`-ERR 'Permissions Violation for Publish with Reply of "${reply}"'\r\n`);
  }
  client.send("SUB foo 1\r\n");
  for (const reply of ["$GNR.x", "_R_", "_R_x.y", "$GRx.y"]) {
    client.send(`PUB foo ${reply} 1\r\nx\r\n`);
    await client.expect(`MSG foo 1 ${reply} 1\r\nx\r\n`);
  }
  await client.roundTrip();
  client.destroy();
});

row("§2.2 subjects that only servers publish to are refused", async () => {
  const client = await as("open");
  client.send("SUB > 1\r\n");
  await client.roundTrip();
  for (const subject of ["_GR_.x", "$GR.x", "$NRG.x"]) {
    client.send(`PUB ${subject} 1\r\nx\r\n`);
    await client.expect(publishViolation(subject));
  }
  for (const subject of ["$GNR.x", "_R_.x", "$SYS.x"]) {
    client.send(`PUB ${subject} 1\r\nx\r\n`);
    await client.expect(`MSG ${subject} 1 1\r\nx\r\n`);
  }
  await client.roundTrip();
  client.destroy();
});

row("§8.52 verbose: a refused operation has its error and no +OK", async () => {
  const client = await as("allowMany", { verbose: true });
  client.send("PUB nope 0\r\n\r\nSUB nope 1\r\nPUB a 0\r\n\r\nSUB a 2\r\n");
  await client.expect(`${publishViolation("nope")}${subscribeViolation("nope")}+OK\r\n+OK\r\n`);
  client.destroy();
});

row("§8.56 the queue _sys_ is refused to everyone", async () => {
  const client = await as("open");
  client.send("SUB foo _sys_ 1\r\n");
  await client.expect(subscribeViolation("foo", "_sys_"));
  await client.roundTrip();
  client.destroy();
});

row("§2.3 a malformed subject: the violation with an allow list, else Invalid Subject", async () => {
  for (const subject of ["foo..bar", ".foo", "foo.", "foo.>.bar"]) {
    const restricted = await as("subscribeFoo");
    restricted.send(`SUB ${subject} 1\r\n`);
    await restricted.expect(subscribeViolation(subject));
    await restricted.roundTrip();
    restricted.destroy();
    const free = await as("open");
    free.send(`SUB ${subject} 1\r\n`);
    await free.expect("-ERR 'Invalid Subject'\r\n");
    await free.roundTrip();
    free.destroy();
  }
});

row("§2.3 no entry of a list matches a subject with an empty token", async () => {
  for (const subject of ["foo..bar", ".foo", "foo.", "."]) {
    const allowed = await as("everything");
    allowed.send(`SUB ${subject} 1\r\nPUB ${subject} 0\r\n\r\n`);
    await allowed.expect(subscribeViolation(subject) + publishViolation(subject));
    await allowed.roundTrip();
    allowed.destroy();
    const denied = await as("nothing");
    denied.send(`SUB ${subject} 1\r\nPUB ${subject} 0\r\n\r\n`);
    await denied.expect("-ERR 'Invalid Subject'\r\n");
    await denied.roundTrip();
    denied.destroy();
  }
});

row("§2.3 queue groups are denied by a pattern that covers their whole name as a pattern", async () => {
  await expectSubscribes("queueDeny", { allowed: ["star >", "star a.b"], refused: ["star a", "star *"] });
});

row("§2.5 no inbox is implied", () =>
  expectSubscribes("subscribeFoo", { allowed: [], refused: ["_INBOX.abc", "_INBOX.>"] }),
);

row("§2.2 a permission holds however the bytes of a PUB are cut", async () => {
  const client = await as("allowOne");
  for (const part of ["PUB forbid", "den 4\r", "\nab", "cd\r\nPUB sandbox.a 1\r\n", "x\r\n"]) {
    await client.sendAll(part);
    await new Promise((resolve) => setTimeout(resolve, 3));
  }
  await client.expect(publishViolation("forbidden"));
  await client.roundTrip();
  client.destroy();
});

row("§2.2 permissions are the user's, however many connections share the subject", async () => {
  const witness = await subscribed("open", "SUB sandbox.a 1\r\nSUB elsewhere 2\r\n");
  const [free, bound] = [await as("open"), await as("allowOne")];
  for (let count = 0; count < 20; count++) {
    free.send("PUB elsewhere 4\r\nfree\r\n");
    await free.roundTrip();
    bound.send("PUB elsewhere 5\r\nbound\r\n");
    await bound.expect(publishViolation("elsewhere"));
    await bound.roundTrip();
  }
  await witness.expect("MSG elsewhere 2 4\r\nfree\r\n".repeat(20));
  await witness.roundTrip();
  for (const client of [witness, free, bound]) client.destroy();
});

rowsInParallel({
  "§8.53 default_permissions are for users without permissions of their own, and not merged": async () => {
    await using defaults = await ServerProcess.start({
      config: `authorization {
        default_permissions: { publish: "default.>", subscribe: "default.>" }
        users: [ {user: plain, password: p}, {user: own, password: p, permissions: {publish: "own.>"}} ]
      }`,
    });
    const plain = await login(defaults, { user: "plain", pass: "p" });
    plain.send("PUB default.a 0\r\n\r\nPUB own.a 0\r\n\r\nSUB own.a 1\r\nSUB default.a 1\r\n");
    await plain.expect(publishViolation("own.a") + subscribeViolation("own.a"));
    await plain.roundTrip();
    const own = await login(defaults, { user: "own", pass: "p" });
    own.send("PUB own.a 0\r\n\r\nPUB default.a 0\r\n\r\nSUB own.a 1\r\n");
    await own.expect(publishViolation("default.a"));
    await own.roundTrip();
  },

  "§2.3 max_subscription_tokens": async () => {
    await using limited = await ServerProcess.start({ config: "max_subscription_tokens: 3" });
    const client = await limited.connectAs();
    client.send("SUB a.b.c 1\r\nSUB a.b.c.d 2\r\n");
    await client.expect(`-ERR 'Permissions Violation for Subscription to "a.b.c.d", too many tokens'\r\n`);
    await client.roundTrip();
  },
});
