import { expectExchange } from "../support/exchange.ts";
import { row, sharedServer } from "../support/row.ts";

const server = sharedServer();

const expectOpen = (input: string, output: string) => expectExchange(server(), input, output);

const violation = (what: string) => `-ERR 'Permissions Violation for ${what}'\r\n`;

for (const subject of ["_GR_.a", "_GR_.a.b.c", "$GR.a", "$NRG.a", "$NRG.R.1"]) {
  row(`§7 publishing to ${subject} is refused and not delivered`, () =>
    expectOpen(`SUB > 1\r\nPUB ${subject} 1\r\nx\r\n`, violation(`Publish to "${subject}"`)),
  );
  row(`§7 HPUB to ${subject} is refused`, () =>
    expectOpen(`HPUB ${subject} re 12 12\r\nNATS/1.0\r\n\r\n\r\n`, violation(`Publish to "${subject}"`)),
  );
}

for (const reply of ["_R_.a", "_R_.", "$JS.ACK.a", "$JS.ACK.S.C.1.2.3", "_GR_.a", "$GR.a"]) {
  row(`§7 the reply ${reply} is refused and the message not delivered`, () =>
    expectOpen(`SUB foo 1\r\nPUB foo ${reply} 1\r\nx\r\n`, violation(`Publish with Reply of "${reply}"`)),
  );
}

for (const subject of [
  "_GR_",
  "_GR_.",
  "$GR",
  "$GR.",
  "$NRG",
  "_R_.a",
  "$JS.ACK.a",
  "$JS.API.x",
  "$SYS.a",
  "_INBOX.a",
  "$G",
]) {
  const isDelivered = !subject.endsWith(".");
  row(`§7 ${subject} is an ordinary subject for a publisher`, () =>
    expectOpen(`SUB > 1\r\nPUB ${subject} 1\r\nx\r\n`, isDelivered ? `MSG ${subject} 1 1\r\nx\r\n` : ""),
  );
}

for (const reply of ["_R_", "$JS.ACK", "$JS.ACK.", "_GR_.", "$GR.", "$NRG.a", "$SYS.a", "$JS.API"]) {
  row(`§7 ${reply} is an ordinary reply`, () =>
    expectOpen(`SUB foo 1\r\nPUB foo ${reply} 1\r\nx\r\n`, `MSG foo 1 ${reply} 1\r\nx\r\n`),
  );
}

row("§7 subscribing to reserved names is allowed", () =>
  expectOpen(
    "SUB _R_.> 1\r\nSUB _GR_.> 2\r\nSUB $GR.> 3\r\nSUB $NRG.> 4\r\nSUB $SYS.> 5\r\nSUB $JS.ACK.> 6\r\n",
    "",
  ),
);

row("§7 the queue name _sys_ is reserved", () =>
  expectOpen(
    "SUB foo _sys_ 1\r\nSUB foo _sys_x 2\r\nPUB foo 0\r\n\r\n",
    `${violation(`Subscription to "foo" using queue "_sys_"`)}MSG foo 2 0\r\n\r\n`,
  ),
);

row("§13 quoted subjects in errors use escapes", () =>
  expectOpen(
    `PUB $NRG.a"b\\c 1\r\nx\r\nPUB $NRG.\x01\x7f 1\r\nx\r\nPUB $NRG.ü 1\r\nx\r\n`,
    violation(`Publish to "$NRG.a\\"b\\\\c"`) +
      violation(`Publish to "$NRG.\\x01\\x7f"`) +
      violation(`Publish to "$NRG.ü"`),
  ),
);

row("§13 a reserved subject is refused before a reserved reply", () =>
  expectOpen("PUB _GR_.a _R_.b 1\r\nx\r\n", violation(`Publish to "_GR_.a"`)),
);

row("§9 a pedantic error precedes the permission error", async () => {
  const client = await server().connectAs({ pedantic: true });
  client.send("PUB $NRG.* 1\r\nx\r\n");
  await client.expect(`-ERR 'Invalid Publish Subject'\r\n${violation(`Publish to "$NRG.*"`)}`);
  await client.roundTrip();
  client.destroy();
});
