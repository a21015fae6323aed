import { expect } from "bun:test";
import { expectExchange } from "../support/exchange.ts";
import { row, sharedServer } from "../support/row.ts";

const server = sharedServer();

const expectOpen = (input: string, output: string, fields?: Record<string, unknown>) =>
  expectExchange(server(), input, output, fields);

/** Subscribes to every pattern, publishes once, and compares the set of patterns that matched. */
async function expectMatches(subject: string, matching: string[], others: string[]): Promise<void> {
  const client = await server().connectAs();
  const patterns = [...matching, ...others];
  for (const [index, pattern] of patterns.entries()) client.send(`SUB ${pattern} ${index}\r\n`);
  client.send(`PUB ${subject} 0\r\n\r\nPING\r\n`);
  const text = await client.readUntil("PONG\r\n");
  const sids = [...text.matchAll(/^MSG \S+ (\d+) 0\r$/gm)].map((match) => patterns[Number(match[1])]);
  expect(sids.sort()).toEqual([...matching].sort());
  client.destroy();
}

for (const subject of ["foo..bar", "foo.>.x", ".a", "a.", ".", "..", ">.a", "a..", "*.>.*"]) {
  row(`§7 SUB ${subject} is an invalid subject and the connection stays open`, () =>
    expectOpen(`SUB ${subject} 1\r\n`, "-ERR 'Invalid Subject'\r\n"),
  );
}

row("§7 an invalid subject is no error where the sid is in use: it keeps its subscription", () =>
  expectOpen("SUB ok 1\r\nSUB a..b 1\r\nPUB ok 0\r\n\r\n", "MSG ok 1 0\r\n\r\n"),
);

row("§7 an invalid SUB does not occupy its sid", () =>
  expectOpen("SUB a..b 1\r\nSUB ok 1\r\nPUB ok 0\r\n\r\n", "-ERR 'Invalid Subject'\r\nMSG ok 1 0\r\n\r\n"),
);

row("§7 * matches exactly one token, > one or more trailing ones", async () => {
  await expectMatches(
    "a.b.c",
    ["a.b.c", "a.b.*", "a.*.c", "*.b.c", "*.*.*", "a.>", "a.b.>", "a.*.>", "*.>", "*.*.>", ">"],
    [
      "a",
      "a.b",
      "a.*",
      "*.b",
      "*",
      "*.*",
      "a.b.c.>",
      "a.b.c.*",
      "a.b.c.d",
      "b.>",
      "*.c.*",
      "*.*.*.*",
      "*.*.*.>",
      "A.b.c",
    ],
  );
  await expectMatches("a", ["a", "*", ">"], ["a.>", "a.*", "*.*", "*.>", "b", "aa"]);
});

row("§7 wildcards inside a longer token are literal", async () => {
  await expectMatches(
    "foo*.b>r",
    ["foo*.b>r", "foo*.*", "*.b>r", "foo*.>"],
    ["foo.b>r", "foo*.b", "foo*.bar", "foox.b>r"],
  );
  await expectMatches("**", ["**", "*", ">"], ["**.>"]);
  await expectMatches(">>", [">>", "*", ">"], ["*.*"]);
});

row("§7 wildcard tokens in a published subject are literal", async () => {
  await expectMatches("foo.*", ["foo.*", "foo.>", "*.*", ">"], ["foo.bar", "foo", "*"]);
  await expectMatches("foo.>", ["foo.>", "foo.*", "*.*", ">"], ["foo.bar", "foo.bar.baz", "foo"]);
  await expectMatches("*", ["*", ">"], ["foo", "a"]);
  await expectMatches(">", [">", "*"], ["foo", "a.b"]);
});

row("§7 subjects are case-sensitive", () =>
  expectMatches("Foo.Bar", ["Foo.Bar", "Foo.*"], ["foo.bar", "FOO.BAR", "foo.*"]),
);

