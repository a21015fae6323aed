import { expectExchange } from "../support/exchange.ts";
import { row, sharedServer } from "../support/row.ts";

const UNKNOWN = "-ERR 'Unknown Protocol Operation'\r\n";
const TOO_LONG = "-ERR 'maximum control line exceeded'\r\n";
const VIOLATION = "-ERR 'Maximum Payload Violation'\r\n";

const server = sharedServer();

const expectOpen = (input: string, output: string) => expectExchange(server(), input, output);

/** After a quiet CONNECT: `input` yields exactly `output` and then the end of the connection. */
async function expectFatal(input: string, output: string): Promise<void> {
  const client = await server().connectAs();
  client.send(input);
  await client.expect(output);
  await client.expectClosed();
}

row("§4 verbs are case-insensitive, letter by letter", () =>
  expectOpen(
    "sub foo 1\r\nSuB bar 2\r\npub foo 1\r\na\r\nPuB bar 1\r\nb\r\nhPuB foo 12 13\r\nNATS/1.0\r\n\r\nc\r\n" +
      "uNsUb 2\r\npUb bar 1\r\nd\r\npInG\r\npOnG\r\n+oK\r\niNfO {}\r\ncOnNeCt {}\r\nping\r\n",
    "MSG foo 1 1\r\na\r\nMSG bar 2 1\r\nb\r\nHMSG foo 1 12 13\r\nNATS/1.0\r\n\r\nc\r\nPONG\r\nPONG\r\n",
  ),
);

for (const [what, bytes] of [
  ["a blank line", "\r\n"],
  ["a bare LF", "\n"],
  ["a space", " PING\r\n"],
  ["a tab", "\tPING\r\n"],
  ["a NUL", "\0PING\r\n"],
  ["a letter that starts no verb", "X\r\n"],
  ["a wrong second letter", "PX\r\n"],
  ["a wrong last letter", "PINX\r\n"],
] as const) {
  row(`§4 ${what} where a verb should start is an unknown operation`, () => expectFatal(bytes, UNKNOWN));
}

row("§4 a blank line between two commands is an unknown operation", () =>
  expectFatal("PING\r\n\r\nPING\r\n", `PONG\r\n${UNKNOWN}`),
);

row("§4 tabs and runs of blanks separate arguments, trailing blanks are ignored", () =>
  expectOpen(
    "SUB\tfoo\t1\r\nSUB   bar \t q\t  2  \t\r\nPUB \t foo \t reply  2 \t\r\nhi\r\nPUB\tbar\t1\t\r\nx\r\nUNSUB \t 1 \t\r\nPUB foo 1\r\nx\r\n",
    "MSG foo 1 reply 2\r\nhi\r\nMSG bar 2 1\r\nx\r\n",
  ),
);

row("§4 CONNECT and INFO need no blank after the verb", () =>
  expectOpen(`CONNECT{"verbose":true}\r\nINFO{}\r\nPING\r\nCONNECT{"verbose":false}\r\n`, "+OK\r\nPONG\r\n"),
);

row("§4 a control line may end in LF alone", () =>
  expectOpen("SUB foo 1\nPUB foo 2\nhi\r\nPING\nUNSUB 1\nPUB foo 1\nx\r\n", "MSG foo 1 2\r\nhi\r\nPONG\r\n"),
);

for (const [what, after] of [
  ["a bare LF", "\n"],
  ["CR and another byte", "\rX"],
  ["another byte", "X\r\n"],
  ["a blank", " \r\n"],
] as const) {
  row(`§4 a payload followed by ${what} is an unknown operation`, () =>
    expectFatal(`PUB foo 2\r\nhi${after}`, UNKNOWN),
  );
  row(`§4 a header payload followed by ${what} is an unknown operation`, () =>
    expectFatal(`HPUB foo 12 14\r\nNATS/1.0\r\n\r\nhi${after}`, UNKNOWN),
  );
}

row("§4 a message whose payload is not followed by CR LF is not delivered", async () => {
  const subscriber = await server().connectAs();
  subscriber.send("SUB torn 1\r\n");
  await subscriber.roundTrip();
  await expectFatal("PUB torn 2\r\nhello\r\n", UNKNOWN);
  const publisher = await server().connectAs();
  publisher.send("PUB torn 4\r\nnext\r\n");
  await subscriber.expect("MSG torn 1 4\r\nnext\r\n");
  subscriber.destroy();
  publisher.destroy();
});

