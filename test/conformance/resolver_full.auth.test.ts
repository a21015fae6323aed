import { expect } from "bun:test";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { ask, askPack, deletion, lookupSubject, push, updateSubject } from "../support/claims_requests.ts";
import { until } from "../support/deadline.ts";
import { encodeJwt, seconds } from "../support/jwt.ts";
import { expectRefused, login } from "../support/login.ts";
import { NKey } from "../support/nkey.ts";
import { type Account, loginAsSystem, Operator, preload } from "../support/operator.ts";
import { request } from "../support/request.ts";
import { row, rowsInParallel, sharedServer } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";

const operator = new Operator();
const config = (options = "", of = operator) =>
  `${of.configWith(`{ type: full, dir: "DIRECTORY/jwt", timeout: "300ms" ${options} }`)}\n${preload([of.systemAccount])}`;

const server = sharedServer({ config: config(", allow_delete: true"), monitoring: true });

const asSystem = (on = server(), of = operator) => loginAsSystem(on, of);
const fileOf = (account: Account, on = server()) => on.path(`jwt/${account.publicKey}.jwt`);
const UPDATE = "$SYS.REQ.CLAIMS.UPDATE";

/** What identifies the contents of a store: SHA-256 of each token, all of them XORed. */
function stateHash(tokens: readonly string[]): Uint8Array {
  const hash = Buffer.alloc(32);
  for (const token of tokens) {
    createHash("sha256")
      .update(token)
      .digest()
      .forEach((byte, index) => {
        hash[index] = hash[index]! ^ byte;
      });
  }
  return hash;
}

row("§8.112 FULL: an update is stored as a file, and its users get in", async () => {
  const system = await asSystem();
  const account = operator.account("pushed");
  await expectRefused(server(), account.user().credentials);
  const { jwt } = account;
  const answer = await ask(system, UPDATE, jwt);
  expect(answer.data).toEqual({ account: account.publicKey, code: 200, message: "jwt updated" });
  expect(answer.server.id).toBe(system.info.server_id);
  expect(readFileSync(fileOf(account), "utf8")).toBe(jwt);
  (await login(server(), account.user().credentials)).destroy();
  system.destroy();
});

row("§8.112 FULL: headers of an update on the common subject are nothing", async () => {
  const system = await asSystem();
  const account = operator.account("with headers");
  const header = "NATS/1.0\r\nNats-Msg-Id: 1\r\n\r\n";
  const jwt = account.jwt;
  system.send(
    `SUB reply 1\r\nHPUB ${UPDATE} reply ${header.length} ${header.length + jwt.length}\r\n${header}${jwt}\r\n`,
  );
  expect(await system.readUntil("}}\r\n")).toContain(`"message":"jwt updated"`);
  system.destroy();
});

row("§8.114 FULL: the account's own subject, old and new", async () => {
  const system = await asSystem();
  const account = operator.account("own subject");
  for (const subject of [updateSubject(account), `$SYS.ACCOUNT.${account.publicKey}.CLAIMS.UPDATE`]) {
    expect((await ask(system, subject, account.jwt)).data).toEqual({
      account: account.publicKey,
      code: 200,
      message: "jwt updated",
    });
  }
  system.destroy();
});

row("§8.113 FULL: an update that is refused", async () => {
  const system = await asSystem();
  const account = operator.account("refused");
  const other = operator.account("other");
  for (const [subject, payload, key, description] of [
    [
      updateSubject(account),
      other.jwt,
      account.publicKey,
      "jwt update resulted in error - subject does not match jwt content",
    ],
    [UPDATE, "nonsense", "n/a", "jwt update resulted in error - expected 3 chunks"],
    [UPDATE, operator.jwt, "n/a", "jwt update resulted in error - not account claim"],
  ] as const) {
    expect((await ask(system, subject, payload)).error).toEqual({ account: key, code: 500, description });
  }
  const invalid = account.jwtWith({ signing_keys: ["nonsense"] });
  expect((await ask(system, UPDATE, invalid)).error?.description).toStartWith(
    "jwt validation failed - validation errors: [",
  );
  const unmappable = account.jwtWith({ mappings: { "a.*": [{ subject: "b.{{wildcard(2)}}" }] } });
  expect((await ask(system, UPDATE, unmappable)).error?.description).toMatch(
    /^jwt validation failed - .*wildcard index out of range/,
  );
  expect(existsSync(fileOf(account))).toBe(false);
  system.destroy();
});