for (const subject of ["foo..bar", ".foo", "foo.", ".", "foo.bar."]) {
  row(`§7 PUB ${subject} is accepted and matches nothing`, () =>
    expectOpen(
      `SUB > 1\r\nSUB *.* 2\r\nSUB *.*.* 3\r\nSUB foo.> 4\r\nPUB ${subject} 1\r\nx\r\nPUB foo 0\r\n\r\n`,
      "MSG foo 1 0\r\n\r\n",
    ),
  );
}

row("§7 subjects may hold any byte but blanks and line ends", async () => {
  const subjects = [
    "ünïcödé.主题",
    "a\0b",
    '"quotes"',
    "back\\slash",
    "a,b;c",
    "$dollar.sign",
    "-",
    "_",
    "#hash",
    "{}[]()",
    "\x7f\x01",
  ];
  const input = subjects
    .map((subject, index) => `SUB ${subject} ${index}\r\nPUB ${subject} 1\r\nx\r\n`)
    .join("");
  await expectOpen(input, subjects.map((subject, index) => `MSG ${subject} ${index} 1\r\nx\r\n`).join(""));
  const client = await server().connectAs();
  const invalidUtf8 = new Uint8Array([0xff, 0xfe, 0x2e, 0xc3, 0x28]);
  client.send(
    "SUB ",
    invalidUtf8,
    " 1\r\nSUB *.* 2\r\nUNSUB 2\r\nPUB ",
    invalidUtf8,
    " r",
    invalidUtf8,
    " 1\r\nx\r\n",
  );
  await client.expect("MSG ");
  await client.expect(invalidUtf8);
  await client.expect(" 1 r");
  await client.expect(invalidUtf8);
  await client.expect(" 1\r\nx\r\n");
  client.destroy();
});

row("§7 reply subjects are not checked", () =>
  expectOpen(
    "SUB foo 1\r\nPUB foo a..b 1\r\nx\r\nPUB foo > 1\r\nx\r\nPUB foo .*. 1\r\nx\r\n",
    "MSG foo 1 a..b 1\r\nx\r\nMSG foo 1 > 1\r\nx\r\nMSG foo 1 .*. 1\r\nx\r\n",
  ),
);

row("§7 many tokens and long tokens", async () => {
  const tokens = Array.from({ length: 100 }, (_, index) => `t${index}`).join(".");
  await expectMatches(
    tokens,
    [tokens, "t0.>", `${"*.".repeat(99)}*`],
    [`${"*.".repeat(98)}*`, `${"*.".repeat(100)}*`],
  );
  const long = "l".repeat(1000);
  await expectMatches(
    `${long}.${long}`,
    [`${long}.*`, `*.${long}`, `${long}.${long}`],
    [long, `${long}.${long}x`],
  );
});

row("§7 queue names are any bytes, wildcards in them are literal", () =>
  expectOpen("SUB foo q.*.> 1\r\nSUB foo q.a.b 2\r\nUNSUB 2\r\nPUB foo 1\r\nx\r\n", "MSG foo 1 1\r\nx\r\n"),
);

row("§7 a queue group is its name: different patterns with one name share a message", async () => {
  const client = await server().connectAs();
  client.send("SUB a.foo q 1\r\nSUB a.* q 2\r\nSUB a.> q 3\r\nSUB a.foo other 4\r\n");
  for (let index = 0; index < 60; index++) client.send("PUB a.foo 0\r\n\r\n");
  client.send("PING\r\n");
  const text = await client.readUntil("PONG\r\n");
  const sids = [...text.matchAll(/^MSG a\.foo (\d) 0\r$/gm)].map((match) => match[1]);
  expect(sids.filter((sid) => sid === "4").length).toBe(60);
  expect(sids.filter((sid) => sid !== "4").length).toBe(60);
  expect(new Set(sids).size).toBe(4);
  client.destroy();
});

