import { expect, test } from "bun:test";
import { until } from "../support/deadline.ts";
import { AUTHORIZATION_VIOLATION, login } from "../support/login.ts";
import { NKey } from "../support/nkey.ts";
import { signature } from "../support/operator.ts";
import { ServerProcess } from "../support/server_process.ts";
import { NumberedStream, numbered } from "./numbered_stream.ts";
import { LIMIT_MS, scaled, tell } from "./scale.ts";
import { backTo, serverState } from "./server_state.ts";
import { StreamClient } from "./stream_client.ts";

const ATTEMPTS = scaled(200, 2000);
/** Of `correct-horse`, at bcrypt's usual cost: some 80 ms for each comparison. */
const HASH = "$2b$10$2fSB/x78l/FP9kpSiDMWK.gF1gYYgp2FRCMmFTX0iguHrBiuI4S3S";
const TIMEOUT_MS = 2000;
/** Past the timeout: a comparison that is under way, and a machine that does nothing else. */
const ANSWER_MAX_MS = TIMEOUT_MS + 8000;
const DELAY_MAX_MS = 2000;
const TIMED_OUT = "-ERR 'Authentication Timeout'\r\n";

const nkey = new NKey("user");
const config = `authorization { timeout: 2, users: [
  { user: user, password: p }
  { user: hashed, password: "${HASH}" }
  { nkey: ${nkey.publicKey} }
] }`;
const OWN = { user: "user", pass: "p" };
const isNatsServer = (server: ServerProcess) => !server.log.includes("Midge:");

test(
  `${ATTEMPTS} logins at once by a password whose hash is costly slow down each other, and nothing else`,
  async () => {
    await using server = await ServerProcess.start({ config, monitoring: true });
    const stream = new NumberedStream("stream");
    const sentAtMs: number[] = [];
    let delayMaxMs = 0;
    const reader = await StreamClient.open(
      server.clientPort,
      {
        message: (subject, sid, payload) => {
          delayMaxMs = Math.max(delayMaxMs, performance.now() - (sentAtMs[stream.next] ?? 0));
          stream.take(subject, sid, payload);
        },
      },
      OWN,
    );
    reader.send("SUB stream 1\r\n");
    await reader.roundTrip();
    const publisher = await StreamClient.open(server.clientPort, {}, OWN);
    const before = await serverState(server);
    const publishing = setInterval(() => {
      sentAtMs.push(performance.now());
      publisher.send(numbered("stream", sentAtMs.length - 1));
    }, 5);

    const start = performance.now();
    const attempts = Array.from({ length: ATTEMPTS }, async () => {
      const client = await server.connect();
      client.send(`CONNECT {"verbose":false,"user":"hashed","pass":"battery-staple"}\r\n`);
      const answer = await client.readToEnd(ANSWER_MAX_MS * 10);
      return { answer, tookMs: performance.now() - start };
    });
    await until(
      async () => (await serverState(server)).connections >= before.connections + ATTEMPTS / 2,
      () => "the attackers are connected",
    );
    const loginStart = performance.now();
    const signed = await login(server, (nonce) => ({ nkey: nkey.publicKey, sig: signature(nkey, nonce) }));
    const signedMs = performance.now() - loginStart;
    const outcomes = await Promise.all(attempts);
    clearInterval(publishing);
    await publisher.roundTrip();
    await until(
      () => stream.next === sentAtMs.length,
      () => `${stream.next} of ${sentAtMs.length} messages came`,
    );

    const answers = new Map<string, number>();
    for (const { answer } of outcomes) answers.set(answer, (answers.get(answer) ?? 0) + 1);
    tell(
      `${answers.get(AUTHORIZATION_VIOLATION) ?? 0} refused, ${answers.get(TIMED_OUT) ?? 0} timed out, the last after ` +
        `${Math.max(...outcomes.map(({ tookMs }) => tookMs)).toFixed(0)} ms; one that signed was in after ` +
        `${signedMs.toFixed(0)} ms; ${sentAtMs.length} messages, none later than ${delayMaxMs.toFixed(0)} ms`,
    );
    expect(
      [...answers.keys()].filter((text) => text !== AUTHORIZATION_VIOLATION && text !== TIMED_OUT),
    ).toEqual([]);
    expect(answers.get(AUTHORIZATION_VIOLATION)).toBeGreaterThan(0);
    expect(stream.failure).toBe(undefined);
    // nats-server compares hashes on the threads that move messages.
    if (!isNatsServer(server)) {
      for (const { tookMs } of outcomes) expect(tookMs).toBeLessThan(ANSWER_MAX_MS);
      expect(signedMs).toBeLessThan(DELAY_MAX_MS);
      expect(delayMaxMs).toBeLessThan(DELAY_MAX_MS);
    }
    // Whoever comes after them is let in.
    (await login(server, { user: "hashed", pass: "correct-horse" })).destroy();
    signed.destroy();
    await backTo(before, server);
    for (const client of [reader, publisher]) client.destroy();
  },
  LIMIT_MS,
);