row("§6.3 FULL: a token that no trusted operator signed is stored, and of no use", async () => {
  const system = await asSystem();
  const account = new Operator().account("foreign");
  expect((await ask(system, UPDATE, account.jwt)).data?.message).toBe("jwt updated");
  await expectRefused(server(), account.user().credentials);
  system.destroy();
});

row("§8.116 FULL: LOOKUP gives the token, or an empty message", async () => {
  const system = await asSystem();
  const account = operator.account("looked up");
  expect(await request(system, lookupSubject(account))).toMatchObject({ headers: "", payload: "" });
  const jwt = await push(system, account);
  expect((await request(system, lookupSubject(account))).payload).toBe(jwt);
  system.destroy();
});

row("§8.117 FULL: LIST names the accounts, PACK brings them", async () => {
  const system = await asSystem();
  const account = operator.account("listed");
  const jwt = await push(system, account);
  const { payload } = await request(system, "$SYS.REQ.CLAIMS.LIST");
  const list = JSON.parse(payload) as { data: string[]; server: { id: string } };
  expect(list.data).toContain(account.publicKey);
  expect(list.server.id).toBe(system.info.server_id);
  const pack = await askPack(system);
  expect(pack).toContain(`${account.publicKey}|${jwt}`);
  expect(pack.map((line) => line.split("|")[0]).sort()).toEqual([...list.data].sort());
  const tokens = pack.map((line) => line.split("|")[1]!);
  expect(await askPack(system, stateHash(tokens))).toEqual([]);
  expect((await askPack(system, stateHash(tokens.slice(1)))).length).toBe(pack.length);
  system.destroy();
});

row(
  "§8.118 FULL: DELETE renames the file, closes the clients, refuses their return, until an update",
  async () => {
    const system = await asSystem();
    const account = operator.account("deleted");
    await push(system, account);
    const client = await login(server(), account.user().credentials);
    const answer = await ask(system, "$SYS.REQ.CLAIMS.DELETE", deletion(operator.key, [account.publicKey]));
    expect(answer.data).toEqual({ code: 200, message: "deleted 1 accounts" });
    await client.expect("-ERR 'Account Authentication Expired'\r\n");
    await client.expectClosed();
    expect(existsSync(fileOf(account))).toBe(false);
    expect(existsSync(`${fileOf(account)}.deleted`)).toBe(true);
    await expectRefused(server(), account.user().credentials);
    // The very same token would be no news.
    await push(system, account, { description: "back" });
    (await login(server(), account.user().credentials)).destroy();
    system.destroy();
  },
);

row("§8.118 FULL: a deleted account still shows what it exported", async () => {
  const system = await asSystem();
  const account = operator.account("exporting");
  await push(system, account, { exports: [{ subject: "s", type: "stream" }] });
  (await login(server(), account.user().credentials)).destroy();
  await ask(system, "$SYS.REQ.CLAIMS.DELETE", deletion(operator.key, [account.publicKey]));
  const { account_detail: detail } = await server().json<{ account_detail: unknown }>(
    `/accountz?acc=${account.publicKey}`,
  );
  expect(detail).toMatchObject({ expired: true, exports: [{ subject: "s", type: "stream" }] });
  system.destroy();
});

row("§8.118 FULL: accounts that are not there count as deleted", async () => {
  const system = await asSystem();
  const keys = [operator.account("a").publicKey, operator.account("b").publicKey];
  expect((await ask(system, "$SYS.REQ.CLAIMS.DELETE", deletion(operator.key, keys))).data?.message).toBe(
    "deleted 2 accounts",
  );
  system.destroy();
});

row("§8.119 FULL: a deletion that is refused", async () => {
  const system = await asSystem();
  const account = operator.account("kept");
  await push(system, account);
  const foreign = new NKey("operator");
  const failed = (who: string, reason: string) => `delete accounts request by ${who} failed - ${reason}`;
  for (const [payload, description] of [
    ["nonsense", failed("", "expected 3 chunks")],
    [
      encodeJwt(
        { sub: account.publicKey, nats: { accounts: [account.publicKey], type: "generic", version: 2 } },
        operator.key,
      ),
      failed(account.publicKey, "not self signed"),
    ],
    [deletion(foreign, [account.publicKey]), failed(foreign.publicKey, "not trusted")],
    [deletion(operator.key, account.publicKey), failed(operator.key.publicKey, "malformed request")],
    [
      deletion(operator.key, [operator.systemAccount.publicKey]),
      failed(operator.key.publicKey, "not allowed to delete system account"),
    ],
  ] as const) {
    const answer = await ask(system, "$SYS.REQ.CLAIMS.DELETE", payload);
    expect(answer.error).toEqual({ code: 500, description });
  }
  expect(existsSync(fileOf(account))).toBe(true);
  (await login(server(), account.user().credentials)).destroy();
  system.destroy();
});