row("§8.1 each matching plain subscription gets one copy, each queue group one", async () => {
  const client = await server().connectAs();
  client.send(
    "SUB f.x 1\r\nSUB f.* 2\r\nSUB f.> 3\r\nSUB f.x q1 4\r\nSUB f.x q1 5\r\nSUB f.* q2 6\r\nSUB other 7\r\n",
  );
  client.send("PUB f.x re 2\r\nhi\r\nPING\r\n");
  const text = await client.readUntil("PONG\r\n");
  const deliveries = text.split("hi\r\n").slice(0, -1).sort();
  const queued = deliveries.find((delivery) => / [45] re/.test(delivery))!;
  expect(deliveries).toEqual([
    "MSG f.x 1 re 2\r\n",
    "MSG f.x 2 re 2\r\n",
    "MSG f.x 3 re 2\r\n",
    queued,
    "MSG f.x 6 re 2\r\n",
  ]);
  client.destroy();
});

row("§8.1 messages of one publisher arrive in publish order, mixed sizes", async () => {
  const publisher = await server().connectAs();
  const subscriber = await server().connectAs();
  subscriber.send("SUB mixed.* 1\r\n");
  await subscriber.roundTrip();
  const sizes = [0, 1, 15, 16, 17, 63, 64, 511, 512, 513, 4095, 4096, 65_535, 65_536, 131_073, 300_000];
  for (let index = 0; index < 300; index++) {
    const size = sizes[index % sizes.length]!;
    publisher.send(
      `PUB mixed.${index} ${size}\r\n${String.fromCharCode(97 + (index % 26)).repeat(size)}\r\n`,
    );
  }
  for (let index = 0; index < 300; index++) {
    const size = sizes[index % sizes.length]!;
    await subscriber.expect(
      `MSG mixed.${index} 1 ${size}\r\n${String.fromCharCode(97 + (index % 26)).repeat(size)}\r\n`,
    );
  }
  publisher.destroy();
  subscriber.destroy();
});

row("§8.1 a large fan-out within one connection", async () => {
  const client = await server().connectAs();
  const sids = Array.from({ length: 1000 }, (_, index) => index);
  client.send(sids.map((sid) => `SUB wide ${sid}\r\n`).join(""), "PUB wide 3\r\nabc\r\nPING\r\n");
  const text = await client.readUntil("PONG\r\n");
  const seen = [...text.matchAll(/MSG wide (\d+) 3\r\nabc\r\n/g)].map((match) => Number(match[1]));
  expect(seen.sort((a, b) => a - b)).toEqual(sids);
  client.destroy();
});

row("§8.1 many literal and wildcard subscriptions on one connection", async () => {
  const client = await server().connectAs();
  const count = 20_000;
  const numbers = Array.from({ length: count }, (_, index) => index);
  client.send(
    numbers.map((index) => `SUB lots.${index} ${index}\r\nSUB lots.${index}.* w${index}\r\n`).join(""),
  );
  await client.roundTrip();
  const sample = numbers.filter((index) => index % 97 === 0);
  const publish = sample.map((index) => `PUB lots.${index} 0\r\n\r\nPUB lots.${index}.x 0\r\n\r\n`).join("");
  const deliver = (index: number) =>
    `MSG lots.${index} ${index} 0\r\n\r\nMSG lots.${index}.x w${index} 0\r\n\r\n`;
  client.send(publish);
  await client.expect(sample.map(deliver).join(""));
  client.send(
    numbers
      .filter((index) => index % 2 === 0)
      .map((index) => `UNSUB ${index}\r\nUNSUB w${index}\r\n`)
      .join(""),
  );
  client.send(publish);
  await client.expect(
    sample
      .filter((index) => index % 2 === 1)
      .map(deliver)
      .join(""),
  );
  await client.roundTrip();
  client.destroy();
});

row("§8.2 echo false keeps own publications away, others still get them", async () => {
  const other = await server().connectAs();
  other.send("SUB echo 9\r\n");
  await other.roundTrip();
  const client = await server().connectAs({ echo: false });
  client.send("SUB echo 1\r\nSUB echo.> 2\r\nPUB echo 1\r\nx\r\nPUB echo.y 1\r\ny\r\n");
  await client.roundTrip();
  await other.expect("MSG echo 9 1\r\nx\r\n");
  other.send("PUB echo 1\r\nz\r\n");
  await client.expect("MSG echo 1 1\r\nz\r\n");
  client.destroy();
  other.destroy();
});

