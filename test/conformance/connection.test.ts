import { expect } from "bun:test";
import { RawClient } from "../support/raw_client.ts";
import { row, sharedServer } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";

const server = sharedServer();

/** Sends `input` on a fresh connection, takes exactly `output`, and expects the connection to end. */
async function expectRefused(input: string, output: string): Promise<void> {
  const client = await server().connect();
  client.send(input);
  await client.expect(output);
  await client.expectClosed();
}

row("§1 INFO comes first and unasked, as one line with a space before CR LF", async () => {
  const client = await RawClient.open(server().clientPort);
  const line = await client.readUntil("\n");
  expect(line).toMatch(/^INFO \{"server_id":"N[A-Z2-7]{55}",.*\} \r\n$/);
  expect(line.indexOf("\n")).toBe(line.length - 1);
  await client.roundTrip();
  client.destroy();
});

row("§1 without CONNECT the defaults are verbose, pedantic and echo", async () => {
  const client = await server().connect();
  client.send("SUB foo.* 1\r\nPUB foo.a 2\r\nhi\r\nPUB foo.* 1\r\nx\r\nUNSUB 1\r\nPING\r\n");
  await client.expect(
    "+OK\r\n+OK\r\nMSG foo.a 1 2\r\nhi\r\n-ERR 'Invalid Publish Subject'\r\n+OK\r\nMSG foo.* 1 1\r\nx\r\n+OK\r\nPONG\r\n",
  );
  client.destroy();
});

row("§1 without CONNECT there are no headers: HPUB closes", async () => {
  await expectRefused("HPUB foo 12 14\r\nNATS/1.0\r\n\r\nhi\r\n", "");
});

row("§1 output of earlier commands precedes output of later ones", async () => {
  const client = await server().connectAs();
  const count = 500;
  let input = "SUB order 1\r\n";
  let output = "";
  for (let index = 0; index < count; index++) {
    const text = String(index);
    input += `PUB order ${text.length}\r\n${text}\r\nPING\r\n`;
    output += `MSG order 1 ${text.length}\r\n${text}\r\nPONG\r\n`;
  }
  client.send(input);
  await client.expect(output);
  client.destroy();
});

row("§1 a fatal command stops processing, output already queued is flushed", async () => {
  const client = await server().connectAs();
  client.send("SUB fatal 1\r\nPUB fatal 1\r\na\r\nBOOM\r\nPUB fatal 1\r\nb\r\nPING\r\n");
  await client.expect("MSG fatal 1 1\r\na\r\n-ERR 'Unknown Protocol Operation'\r\n");
  await client.expectClosed();
});

row("§1 once SUB and PING are answered the subscription is active for every connection", async () => {
  const subscriber = await server().connectAs();
  const publisher = await server().connectAs();
  for (let index = 0; index < 50; index++) {
    subscriber.send(`SUB active.${index} ${index}\r\n`);
    await subscriber.roundTrip();
    publisher.send(`PUB active.${index} 1\r\nx\r\n`);
    await subscriber.expect(`MSG active.${index} ${index} 1\r\nx\r\n`);
  }
  subscriber.destroy();
  publisher.destroy();
});

row("§1 once PUB and PING are answered the message is queued to every local subscriber", async () => {
  const subscriber = await server().connectAs();
  const publisher = await server().connectAs();
  subscriber.send("SUB queued 1\r\n");
  await subscriber.roundTrip();
  for (let index = 0; index < 50; index++) {
    publisher.send("PUB queued 1\r\nx\r\n");
    await publisher.roundTrip();
    subscriber.send("PING\r\n");
    await subscriber.expect("MSG queued 1 1\r\nx\r\nPONG\r\n");
  }
  subscriber.destroy();
  publisher.destroy();
});

row("§1 a client that ends its stream is disconnected after its commands were handled", async () => {
  const subscriber = await server().connectAs();
  subscriber.send("SUB last.words 1\r\n");
  await subscriber.roundTrip();
  const client = await server().connectAs();
  client.send("PUB last.words 3\r\nbye\r\n");
  client.end();
  await client.expectClosed();
  await subscriber.expect("MSG last.words 1 3\r\nbye\r\n");
  subscriber.destroy();
});

row("§2 INFO has the fields every client reads, with their types", async () => {
  const client = await server().connect();
  const info = client.info;
  expect(info.server_name).toBe(info.server_id);
  expect(info.version).toMatch(/^2\.\d+\.\d+/);
  expect(info.proto).toBe(1);
  expect(typeof info.go).toBe("string");
  expect(info.host).toBe("127.0.0.1");
  expect(info.port).toBe(server().clientPort);
  expect(info.headers).toBe(true);
  expect(info.max_payload).toBe(1048576);
  expect(info.client_ip).toBe("127.0.0.1");
  expect(info.client_id).toBeGreaterThan(0);
  client.destroy();
});

