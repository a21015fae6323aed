import { afterAll, describe, expect } from "bun:test";
import { createHash, X509Certificate } from "node:crypto";
import { CertificateMaker } from "../support/certificates.ts";
import { until } from "../support/deadline.ts";
import { row, sharedServer } from "../support/row.ts";
import { ServerProcess, serverCommand } from "../support/server_process.ts";
import { connectSecurely, expectRefused, identity } from "../support/tls_client.ts";

const maker = new CertificateMaker();
afterAll(() => maker.remove());

const authority = maker.makeAuthority("Test CA");
const otherAuthority = maker.makeAuthority("Other CA");
const listener = maker.makeServer("localhost", authority);
const client = maker.make({
  subject: "/DC=acme/C=US/O=Acme, Inc/OU=Eng/CN=x",
  extensions: ["subjectAltName=email:bob@acme.test,URI:spiffe://acme/bob", "extendedKeyUsage=clientAuth"],
  issuer: authority,
});
const trusting = { ca: authority.cert };

const TLS = `cert_file: "${listener.certFile}", key_file: "${listener.keyFile}"`;
const VERIFYING = `${TLS}, ca_file: "${authority.certFile}", verify: true, timeout: 5`;

interface Connection {
  readonly cid: number;
  readonly reason?: string;
  readonly tls_version?: string;
  readonly tls_cipher_suite?: string;
  readonly tls_first?: boolean;
  readonly tls_peer_certs?: readonly { subject?: string; spki_sha256?: string; cert_sha256?: string }[];
}

/** node:tls does not tell which certificate it refuses. */
const NAMES_CERTIFICATES = !serverCommand().join(" ").includes("--transport runtime");

/** The log line of a refused certificate; both parts are patterns. */
function refusal(what: string, certificate: string): RegExp {
  const detail = NAMES_CERTIFICATES ? ` \\(${certificate}` : "";
  return new RegExp(`TLS handshake error: tls: failed to verify certificate: x509: ${what}${detail}`);
}

/** Waits until the connection that closed last, as monitoring knows it, did so for this reason. */
async function untilLastClosedBy(server: ServerProcess, reason: string): Promise<void> {
  let last: string | undefined;
  await until(
    async () => {
      const path = "/connz?state=closed&sort=stop&limit=1";
      last = (await server.json<{ connections: Connection[] }>(path)).connections[0]?.reason;
      return last === reason;
    },
    () => `the last connection closed by ${last}, not ${reason}`,
  );
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function keyId(pem: string): string {
  return sha256(new X509Certificate(pem).publicKey.export({ type: "spki", format: "der" }));
}

describe("verify", () => {
  const server = sharedServer({ config: `debug: true\ntls { ${VERIFYING} }`, monitoring: true });

  row("§1.7 INFO says tls_verify, and a client of the authority is served", async () => {
    const plain = await server().connect();
    expect([plain.info.tls_required, plain.info.tls_verify]).toEqual([true, true]);
    const secure = await connectSecurely(server(), identity(client, authority));
    secure.send("SUB foo 1\r\nPUB foo 2\r\nhi\r\n");
    await secure.expect("MSG foo 1 2\r\nhi\r\n");
    secure.destroy();
  });

  row("§1.7 no certificate: refused without -ERR, closed as TLS Handshake Failure", async () => {
    const from = server().log.length;
    await expectRefused(server(), trusting);
    await server().waitForLog("TLS handshake error: tls: client didn't provide a certificate", from);
    await untilLastClosedBy(server(), "TLS Handshake Failure");
  });

  for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
    row(`§1.7 a certificate of another authority is refused, ${maxVersion}`, async () => {
      const stranger = maker.makeClient("/CN=stranger", otherAuthority);
      const from = server().log.length;
      await expectRefused(server(), { ...identity(stranger, authority), maxVersion });
      const hash = sha256(new X509Certificate(stranger.cert).raw);
      await server().waitForLog(
        refusal("certificate signed by unknown authority", `CN=stranger SHA-256: ${hash}`),
        from,
      );
    });

    row(`§1.7 a self-signed certificate is refused, ${maxVersion}`, async () => {
      const nobody = maker.make({ subject: "/CN=nobody" });
      const from = server().log.length;
      await expectRefused(server(), { ...identity(nobody, authority), maxVersion });
      await server().waitForLog("TLS handshake error: tls: failed to verify certificate: x509: ", from);
    });

    row(`§1.7 an expired certificate is refused, ${maxVersion}`, async () => {
      const expired = maker.makeClient("/CN=expired", authority, { days: -1 });
      const from = server().log.length;
      await expectRefused(server(), { ...identity(expired, authority), maxVersion });
      const period = NAMES_CERTIFICATES ? ": current time [\\dTZ:-]+ is after [\\dTZ:-]+" : "";
      await server().waitForLog(
        refusal(`certificate has expired or is not yet valid${period}`, "CN=expired SHA-256: [\\da-f]{64}"),
        from,
      );
    });

    row(`§1.7 a certificate that is for servers only is refused, ${maxVersion}`, async () => {
      const serverOnly = maker.makeServer("other", authority);
      const from = server().log.length;
      await expectRefused(server(), { ...identity(serverOnly, authority), maxVersion });
      await server().waitForLog("x509: certificate specifies an incompatible key usage", from);
    });
  }

  row("12.27 connz shows version, suite and peer certificates with their hashes", async () => {
    const chained = { ...identity(client, authority), cert: `${client.cert}\n${authority.cert}` };
    const secure = await connectSecurely(server(), chained);
    const page = await server().json<{ connections: Connection[] }>(
      `/connz?auth=1&cid=${(secure.info.client_id as number | undefined) ?? ""}`,
    );
    const found = page.connections.at(-1);
    expect(found?.tls_version).toBe("1.3");
    expect(found?.tls_cipher_suite).toMatch(/^TLS_(AES|CHACHA20)_[A-Z0-9_]+$/);
    expect(found?.tls_first).toBe(undefined);
    const [leaf, root] = found?.tls_peer_certs ?? [];
    expect(leaf).toEqual({
      subject: "CN=x,OU=Eng,O=Acme\\, Inc,C=US,0.9.2342.19200300.100.1.25=#130461636d65",
      spki_sha256: keyId(client.cert),
      cert_sha256: sha256(new X509Certificate(client.cert).raw),
    });
    expect(root?.subject).toBe("CN=Test CA");
    secure.destroy();
  });

  row("12.27 connz shows what a client sent, not what that leads to", async () => {
    const { cert, key } = client;
    const secure = await connectSecurely(server(), { cert, key });
    const { connections } = await server().json<{ connections: Connection[] }>("/connz?auth=1");
    expect(connections.at(-1)?.tls_peer_certs?.map(({ cert_sha256 }) => cert_sha256)).toEqual([
      sha256(new X509Certificate(cert).raw),
    ]);
    secure.destroy();
  });

  row("12.27 without auth=1 connz shows no certificates", async () => {
    const secure = await connectSecurely(server(), identity(client, authority));
    const { connections } = await server().json<{ connections: Connection[] }>("/connz");
    expect(connections.at(-1)?.tls_version).toBe("1.3");
    expect(connections.at(-1)?.tls_peer_certs).toBe(undefined);
    secure.destroy();
  });

  row("12 varz shows what TLS asks for, and when the certificate ends", async () => {
    const varz = await server().json<Record<string, unknown>>("/varz");
    expect([varz.tls_required, varz.tls_verify, varz.tls_timeout, varz.auth_timeout]).toEqual([
      true,
      true,
      5,
      6,
    ]);
    const end = new Date(new X509Certificate(listener.cert).validTo).toISOString().replace(".000", "");
    expect(varz.tls_cert_not_after).toBe(end);
  });

  row("§13 the log tells of the listener and of a handshake", async () => {
    expect(server().log).toContain("TLS required for client connections");
    const from = server().log.length;
    const secure = await connectSecurely(server(), identity(client, authority));
    await server().waitForLog("Starting TLS client connection handshake", from);
    await server().waitForLog("TLS handshake complete", from);
    await server().waitForLog(/TLS version 1\.3, cipher suite TLS_\w+/, from);
    secure.destroy();
  });
});

