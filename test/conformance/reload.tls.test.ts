import { afterAll, expect } from "bun:test";
import { X509Certificate } from "node:crypto";
import { copyFileSync, writeFileSync } from "node:fs";
import { CertificateMaker, type KeyPair } from "../support/certificates.ts";
import { until } from "../support/deadline.ts";
import { row } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";
import { connectSecurely, expectRefused, identity, upgrade } from "../support/tls_client.ts";

const maker = new CertificateMaker();
afterAll(() => maker.remove());

const oldAuthority = maker.makeAuthority("Old CA");
const newAuthority = maker.makeAuthority("New CA");
const oldListener = maker.makeServer("localhost", oldAuthority);
const newListener = maker.makeServer("localhost", newAuthority);

function tls({ certFile, keyFile }: KeyPair, more = ""): string {
  return `tls { cert_file: "${certFile}", key_file: "${keyFile}", timeout: 5${more} }`;
}

row("§14.2 new certificates: new clients see them, the others stay connected", async () => {
  await using server = await ServerProcess.start({ config: tls(oldListener) });
  const before = await connectSecurely(server, { ca: oldAuthority.cert });
  before.send("SUB foo 1\r\n");
  await before.roundTrip();
  expect(await server.reload(tls(newListener))).toContain("Reloaded: tls = enabled");
  const after = await connectSecurely(server, { ca: newAuthority.cert });
  after.send("PUB foo 3\r\nnew\r\n");
  await before.expect("MSG foo 1 3\r\nnew\r\n");
  await expect(upgrade(await server.connect(), { ca: oldAuthority.cert })).rejects.toThrow();
  before.destroy();
  after.destroy();
});

row("§14.2 the log tells of TLS where it has changed, or may have", async () => {
  const renamed = { ...oldListener, certFile: `${maker.folder}/renamed.pem` };
  copyFileSync(oldListener.certFile, renamed.certFile);
  const isTold = async (from: string, to: string) => {
    await using server = await ServerProcess.start({ config: from });
    return (await server.reload(to)).includes("Reloaded: tls = enabled");
  };
  const plain = tls(oldListener);
  expect(await isTold(plain, plain)).toBe(false);
  expect(await isTold(plain, `${plain}\nmax_payload: 1000`)).toBe(false);
  expect(await isTold(plain, tls(renamed))).toBe(false);
  expect(await isTold(plain, tls(oldListener, ", timeout: 6, handshake_first: true"))).toBe(false);
  expect(await isTold(plain, tls(oldListener, `, min_version: "1.3"`))).toBe(true);
  const verified = tls(oldListener, `, verify: true, ca_file: "${oldAuthority.certFile}"`);
  expect(await isTold(verified, verified)).toBe(true);
});

row("§14.2 files replaced under the same names count, too", async () => {
  const files = {
    certFile: `${maker.folder}/live.pem`,
    keyFile: `${maker.folder}/live.key`,
    cert: "",
    key: "",
  };
  const use = ({ certFile, keyFile }: KeyPair) => {
    copyFileSync(certFile, files.certFile);
    copyFileSync(keyFile, files.keyFile);
  };
  use(oldListener);
  await using server = await ServerProcess.start({ config: tls(files) });
  const before = await connectSecurely(server, { ca: oldAuthority.cert });
  use(newListener);
  expect(await server.reload()).toContain("Reloaded: tls = enabled");
  (await connectSecurely(server, { ca: newAuthority.cert })).destroy();
  await before.roundTrip();
  before.destroy();
});

row("§14.2 a file with the key before the certificate is taken as any other", async () => {
  const together = `${maker.folder}/together.pem`;
  writeFileSync(together, newListener.key + newListener.cert);
  await using server = await ServerProcess.start({ config: tls(oldListener), monitoring: true });
  const before = await connectSecurely(server, { ca: oldAuthority.cert });
  for (const keyFile of [newListener.keyFile, together]) {
    const files = { ...newListener, certFile: together, keyFile };
    expect(await server.reload(tls(files))).toContain("Reloaded server configuration");
    (await connectSecurely(server, { ca: newAuthority.cert })).destroy();
  }
  await before.roundTrip();
  before.destroy();
  const { tls_cert_not_after } = await server.json<{ tls_cert_not_after: string }>("/varz");
  expect(Date.parse(tls_cert_not_after)).toBe(Date.parse(new X509Certificate(newListener.cert).validTo));
});