row("§2 INFO leaves out what is off, and everything meant for other servers", async () => {
  const client = await server().connect();
  for (const field of [
    "auth_required",
    "tls_required",
    "tls_verify",
    "tls_available",
    "jetstream",
    "nonce",
    "cluster",
    "domain",
    "connect_urls",
    "ldm",
    "connect_info",
    "remote_account",
    "acc_is_sys",
    "ip",
    "ws_connect_urls",
    "gateway",
    "leafnode_urls",
    "import",
    "export",
  ]) {
    expect([field, client.info[field]]).toEqual([field, undefined]);
  }
  client.destroy();
});

row("§2 INFO fields come in the documented order", async () => {
  const client = await server().connect();
  const order = [
    "server_id",
    "server_name",
    "version",
    "proto",
    "git_commit",
    "go",
    "host",
    "port",
    "headers",
  ];
  order.push("max_payload", "client_id", "client_ip", "api_lvl", "xkey");
  const known = Object.keys(client.info).filter((field) => order.includes(field));
  expect(known).toEqual(order.filter((field) => known.includes(field)));
  client.destroy();
});

row("§2 client_id increases and server_id stays", async () => {
  const first = await server().connect();
  const second = await server().connect();
  expect(second.info.client_id).toBeGreaterThan(first.info.client_id);
  expect(second.info.server_id).toBe(first.info.server_id);
  first.destroy();
  second.destroy();
});

row("§2 INFO shows server_name, client_advertise and no_header_support", async () => {
  await using named = await ServerProcess.start({
    config: `server_name: "the_name"\nclient_advertise: "example.test:4333"\nno_header_support: true\nmax_payload: 1000`,
  });
  const client = await named.connect();
  expect(client.info.server_name).toBe("the_name");
  expect(client.info.host).toBe("example.test");
  expect(client.info.port).toBe(4333);
  expect(client.info.headers).toBe(false);
  expect(client.info.max_payload).toBe(1000);
});

row("§2 without header support HPUB closes even when CONNECT asked for headers", async () => {
  await using plain = await ServerProcess.start({ config: "no_header_support: true" });
  const client = await plain.connectAs({ no_responders: false });
  client.send("HPUB foo 12 12\r\nNATS/1.0\r\n\r\n\r\n");
  await client.expectClosed();
});

row(
  "§2.1 the first PING after CONNECT with protocol 1 is answered by PONG, then INFO with connect_info, once",
  async () => {
    const client = await server().connect();
    client.send(`CONNECT {"verbose":false,"pedantic":false,"protocol":1}\r\nPING\r\n`);
    await client.expect("PONG\r\n");
    const info = await client.readInfo();
    expect(info.connect_info).toBe(true);
    expect(info.remote_account).toBe("$G");
    expect(info.acc_is_sys).toBe(undefined);
    expect(info.client_id).toBe(client.info.client_id);
    expect(info.max_payload).toBe(1048576);
    expect(info.server_id).toBe(client.info.server_id);
    await client.roundTrip();
    client.send(`CONNECT {"verbose":false,"protocol":1}\r\nPING\r\nPING\r\n`);
    await client.expect("PONG\r\nPONG\r\n");
    await client.roundTrip();
    client.destroy();
  },
);

row("§2.1 with protocol 0 no INFO follows the PONG", async () => {
  const client = await server().connect();
  client.send(`CONNECT {"verbose":false}\r\nPING\r\nPING\r\n`);
  await client.expect("PONG\r\nPONG\r\n");
  client.destroy();
});

row("§2.1 a PING before CONNECT is not the first PING", async () => {
  const client = await server().connect();
  client.send(`PING\r\nCONNECT {"verbose":false,"protocol":1}\r\nPING\r\n`);
  await client.expect("PONG\r\nPONG\r\n");
  expect((await client.readInfo()).connect_info).toBe(true);
  client.destroy();
});

row("§3 field names match in any case", async () => {
  const client = await server().connect();
  client.send(
    `CONNECT {"VERBOSE":false,"Pedantic":false,"Headers":true}\r\nSUB a 1\r\nHPUB a 12 13\r\nNATS/1.0\r\n\r\nx\r\n`,
  );
  await client.expect("HMSG a 1 12 13\r\nNATS/1.0\r\n\r\nx\r\n");
  client.destroy();
});

row("§3 unknown fields are ignored, the last duplicate wins, null changes nothing", async () => {
  const client = await server().connect();
  client.send(`CONNECT {"nonsense":{"a":[1,2]},"verbose":true,"verbose":false,"pedantic":null}\r\nPING\r\n`);
  await client.expect("PONG\r\n");
  client.send("PUB a.* 1\r\nx\r\n");
  await client.expect("-ERR 'Invalid Publish Subject'\r\n");
  await client.roundTrip();
  client.destroy();
});

