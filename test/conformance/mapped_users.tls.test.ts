import { afterAll, describe, expect } from "bun:test";
import { CertificateMaker, type KeyPair } from "../support/certificates.ts";
import type { RawClient } from "../support/raw_client.ts";
import { row, sharedServer } from "../support/row.ts";
import type { ServerProcess } from "../support/server_process.ts";
import { connectSecurely, identity, upgrade } from "../support/tls_client.ts";

const maker = new CertificateMaker();
afterAll(() => maker.remove());

const authority = maker.makeAuthority("Test CA");
const listener = maker.makeServer("localhost", authority);
const TLS = `tls {
  cert_file: "${listener.certFile}", key_file: "${listener.keyFile}", ca_file: "${authority.certFile}", timeout: 5
  verify_and_map: true
}`;

/** A client's certificate; `names` as OpenSSL writes alternative names. */
function certificate(subject: string, names = ""): KeyPair {
  const alternative = names === "" ? [] : [`subjectAltName=${names}`];
  return maker.make({
    subject,
    extensions: [...alternative, "extendedKeyUsage=clientAuth"],
    issuer: authority,
  });
}

/** The user that monitoring shows for a connection. */
async function userOf(server: ServerProcess, client: RawClient): Promise<string | undefined> {
  const path = `/connz?auth=1&cid=${client.info.client_id}`;
  const page = await server.json<{ connections: { authorized_user?: string }[] }>(path);
  return page.connections[0]?.authorized_user;
}

async function expectUser(server: ServerProcess, pair: KeyPair, user: string): Promise<void> {
  const plain = await server.connect();
  const client = await upgrade(plain, identity(pair, authority));
  await client.handshake();
  expect(await userOf(server, plain)).toBe(user);
  client.destroy();
}

async function expectViolation(
  server: ServerProcess,
  pair: KeyPair,
  fields: Record<string, unknown> = {},
): Promise<void> {
  const client = await upgrade(await server.connect(), identity(pair, authority));
  client.send(`CONNECT ${JSON.stringify({ verbose: false, ...fields })}\r\nPING\r\n`);
  await client.expect("-ERR 'Authorization Violation'\r\n");
  await client.expectClosed();
}

