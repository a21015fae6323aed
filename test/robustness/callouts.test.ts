import { expect, test } from "bun:test";
import { accept, type CalloutRequest, CalloutService } from "../support/callout_service.ts";
import { login } from "../support/login.ts";
import type { Message } from "../support/message.ts";
import { NKey } from "../support/nkey.ts";
import { ServerProcess } from "../support/server_process.ts";
import { beside } from "./beside.ts";
import { LIMIT_MS, scaled, tell } from "./scale.ts";
import { backTo, megabytes, residentBelow, serverState } from "./server_state.ts";
import { StreamClient } from "./stream_client.ts";

const CLIENTS = scaled(1000, 5000);
const AT_ONCE = 100;
/** How long a message may take while logins wait and are answered. */
const DELAY_MAX_MS = 2000;
/** What a login that waits may cost the server, its connection and its client's CONNECT included. */
const WAITING_MAX_BYTES = 64 * 1024;

const issuer = new NKey("account");
const config = (timeout: string) => `
  accounts { AUTH { users: [ {user: auth, password: p} ] }, FOO {} }
  authorization {
    timeout: ${JSON.stringify(timeout)}
    auth_callout { issuer: ${issuer.publicKey}, account: AUTH, auth_users: [auth] }
  }`;
const OWN = { user: "auth", pass: "p" };

/** Messages between two of the callout's own users, for as long as `body` takes. */
async function besideOwn<T>(server: ServerProcess, body: () => Promise<T>): Promise<T> {
  const { result, messageCount, delayMaxMs } = await beside(server, OWN, body);
  tell(`${messageCount} messages meanwhile, none later than ${delayMaxMs.toFixed(0)} ms`);
  expect(delayMaxMs).toBeLessThan(DELAY_MAX_MS);
  return result;
}

test(
  `${CLIENTS} logins wait for a callout service, hold up nobody, and are in once it answers`,
  async () => {
    await using server = await ServerProcess.start({ config: config("60s"), monitoring: true });
    const service = await CalloutService.over(await login(server, OWN));
    const before = await serverState(server);
    const asked: { message: Message; request: CalloutRequest }[] = [];
    const clients = await besideOwn(server, async () => {
      const opening: Promise<StreamClient>[] = [];
      while (opening.length < CLIENTS) {
        const user = { user: `user ${opening.length}`, pass: "p" };
        opening.push(StreamClient.open(server.clientPort, {}, user));
        if (opening.length % AT_ONCE !== 0) continue;
        while (asked.length < opening.length) asked.push(await service.next());
      }
      const waiting = await serverState(server);
      const each = (waiting.residentBytes - before.residentBytes) / CLIENTS;
      const start = performance.now();
      for (const { message, request } of asked) {
        service.reply(message, accept(request, issuer, { claims: { aud: "FOO" } }));
      }
      const open = await Promise.all(opening);
      const perSecond = (CLIENTS / (performance.now() - start)) * 1000;
      tell(
        `${CLIENTS} logins waited at ${(each / 1024).toFixed(0)} KiB each, were in at ${perSecond.toFixed(0)} a second`,
      );
      expect(each).toBeLessThan(WAITING_MAX_BYTES);
      return open;
    });
    for (const client of clients) client.destroy();
    await backTo(before, server);
  },
  LIMIT_MS,
);

test(
  `${CLIENTS} logins that a callout service does not answer are refused, and leave nothing`,
  async () => {
    await using server = await ServerProcess.start({ config: config("2s"), monitoring: true });
    const before = await serverState(server);
    const refuse = async () => {
      const refused = await Promise.allSettled(
        Array.from({ length: CLIENTS }, () =>
          StreamClient.open(server.clientPort, {}, { user: "dave", pass: "p" }),
        ),
      );
      expect(refused.filter(({ status }) => status === "fulfilled").length).toBe(0);
    };
    await besideOwn(server, async () => {
      await refuse();
      const warm = server.residentBytes();
      await refuse();
      await refuse();
      const resident = await residentBelow(server, warm + CLIENTS * WAITING_MAX_BYTES);
      tell(
        `resident ${megabytes(warm)} after ${CLIENTS} refusals, ${megabytes(resident)} after ${3 * CLIENTS}`,
      );
    });
    await backTo(before, server);
  },
  LIMIT_MS,
);