row("§8.127 FULL: what nsc does, as the short-lived user that it makes", async () => {
  const nsc = operator.systemAccount.user(
    {
      pub: { allow: ["$SYS.REQ.CLAIMS.LIST", UPDATE, "$SYS.REQ.CLAIMS.DELETE", "$SYS.REQ.CLAIMS.PACK"] },
      sub: { allow: ["_INBOX.>"] },
    },
    { exp: seconds(120) },
  );
  const tool = await login(server(), nsc.credentials);
  const account = operator.account("by nsc");
  const user = account.user();
  const answer = await ask(tool, UPDATE, account.jwt);
  expect(answer.server.name).not.toBe("");
  expect(answer.data?.message).toBe("jwt updated");
  const client = await login(server(), user.credentials);
  const other = await login(server(), account.user().credentials);
  await ask(tool, UPDATE, account.jwtWith({ revocations: { [user.key.publicKey]: seconds(1) } }));
  await client.expect("-ERR 'User Authentication Revoked'\r\n");
  await client.expectClosed();
  await other.roundTrip();
  expect((await askPack(tool)).some((line) => line.startsWith(account.publicKey))).toBe(true);
  await ask(tool, "$SYS.REQ.CLAIMS.DELETE", deletion(operator.key, [account.publicKey]));
  await other.expect("-ERR 'Account Authentication Expired'\r\n");
  await other.expectClosed();
  tool.destroy();
});

