import { expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import { connect } from "node:net";
import { until } from "../support/deadline.ts";
import { seconds } from "../support/jwt.ts";
import { AUTHORIZATION_VIOLATION, type Login } from "../support/login.ts";
import { NKey } from "../support/nkey.ts";
import { Operator, signature } from "../support/operator.ts";
import { ServerProcess } from "../support/server_process.ts";
import { NumberedStream, numbered } from "./numbered_stream.ts";
import { LIMIT_MS, scaled, tell } from "./scale.ts";
import { backTo, megabytes, residentBelow, serverState } from "./server_state.ts";
import { StreamClient } from "./stream_client.ts";

const PER_SECOND = 1000;
const SECONDS = scaled(3, 60);
const TICK_MS = 10;
/** More would only measure how many sockets the client's side can hold. */
const IN_FLIGHT_MAX = 500;
const ATTEMPT_LIMIT_MS = 30_000;
/** How long a message may take while the machine is busy with logins; a server that stops for them takes longer. */
const DELAY_MAX_MS = 2000;
const GROWTH_MAX_BYTES = 48 * 1024 * 1024;

/** Never in a log: what the attackers say, and what they would have had to. */
const SECRETS = ["correct-horse", "battery-staple", "t0ken-of-nobody"];

/** One way to fail: what is sent once INFO with its nonce came, and all that comes back before the end. */
interface Failure {
  readonly input: (nonce: string) => string;
  /** Undefined where the client goes away without waiting. */
  readonly answer: string | undefined;
}

const refused = (fields: (nonce: string) => Record<string, unknown>): Failure => ({
  input: (nonce) => `CONNECT ${JSON.stringify(fields(nonce))}\r\nSUB > 1\r\nPUB stream 4\r\nevil\r\n`,
  answer: AUTHORIZATION_VIOLATION,
});
const bytes = (input: string, answer: string | undefined): Failure => ({ input: () => input, answer });

/** What fails alike on every server that wants a login. */
const COMMON: readonly Failure[] = [
  refused(() => ({})),
  refused(() => ({ user: "nobody", pass: "battery-staple" })),
  refused(() => ({ auth_token: "t0ken-of-nobody" })),
  refused(() => ({ user: "user", pass: "correct-horse", account: "X" })),
  bytes("SUB > 1\r\n", AUTHORIZATION_VIOLATION),
  bytes("GET / HTTP/1.1\r\n\r\n", AUTHORIZATION_VIOLATION),
  bytes(`CONNECT {"name":"${"n".repeat(5000)}"}\r\n`, "-ERR 'maximum control line exceeded'\r\n"),
  bytes(`CONNECT {"user":"us`, undefined),
  bytes("", undefined),
];

const nkey = new NKey("user");
const stranger = new NKey("user");
const WITH_PASSWORDS: readonly Failure[] = [
  ...COMMON,
  refused(() => ({ user: "user", pass: "battery-staple" })),
  refused(() => ({ user: "hashed", pass: "battery-staple" })),
  refused(() => ({ nkey: nkey.publicKey, sig: randomBytes(64).toString("base64url") })),
  refused((nonce) => ({ nkey: nkey.publicKey, sig: signature(stranger, nonce) })),
  refused((nonce) => ({ nkey: stranger.publicKey, sig: signature(stranger, nonce) })),
];

const operator = new Operator();
const tenant = operator.account("tenant");
const revoked = tenant.user();
const withTenant = operator.configWithMemory(
  tenant.with({ revocations: { [revoked.key.publicKey]: seconds(60) } }),
);
const unsigned = tenant.user();
const strangers = new Operator().account("strangers").user();
const expired = tenant.user({}, { exp: seconds(-60) });
const elsewhere = tenant.user({ src: ["10.0.0.0/8"] });
const ofNoKey = tenant.userOf(new NKey("account"));
const altered = `${unsigned.jwt.slice(0, -8)}AAAAAAAA`;
const WITH_TOKENS: readonly Failure[] = [
  ...COMMON,
  refused(() => ({ jwt: unsigned.jwt })),
  refused(() => ({ jwt: unsigned.jwt, sig: randomBytes(64).toString("base64url") })),
  refused((nonce) => ({ jwt: altered, sig: signature(unsigned.key, nonce) })),
  ...[revoked, strangers, expired, elsewhere, ofNoKey].map((user) => refused(user.credentials)),
];

/** Opens a connection, fails to log in that way, and resolves with the bytes that came after INFO. */
function attempt(port: number, failure: Failure): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let info: string | undefined;
    const socket = connect({ port, host: "127.0.0.1" });
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`a login that must fail was not answered: ${failure.input("nonce").slice(0, 200)}`));
    }, ATTEMPT_LIMIT_MS);
    socket.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      if (info !== undefined) return;
      const text = Buffer.concat(chunks).toString("latin1");
      if (!text.includes("\n")) return;
      info = text.slice(0, text.indexOf("\n") + 1);
      socket.write(failure.input(/"nonce":"([^"]*)"/.exec(info)?.[1] ?? ""), () => {
        if (failure.answer === undefined) socket.destroy();
      });
    });
    // A server that closes with bytes unread resets; what it said before has arrived.
    socket.on("error", () => {});
    socket.on("close", () => {
      clearTimeout(timer);
      resolve(
        Buffer.concat(chunks)
          .toString("latin1")
          .slice(info?.length ?? 0),
      );
    });
  });
}