describe("verify_and_map", () => {
  const users = [
    "bob@acme.test",
    "bob.acme.test",
    "spiffe://acme/bob",
    "CN=ordered,OU=Eng,O=Acme,C=US",
    "C=US, O=Acme, OU=Eng, CN=reversed",
    "OU=Eng,CN=mixed,C=US,O=Acme",
    "CN=components,OU=Eng,DC=foo1,DC=foo2",
    "CN=dcuser,OU=Eng",
    "CN=street,OU=Eng,O=Acme,L=Springfield,ST=IL,C=US",
    "bare",
  ];
  const list = [
    ...users.map((user) => `{ user: ${JSON.stringify(user)}, permissions { publish: "allowed" } }`),
    `{ user: "secret@acme.test", password: "s3cret" }`,
    `{ user: "web@acme.test", allowed_connection_types: ["WEBSOCKET"] }`,
  ];
  const server = sharedServer({
    config: `debug: true\n${TLS}\nauthorization { users: [ ${list.join(", ")} ] }`,
    monitoring: true,
  });

  const bob = certificate("/CN=whoever", "email:bob@acme.test,DNS:bob.acme.test,URI:spiffe://acme/bob");

  row("8.19 INFO says that certificates are needed, and that a login is", async () => {
    const plain = await server().connect();
    const { tls_required, tls_verify, auth_required } = plain.info;
    expect({ tls_required, tls_verify, auth_required }).toEqual({
      tls_required: true,
      tls_verify: true,
      auth_required: true,
    });
    plain.destroy();
  });

  row("8.20 an email address names the user, before other names", () =>
    expectUser(server(), bob, "bob@acme.test"),
  );

  row("8.20 a DNS name names the user", () =>
    expectUser(
      server(),
      certificate("/CN=whoever", "email:other@acme.test,DNS:bob.acme.test"),
      "bob.acme.test",
    ),
  );

  row("8.20 a URI names the user", () =>
    expectUser(server(), certificate("/CN=whoever", "URI:spiffe://acme/bob"), "spiffe://acme/bob"),
  );

  for (const [what, subject, user] of [
    ["in Go's order", "/C=US/O=Acme/OU=Eng/CN=ordered", "CN=ordered,OU=Eng,O=Acme,C=US"],
    [
      "the other way round, with blanks",
      "/C=US/O=Acme/OU=Eng/CN=reversed",
      "C=US, O=Acme, OU=Eng, CN=reversed",
    ],
    ["in any order", "/C=US/O=Acme/OU=Eng/CN=mixed", "OU=Eng,CN=mixed,C=US,O=Acme"],
    [
      "with domain components as the certificate has them",
      "/DC=foo1/DC=foo2/OU=Eng/CN=components",
      "CN=components,OU=Eng,DC=foo1,DC=foo2",
    ],
    ["without domain components", "/DC=acme/OU=Eng/CN=dcuser", "CN=dcuser,OU=Eng"],
    [
      "with place and state",
      "/C=US/ST=IL/L=Springfield/O=Acme/OU=Eng/CN=street",
      "CN=street,OU=Eng,O=Acme,L=Springfield,ST=IL,C=US",
    ],
  ] as const) {
    row(`8.21 the subject names the user, ${what}`, () => expectUser(server(), certificate(subject), user));
  }

  row("8.21 the common name alone names nobody", () => expectViolation(server(), certificate("/CN=bare")));

  row("8.21 a certificate that names no user is refused", async () => {
    const from = server().log.length;
    await expectViolation(server(), certificate("/O=Acme/CN=stranger"));
    await server().waitForLog(`User in cert ["CN=stranger,O=Acme"], not found`, from);
  });

  row("8.22 who is named by a certificate sends no password", async () => {
    await expectViolation(server(), bob, { user: "bob@acme.test", pass: "x" });
    const secret = certificate("/CN=whoever", "email:secret@acme.test");
    await expectViolation(server(), secret);
    await expectViolation(server(), secret, { pass: "wrong" });
    const client = await connectSecurely(server(), identity(secret, authority), { pass: "s3cret" });
    client.destroy();
  });

  row("8.22 another user in CONNECT changes nothing, and the log says so", async () => {
    const from = server().log.length;
    const plain = await server().connect();
    const client = await upgrade(plain, identity(bob, authority));
    await client.handshake({ user: "spiffe://acme/bob" });
    expect(await userOf(server(), plain)).toBe("bob@acme.test");
    await server().waitForLog(
      `[WRN] User "spiffe://acme/bob" found in connect proto, but user required from cert`,
      from,
    );
    client.destroy();
  });

  row("8.24 a user of other connection types is refused", () =>
    expectViolation(server(), certificate("/CN=whoever", "email:web@acme.test")),
  );

  row("§2.1 the user's permissions hold", async () => {
    const client = await connectSecurely(server(), identity(bob, authority));
    client.send("PUB denied 0\r\n\r\n");
    await client.expect(`-ERR 'Permissions Violation for Publish to "denied"'\r\n`);
    client.destroy();
  });

  row("§1.7 a token is no way in", () =>
    expectViolation(server(), certificate("/O=Acme/CN=stranger"), { auth_token: "t" }),
  );

  row("§14.1 a reload that removes the user ends the connection", async () => {
    const client = await connectSecurely(
      server(),
      identity(certificate("/CN=x", "URI:spiffe://acme/bob"), authority),
    );
    const config = `debug: true\n${TLS}\nauthorization { users: [ { user: "bob@acme.test" } ] }`;
    await server().reload(config);
    await client.expectClosed();
    await expectUser(server(), bob, "bob@acme.test");
  });
});