rowsInParallel(
  {
    "§8.128 FULL: an unknown account is refused after the timeout": async () => {
      const start = performance.now();
      await expectRefused(server(), operator.account("nobody's").user().credentials);
      expect(performance.now() - start).toBeGreaterThan(250);
      expect(performance.now() - start).toBeLessThan(2000);
    },

    "§6.1 FULL: the directory's tokens are there at start": async () => {
      const account = operator.account("stored");
      await using own = await ServerProcess.start({
        files: { [`${account.publicKey}.jwt`]: account.jwt },
        config: config().replace("DIRECTORY/jwt", "DIRECTORY"),
      });
      await login(own, account.user().credentials);
    },

    "§6.4 FULL: files that hold no token of their account make nobody welcome": async () => {
      const [broken, swapped, good] = ["broken", "swapped", "good"].map((name) => operator.account(name));
      await using own = await ServerProcess.start({
        files: {
          [`${broken!.publicKey}.jwt`]: "garbage",
          [`${swapped!.publicKey}.jwt`]: broken!.jwt,
          [`${good!.publicKey}.jwt`]: good!.jwt,
          "notes.jwt": "nothing",
        },
        config: config().replace("DIRECTORY/jwt", "DIRECTORY"),
      });
      await login(own, good!.user().credentials);
      for (const account of [broken!, swapped!]) await expectRefused(own, account.user().credentials);
    },

    "§6.4 FULL: a file whose token has expired is gone once the server is up, and takes no room":
      async () => {
        const [late, pushed] = [operator.account("late"), operator.account("pushed")];
        await using own = await ServerProcess.start({
          files: { [`${late.publicKey}.jwt`]: late.jwtWith({}, { exp: seconds(-60) }) },
          config: config(", limit: 2").replace("DIRECTORY/jwt", "DIRECTORY"),
        });
        await until(
          () => !existsSync(own.path(`${late.publicKey}.jwt`)),
          () => "expected the file to be removed",
        );
        await push(await asSystem(own), pushed);
      },

    "§8.119 FULL: without allow_delete nothing is deleted": async () => {
      await using own = await ServerProcess.start({ config: config() });
      const system = await asSystem(own);
      const account = operator.account("safe");
      await push(system, account);
      expect(
        (await ask(system, "$SYS.REQ.CLAIMS.DELETE", deletion(operator.key, [account.publicKey]))).error,
      ).toEqual({
        code: 500,
        description: `delete accounts request by ${operator.key.publicKey} failed - delete must be enabled in server config`,
      });
      expect(existsSync(fileOf(account, own))).toBe(true);
    },

    "§8.118 FULL: hard_delete removes the file": async () => {
      await using own = await ServerProcess.start({
        config: config(", allow_delete: true, hard_delete: true"),
      });
      const system = await asSystem(own);
      const account = operator.account("gone");
      await push(system, account);
      await ask(system, "$SYS.REQ.CLAIMS.DELETE", deletion(operator.key, [account.publicKey]));
      expect([existsSync(fileOf(account, own)), existsSync(`${fileOf(account, own)}.deleted`)]).toEqual([
        false,
        false,
      ]);
    },

    "§6.4 FULL: past its limit further accounts are refused, those it has are updated": async () => {
      await using own = await ServerProcess.start({ config: config(", limit: 2") });
      const system = await asSystem(own);
      const [first, second] = [operator.account("first"), operator.account("second")];
      await push(system, first);
      const answer = await ask(system, UPDATE, second.jwt);
      expect(answer.error?.description).toBe("jwt update resulted in error - jwt store is full");
      await push(system, first, { description: "again" });
    },

    "§7.2 FULL: an importer's users get in without its exporter, which is missed in the log only then":
      async () => {
        await using own = await ServerProcess.start({ config: `debug: true\n${config()}` });
        const system = await asSystem(own);
        const [there, nowhere] = [operator.account("there"), operator.account("nowhere")];
        const importing = (from: Account) => ({
          imports: [{ subject: "s", account: from.publicKey, type: "service" }],
        });
        await push(system, there, { exports: [{ subject: "s", type: "service" }] });
        const [complete, lacking] = [operator.account("complete"), operator.account("lacking")];
        await push(system, complete, importing(there));
        await push(system, lacking, importing(nowhere));
        await login(own, complete.user().credentials);
        expect(own.log).not.toMatch(/Error adding|Can't locate/);
        await login(own, lacking.user().credentials);
        await own.waitForLog(
          `[ERR] Can't locate account [${nowhere.publicKey}] for import of [s] service (err=fetching jwt timed out)`,
        );
      },

    "§6.4 FULL: an expired token that is pushed is taken, and its users are refused": async () => {
      await using own = await ServerProcess.start({ config: config() });
      const system = await asSystem(own);
      const account = operator.account("late");
      await push(system, account, {}, { exp: seconds(-60) });
      await expectRefused(own, account.user().credentials);
    },

    "§6.1 FULL: a system account that is nowhere is made up until it is pushed": async () => {
      const fresh = new Operator();
      await using own = await ServerProcess.start({
        // Nobody can be asked yet, so the start does not wait for an answer, however long one may take.
        config: fresh.configWith(`{ type: full, dir: "DIRECTORY/jwt", timeout: "60s" }`),
      });
      expect(own.log).toContain("Using bootstrapping system account");
      const system = await asSystem(own, fresh);
      await push(system, fresh.systemAccount);
      await own.waitForLog("System account fetched and updated");
      await until(
        () => existsSync(own.path(`jwt/${fresh.systemAccount.publicKey}.jwt`)),
        () => "the system account's token is not stored",
      );
      await asSystem(own, fresh);
    },

    "§5.3 FULL: a strict operator's identity may update nothing": async () => {
      const signingKey = new NKey("operator");
      const strict = new Operator({ strict_signing_key_usage: true, signing_keys: [signingKey.publicKey] });
      const systemKey = new NKey("account");
      await using own = await ServerProcess.start({
        config: `${strict.configWith(`{ type: full, dir: "DIRECTORY/jwt" }`)}\n${preload([
          strict.systemAccount.with({ signing_keys: [systemKey.publicKey] }, {}, signingKey),
        ])}`,
      });
      const system = await login(own, strict.systemAccount.userOf(systemKey).credentials);
      const account = strict.account("a");
      expect((await ask(system, UPDATE, account.jwt)).error?.description).toBe(
        "jwt update resulted in error - operator requires issuer to be a signing key",
      );
      await push(system, account, {}, {}, signingKey);
    },

    "§6.4 FULL: a restart finds what was pushed": async () => {
      const account = operator.account("kept");
      const first = await ServerProcess.start({ config: config() });
      const system = await asSystem(first);
      const jwt = await push(system, account);
      const content = readFileSync(fileOf(account, first), "utf8");
      expect(content).toBe(jwt);
      await first.stop();
      await using second = await ServerProcess.start({
        files: { [`${account.publicKey}.jwt`]: content },
        config: config().replace("DIRECTORY/jwt", "DIRECTORY"),
      });
      const again = await asSystem(second);
      expect((await request(again, lookupSubject(account))).payload).toBe(jwt);
    },
  },
  6,
);
