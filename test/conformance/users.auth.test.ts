import { expect } from "bun:test";
import { closedReason } from "../support/closed_connection.ts";
import { expectExchange } from "../support/exchange.ts";
import { row, rowsInParallel, sharedServer } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";

const VIOLATION = "-ERR 'Authorization Violation'\r\n";

const CONFIG = `
  authorization {
    timeout: "1s"
    users: [
      { user: all, password: secret }
      { user: narrow, password: secret, permissions: {
        publish: { allow: ["pub.>", "both"], deny: ["pub.secret"] }
        subscribe: { allow: ["sub.*", "both", "queue grp", "_INBOX.>"], deny: ["sub.hidden"] }
      } }
      { user: responder, password: secret, permissions: { publish: "none", subscribe: ">", allow_responses: true } }
      { user: bcrypted, password: "$2a$04$XbS5qcBQXiWUtsTuJFzqBuKoHTMDN6cBQkUfUsZTpaCwyfrEFLQ2C" }
    ]
  }
`;

const server = sharedServer({ config: CONFIG, monitoring: true });

const connectAs = (user: string, fields: Record<string, unknown> = {}) =>
  server().connectAs({ user, pass: "secret", ...fields });

const expectOpen = (user: string, input: string, output: string) =>
  expectExchange(server(), input, output, { user, pass: "secret" });

row("§2 INFO says auth_required", async () => {
  const client = await server().connect();
  expect(client.info.auth_required).toBe(true);
  client.destroy();
});

row("§1 before CONNECT anything but CONNECT is an authorization violation", async () => {
  for (const input of ["PING\r\n", "PUB foo 0\r\n\r\n", "SUB foo 1\r\n", "BOOM\r\n", "+OK\r\n"]) {
    const client = await server().connect();
    client.send(input);
    await client.expect(VIOLATION);
    await client.expectClosed();
  }
});

row("§3 bad credentials close with Authorization Violation, reason Authentication Failure", async () => {
  for (const fields of [
    {},
    { user: "all" },
    { user: "all", pass: "wrong" },
    { user: "nobody", pass: "secret" },
    { auth_token: "secret" },
  ]) {
    const client = await server().connect();
    client.send(`CONNECT ${JSON.stringify(fields)}\r\nPING\r\n`);
    await client.expect(VIOLATION);
    await client.expectClosed();
    expect(await closedReason(server(), client)).toBe("Authentication Failure");
  }
});

row("§3 good credentials, case of the CONNECT verb does not matter", async () => {
  const client = await server().connect();
  client.send(`connect {"user":"all","pass":"secret"}\r\nPING\r\n`);
  await client.expect("+OK\r\nPONG\r\n");
  client.destroy();
});

row("§1 no CONNECT in time: Authentication Timeout", async () => {
  const client = await server().connect();
  await client.expect("-ERR 'Authentication Timeout'\r\n");
  await client.expectClosed();
  expect(await closedReason(server(), client)).toBe("Authentication Timeout");
});

row("§13 publish permissions: allow, deny, wildcards; the connection stays open", () =>
  expectOpen(
    "narrow",
    "PUB pub.a 0\r\n\r\nPUB both 0\r\n\r\nPUB other 0\r\n\r\nPUB pub.secret 0\r\n\r\nHPUB pub 12 12\r\nNATS/1.0\r\n\r\n\r\n",
    ["other", "pub.secret", "pub"]
      .map((subject) => `-ERR 'Permissions Violation for Publish to "${subject}"'\r\n`)
      .join(""),
  ),
);

row("§13 a refused publish gets the error instead of +OK", async () => {
  const client = await connectAs("narrow", { verbose: true });
  client.send("PUB pub.a 0\r\n\r\nPUB other 0\r\n\r\n");
  await client.expect(`+OK\r\n-ERR 'Permissions Violation for Publish to "other"'\r\n`);
  client.destroy();
});

row("§13 subscribe permissions, plain and queue", () =>
  expectOpen(
    "narrow",
    "SUB sub.a 1\r\nSUB other 2\r\nSUB other q 3\r\nSUB sub.hidden 5\r\nSUB queue grp 6\r\nSUB queue 7\r\nSUB queue bad 8\r\nSUB both q 9\r\n",
    [`"other"`, `"other" using queue "q"`, `"sub.hidden"`, `"queue"`, `"queue" using queue "bad"`]
      .map((what) => `-ERR 'Permissions Violation for Subscription to ${what}'\r\n`)
      .join(""),
  ),
);

row("§13 a deny narrower than the subscription filters at delivery", async () => {
  const narrow = await connectAs("narrow");
  const all = await connectAs("all");
  narrow.send("SUB sub.* 1\r\n");
  await narrow.roundTrip();
  all.send("PUB sub.hidden 1\r\nx\r\nPUB sub.seen 1\r\ny\r\n");
  await narrow.expect("MSG sub.seen 1 1\r\ny\r\n");
  narrow.destroy();
  all.destroy();
});

