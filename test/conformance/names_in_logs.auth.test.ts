import { describe, expect } from "bun:test";
import { type Login, login } from "../support/login.ts";
import { NKey } from "../support/nkey.ts";
import { Operator, signature } from "../support/operator.ts";
import { row } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";

const operator = new Operator();
const account = operator.account("ACC");

/** What stands between the id of a client and what it did, in the line that says that it is gone. */
async function nameOf(
  config: string,
  credentials: Login,
  ...fields: Record<string, unknown>[]
): Promise<string> {
  await using server = await ServerProcess.start({ config, flags: ["-D"] });
  const client = await login(server, credentials, fields[0] ?? {});
  for (const again of fields.slice(1)) await client.handshake(again);
  const { client_id: id } = client.info;
  client.destroy();
  const line = new RegExp(` - cid:${id}(.*) - Client connection closed: Client Closed\n`);
  return line.exec(await server.waitForLog(line))![1]!;
}

const USERS = "authorization { users [ { user: a, password: p }, { user: b, password: p } ] }";
const A = { user: "a", pass: "p" };

describe("log lines name a client, from its first CONNECT on", () => {
  row("by its client and by user, token or nkey", async () => {
    expect(await nameOf(USERS, A)).toBe(' - "$G/user:a"');
    const told = { version: "1.0", lang: "go", name: "n" };
    expect(await nameOf(USERS, A, told)).toBe(' - "v1.0:go:n" - "$G/user:a"');
    expect(await nameOf("authorization { token: t }", { auth_token: "t" })).toBe(' - "$G/token"');
    const key = new NKey("user");
    const nkeys = `authorization { users [ { nkey: ${key.publicKey} } ] }`;
    const signed = (nonce: string) => ({ nkey: key.publicKey, sig: signature(key, nonce) });
    expect(await nameOf(nkeys, signed)).toBe(` - "$G/nkey:${key.publicKey}"`);
    expect(await nameOf("", {})).toBe("");
    expect(await nameOf(`${USERS}\nno_auth_user: a`, {})).toBe(' - "$G/user:a"');
  });

  row("in operator mode by the key of the user, and the account by key and name", async () => {
    const user = account.user();
    const accountText = `${account.publicKey}/ACC`;
    const config = operator.configWithMemory(account);
    expect(await nameOf(config, user.credentials, { name: "n" })).toBe(
      ` - "n" - "${accountText}/jwt:${user.key.publicKey}"`,
    );
    const bearer = account.user({ bearer_token: true });
    expect(await nameOf(config, () => ({ jwt: bearer.jwt, user: "bob" }))).toBe(
      ` - "${accountText}/user:bob"`,
    );
  });

  row("in quotes that a name cannot end, and on one line", async () => {
    expect(await nameOf(USERS, A, { name: 'a" - "b\n[1] fake é\u0007' })).toBe(
      ' - "a\\" - \\"b\\n[1] fake é\\a" - "$G/user:a"',
    );
  });

  row("a second CONNECT leaves the name as it is", async () => {
    expect(await nameOf(USERS, A, { name: "one" }, { user: "b", pass: "p", name: "two" })).toBe(
      ' - "one" - "$G/user:a"',
    );
  });
});
