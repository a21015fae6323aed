import { expect } from "bun:test";
import { ask, deletion, push } from "../support/claims_requests.ts";
import { until } from "../support/deadline.ts";
import { type Claims, encodeJwt, seconds } from "../support/jwt.ts";
import { login } from "../support/login.ts";
import { readMessage } from "../support/message.ts";
import { type Account, loginAsSystem, Operator, preload } from "../support/operator.ts";
import type { RawClient } from "../support/raw_client.ts";
import { subscribeInbox } from "../support/request.ts";
import { row, sharedServer } from "../support/row.ts";

// Which imports hold after accounts have changed or gone.

const operator = new Operator();
const server = sharedServer({
  config: `${operator.configWith(`{ type: full, dir: "DIRECTORY/jwt", timeout: "300ms", allow_delete: true }`)}
    ${preload([operator.systemAccount])}`,
});

const service = (subject: string, more = {}) => ({ name: subject, subject, type: "service", ...more });
const from = (account: Account, share: { subject: string }, more = {}) => ({
  ...share,
  account: account.publicKey,
  ...more,
});
const X = service("x");

/** Who publishes requests for an account, and who answers none of those that reach it. */
interface Member {
  readonly account: Account;
  readonly requester: RawClient;
  readonly responder: RawClient;
  push(nats: Claims): Promise<string>;
}

/** Accounts that the server has, each with these shares, and two clients. */
async function members(...shares: ((...accounts: Account[]) => Claims)[]): Promise<Member[]> {
  const accounts = shares.map((_, index) => operator.account(`member ${index}`));
  const system = await loginAsSystem(server(), operator);
  for (const [index, account] of accounts.entries()) await push(system, account, shares[index]!(...accounts));
  const all: Member[] = [];
  for (const account of accounts) {
    const requester = await login(server(), account.user().credentials);
    const responder = await login(server(), account.user().credentials);
    all.push({ account, requester, responder, push: (nats) => push(system, account, nats) });
  }
  return all;
}

/** Whether a request of one account on `subject` reaches who listens in another to `heard`. */
async function reaches(from: Member, subject: string, to: Member, heard = subject): Promise<boolean> {
  to.responder.send(`SUB ${heard} 2\r\n`);
  await to.responder.roundTrip();
  const inbox = subscribeInbox(from.requester, 1);
  from.requester.send(`PUB ${subject} ${inbox} 2\r\nhi\r\n`);
  await until(
    () => from.requester.waitingBytes + to.responder.waitingBytes > 0,
    () => "the request neither arrived nor came back",
  );
  const hasArrived = to.responder.waitingBytes > 0;
  const message = await readMessage(hasArrived ? to.responder : from.requester);
  if (hasArrived) expect(message).toMatchObject({ subject: heard, payload: "hi" });
  else expect(message.headers).toContain("503");
  to.responder.send("UNSUB 2\r\n");
  await to.responder.roundTrip();
  return hasArrived;
}

function leave(all: readonly Member[]): void {
  for (const { requester, responder } of all) for (const client of [requester, responder]) client.destroy();
}

row("§4.4 an import whose token was revoked comes back with the revocation, where it was", async () => {
  const closed = service("x", { token_req: true });
  const all = await members(
    () => ({ exports: [closed] }),
    () => ({}),
  );
  const [exporter, importer] = all as [Member, Member];
  const token = encodeJwt(
    {
      sub: importer.account.publicKey,
      name: "activation",
      nats: { subject: "x", kind: "service", type: "activation", version: 2 },
    },
    exporter.account.key,
  );
  await importer.push({ imports: [from(exporter.account, X, { token })] });
  expect(await reaches(importer, "x", exporter)).toBe(true);
  await exporter.push({ exports: [{ ...closed, revocations: { "*": seconds(5) } }] });
  expect(await reaches(importer, "x", exporter)).toBe(false);
  await exporter.push({ exports: [closed] });
  expect(await reaches(importer, "x", exporter)).toBe(true);
  leave(all);
});

row("§6.6 nobody imports from an account that was deleted, until it is pushed again", async () => {
  const all = await members(
    () => ({ exports: [X] }),
    (end) => ({ exports: [X, service("y")], imports: [from(end!, X)] }),
    (_, middle) => ({ imports: [from(middle!, X)] }),
    () => ({}),
  );
  const [end, middle, importer, late] = all as [Member, Member, Member, Member];
  expect(await reaches(importer, "x", end)).toBe(true);
  const system = await loginAsSystem(server(), operator);
  const answer = await ask(
    system,
    "$SYS.REQ.CLAIMS.DELETE",
    deletion(operator.key, [middle.account.publicKey]),
  );
  expect(answer.data?.message).toContain("deleted 1");
  await middle.requester.readToEnd();
  // Nor does it pass on what it imports.
  expect(await reaches(importer, "x", end)).toBe(false);
  await late.push({ imports: [from(middle.account, service("x"))] });
  expect(await reaches(late, "x", end)).toBe(false);
  await middle.push({ exports: [X], imports: [from(end.account, X)], description: "back" });
  expect(await reaches(late, "x", end)).toBe(true);
  leave(all);
  system.destroy();
});
