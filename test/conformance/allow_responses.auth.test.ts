import { expect } from "bun:test";
import { login } from "../support/login.ts";
import { readMessage } from "../support/message.ts";
import type { RawClient } from "../support/raw_client.ts";
import { row, rowsInParallel, sharedServer } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";

const config = (permissions: Record<string, string>) =>
  `authorization { users: [ {user: requestor, password: p}
    ${Object.entries(permissions).map(([user, text]) => `{user: ${user}, password: p, permissions: {${text}}}`)} ] }`;

const server = sharedServer({
  config: config({
    once: "allow_responses: true",
    twice: `allow_responses: { max: 2, ttl: "1s" }`,
    endless: `allow_responses: { max: -1, ttl: "-1s" }`,
    aliases: `publish_allow_responses: { max_msgs: 3, expires: "1m" }`,
    denied: `publish: { deny: ["_INBOX.>"] }, allow_responses: true`,
    allowed: `publish: ["log", "_INBOX.a"], allow_responses: true`,
    defaults: "allow_responses: {}",
  }),
});

const violation = (subject: string) => `-ERR 'Permissions Violation for Publish to "${subject}"'\r\n`;

/** A responder of that user on `service`, and a requestor that listens to all inboxes. */
async function pair(user: string, on = server()): Promise<{ responder: RawClient; requestor: RawClient }> {
  const responder = await login(on, { user, pass: "p" });
  responder.send("SUB service 1\r\n");
  await responder.roundTrip();
  const requestor = await login(on, { user: "requestor", pass: "p" });
  requestor.send("SUB _INBOX.> 1\r\n");
  await requestor.roundTrip();
  return { responder, requestor };
}

/** One request whose responder then publishes `count` answers, of which the first `allowed` arrive. */
async function expectAnswers(user: string, inbox: string, count: number, allowed: number): Promise<void> {
  const { responder, requestor } = await pair(user);
  requestor.send(`PUB service ${inbox} 2\r\nhi\r\n`);
  expect((await readMessage(responder)).reply).toBe(inbox);
  responder.send(`PUB ${inbox} 2\r\nok\r\n`.repeat(count));
  await responder.expect(violation(inbox).repeat(count - allowed));
  await responder.roundTrip();
  await requestor.expect(`MSG ${inbox} 1 2\r\nok\r\n`.repeat(allowed));
  await requestor.roundTrip();
  for (const client of [responder, requestor]) client.destroy();
}

row("§8.48 allow_responses: one answer, and nothing else", async () => {
  await expectAnswers("once", "_INBOX.a", 3, 1);
  const { responder, requestor } = await pair("once");
  responder.send("PUB other 0\r\n\r\nPUB _INBOX.a 0\r\n\r\nPUB service 0\r\n\r\n");
  await responder.expect(violation("other") + violation("_INBOX.a") + violation("service"));
  await responder.roundTrip();
  for (const client of [responder, requestor]) client.destroy();
});

row("§8.48 each request has its own answer", async () => {
  const { responder, requestor } = await pair("once");
  for (const inbox of ["_INBOX.1", "_INBOX.2", "_INBOX.3"]) requestor.send(`PUB service ${inbox} 0\r\n\r\n`);
  for (let count = 0; count < 3; count++) await readMessage(responder);
  for (const inbox of ["_INBOX.3", "_INBOX.1", "_INBOX.2"]) {
    responder.send(`PUB ${inbox} 0\r\n\r\n`);
    await requestor.expect(`MSG ${inbox} 1 0\r\n\r\n`);
  }
  responder.send("PUB _INBOX.1 0\r\n\r\n");
  await responder.expect(violation("_INBOX.1"));
  for (const client of [responder, requestor]) client.destroy();
});

row("§8.48 the right to answer is the receiver's alone", async () => {
  const { responder, requestor } = await pair("once");
  const bystander = await login(server(), { user: "once", pass: "p" });
  requestor.send("PUB service _INBOX.mine 0\r\n\r\n");
  await readMessage(responder);
  bystander.send("PUB _INBOX.mine 0\r\n\r\n");
  await bystander.expect(violation("_INBOX.mine"));
  responder.send("PUB _INBOX.mine 0\r\n\r\n");
  await requestor.expect("MSG _INBOX.mine 1 0\r\n\r\n");
  for (const client of [responder, requestor, bystander]) client.destroy();
});