row("§13 allow_responses: the reply of a delivered request may be published once", async () => {
  const responder = await connectAs("responder");
  const requester = await connectAs("all");
  responder.send("SUB service 1\r\n");
  await responder.roundTrip();
  requester.send("SUB reply.1 1\r\nPUB service reply.1 0\r\n\r\n");
  await responder.expect("MSG service 1 reply.1 0\r\n\r\n");
  responder.send("PUB reply.2 0\r\n\r\nPUB reply.1 2\r\nok\r\nPUB reply.1 2\r\nno\r\n");
  await responder.expect(
    `-ERR 'Permissions Violation for Publish to "reply.2"'\r\n-ERR 'Permissions Violation for Publish to "reply.1"'\r\n`,
  );
  await requester.expect("MSG reply.1 1 2\r\nok\r\n");
  await requester.roundTrip();
  responder.destroy();
  requester.destroy();
});

row("§12.22 connz auth=1 shows the user, user= filters", async () => {
  const client = await connectAs("narrow");
  const page = await server().json<{ connections: Record<string, unknown>[] }>(
    `/connz?auth=1&cid=${client.info.client_id}`,
  );
  expect(page.connections[0]!.authorized_user).toBe("narrow");
  const mine = await server().json<{ connections: { cid: number }[] }>("/connz?user=narrow");
  expect(mine.connections.map((each) => each.cid)).toContain(client.info.client_id);
  client.destroy();
});

rowsInParallel({
  "§2 token: accepted, refused, redacted in connz": async () => {
    await using tokens = await ServerProcess.start({
      config: "authorization { token: t0ken }",
      monitoring: true,
    });
    const client = await tokens.connectAs({ auth_token: "t0ken" });
    const page = await tokens.json<{ connections: Record<string, unknown>[] }>("/connz?auth=1");
    expect(page.connections[0]!.authorized_user).toBe("[REDACTED]");
    await client.roundTrip();
    const bad = await tokens.connect();
    bad.send(`CONNECT {"auth_token":"other"}\r\n`);
    await bad.expect(VIOLATION);
    await bad.expectClosed();
  },

  "§6 --user and --pass, --auth": async () => {
    await using user = await ServerProcess.start({ flags: ["--user", "u", "--pass", "p"] });
    await user.connectAs({ user: "u", pass: "p" });
    await using token = await ServerProcess.start({ flags: ["--auth", "t"] });
    await token.connectAs({ auth_token: "t" });
  },

  "§1 no_auth_user: no auth_required, any first command binds to that user": async () => {
    await using open = await ServerProcess.start({
      config: `no_auth_user: guest\nauthorization { users: [ { user: guest, password: g, permissions: { publish: ok } }, { user: admin, password: a } ] }`,
    });
    const client = await open.connect();
    expect(client.info.auth_required).toBe(undefined);
    client.send("PUB ok 0\r\n\r\nPUB no 0\r\n\r\n");
    await client.expect(`+OK\r\n-ERR 'Permissions Violation for Publish to "no"'\r\n`);
    const admin = await open.connectAs({ user: "admin", pass: "a" });
    admin.send("PUB no 0\r\n\r\n");
    await admin.roundTrip();
    const bad = await open.connect();
    bad.send(`CONNECT {"user":"admin","pass":"wrong"}\r\n`);
    await bad.expect(VIOLATION);
    await bad.expectClosed();
  },

  "§14.3 reload: who has not logged in is out once a login is asked for": async () => {
    await using changing = await ServerProcess.start({ config: "max_payload: 1000" });
    const [silent, subscriber] = [await changing.connect(), await changing.connect()];
    subscriber.send("SUB foo 1\r\nPING\r\n");
    await subscriber.expect("+OK\r\nPONG\r\n");
    await changing.reload("max_payload: 1000\nauthorization { user: a, password: p }");
    for (const client of [silent, subscriber]) {
      await client.expect(VIOLATION);
      await client.expectClosed();
    }
    await changing.connectAs({ user: "a", pass: "p" });
  },

  "§14.3 reload: a removed user is closed without text, a changed password with the violation, the rest stays":
    async () => {
      const users = (list: string) => `authorization { users: [ ${list} ] }`;
      await using changing = await ServerProcess.start({
        config: users("{user: stay, password: p}, {user: gone, password: p}, {user: changed, password: p}"),
        monitoring: true,
      });
      const [stay, gone, changed] = await Promise.all(
        ["stay", "gone", "changed"].map((user) => changing.connectAs({ user, pass: "p" })),
      );
      stay!.send("SUB keep 1\r\nSUB lose 2\r\n");
      await stay!.roundTrip();
      const log = await changing.reload(
        users("{user: stay, password: p, permissions: {subscribe: keep}}, {user: changed, password: other}"),
      );
      expect(log).toContain("Reloaded: authorization users");
      await gone!.expectClosed();
      expect(await closedReason(changing, gone!)).toBe("Client Closed");
      await changed!.expect(VIOLATION);
      await changed!.expectClosed();
      await stay!.expect(`-ERR 'Permissions Violation for Subscription to "lose" (sid "2")'\r\n`);
      stay!.send("PUB keep 0\r\n\r\nPUB lose 0\r\n\r\n");
      await stay!.expect("MSG keep 1 0\r\n\r\n");
      await stay!.roundTrip();
    },
});