row("§8.2 with echo false the other members of a queue group are tried", async () => {
  const other = await server().connectAs();
  other.send("SUB work q 9\r\n");
  await other.roundTrip();
  const client = await server().connectAs({ echo: false });
  client.send("SUB work q 1\r\nSUB work q 2\r\nSUB work q 3\r\n");
  for (let index = 0; index < 40; index++) client.send("PUB work 0\r\n\r\n");
  await client.roundTrip();
  await other.expect("MSG work 9 0\r\n\r\n".repeat(40));
  client.destroy();
  other.destroy();
});

row("§8.2 with echo false and no other member the message counts as undelivered", () =>
  expectOpen(
    "SUB lonely q 1\r\nSUB inbox 2\r\nPUB lonely inbox 0\r\n\r\n",
    "HMSG inbox 2 38 38\r\nNATS/1.0 503\r\nNats-Subject: lonely\r\n\r\n\r\n",
    { echo: false },
  ),
);

row("§8.3 UNSUB with a max removes after that many messages counted from SUB", () =>
  expectOpen(
    "SUB m 1\r\nUNSUB 1 2\r\nPUB m 1\r\na\r\nPUB m 1\r\nb\r\nPUB m 1\r\nc\r\n",
    "MSG m 1 1\r\na\r\nMSG m 1 1\r\nb\r\n",
  ),
);

row("§8.3 messages delivered before the UNSUB count", () =>
  expectOpen(
    "SUB m 1\r\nPUB m 1\r\na\r\nPUB m 1\r\nb\r\nUNSUB 1 3\r\nPUB m 1\r\nc\r\nPUB m 1\r\nd\r\n",
    "MSG m 1 1\r\na\r\nMSG m 1 1\r\nb\r\nMSG m 1 1\r\nc\r\n",
  ),
);

row("§8.3 a max already reached removes at once", () =>
  expectOpen(
    "SUB m 1\r\nPUB m 1\r\na\r\nPUB m 1\r\nb\r\nUNSUB 1 2\r\nPUB m 1\r\nc\r\n",
    "MSG m 1 1\r\na\r\nMSG m 1 1\r\nb\r\n",
  ),
);

row("§8.3 a later UNSUB replaces the max: raised", () =>
  expectOpen(
    `SUB m 1\r\nUNSUB 1 2\r\nPUB m 1\r\na\r\nUNSUB 1 4\r\n${"PUB m 1\r\nb\r\n".repeat(5)}`,
    `MSG m 1 1\r\na\r\n${"MSG m 1 1\r\nb\r\n".repeat(3)}`,
  ),
);

row("§8.3 a later UNSUB replaces the max: lowered and removed", () =>
  expectOpen(
    `SUB m 1\r\nUNSUB 1 9\r\nUNSUB 1 2\r\n${"PUB m 0\r\n\r\n".repeat(3)}SUB m 1\r\nUNSUB 1 9\r\nUNSUB 1\r\nPUB m 0\r\n\r\n`,
    "MSG m 1 0\r\n\r\n".repeat(2),
  ),
);

row("§8.3 after the last message the sid is free and counts anew", () =>
  expectOpen(
    "SUB m 1\r\nUNSUB 1 1\r\nPUB m 0\r\n\r\nSUB n 1\r\nPUB m 0\r\n\r\nPUB n 0\r\n\r\nPUB n 0\r\n\r\n",
    "MSG m 1 0\r\n\r\nMSG n 1 0\r\n\r\nMSG n 1 0\r\n\r\n",
  ),
);

row("§8.3 a status 503 is not counted", () =>
  expectOpen(
    "SUB in 1\r\nUNSUB 1 1\r\nPUB none in 0\r\n\r\nPUB in 1\r\nx\r\nPUB in 1\r\ny\r\n",
    "HMSG in 1 36 36\r\nNATS/1.0 503\r\nNats-Subject: none\r\n\r\n\r\nMSG in 1 1\r\nx\r\n",
  ),
);

