import { row, sharedServer } from "../support/row.ts";

const server = sharedServer();
const INVALID = "-ERR 'Invalid Publish Subject'\r\n";

/** `input` on a connection with these CONNECT fields yields exactly `output` and leaves the connection usable. */
async function expectOutput(fields: Record<string, unknown>, input: string, output: string): Promise<void> {
  const client = await server().connectAs(fields);
  client.send(input);
  await client.expect(output);
  await client.roundTrip();
  client.destroy();
}

const VERBOSE = { verbose: true };
const PEDANTIC = { pedantic: true };

row("§9 verbose: SUB and UNSUB get +OK, known or not, with or without max", () =>
  expectOutput(
    VERBOSE,
    "SUB foo 1\r\nSUB foo q 2\r\nSUB bar 1\r\nUNSUB 1\r\nUNSUB 99\r\nUNSUB 2 5\r\nUNSUB 2 abc\r\n",
    "+OK\r\n".repeat(7),
  ),
);

row("§9 verbose: PUB gets +OK before the MSG it produces, also when nobody is subscribed", () =>
  expectOutput(
    VERBOSE,
    "PUB none 1\r\nx\r\nSUB foo 1\r\nPUB foo 1\r\nx\r\nHPUB foo 12 12\r\nNATS/1.0\r\n\r\n\r\n",
    "+OK\r\n+OK\r\n+OK\r\nMSG foo 1 1\r\nx\r\n+OK\r\nHMSG foo 1 12 12\r\nNATS/1.0\r\n\r\n\r\n",
  ),
);

row("§9 verbose: a refused SUB gets the error alone", () =>
  expectOutput(VERBOSE, "SUB a..b 1\r\nSUB ok 1\r\n", "-ERR 'Invalid Subject'\r\n+OK\r\n"),
);

row("§9 verbose: a PUB refused for its reserved subject or reply gets the error alone", () =>
  expectOutput(
    VERBOSE,
    "PUB $NRG.a 1\r\nx\r\nPUB foo _R_.a 1\r\nx\r\nPUB foo 1\r\nx\r\n",
    `-ERR 'Permissions Violation for Publish to "$NRG.a"'\r\n-ERR 'Permissions Violation for Publish with Reply of "_R_.a"'\r\n+OK\r\n`,
  ),
);

row("§9 verbose: PING, PONG, INFO and +OK get nothing extra", () =>
  expectOutput(VERBOSE, "PING\r\nPONG\r\nINFO {}\r\n+OK\r\n", "PONG\r\n"),
);

row("§9 verbose: +OK precedes a 503", () =>
  expectOutput(
    VERBOSE,
    "SUB in 1\r\nPUB svc in 0\r\n\r\n",
    "+OK\r\n+OK\r\nHMSG in 1 35 35\r\nNATS/1.0 503\r\nNats-Subject: svc\r\n\r\n\r\n",
  ),
);

for (const subject of ["foo.*", "foo.>", "*", ">", "foo..bar", ".foo", "foo.", "*.a", "a.*.b", "a.>.b"]) {
  row(`§9 pedantic: PUB ${subject} gets an error and is processed all the same`, () =>
    expectOutput(PEDANTIC, `PUB ${subject} 1\r\nx\r\n`, INVALID),
  );
  row(`§9 not pedantic: PUB ${subject} gets no error`, () =>
    expectOutput({ pedantic: false }, `PUB ${subject} 1\r\nx\r\n`, ""),
  );
}

for (const subject of ["foo*", "*foo", "a.>b", "b>", "f*o.b>r", "**", ">>", "$a", "a-b_c"]) {
  row(`§9 pedantic: PUB ${subject} is fine, wildcard characters inside a token are literal`, () =>
    expectOutput(PEDANTIC, `PUB ${subject} 1\r\nx\r\n`, ""),
  );
}

row("§9 pedantic: the message is delivered after the error, with +OK when verbose", () =>
  expectOutput(
    { pedantic: true, verbose: true },
    "SUB foo.* 1\r\nPUB foo.* 1\r\nx\r\nHPUB foo.> 12 12\r\nNATS/1.0\r\n\r\n\r\n",
    `+OK\r\n${INVALID}+OK\r\nMSG foo.* 1 1\r\nx\r\n${INVALID}+OK\r\nHMSG foo.> 1 12 12\r\nNATS/1.0\r\n\r\n\r\n`,
  ),
);

row(
  "§9 pedantic: the error comes when the control line is there, once or repeated with the payload",
  async () => {
    const client = await server().connectAs(PEDANTIC);
    client.send("PUB foo.* 1\r\n");
    await client.expect(INVALID);
    client.send("x\r\nPING\r\n");
    await client.expectOneOf(["PONG\r\n", `${INVALID}PONG\r\n`]);
    client.destroy();
  },
);

row("§9 pedantic changes nothing for SUB and for replies", () =>
  expectOutput(
    PEDANTIC,
    "SUB a.* 1\r\nSUB > q 2\r\nUNSUB 2\r\nPUB a.b x..* 0\r\n\r\n",
    "MSG a.b 1 x..* 0\r\n\r\n",
  ),
);
