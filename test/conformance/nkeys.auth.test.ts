import { expect } from "bun:test";
import { Buffer } from "node:buffer";
import { closedReason } from "../support/closed_connection.ts";
import { AUTHORIZATION_VIOLATION, expectRefused, type Login, login } from "../support/login.ts";
import { encodeNKey, NKey } from "../support/nkey.ts";
import { signature } from "../support/operator.ts";
import { row, rowsInParallel, sharedServer } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";
import { startFailure } from "../support/start_failure.ts";

const key = new NKey("user");
const other = new NKey("user");
/** Seed bytes 00 01 … 1f: the vector of the specification. */
const vector = new NKey(
  "user",
  Uint8Array.from({ length: 32 }, (_, index) => index),
);

const server = sharedServer({
  monitoring: true,
  config: `authorization { users: [
    { nkey: ${key.publicKey}, permissions: { publish: nkey } }
    { nkey: ${vector.publicKey} }
    { user: u, password: p, permissions: { publish: user } }
  ] }`,
});

const signed =
  (by: NKey, encode: (nonce: string) => string = (nonce) => signature(by, nonce)): Login =>
  (nonce) => ({ nkey: by.publicKey, sig: encode(nonce) });

row("§8.14 INFO has a nonce of 15 characters, whose text is signed", async () => {
  const client = await login(server(), signed(key));
  expect(client.info.nonce).toMatch(/^[A-Za-z0-9_-]{15}$/);
  expect(client.info.auth_required).toBe(true);
  client.destroy();
});

row("§8.14 the signature of the decoded nonce is none", async () => {
  await expectRefused(
    server(),
    signed(key, (nonce) => key.sign(Buffer.from(nonce, "base64url")).toString("base64url")),
  );
});

row("§8.93 the nkey of the specification's vector logs in", async () => {
  expect(vector.publicKey).toBe("UAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3RLKK");
  (await login(server(), signed(vector))).destroy();
});

row("§8.15 the signature in URL-safe base64 without padding or standard base64 with it", async () => {
  (await login(server(), signed(key))).destroy();
  (
    await login(
      server(),
      signed(key, (nonce) => key.sign(nonce).toString("base64")),
    )
  ).destroy();
});

row("§8.15 other encodings of the signature are refused", async () => {
  for (const encode of [
    (nonce: string) => key.sign(nonce).toString("hex"),
    (nonce: string) => key.sign(nonce).toString("latin1"),
    (nonce: string) => ` ${signature(key, nonce)}`,
    (nonce: string) => signature(key, nonce).slice(0, -1),
    (nonce: string) => `${signature(key, nonce)}AAAA`,
    (nonce: string) => Buffer.concat([key.sign(nonce), Buffer.from([0])]).toString("base64url"),
    () => "",
    () => "AAAA",
    () => "!",
  ]) {
    await expectRefused(server(), signed(key, encode));
  }
});

row("§8.15 the signature in URL-safe base64 with padding is refused", async () => {
  // Without one of the two characters that differ it would be standard base64 too.
  for (;;) {
    const client = await server().connect();
    const sig = signature(key, String(client.info.nonce));
    if (!/[-_]/.test(sig)) continue;
    client.send(`CONNECT ${JSON.stringify({ verbose: false, nkey: key.publicKey, sig: `${sig}==` })}\r\n`);
    await client.expect(AUTHORIZATION_VIOLATION);
    await client.expectClosed();
    break;
  }
});

row("§8.15 a missing or foreign signature, an unknown or malformed key", async () => {
  const refused = await expectRefused(server(), { nkey: key.publicKey });
  expect(await closedReason(server(), refused)).toBe("Authentication Failure");
  await expectRefused(server(), signed(other));
  for (const nkey of [
    other.publicKey,
    key.publicKey.toLowerCase(),
    `${key.publicKey} `,
    key.publicKey.slice(0, -1),
    key.seed,
    new NKey("account").publicKey,
    encodeNKey([0xa0], key.publicBytes, 0),
    "U",
  ]) {
    await expectRefused(server(), (nonce) => ({ nkey, sig: signature(key, nonce) }));
  }
});

row("§8.16 each connection has a nonce of its own", async () => {
  const nonces = new Set<unknown>();
  for (let count = 0; count < 20; count++) {
    const client = await server().connect();
    nonces.add(client.info.nonce);
    client.destroy();
  }
  expect(nonces.size).toBe(20);
});

row("§8.16 a signature does not work on another connection", async () => {
  const first = await server().connect();
  const sig = signature(key, String(first.info.nonce));
  await expectRefused(server(), { nkey: key.publicKey, sig });
  first.destroy();
});

row("§8.17 nkeys and passwords side by side", async () => {
  const byPassword = await login(server(), { user: "u", pass: "p" });
  byPassword.send("PUB nkey 0\r\n\r\nPUB user 0\r\n\r\n");
  await byPassword.expect(`-ERR 'Permissions Violation for Publish to "nkey"'\r\n`);
  await byPassword.roundTrip();
  byPassword.destroy();
});

row("§8.17 with an nkey and a user in one CONNECT the nkey counts", async () => {
  const both = await login(server(), (nonce) => ({
    nkey: key.publicKey,
    sig: signature(key, nonce),
    user: "u",
    pass: "p",
  }));
  both.send("PUB user 0\r\n\r\nPUB nkey 0\r\n\r\n");
  await both.expect(`-ERR 'Permissions Violation for Publish to "user"'\r\n`);
  await both.roundTrip();
  both.destroy();
  await expectRefused(server(), (nonce) => ({
    nkey: key.publicKey,
    sig: signature(other, nonce),
    user: "u",
    pass: "p",
  }));
});

row("§1.6 the nkey is who the log names", async () => {
  const from = server().log.length;
  await expectRefused(server(), signed(other));
  await server().waitForLog(`authentication error - Nkey "${other.publicKey}"`, from);
});

rowsInParallel({
  "§8.18 a user or nkey of two accounts is refused at start": async () => {
    const twice = (user: string) => `accounts { A { users: [ {${user}} ] }, B { users: [ {${user}} ] } }`;
    expect(await startFailure(twice("user: a, password: p"))).toContain(`Duplicate user "a" detected`);
    expect(await startFailure(twice(`nkey: ${key.publicKey}`))).toContain(
      `Duplicate nkey "${key.publicKey}" detected`,
    );
  },

  "§1.4 no_auth_user may be an nkey, which then needs no signature": async () => {
    await using anonymous = await ServerProcess.start({
      config: `no_auth_user: ${key.publicKey}
        authorization { users: [ {nkey: ${key.publicKey}, permissions: {publish: ok}}, {user: u, password: p} ] }`,
    });
    const client = await login(anonymous, {});
    expect(client.info.auth_required).toBe(undefined);
    client.send("PUB ok 0\r\n\r\nPUB no 0\r\n\r\n");
    await client.expect(`-ERR 'Permissions Violation for Publish to "no"'\r\n`);
    await login(anonymous, { nkey: key.publicKey });
    await login(anonymous, signed(key));
    await expectRefused(anonymous, signed(other));
    await expectRefused(anonymous, { user: "u", pass: "wrong" });
  },

  "§1.2 an nkey as no_auth_user does not spare the CONNECT": async () => {
    await using anonymous = await ServerProcess.start({
      config: `no_auth_user: ${key.publicKey}\nauthorization { users: [ {nkey: ${key.publicKey}} ] }`,
    });
    const client = await anonymous.connect();
    client.send("PING\r\n");
    await client.expect("-ERR 'Authorization Violation'\r\n");
    await client.expectClosed();
  },
});