row("§8.49 max: two answers, the third is refused", () => expectAnswers("twice", "_INBOX.b", 4, 2));
row("§2.4 negative is unlimited", () => expectAnswers("endless", "_INBOX.c", 20, 20));
row("§2.4 the other names of the keys", () => expectAnswers("aliases", "_INBOX.d", 4, 3));
row("§2.4 an empty map is one answer", () => expectAnswers("defaults", "_INBOX.e", 2, 1));
row("§8.50 an answer may go where publish is denied", () => expectAnswers("denied", "_INBOX.bad", 2, 1));

row("§2.4 a reply subject that may be published to anyway needs no right and uses none", async () => {
  await expectAnswers("allowed", "_INBOX.a", 3, 3);
  await expectAnswers("allowed", "_INBOX.b", 2, 1);
});

row("§2.4 the same reply subject delivered twice leaves no right with max 1", async () => {
  const { responder, requestor } = await pair("once");
  requestor.send("PUB service _INBOX.same 0\r\n\r\nPUB service _INBOX.same 0\r\n\r\n");
  await readMessage(responder);
  await readMessage(responder);
  responder.send("PUB _INBOX.same 0\r\n\r\n");
  await responder.expect(violation("_INBOX.same"));
  for (const client of [responder, requestor]) client.destroy();
});

row("§2.4 a message that was not delivered to the client gives it no right", async () => {
  const { responder, requestor } = await pair("once");
  requestor.send("PUB elsewhere _INBOX.not 0\r\n\r\n");
  await requestor.readUntil("\r\n\r\n\r\n");
  responder.send("PUB _INBOX.not 0\r\n\r\n");
  await responder.expect(violation("_INBOX.not"));
  for (const client of [responder, requestor]) client.destroy();
});

row("§2.4 a member of a queue group has the right for what it got", async () => {
  const responders = [];
  for (let count = 0; count < 3; count++) {
    const responder = await login(server(), { user: "once", pass: "p" });
    responder.send("SUB pool workers 1\r\n");
    await responder.roundTrip();
    responders.push(responder);
  }
  const requestor = await login(server(), { user: "requestor", pass: "p" });
  requestor.send("SUB _INBOX.> 1\r\nPUB pool _INBOX.q 0\r\n\r\n");
  await requestor.roundTrip();
  for (const responder of responders) {
    responder.send("PING\r\n");
    const isMine =
      (await responder.expectOneOf(["MSG pool 1 _INBOX.q 0\r\n\r\nPONG\r\n", "PONG\r\n"])) !== "PONG\r\n";
    responder.send("PUB _INBOX.q 0\r\n\r\n");
    if (!isMine) await responder.expect(violation("_INBOX.q"));
    await responder.roundTrip();
  }
  await requestor.expect("MSG _INBOX.q 1 0\r\n\r\n");
  await requestor.roundTrip();
  for (const client of [...responders, requestor]) client.destroy();
});

rowsInParallel({
  "§8.49 ttl: after it the answer is refused": async () => {
    await using own = await ServerProcess.start({
      config: config({ brief: `allow_responses: { max: 5, ttl: "300ms" }` }),
    });
    const { responder, requestor } = await pair("brief", own);
    requestor.send("PUB service _INBOX.t 0\r\n\r\n");
    await readMessage(responder);
    responder.send("PUB _INBOX.t 0\r\n\r\n");
    await requestor.expect("MSG _INBOX.t 1 0\r\n\r\n");
    await new Promise((resolve) => setTimeout(resolve, 450));
    responder.send("PUB _INBOX.t 0\r\n\r\n");
    await responder.expect(violation("_INBOX.t"));
    await responder.roundTrip();
    await requestor.roundTrip();
  },

  "§2.4 a reload that changes the user's permissions forgets the rights": async () => {
    const allowing = (publish: string) => config({ once: `publish: ${publish}, allow_responses: true` });
    await using own = await ServerProcess.start({ config: allowing("a") });
    const { responder, requestor } = await pair("once", own);
    requestor.send("PUB service _INBOX.r 0\r\n\r\n");
    await readMessage(responder);
    await own.reload(allowing("b"));
    responder.send("PUB _INBOX.r 0\r\n\r\n");
    await responder.expect(violation("_INBOX.r"));
  },
});