row("§4 a payload may hold CR LF, NUL, verbs and every byte value", async () => {
  const client = await server().connectAs();
  const every = new Uint8Array(256).map((_, index) => index);
  const bytes = new Uint8Array([...new TextEncoder().encode("\r\nPUB x 1\r\ny\r\n\0PING\r\n"), ...every]);
  client.send("SUB binary 1\r\n", `PUB binary ${bytes.length}\r\n`, bytes, "\r\n");
  await client.expect(`MSG binary 1 ${bytes.length}\r\n`);
  await client.expect(bytes);
  await client.expect("\r\n");
  await client.roundTrip();
  client.destroy();
});

row("§4 PING, PONG and +OK ignore every byte up to LF, without a limit", () =>
  expectOpen(
    `PINGxyz foo\r\nPING \t \r\nPONGxyz\r\nPONG PING\r\n+OK whatever\r\n+OKx\r\nPING${"x".repeat(10_000)}\r\nPONG${"y".repeat(10_000)}\r\n+OK${"z".repeat(10_000)}\r\n`,
    "PONG\r\nPONG\r\nPONG\r\n",
  ),
);

row("§4 a control line of exactly 4096 bytes of arguments passes", async () => {
  const client = await server().connectAs();
  const subject = "s".repeat(4096 - " 1".length);
  client.send(`SUB ${subject} 1\r\n`);
  await client.roundTrip();
  client.send(`UNSUB ${"9".repeat(4096)}\r\nPUB ${subject} 0\r\n\r\n`);
  await client.expect(`MSG ${subject} 1 0\r\n\r\n`);
  await client.roundTrip();
  client.destroy();
});

for (const [verb, tail] of [
  ["SUB", " 1"],
  ["PUB", " 1"],
  ["HPUB", " 0 1"],
  ["UNSUB", ""],
  ["CONNECT", ""],
  ["INFO", ""],
  ["-ERR", ""],
] as const) {
  row(`§4 ${verb} with 4097 bytes of arguments exceeds the control line`, () =>
    expectFatal(`${verb} ${"a".repeat(4097 - tail.length)}${tail}\r\n`, TOO_LONG),
  );
  row(`§4 ${verb} without a line end is cut off after 4096 bytes`, () =>
    expectFatal(`${verb} ${"a".repeat(4097)}`, TOO_LONG),
  );
}

row("§4 the control line limit counts arguments, not the verb and the blanks after it", async () => {
  const client = await server().connectAs();
  const subject = "t".repeat(4096 - " 1".length);
  client.send(`SUB   \t  ${subject} 1\r\n`);
  await client.roundTrip();
  client.destroy();
});

row("§4 sizes may have leading zeros, kept or dropped in the delivery", async () => {
  const client = await server().connectAs();
  client.send("SUB foo 1\r\nPUB foo 000000002\r\nhi\r\n");
  await client.expectOneOf(["MSG foo 1 000000002\r\nhi\r\n", "MSG foo 1 2\r\nhi\r\n"]);
  await client.roundTrip();
  client.destroy();
});

for (const size of ["-1", "+1", "0000000002", "1234567890", "2x", "x", "1.0", "0x1", "1e1", "٢"]) {
  row(`§4 the size ${size} closes without -ERR`, () => expectFatal(`PUB foo ${size}\r\nhi\r\n`, ""));
}

row("§4 a subject may hold a CR that is not before LF, or the line is refused", async () => {
  // The reference eats a byte; a server may refuse the line instead. Either way the connection does not hang.
  const client = await server().connectAs();
  client.send("SUB a\rb 1\r\nPING\r\n");
  await client.expectOneOf(["PONG\r\n", UNKNOWN, "-ERR 'Invalid Subject'\r\n"]);
  client.destroy();
});

for (const verb of ["PUB", "HPUB", "SUB", "UNSUB", "-ERR"]) {
  row(`§5 ${verb} without the blank after it is an unknown operation`, () =>
    expectFatal(`${verb}\r\n`, UNKNOWN),
  );
  row(`§5 ${verb} followed by another letter is an unknown operation`, () =>
    expectFatal(`${verb}x foo 1\r\n`, UNKNOWN),
  );
}

for (const line of [
  "PUB \r\n",
  "PUB foo\r\n",
  "PUB a b 2 3\r\n",
  "HPUB \r\n",
  "HPUB foo\r\n",
  "HPUB foo 2\r\n",
  "HPUB foo a b 1 2 3\r\n",
  "HPUB foo 5 2\r\n",
  "HPUB foo x 2\r\n",
  "HPUB foo 2 x\r\n",
  "HPUB foo -1 2\r\n",
  "SUB \r\n",
  "SUB foo\r\n",
  "SUB foo q 1 2\r\n",
  "UNSUB \r\n",
  "UNSUB 1 1 1\r\n",
  "INFO {\r\n",
  "INFO x\r\n",
]) {
  row(`§5 ${JSON.stringify(line)} closes without -ERR`, () => expectFatal(line, ""));
}