row("§14.1 a key that does not fit refuses the reload, and the old certificate serves on", async () => {
  await using server = await ServerProcess.start({ config: tls(oldListener) });
  const log = await server.reload(tls({ ...oldListener, keyFile: newListener.keyFile }));
  expect(log).toContain("tls: private key does not match public key");
  expect(log).toContain("Failed to reload server configuration: ");
  (await connectSecurely(server, { ca: oldAuthority.cert })).destroy();
});

row("§14.2 verify turned on asks new clients for certificates", async () => {
  await using server = await ServerProcess.start({ config: tls(oldListener) });
  const before = await connectSecurely(server, { ca: oldAuthority.cert });
  await server.reload(tls(oldListener, `, ca_file: "${newAuthority.certFile}", verify: true`));
  await expectRefused(server, { ca: oldAuthority.cert });
  const client = maker.makeClient("/CN=client", newAuthority);
  const known = await connectSecurely(server, { ...identity(client, oldAuthority) });
  await before.roundTrip();
  await known.roundTrip();
  before.destroy();
  known.destroy();
});

row("§14.2 tls added: new clients upgrade, plain ones stay", async () => {
  await using server = await ServerProcess.start({ config: "max_payload: 1000" });
  const plain = await server.connectAs();
  plain.send("SUB foo 1\r\n");
  await plain.roundTrip();
  expect(await server.reload(`max_payload: 1000\n${tls(oldListener)}`)).toContain("Reloaded: tls = enabled");
  const fresh = await server.connect();
  expect(fresh.info.tls_required).toBe(true);
  const secure = await upgrade(fresh, { ca: oldAuthority.cert });
  await secure.handshake();
  secure.send("PUB foo 1\r\nx\r\n");
  await plain.expect("MSG foo 1 1\r\nx\r\n");
  secure.destroy();
});

row("§14.2 tls removed: new clients are plain, encrypted ones stay", async () => {
  await using server = await ServerProcess.start({ config: tls(oldListener) });
  const secure = await connectSecurely(server, { ca: oldAuthority.cert });
  secure.send("SUB foo 1\r\n");
  await secure.roundTrip();
  expect(await server.reload("max_payload: 1000")).toContain("Reloaded: tls = disabled");
  const plain = await server.connectAs();
  expect(plain.info.tls_required).toBe(undefined);
  plain.send("PUB foo 1\r\nx\r\n");
  await secure.expect("MSG foo 1 1\r\nx\r\n");
  secure.destroy();
});

row("§14.2 handshake_first takes effect for new clients", async () => {
  await using server = await ServerProcess.start({ config: tls(oldListener) });
  (await connectSecurely(server, { ca: oldAuthority.cert })).destroy();
  expect(await server.reload(tls(oldListener, ", handshake_first: true"))).toContain(
    "Reloaded: Client TLS handshake first: true",
  );
  const { RawClient } = await import("../support/raw_client.ts");
  const first = await upgrade(await RawClient.open(server.clientPort), { ca: oldAuthority.cert });
  await first.readInfo();
  await first.handshake();
  first.destroy();
});

row("§14.1 verify_and_map and connection_rate_limit cannot change", async () => {
  await using server = await ServerProcess.start({ config: tls(oldListener) });
  expect(await server.reload(tls(oldListener, ", connection_rate_limit: 5"))).toContain(
    "config reload not supported for TLSRateLimit: old=0, new=5",
  );
  (await connectSecurely(server, { ca: oldAuthority.cert })).destroy();
});

row("§14.2 the time for a login follows that of handshakes, as the log says", async () => {
  await using server = await ServerProcess.start({ config: tls(oldListener), monitoring: true });
  const loginTimeout = async () => (await server.json<{ auth_timeout: number }>("/varz")).auth_timeout;
  expect(await loginTimeout()).toBe(6);
  const log = await server.reload(tls(oldListener).replace("timeout: 5", "timeout: 7"));
  expect(log).toContain("Reloaded: tls timeout = 7");
  expect(log).toContain("Reloaded: authorization timeout = 8");
  await until(
    async () => (await loginTimeout()) === 8,
    () => "the time that /varz shows is another one",
  );
});
