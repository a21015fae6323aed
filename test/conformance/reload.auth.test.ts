import { afterAll, expect } from "bun:test";
import { writeFileSync } from "node:fs";
import { AccountServer } from "../support/account_server.ts";
import { CertificateMaker } from "../support/certificates.ts";
import { encodeJwt } from "../support/jwt.ts";
import { AUTHORIZATION_VIOLATION, expectRefused, login } from "../support/login.ts";
import { NKey } from "../support/nkey.ts";
import { type Account, loginAsSystem, Operator, preload } from "../support/operator.ts";
import { rowsInParallel } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";

const RELOADED = "Reloaded server configuration";
const REFUSED = "Failed to reload server configuration: ";

const maker = new CertificateMaker();
afterAll(() => maker.remove());

/** Account servers that have the system account and these accounts. */
async function accountServers(operator: Operator, ...known: readonly (readonly Account[])[]) {
  return await Promise.all(
    known.map(async (accounts) => {
      const server = await AccountServer.start();
      for (const { publicKey, jwt } of [operator.systemAccount, ...accounts])
        server.accounts.set(publicKey, jwt);
      return server;
    }),
  );
}

rowsInParallel({
  "§14.3 default_sentinel: clients that come go by the new one, those that are there keep theirs":
    async () => {
      const operator = new Operator();
      const account = operator.account("a");
      const [first, second] = [account.user({ bearer_token: true }), account.user({ bearer_token: true })];
      const base = operator.configWithMemory(account);
      await using server = await ServerProcess.start({
        config: `${base}\ndefault_sentinel: ${first.jwt}`,
        monitoring: true,
      });
      const early = await login(server, {});
      expect(await server.reload(base)).toContain(RELOADED);
      await expectRefused(server, {});
      await early.roundTrip();
      expect(await server.reload(`${base}\ndefault_sentinel: ${second.jwt}`)).toContain(RELOADED);
      const late = await login(server, {});
      const userOf = async (id: unknown) =>
        (await server.json<{ connections: Record<string, unknown>[] }>(`/connz?auth=1&cid=${id}`))
          .connections[0]?.authorized_user;
      expect(await userOf(early.info.client_id)).toBe(first.key.publicKey);
      expect(await userOf(late.info.client_id)).toBe(second.key.publicKey);
    },

  "§14.1 default_sentinel: one that is no bearer's, or no token, refuses the reload": async () => {
    const operator = new Operator();
    const account = operator.account("a");
    const base = operator.configWithMemory(account);
    const config = `${base}\ndefault_sentinel: ${account.user({ bearer_token: true }).jwt}`;
    await using server = await ServerProcess.start({ config });
    const plain = await server.reload(`${base}\ndefault_sentinel: ${account.user().jwt}\nmax_payload: 1000`);
    expect(plain).toContain(`${REFUSED}default sentinel must be a bearer token`);
    expect(await server.reload(`${base}\ndefault_sentinel: nonsense`)).toContain(
      `${REFUSED}default sentinel JWT not valid`,
    );
    const client = await login(server, {});
    expect(client.info.max_payload).toBe(1_048_576);
  },

  "§14.3 resolver_pinned_accounts: who is of another account is out, but for the system account":
    async () => {
      const operator = new Operator();
      const [a, b] = [operator.account("a"), operator.account("b")];
      const base = operator.configWithMemory(a, b);
      await using server = await ServerProcess.start({ config: base });
      const ofA = await login(server, a.user().credentials);
      const ofB = await login(server, b.user().credentials);
      const system = await loginAsSystem(server, operator);
      expect(await server.reload(`${base}\nresolver_pinned_accounts: [${a.publicKey}]`)).toContain(RELOADED);
      await ofB.expect(AUTHORIZATION_VIOLATION);
      await ofB.expectClosed();
      await expectRefused(server, b.user().credentials);
      for (const client of [ofA, system]) await client.roundTrip();
      await login(server, a.user().credentials);
      await loginAsSystem(server, operator);
      expect(await server.reload(base)).toContain(RELOADED);
      await login(server, b.user().credentials);
    },

  "§14.3 resolver: another URL is asked from then on; who is in stays": async () => {
    const operator = new Operator();
    const [a, b] = [operator.account("a"), operator.account("b")];
    const [one, two] = await accountServers(operator, [a], [b]);
    const config = (server: AccountServer) => operator.configWith(`URL("${server.url}")`);
    await using server = await ServerProcess.start({ config: config(one!) });
    const ofA = await login(server, a.user().credentials);
    await expectRefused(server, b.user().credentials);
    expect(await server.reload(config(two!))).toContain(RELOADED);
    await login(server, b.user().credentials);
    await login(server, a.user().credentials);
    await ofA.roundTrip();
    expect(two!.paths).toEqual([`/accounts/${b.publicKey}`]);
    // It need not be there yet.
    expect(await server.reload(operator.configWith(`URL("http://127.0.0.1:1/")`))).toContain(RELOADED);
    await expectRefused(server, operator.account("c").user().credentials);
    await ofA.roundTrip();
    for (const each of [one!, two!]) await each[Symbol.asyncDispose]();
  },

  "§14.3 resolver: from URL to MEM, where accounts are that the preload has, and back": async () => {
    const operator = new Operator();
    const [a, b] = [operator.account("a"), operator.account("b")];
    const [accountServer] = await accountServers(operator, [a]);
    const url = operator.configWith(`URL("${accountServer!.url}")`);
    await using server = await ServerProcess.start({ config: url });
    const ofA = await login(server, a.user().credentials);
    const system = await loginAsSystem(server, operator);
    expect(await server.reload(operator.configWithMemory(b))).toContain(RELOADED);
    await ofA.expect(AUTHORIZATION_VIOLATION);
    await ofA.expectClosed();
    await expectRefused(server, a.user().credentials);
    const ofB = await login(server, b.user().credentials);
    expect(await server.reload(url)).toContain(RELOADED);
    await login(server, a.user().credentials);
    for (const client of [ofB, system]) await client.roundTrip();
    await accountServer![Symbol.asyncDispose]();
  },

  "§14.3 resolver MEM: the system account stays, whatever the preload has": async () => {
    const operator = new Operator();
    const a = operator.account("a");
    await using server = await ServerProcess.start({ config: operator.configWithMemory(a) });
    const system = await loginAsSystem(server, operator);
    expect(await server.reload(`${operator.configWith("MEMORY")}\n${preload([a])}`)).toContain(RELOADED);
    await system.roundTrip();
    await login(server, a.user().credentials);
  },

  "§14.3 resolver_preload of a directory: what a reload adds is there": async () => {
    const operator = new Operator();
    const [a, b] = [operator.account("a"), operator.account("b")];
    const config = (...accounts: Account[]) =>
      `${operator.configWith(`{ type: full, dir: "DIRECTORY/jwt", timeout: "300ms" }`)}
      ${preload([operator.systemAccount, ...accounts])}`;
    await using server = await ServerProcess.start({ config: config(a) });
    const ofA = await login(server, a.user().credentials);
    await expectRefused(server, b.user().credentials);
    expect(await server.reload(config(a, b))).toContain(RELOADED);
    await login(server, b.user().credentials);
    await ofA.roundTrip();
  },

  "§14.3 resolver_tls: its files count anew": async () => {
    const operator = new Operator();
    const a = operator.account("a");
    const [old, other] = [maker.makeAuthority("old"), maker.makeAuthority("other")];
    await using before = await AccountServer.start({ ...maker.makeServer("localhost", old) });
    await using after = await AccountServer.start({ ...maker.makeServer("localhost", other) });
    for (const server of [before, after])
      server.accounts.set(operator.systemAccount.publicKey, operator.systemAccount.jwt);
    after.accounts.set(a.publicKey, a.jwt);
    const config = ({ url }: AccountServer) =>
      `${operator.configWith(`URL("${url}")`)}\nresolver_tls { ca_file: "DIRECTORY/ca.pem" }`;
    await using server = await ServerProcess.start({ config: config(before), files: { "ca.pem": old.cert } });
    await server.reload(config(after));
    await expectRefused(server, a.user().credentials);
    writeFileSync(server.path("ca.pem"), other.cert);
    expect(await server.reload(config(after))).toContain(RELOADED);
    await login(server, a.user().credentials);
  },

  "§14.1 an operator that is not the one there was refuses the reload, wherever its token stands":
    async () => {
      const operator = new Operator();
      const signing = new NKey("operator");
      const jwtWith = (keys: readonly string[]) => {
        const nats = { system_account: operator.systemAccount.publicKey, signing_keys: keys };
        const { publicKey } = operator.key;
        return encodeJwt(
          { sub: publicKey, name: "o", nats: { ...nats, type: "operator", version: 2 } },
          operator.key,
        );
      };
      const [trusting, withdrawn] = [jwtWith([signing.publicKey]), jwtWith([])];
      const a = operator.account("a");
      const accounts = preload([operator.systemAccount, a.with({}, {}, signing)]);
      const config = (token: string) => `operator: ${token}\nresolver: MEMORY\n${accounts}`;
      const inFile = config(`"DIRECTORY/operator.jwt"`);
      await using server = await ServerProcess.start({ config: inFile, files: { "operator.jwt": trusting } });
      writeFileSync(server.path("operator.jwt"), withdrawn);
      const said = await server.reload();
      expect(said).toContain(`${REFUSED}config reload not supported for TrustedOperators: old=[{`);
      expect(said).toContain(signing.publicKey);
      expect(await server.reload(config(withdrawn))).toContain("not supported for TrustedOperators");
      writeFileSync(server.path("operator.jwt"), "half of it");
      expect(await server.reload(inFile)).toContain("error parsing operator JWT: expected 3 chunks");
      await login(server, a.user().credentials);
      expect(await server.reload(config(trusting))).toContain(RELOADED);
      await login(server, a.user().credentials);
    },

  "§14.1 a preloaded token that is none refuses the reload": async () => {
    const operator = new Operator();
    const a = operator.account("a");
    await using server = await ServerProcess.start({ config: operator.configWithMemory(a) });
    const client = await login(server, a.user().credentials);
    const broken = { publicKey: a.publicKey, jwt: `${a.jwt.slice(0, -4)}AAAA` };
    expect(await server.reload(operator.configWithMemory(broken))).toContain(REFUSED);
    await client.roundTrip();
    await login(server, a.user().credentials);
  },
});