row("§3 the document null is no fields", async () => {
  const client = await server().connect();
  client.send("CONNECT null\r\nPING\r\n");
  await client.expect("+OK\r\nPONG\r\n");
  client.destroy();
});

row("§3 JSON may contain escapes, whitespace and nested values", async () => {
  const client = await server().connect();
  client.send(
    `CONNECT  { "name" : "a\\u0041\\"\\n}{", "verbose" : false , "x" : [ {} , "]}" ] } \t\r\nPING\r\n`,
  );
  await client.expect("PONG\r\n");
  client.destroy();
});

for (const [what, text] of [
  ["a string where a bool belongs", `{"verbose":"yes"}`],
  ["a number where a bool belongs", `{"pedantic":1}`],
  ["a number where a string belongs", `{"name":1}`],
  ["a bool where a string belongs", `{"user":true}`],
  ["a string protocol", `{"protocol":"1"}`],
  ["a protocol with a fraction", `{"protocol":1.5}`],
  ["the protocol 1.0", `{"protocol":1.0}`],
  ["an array", "[]"],
  ["a number", "1"],
  ["a string", `"x"`],
  ["text after the object", "{} x"],
  ["a second object", "{}{}"],
  ["an unfinished object", `{"verbose":false`],
  ["a trailing comma", `{"verbose":false,}`],
  ["single quotes", "{'verbose':false}"],
  ["an unquoted key", "{verbose:false}"],
  ["a bare word", "abc"],
] as const) {
  row(`§3 CONNECT with ${what} closes without -ERR`, () => expectRefused(`CONNECT ${text}\r\nPING\r\n`, ""));
}

row("§3 CONNECT without a document closes without -ERR", async () => {
  await expectRefused("CONNECT\r\n", "");
  await expectRefused("CONNECT \r\n", "");
});

for (const protocol of [2, -1, 100]) {
  row(`§3 protocol ${protocol} is refused`, () =>
    expectRefused(`CONNECT {"protocol":${protocol}}\r\n`, "-ERR 'invalid client protocol'\r\n"),
  );
}

row("§3 no_responders without headers is refused", () =>
  expectRefused(`CONNECT {"no_responders":true}\r\n`, "-ERR 'no responders requires headers support'\r\n"),
);

for (const fields of [`"account":"A"`, `"new_account":true,"account":"B"`]) {
  row(`§3 the legacy field ${fields} is refused`, () =>
    expectRefused(`CONNECT {${fields}}\r\n`, "-ERR 'Authorization Violation'\r\n"),
  );
}

row("§3 credentials are ignored when the server needs none", async () => {
  const client = await server().connect();
  client.send(
    `CONNECT {"verbose":false,"user":"u","pass":"p","auth_token":"t","nkey":"U","sig":"s","jwt":"j","tls_required":true}\r\nPING\r\n`,
  );
  await client.expect("PONG\r\n");
  client.destroy();
});

row("§3 a second CONNECT merges its fields over the earlier ones", async () => {
  const client = await server().connect();
  client.send(
    `CONNECT {"verbose":false,"pedantic":false}\r\nCONNECT {"pedantic":true}\r\nPUB a.* 1\r\nx\r\nPING\r\n`,
  );
  await client.expect("-ERR 'Invalid Publish Subject'\r\nPONG\r\n");
  client.send(`CONNECT {"verbose":true,"pedantic":false}\r\nPUB a.* 1\r\nx\r\n`);
  await client.expect("+OK\r\n+OK\r\n");
  client.destroy();
});

row("§3 a second CONNECT drops the subscriptions made before and frees their sids", async () => {
  const client = await server().connectAs();
  client.send("SUB before 1\r\nCONNECT {}\r\nPUB before 1\r\nx\r\nPING\r\n");
  await client.expect("PONG\r\n");
  client.send("SUB after 1\r\nPUB after 1\r\ny\r\n");
  await client.expect("MSG after 1 1\r\ny\r\n");
  client.destroy();
});

row("§3 a bad second CONNECT closes", async () => {
  const client = await server().connectAs();
  client.send(`CONNECT {"protocol":7}\r\n`);
  await client.expect("-ERR 'invalid client protocol'\r\n");
  await client.expectClosed();
});

row("§3 CONNECT takes effect from the next command on", async () => {
  const client = await server().connect();
  client.send(`SUB a 1\r\nCONNECT {"verbose":false}\r\nSUB b 2\r\nPING\r\n`);
  await client.expect("+OK\r\nPONG\r\n");
  client.destroy();
});