row("§5 -ERR from a client closes without an answer", () => expectFatal("-ERR 'x'\r\n", ""));

for (const line of [
  "MSG foo 1 2\r\nhi\r\n",
  "RMSG $G foo 2\r\nhi\r\n",
  "RS+ $G foo\r\n",
  "RS- $G foo\r\n",
  "LS+ foo\r\n",
  "LMSG foo 2\r\nhi\r\n",
  "A+ x\r\n",
  "A- x\r\n",
  "GET / HTTP/1.1\r\n\r\n",
  "QUIT\r\n",
  "HMSG\r\n",
]) {
  row(`§5 ${JSON.stringify(line)} is an unknown operation`, () => expectFatal(line, UNKNOWN));
}

row("§5 INFO and +OK from a client are ignored", () =>
  expectOpen(`INFO {"server_id":"x","port":1}\r\n+OK\r\nPING\r\n`, "PONG\r\n"),
);

row("§5 an unsolicited PONG is fine", () => expectOpen("PONG\r\nPONG\r\n", ""));

row("§5 the payload limit is checked when the control line is parsed, and equal is allowed", async () => {
  await expectFatal("PUB foo 1048577\r\n", VIOLATION);
  await expectFatal("HPUB foo 12 1048577\r\n", VIOLATION);
  await expectFatal("PUB foo 999999999\r\n", VIOLATION);
  const client = await server().connectAs();
  const payload = "p".repeat(1048576);
  client.send(`SUB limit 1\r\nPUB limit 1048576\r\n${payload}\r\n`);
  await client.expect(`MSG limit 1 1048576\r\n${payload}\r\n`);
  await client.roundTrip();
  client.destroy();
});

row("§5 hdr_size 0 means no headers: delivered as MSG", () =>
  expectOpen(
    "SUB foo 1\r\nHPUB foo 0 2\r\nhi\r\nHPUB foo rep 0 0\r\n\r\n",
    "MSG foo 1 2\r\nhi\r\nMSG foo 1 rep 0\r\n\r\n",
  ),
);

row("§5 a sid is any bytes without blanks, echoed as it came", async () => {
  const sids = ["0", "007", "-1", "abc", "a.b*>", "ünï", '"quoted"', "9".repeat(100), "{}"];
  const input = sids.map((sid, index) => `SUB sid.${index} ${sid}\r\nPUB sid.${index} 1\r\nx\r\n`).join("");
  await expectOpen(input, sids.map((sid, index) => `MSG sid.${index} ${sid} 1\r\nx\r\n`).join(""));
});

row("§5 sids are different when their bytes differ", () =>
  expectOpen(
    "SUB foo 1\r\nSUB foo 01\r\nUNSUB 1\r\nPUB foo 1\r\nx\r\nUNSUB 01\r\nPUB foo 1\r\ny\r\n",
    "MSG foo 01 1\r\nx\r\n",
  ),
);

for (const max of ["abc", "-1", "1234567890", "0", "1x", "000000000"]) {
  row(`§5 UNSUB with the max ${max} removes now`, () =>
    expectOpen(`SUB foo 1\r\nUNSUB 1 ${max}\r\nPUB foo 1\r\nx\r\n`, ""),
  );
}

row("§5 UNSUB of an unknown sid is no error", () => expectOpen("UNSUB 77\r\nUNSUB 78 5\r\n", ""));

row("§5 a SUB that reuses a live sid is ignored: the old subscription stays", () =>
  expectOpen("SUB foo 1\r\nSUB bar 1\r\nPUB foo 1\r\na\r\nPUB bar 1\r\nb\r\n", "MSG foo 1 1\r\na\r\n"),
);

row("§5 after UNSUB the sid is free", () =>
  expectOpen(
    "SUB foo 1\r\nUNSUB 1\r\nSUB bar 1\r\nPUB foo 1\r\na\r\nPUB bar 1\r\nb\r\n",
    "MSG bar 1 1\r\nb\r\n",
  ),
);

row("§6 MSG and HMSG have single spaces and no trailing space", () =>
  expectOpen(
    "SUB foo 1\r\nPUB  foo \t in.box   5\t\r\nhello\r\nHPUB   foo  in.box\t12   17 \r\nNATS/1.0\r\n\r\nhello\r\n",
    "MSG foo 1 in.box 5\r\nhello\r\nHMSG foo 1 in.box 12 17\r\nNATS/1.0\r\n\r\nhello\r\n",
  ),
);

row("§6 the subject of a message is the published one, never the pattern", () =>
  expectOpen("SUB a.* 1\r\nPUB a.b 1\r\nx\r\n", "MSG a.b 1 1\r\nx\r\n"),
);
