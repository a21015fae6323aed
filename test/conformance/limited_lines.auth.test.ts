import { expect } from "bun:test";
import { until } from "../support/deadline.ts";
import { linkPort } from "../support/links.ts";
import { login } from "../support/login.ts";
import { Operator } from "../support/operator.ts";
import { openLeaf } from "../support/raw_leaf.ts";
import { rowsInParallel } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";

// Of lines that a client can cause as often as it likes, some are written once a second.

/** After this long a line is written again: nats-server forgets by a timer of a second what it wrote a second ago. */
const AGAIN_MS = 2300;
const TIMES = 5;

const USERS = `authorization { users [ { user: a, password: p, permissions: { publish: { deny: secret } } } ] }`;
const A = { user: "a", pass: "p" };

/** The lines of a server that hold this text. */
const linesOf = (server: ServerProcess, text: string) =>
  server.log.split("\n").filter((line) => line.includes(text));

/** The time of a line, in seconds of its day. */
function secondsOf(line: string): number {
  const [, hours, minutes, seconds] = / (\d\d):(\d\d):(\d\d\.\d+) /.exec(line)!;
  return (Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds);
}

/** Does something several times at once, so that it is within a second; returns the lines with this text that the log had by then, and after once more. */
async function repeat(
  server: ServerProcess,
  text: string,
  act: () => Promise<void>,
): Promise<{ readonly first: readonly string[]; readonly all: readonly string[] }> {
  await Promise.all(Array.from({ length: TIMES }, act));
  await server.waitForLog(new RegExp(text));
  await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  const first = linesOf(server, text);
  await act();
  await until(
    () => linesOf(server, text).length > first.length,
    () => `no other line says ${text}`,
  );
  return { first, all: linesOf(server, text) };
}

rowsInParallel({
  "§2 maximum connections exceeded": async () => {
    await using server = await ServerProcess.start({ config: "max_connections: 1" });
    await server.connectAs();
    const { first, all } = await repeat(server, "maximum connections exceeded", async () => {
      await (await server.connect()).readToEnd();
    });
    expect([first.length, all.length]).toEqual([1, 2]);
    expect(first[0]).toMatch(/ - cid:\d+ - maximum connections exceeded$/);
  },

  "§9 maximum subscriptions exceeded, of an account": async () => {
    await using server = await ServerProcess.start({ config: `${USERS}\nmax_subscriptions: 1` });
    const { first, all } = await repeat(server, "maximum subscriptions exceeded", async () => {
      const client = await login(server, A);
      client.send("SUB a 1\r\nSUB b 2\r\nSUB c 3\r\nPING\r\n");
      const told = "-ERR 'maximum subscriptions exceeded'\r\n";
      expect(await client.readUntil("PONG\r\n")).toBe(`${told}${told}PONG\r\n`);
      client.destroy();
    });
    expect([first.length, all.length]).toEqual([1, 2]);
    expect(first[0]).toMatch(/ - "\$G\/user:a" - maximum subscriptions exceeded$/);
  },

  "§2 a login that comes too late": async () => {
    await using server = await ServerProcess.start({
      config: `authorization { user: a, password: p, timeout: 0.1 }`,
      flags: ["-D"],
    });
    const { first, all } = await repeat(server, "Authentication Timeout", async () => {
      await (await server.connect()).readToEnd();
    });
    const said = (lines: readonly string[]) => lines.filter((line) => !line.includes("closed:"));
    expect([said(first).length, said(all).length]).toEqual([1, 2]);
    expect(first.length).toBe(TIMES + 1);
  },

  "§2 logins that end together": async () => {
    const operator = new Operator();
    const [one, two] = [operator.account("ONE"), operator.account("TWO")];
    await using server = await ServerProcess.start({
      config: operator.configWithMemory(one, two),
      flags: ["-D"],
    });
    const exp = Math.floor(Date.now() / 1000) + 2;
    const users = [one.user({}, { exp }), one.user({}, { exp }), two.user({}, { exp })];
    const clients = [];
    for (const user of users) clients.push(await login(server, user.credentials));
    for (const client of clients) await client.readToEnd(10_000);
    const expired = () => linesOf(server, "- User Authentication Expired");
    await until(
      () => expired().length >= 2,
      () => `${expired().length} lines say that logins ended`,
    );
    const lines = expired();
    // One of each account in a second, which it names, and then who was the first there.
    const toldAt = new Map<string, number>();
    for (const line of lines) {
      const [, label, account, user] =
        /"([^"]+)" - User Authentication Expired - Account:(\S+) - (jwt:\S+)$/.exec(line)!;
      expect(label).toBe(`${account}/${user}`);
      expect([`${one.publicKey}/ONE`, `${two.publicKey}/TWO`]).toContain(account!);
      const seconds = secondsOf(line);
      const before = toldAt.get(account!);
      if (before !== undefined) expect(seconds - before).toBeGreaterThan(0.9);
      toldAt.set(account!, seconds);
    }
    expect(toldAt.size).toBe(2);
  },

  "§2 a leaf node that is too old": async () => {
    await using server = await ServerProcess.start({
      config: `${USERS}\nleafnodes { listen: "127.0.0.1:-1", min_version: "2.10.0" }`,
    });
    const port = await linkPort(server, "leafnode");
    const { first, all } = await repeat(server, "minimum version required", async () => {
      const leaf = await openLeaf(port);
      leaf.sendJson("CONNECT", { ...A, version: "2.9.0", name: "L", headers: true });
      await leaf.client.readToEnd();
    });
    expect([first.length, all.length]).toEqual([1, 2]);
    expect(first[0]).toMatch(/minimum version required is "2\.10\.0" - Account:\$G - user:a$/);
  },

  "§2 what is not limited: violations of permissions": async () => {
    await using server = await ServerProcess.start({ config: USERS });
    const client = await login(server, A);
    client.send("PUB secret 0\r\n\r\n".repeat(TIMES));
    await client.readUntil("-ERR 'Permissions Violation for Publish to \"secret\"'\r\n".repeat(TIMES));
    client.destroy();
    const other = await login(server, A);
    other.send("PUB secret 0\r\n\r\n");
    await other.readUntil("secret");
    await server.waitForLog(/(?:Publish Violation - Subject "secret"[\s\S]*){6}/);
    expect(linesOf(server, "Publish Violation")).toHaveLength(TIMES + 1);
  },
});
