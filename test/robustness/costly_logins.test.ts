import { expect, test } from "bun:test";
import { until } from "../support/deadline.ts";
import { AUTHORIZATION_VIOLATION, login } from "../support/login.ts";
import { NKey } from "../support/nkey.ts";
import { signature } from "../support/operator.ts";
import { ServerProcess } from "../support/server_process.ts";
import { beside } from "./beside.ts";
import { LIMIT_MS, scaled, tell } from "./scale.ts";
import { backTo, serverState } from "./server_state.ts";

const ATTEMPTS = scaled(200, 2000);
/** Of `correct-horse`, at bcrypt's usual cost: some 80 ms for each comparison. */
const HASH = "$2b$10$2fSB/x78l/FP9kpSiDMWK.gF1gYYgp2FRCMmFTX0iguHrBiuI4S3S";
const TIMEOUT_MS = 2000;
/** Past the timeout: a comparison that is under way, and a machine that does nothing else. */
const ANSWER_MAX_MS = TIMEOUT_MS + 8000;
const DELAY_MAX_MS = 5000;
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
    const before = await serverState(server);
    const { result, messageCount, delayMaxMs } = await beside(server, OWN, async () => {
      const { connections } = await serverState(server);
      const start = performance.now();
      const attempts = Array.from({ length: ATTEMPTS }, async () => {
        const client = await server.connect();
        client.send(`CONNECT {"verbose":false,"user":"hashed","pass":"battery-staple"}\r\n`);
        const answer = await client.readToEnd(ANSWER_MAX_MS * 10);
        return { answer, tookMs: performance.now() - start };
      });
      await until(
        async () => (await serverState(server)).connections >= connections + ATTEMPTS / 2,
        () => "the attackers are connected",
      );
      const loginStart = performance.now();
      const signed = await login(server, (nonce) => ({ nkey: nkey.publicKey, sig: signature(nkey, nonce) }));
      const signedMs = performance.now() - loginStart;
      const outcomes = await Promise.all(attempts);
      return { outcomes, signed, signedMs };
    });
    const { outcomes, signed, signedMs } = result;

    const answers = new Map<string, number>();
    for (const { answer } of outcomes) answers.set(answer, (answers.get(answer) ?? 0) + 1);
    tell(
      `${answers.get(AUTHORIZATION_VIOLATION) ?? 0} refused, ${answers.get(TIMED_OUT) ?? 0} timed out, the last after ` +
        `${Math.max(...outcomes.map(({ tookMs }) => tookMs)).toFixed(0)} ms; one that signed was in after ` +
        `${signedMs.toFixed(0)} ms; ${messageCount} messages, none later than ${delayMaxMs.toFixed(0)} ms`,
    );
    expect(
      [...answers.keys()].filter((text) => text !== AUTHORIZATION_VIOLATION && text !== TIMED_OUT),
    ).toEqual([]);
    expect(answers.get(AUTHORIZATION_VIOLATION)).toBeGreaterThan(0);
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
  },
  LIMIT_MS,
);