/** Runs `count` failing logins, each kind in turn, a thousand a second; returns what was answered wrongly. */
async function flood(port: number, failures: readonly Failure[], count: number): Promise<string[]> {
  const wrong: string[] = [];
  const inFlight = new Set<Promise<void>>();
  for (let started = 0; started < count; ) {
    const tickEnd = performance.now() + TICK_MS;
    for (let left = (PER_SECOND * TICK_MS) / 1000; left > 0 && started < count; left--) {
      const failure = failures[started++ % failures.length]!;
      const running = attempt(port, failure)
        .then((text) => {
          if (failure.answer !== undefined && text !== failure.answer) wrong.push(text);
        })
        .catch((error: unknown) => void wrong.push(String(error)))
        .finally(() => inFlight.delete(running));
      inFlight.add(running);
    }
    while (inFlight.size > IN_FLIGHT_MAX) await Promise.race(inFlight);
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, tickEnd - performance.now())));
  }
  await Promise.all(inFlight);
  return wrong;
}

/** Floods a server with failing logins while a stream flows through it between clients that are logged in. */
async function expectUnmoved(
  config: string,
  failures: readonly Failure[],
  credentials: Login,
): Promise<void> {
  await using server = await ServerProcess.start({ config, monitoring: true });
  const { clientPort } = server;
  const stream = new NumberedStream("stream");
  const sentAtMs: number[] = [];
  let delayMaxMs = 0;
  const message = (subject: string, sid: string, payload: Buffer) => {
    delayMaxMs = Math.max(delayMaxMs, performance.now() - (sentAtMs[stream.next] ?? 0));
    stream.take(subject, sid, payload);
  };
  const reader = await StreamClient.open(clientPort, { message }, credentials);
  reader.send("SUB stream 1\r\n");
  await reader.roundTrip();
  const publisher = await StreamClient.open(clientPort, {}, credentials);
  const before = await serverState(server);
  await flood(clientPort, failures, PER_SECOND);
  const warm = server.residentBytes();

  let sent = 0;
  const publishing = setInterval(() => {
    for (let left = 10; left > 0; left--) {
      sentAtMs[sent] = performance.now();
      publisher.send(numbered("stream", sent++));
    }
  }, 10);
  const start = performance.now();
  const count = SECONDS * PER_SECOND;
  const wrong = await flood(clientPort, failures, count);
  const tookS = (performance.now() - start) / 1000;
  clearInterval(publishing);
  await publisher.roundTrip();
  await until(
    () => stream.next === sent,
    () => `${stream.next} of ${sent} messages came`,
    LIMIT_MS / 4,
  );

  expect(wrong.slice(0, 5)).toEqual([]);
  expect(stream.failure).toBe(undefined);
  await backTo(before, server);
  const resident = await residentBelow(server, warm + GROWTH_MAX_BYTES);
  tell(
    `${count} failed logins in ${tookS.toFixed(1)} s beside ${sent} messages, none later than ` +
      `${delayMaxMs.toFixed(0)} ms; resident ${megabytes(warm)} warm, ${megabytes(resident)} after`,
  );
  expect(delayMaxMs).toBeLessThan(DELAY_MAX_MS);
  expect(SECRETS.filter((secret) => server.log.includes(secret))).toEqual([]);
  expect(server.log).not.toContain(unsigned.jwt);
  for (const client of [reader, publisher]) client.destroy();
}

test(
  `${PER_SECOND} failing logins a second of every kind, against passwords and nkeys, hold up nobody`,
  () =>
    expectUnmoved(
      `authorization { timeout: "5s", users: [
        { user: user, password: "correct-horse" }
        { user: hashed, password: "$2b$04$icAL8pUJvk.ETrHG/4awf.xy8vYDt.AahxeWFmGmJQV0DgIfYGpV." }
        { nkey: ${nkey.publicKey} }
      ] }`,
      WITH_PASSWORDS,
      { user: "user", pass: "correct-horse" },
    ),
  LIMIT_MS,
);

test(
  `${PER_SECOND} failing logins a second of every kind, against an operator's accounts, hold up nobody`,
  () => expectUnmoved(withTenant, WITH_TOKENS, tenant.user().credentials),
  LIMIT_MS,
);