row("§8.3 a member of a queue group that reached its max leaves the group", async () => {
  const client = await server().connectAs();
  client.send("SUB q.x g 1\r\nSUB q.x g 2\r\nUNSUB 1 3\r\n");
  for (let index = 0; index < 100; index++) client.send("PUB q.x 0\r\n\r\n");
  client.send("PING\r\n");
  const text = await client.readUntil("PONG\r\n");
  expect(text.match(/^MSG q\.x 1 /gm)?.length).toBe(3);
  expect(text.match(/^MSG q\.x 2 /gm)?.length).toBe(97);
  client.destroy();
});

row("§8.3 every subscription of a connection has its own max", async () => {
  const client = await server().connectAs();
  client.send("SUB m 1\r\nUNSUB 1 1\r\nSUB m 2\r\nUNSUB 2 2\r\n", "PUB m 0\r\n\r\n".repeat(3), "PING\r\n");
  const text = await client.readUntil("PONG\r\n");
  expect(text.match(/MSG m 1 /g)?.length).toBe(1);
  expect(text.match(/MSG m 2 /g)?.length).toBe(2);
  client.destroy();
});

row("§8.4 one message per queue group, spread over its members", async () => {
  const client = await server().connectAs();
  for (let sid = 1; sid <= 5; sid++) client.send(`SUB spread g ${sid}\r\n`);
  const count = 500;
  client.send("PUB spread 0\r\n\r\n".repeat(count), "PING\r\n");
  const text = await client.readUntil("PONG\r\n");
  const perSid = new Map<string, number>();
  for (const [, sid] of text.matchAll(/^MSG spread (\d) 0\r$/gm))
    perSid.set(sid!, (perSid.get(sid!) ?? 0) + 1);
  expect([...perSid.values()].reduce((sum, each) => sum + each, 0)).toBe(count);
  // With a fair choice among five, fewer than 40 of 500 has a probability below 1e-12.
  for (let sid = 1; sid <= 5; sid++) expect(perSid.get(String(sid)) ?? 0).toBeGreaterThan(40);
  client.destroy();
});

row("§8.4 a member that unsubscribes gets no more", () =>
  expectOpen(
    `SUB w g 1\r\nSUB w g 2\r\nUNSUB 1\r\n${"PUB w 0\r\n\r\n".repeat(20)}UNSUB 2\r\nPUB w 0\r\n\r\n`,
    "MSG w 2 0\r\n\r\n".repeat(20),
  ),
);

row("§8.5 a request that reaches nobody is answered by status 503", () =>
  expectOpen(
    "SUB inbox 9\r\nPUB svc inbox 2\r\nhi\r\n",
    "HMSG inbox 9 35 35\r\nNATS/1.0 503\r\nNats-Subject: svc\r\n\r\n\r\n",
  ),
);

row("§8.5 the same for HPUB, a wildcard inbox and a long subject", async () => {
  const subject = "s".repeat(300);
  await expectOpen(
    `SUB _INBOX.abc.* 4\r\nHPUB ${subject} _INBOX.abc.7 12 12\r\nNATS/1.0\r\n\r\n\r\n`,
    `HMSG _INBOX.abc.7 4 332 332\r\nNATS/1.0 503\r\nNats-Subject: ${subject}\r\n\r\n\r\n`,
  );
});

row("§8.5 no 503 without a reply, without a subscription, or with only a queue subscription", () =>
  expectOpen("SUB inbox q 9\r\nPUB svc 1\r\nx\r\nPUB svc inbox 1\r\nx\r\nPUB svc other 1\r\nx\r\n", ""),
);

row("§8.5 no 503 when somebody received the message, even the publisher itself", () =>
  expectOpen("SUB inbox 9\r\nSUB self 1\r\nPUB self inbox 1\r\nx\r\n", "MSG self 1 inbox 1\r\nx\r\n"),
);