row("§1.7 pinned_certs: the listed key is served, another one is not", async () => {
  const other = maker.makeClient("/CN=other", authority);
  await using server = await ServerProcess.start({
    config: `tls { ${VERIFYING}, pinned_certs: ["${keyId(client.cert).toUpperCase()}"] }`,
    monitoring: true,
  });
  const secure = await connectSecurely(server, identity(client, authority));
  await expectRefused(server, identity(other, authority));
  await server.waitForLog("TLS handshake error: certificate not pinned");
  await secure.roundTrip();
  secure.destroy();
  const { connections } = await server.json<{
    connections: { reason: string; tls_version?: string }[];
  }>("/connz?state=closed");
  const refused = connections.filter(({ reason }) => reason === "TLS Handshake Failure");
  expect(refused.map((connection) => connection.tls_version)).toEqual([undefined]);
});

row("§1.7 pinned_certs: a client without certificate is not served, even if none is asked for", async () => {
  await using server = await ServerProcess.start({
    config: `tls { ${TLS}, pinned_certs: ["${keyId(client.cert)}"] }`,
  });
  await expectRefused(server, trusting);
  await server.waitForLog("TLS handshake error: certificate not pinned");
});

row("§1.7 a reload of pinned_certs closes those that are not listed any more", async () => {
  const config = (key: string) => `tls { ${VERIFYING}, pinned_certs: ["${keyId(key)}"] }`;
  await using server = await ServerProcess.start({ config: config(client.cert), monitoring: true });
  const secure = await connectSecurely(server, identity(client, authority));
  const from = server.log.length;
  const log = await server.reload(config(listener.cert));
  expect(log).toContain("Reloaded: 1 pinned_certs");
  await secure.expectClosed();
  await server.waitForLog("Disconnect 1 clients due to pinned certs reload", from);
  await untilLastClosedBy(server, "TLS Handshake Failure");
});

row("§1.7 a reload of pinned_certs closes who came in clear, too; who comes so then is served", async () => {
  const config = (pins: string) => `allow_non_tls: true\ntls { ${VERIFYING}${pins} }`;
  await using server = await ServerProcess.start({ config: config("") });
  const secure = await connectSecurely(server, identity(client, authority));
  const plain = await server.connectAs();
  await server.reload(config(`, pinned_certs: ["${keyId(client.cert)}"]`));
  await server.waitForLog("Disconnect 1 clients due to pinned certs reload");
  await plain.expectClosed();
  await secure.roundTrip();
  const late = await server.connectAs();
  await server.reload(config(""));
  await late.roundTrip();
});

row("§1.7 intermediates that a client sends are used", async () => {
  const intermediate = maker.make({
    subject: "/CN=Intermediate",
    extensions: ["basicConstraints=critical,CA:TRUE"],
    issuer: authority,
  });
  const leaf = maker.makeClient("/CN=leaf", intermediate);
  await using server = await ServerProcess.start({ config: `tls { ${VERIFYING} }` });
  const chained = { ...identity(leaf, authority), cert: `${leaf.cert}\n${intermediate.cert}` };
  const secure = await connectSecurely(server, chained);
  secure.destroy();
  await expectRefused(server, identity(leaf, authority));
});
