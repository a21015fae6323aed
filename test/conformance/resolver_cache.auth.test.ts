import { expect } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { ask, deletion, lookupSubject, push, updateSubject } from "../support/claims_requests.ts";
import { expectRefused, login } from "../support/login.ts";
import { readMessage } from "../support/message.ts";
import { type Account, loginAsSystem, Operator, preload } from "../support/operator.ts";
import { request } from "../support/request.ts";
import { row, rowsInParallel, sharedServer } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";

const operator = new Operator();
const config = (options = "") =>
  `${operator.configWith(`{ type: cache, dir: "DIRECTORY/jwt", timeout: "300ms" ${options} }`)}\n${preload([operator.systemAccount])}`;

const server = sharedServer({ config: config() });
const asSystem = (on = server()) => loginAsSystem(on, operator);
const fileOf = (account: Account, on = server()) => on.path(`jwt/${account.publicKey}.jwt`);

/** Logs a user in while `system`, in place of a full resolver elsewhere, answers what the server asks. */
async function loginWithAnswer(account: Account, jwt: string, on = server()) {
  const system = await asSystem(on);
  system.send(`SUB ${lookupSubject(account)} 1\r\n`);
  await system.roundTrip();
  const client = login(on, account.user().credentials);
  const { reply } = await readMessage(system);
  system.send(`PUB ${reply} ${jwt.length}\r\n${jwt}\r\n`);
  const loggedIn = await client;
  system.destroy();
  return loggedIn;
}

row("§8.125 CACHE: a miss is asked for with LOOKUP, and the answer stored", async () => {
  const account = operator.account("elsewhere");
  const { jwt } = account;
  (await loginWithAnswer(account, jwt)).destroy();
  expect(readFileSync(fileOf(account), "utf8")).toBe(jwt);
  (await login(server(), account.user().credentials)).destroy();
});

row("§8.125 CACHE: without an answer the login is refused", async () => {
  const start = performance.now();
  await expectRefused(server(), operator.account("nowhere").user().credentials);
  expect(performance.now() - start).toBeGreaterThan(250);
});

row("§8.125 CACHE: the update of an account it does not have is skipped", async () => {
  const system = await asSystem();
  const account = operator.account("unknown");
  expect((await ask(system, updateSubject(account), account.jwt)).data).toEqual({
    account: account.publicKey,
    code: 200,
    message: "jwt update cache skipped",
  });
  expect(existsSync(fileOf(account))).toBe(false);
  system.destroy();
});

row("§6.3 CACHE: the update of one it has is stored", async () => {
  const account = operator.account("cached");
  (await loginWithAnswer(account, account.jwt)).destroy();
  const system = await asSystem();
  const next = account.jwtWith({ description: "next" });
  for (const subject of [updateSubject(account), "$SYS.REQ.CLAIMS.UPDATE"]) {
    expect((await ask(system, subject, next)).data?.message).toBe("jwt updated cache");
  }
  expect(readFileSync(fileOf(account), "utf8")).toBe(next);
  expect((await ask(system, updateSubject(account), "nonsense")).error?.description).toBe(
    "jwt update cache resulted in error - expected 3 chunks",
  );
  system.destroy();
});

row("§6.3 CACHE: LIST and DELETE answer, LOOKUP and PACK do not", async () => {
  const account = operator.account("listed");
  (await loginWithAnswer(account, account.jwt)).destroy();
  const system = await asSystem();
  const list = JSON.parse((await request(system, "$SYS.REQ.CLAIMS.LIST")).payload) as { data: string[] };
  expect(list.data).toContain(account.publicKey);
  for (const subject of [lookupSubject(account), "$SYS.REQ.CLAIMS.PACK"]) {
    expect((await request(system, subject)).headers).toContain("NATS/1.0 503");
  }
  const answer = await ask(system, "$SYS.REQ.CLAIMS.DELETE", deletion(operator.key, [account.publicKey]));
  expect(answer.data?.message).toBe("deleted 1 accounts");
  expect(existsSync(fileOf(account))).toBe(false);
  system.destroy();
});

rowsInParallel({
  "§8.125 CACHE: past its limit the least recently used goes": async () => {
    await using own = await ServerProcess.start({ config: config(", limit: 2") });
    const [first, second, third] = ["first", "second", "third"].map((name) => operator.account(name));
    for (const account of [first!, second!, third!]) await loginWithAnswer(account, account.jwt, own);
    expect(readdirSync(own.path("jwt")).filter((name) => name.endsWith(".jwt")).length).toBe(2);
    expect([first!, third!].map((account) => existsSync(fileOf(account, own)))).toEqual([false, true]);
  },

  "§6.1 CACHE: the directory's tokens are there at start": async () => {
    const account = operator.account("stored");
    await using own = await ServerProcess.start({
      files: { [`${account.publicKey}.jwt`]: account.jwt },
      config: config().replace("DIRECTORY/jwt", "DIRECTORY"),
    });
    await login(own, account.user().credentials);
    const system = await asSystem(own);
    expect(await push(system, account, { description: "next" })).not.toBe("");
  },
});