row("§8.5 no 503 when no_responders was not negotiated", () =>
  expectOpen("SUB inbox 9\r\nPUB svc inbox 1\r\nx\r\n", "", { no_responders: false }),
);

row("§8.5 with several matching subscriptions one 503 is sent", async () => {
  const client = await server().connectAs();
  client.send("SUB inbox 1\r\nSUB * 2\r\nUNSUB 2 0\r\nSUB inbox 3\r\nPUB svc.x inbox 0\r\n\r\nPING\r\n");
  const text = await client.readUntil("PONG\r\n");
  expect(text).toMatch(
    /^HMSG inbox [13] 37 37\r\nNATS\/1\.0 503\r\nNats-Subject: svc\.x\r\n\r\n\r\nPONG\r\n$/,
  );
  client.destroy();
});

row("§8.5 another connection's subscription to the inbox does not count", async () => {
  const other = await server().connectAs();
  other.send("SUB their.inbox 1\r\n");
  await other.roundTrip();
  await expectOpen("PUB svc their.inbox 1\r\nx\r\n", "");
  await other.roundTrip();
  other.destroy();
});

row("§8.6 headers are opaque: delivered as they came", () =>
  expectOpen(
    "SUB foo 1\r\nHPUB foo 3 5\r\nabchi\r\nHPUB foo 2 2\r\n\r\n\r\nHPUB foo re 35 40\r\nNATS/1.0 999 What\r\nA: b\r\nA:  C \r\n\r\nhello\r\n",
    "HMSG foo 1 3 5\r\nabchi\r\nHMSG foo 1 2 2\r\n\r\n\r\nHMSG foo 1 re 35 40\r\nNATS/1.0 999 What\r\nA: b\r\nA:  C \r\n\r\nhello\r\n",
  ),
);

row("§8.6 a subscriber without headers gets MSG with the header block cut off", async () => {
  const plain = await server().connectAs({ headers: false, no_responders: false });
  plain.send("SUB strip 1\r\n");
  await plain.roundTrip();
  const client = await server().connectAs();
  client.send(
    "SUB strip 7\r\nHPUB strip re 18 23\r\nNATS/1.0\r\nA: b\r\n\r\nhello\r\nHPUB strip 12 12\r\nNATS/1.0\r\n\r\n\r\n",
  );
  await client.expect("HMSG strip 7 re 18 23\r\nNATS/1.0\r\nA: b\r\n\r\nhello\r\n");
  await client.expect("HMSG strip 7 12 12\r\nNATS/1.0\r\n\r\n\r\n");
  await plain.expect("MSG strip 1 re 5\r\nhello\r\nMSG strip 1 0\r\n\r\n");
  client.destroy();
  plain.destroy();
});

row("§8.6 headers are cut off behind a reply with control bytes in it", async () => {
  const plain = await server().connectAs({ headers: false, no_responders: false });
  plain.send("SUB strip 1\r\n");
  await plain.roundTrip();
  const client = await server().connectAs();
  client.send(
    "SUB strip 7\r\nHPUB strip in\u0016.box 12 17\r\nNATS/1.0\r\n\r\nhello\r\nHPUB strip \u0001\u0002 0 2\r\nhi\r\n",
  );
  await client.expect(
    "HMSG strip 7 in\u0016.box 12 17\r\nNATS/1.0\r\n\r\nhello\r\nMSG strip 7 \u0001\u0002 2\r\nhi\r\n",
  );
  await plain.expect("MSG strip 1 in\u0016.box 5\r\nhello\r\nMSG strip 1 \u0001\u0002 2\r\nhi\r\n");
  client.destroy();
  plain.destroy();
});

row("§8.6 a large header block", async () => {
  const header = `NATS/1.0\r\nBig: ${"v".repeat(100_000)}\r\n\r\n`;
  const text = `${header.length} ${header.length + 3}\r\n${header}xyz\r\n`;
  await expectOpen(`SUB big 1\r\nHPUB big ${text}`, `HMSG big 1 ${text}`);
});
