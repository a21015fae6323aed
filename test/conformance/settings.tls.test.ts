import { afterAll, expect } from "bun:test";
import type { Buffer } from "node:buffer";
import { CertificateMaker } from "../support/certificates.ts";
import { RawClient } from "../support/raw_client.ts";
import { row } from "../support/row.ts";
import { runToExit, ServerProcess } from "../support/server_process.ts";
import { connectSecurely, expectRefused, sClient, upgrade } from "../support/tls_client.ts";

const maker = new CertificateMaker();
afterAll(() => maker.remove());

const authority = maker.makeAuthority("Test CA");
const listener = maker.makeServer("localhost", authority);
const rsaListener = maker.makeServer("localhost", authority, "rsa");
const trusting = { ca: authority.cert };
const TLS = `cert_file: "${listener.certFile}", key_file: "${listener.keyFile}"`;

function start(tls: string, more = "", monitoring = false): Promise<ServerProcess> {
  return ServerProcess.start({ config: `debug: true\ntls { ${tls} }\n${more}`, monitoring });
}

row("§5.3 min_version 1.3 refuses a client of 1.2", async () => {
  await using server = await start(`${TLS}, min_version: "1.3"`);
  await expectRefused(server, { ...trusting, maxVersion: "TLSv1.2" });
  (await connectSecurely(server, trusting)).destroy();
});

row("§16.1 TLS 1.2 and 1.3 are served, 1.1 is refused with an alert", async () => {
  await using server = await start(`${TLS}, handshake_first: true`);
  const [v12, v13] = [
    await sClient(server.clientPort, ["-tls1_2"]),
    await sClient(server.clientPort, ["-tls1_3"]),
  ];
  expect(v12).toMatch(/Protocol *: TLSv1\.2/);
  expect(v13).toContain("New, TLSv1.3");
  const v11 = await sClient(server.clientPort, ["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"]);
  expect(v11).toContain("alert protocol version");
  await server.waitForLog("TLS handshake error: tls: client offered only unsupported versions");
});

row("§5.3 cipher_suites names the suites of TLS 1.2", async () => {
  await using server = await start(
    `${TLS}, handshake_first: true, cipher_suites: ["TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"]`,
  );
  expect(await sClient(server.clientPort, ["-tls1_2"])).toContain("Cipher is ECDHE-ECDSA-AES256-GCM-SHA384");
  const other = ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"];
  expect(await sClient(server.clientPort, other)).toContain("alert handshake failure");
  await server.waitForLog("TLS handshake error: tls: no cipher suite supported by both client and server");
});

row("§5.3 suites of TLS 1.3 alone leave none for TLS 1.2", async () => {
  await using server = await start(
    `${TLS}, handshake_first: true, cipher_suites: ["TLS_AES_128_GCM_SHA256"]`,
  );
  expect(await sClient(server.clientPort, ["-tls1_2"])).toContain("Cipher is (NONE)");
  expect(await sClient(server.clientPort, ["-tls1_3"])).toContain("New, TLSv1.3");
});

row("§5.3 by default the suites of old clients do, too, and the server chooses", async () => {
  await using server = await start(`${TLS}, handshake_first: true`);
  for (const [offered, chosen] of [
    ["ECDHE-ECDSA-AES256-SHA", "ECDHE-ECDSA-AES256-SHA"],
    ["ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-ECDSA-CHACHA20-POLY1305"],
    ["ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-ECDSA-AES256-GCM-SHA384"],
  ] as const) {
    const said = await sClient(server.clientPort, ["-tls1_2", "-cipher", offered]);
    expect(said).toContain(`Cipher is ${chosen}`);
  }
});

row("§5.3 suites without forward secrecy need allow_insecure_cipher_suites", async () => {
  const pair = `cert_file: "${rsaListener.certFile}", key_file: "${rsaListener.keyFile}"`;
  await using server = await start(
    `${pair}, handshake_first: true, cipher_suites: ["TLS_RSA_WITH_AES_128_GCM_SHA256"], allow_insecure_cipher_suites: true`,
  );
  expect(await sClient(server.clientPort, ["-tls1_2"])).toContain("Cipher is AES128-GCM-SHA256");
});

row("§5.3 curve_preferences limits the groups", async () => {
  await using server = await start(`${TLS}, handshake_first: true, curve_preferences: ["CurveP384"]`);
  const said = await sClient(server.clientPort, ["-tls1_3"]);
  expect(said).toContain("Server Temp Key: ECDH, secp384r1, 384 bits");
  const other = await sClient(server.clientPort, ["-tls1_3", "-curves", "X25519"]);
  expect(other).toContain("alert handshake failure");
});

row("§5.3 certs: one of several serves who can use it", async () => {
  const pairs = [listener, rsaListener].map(
    ({ certFile, keyFile }) => `{ cert_file: "${certFile}", key_file: "${keyFile}" }`,
  );
  await using server = await start(`certs: [ ${pairs.join(", ")} ], handshake_first: true`);
  const ec = await sClient(server.clientPort, ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"]);
  expect(ec).toContain("Cipher is ECDHE-ECDSA-AES128-GCM-SHA256");
  const rsa = await sClient(server.clientPort, ["-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"]);
  expect(rsa).toContain("Cipher is ECDHE-RSA-AES128-GCM-SHA256");
});

row("§5.3 certs: of several of one kind the name that the client asks for decides", async () => {
  const named = (name: string) =>
    maker.make({
      subject: `/CN=${name}`,
      extensions: [`subjectAltName=DNS:${name}`, "extendedKeyUsage=serverAuth"],
      issuer: authority,
    });
  const certificates = [listener, named("a.test"), named("*.b.test")];
  const pairs = certificates.map(
    ({ certFile, keyFile }) => `{ cert_file: "${certFile}", key_file: "${keyFile}" }`,
  );
  await using server = await start(`certs: [ ${pairs.join(", ")} ], handshake_first: true`);
  for (const [name, subject] of [
    ["a.test", "a.test"],
    ["x.b.test", "*.b.test"],
    ["unknown.test", "localhost"],
  ] as const) {
    const said = await sClient(server.clientPort, ["-servername", name]);
    expect(said).toContain(`subject=CN = ${subject}\n`);
  }
  expect(await sClient(server.clientPort, ["-noservername"])).toContain("subject=CN = localhost\n");
});

for (const version of ["-tls1_2", "-tls1_3"]) {
  row(`§16 a session resumes, ${version}`, async () => {
    await using server = await start(`${TLS}, handshake_first: true`);
    const session = `${maker.folder}/session${version}`;
    const hello = 'CONNECT {"verbose":false}\r\nPING\r\n';
    expect(await sClient(server.clientPort, [version, "-sess_out", session], hello)).toContain("New, TLSv1");
    const again = await sClient(server.clientPort, [version, "-sess_in", session], hello);
    expect(again).toContain("Reused, TLSv1");
    expect(again).toContain("PONG");
  });
}

row(
  "§16.3 handshake_first auto: who waits gets INFO in clear after 50 ms, and may then upgrade",
  async () => {
    await using server = await start(`${TLS}, handshake_first: auto`, "", true);
    const plain = await server.connect();
    expect(plain.info.tls_required).toBe(true);
    const late = await upgrade(plain, trusting);
    await late.handshake();
    const first = await upgrade(await RawClient.open(server.clientPort), trusting);
    expect((await first.readInfo()).tls_required).toBe(true);
    await first.handshake();
    const { connections } = await server.json<{ connections: { tls_first?: boolean }[] }>("/connz");
    expect(connections.map((connection) => connection.tls_first)).toEqual([undefined, true]);
    late.destroy();
    first.destroy();
  },
);

row("§16.3 handshake_first with a duration waits that long", async () => {
  await using server = await start(`${TLS}, handshake_first: "400ms"`);
  const client = await RawClient.open(server.clientPort);
  const startMs = performance.now();
  await client.readInfo();
  const waitedMs = performance.now() - startMs;
  expect(waitedMs).toBeGreaterThan(350);
  expect(waitedMs < 2000).toBe(true);
  client.destroy();
});

row("§16.3 handshake_first: a plain client sees nothing, and is closed after tls.timeout", async () => {
  await using server = await start(`${TLS}, handshake_first: true, timeout: 1`, "allow_non_tls: true");
  const client = await RawClient.open(server.clientPort);
  await client.expectClosed();
});

row("§16.3 handshake_first auto with allow_non_tls serves all three", async () => {
  await using server = await start(`${TLS}, handshake_first: auto`, "allow_non_tls: true");
  const plain = await server.connectAs();
  expect([plain.info.tls_required, plain.info.tls_available]).toEqual([undefined, true]);
  const late = await upgrade(await server.connect(), trusting);
  await late.handshake();
  const first = await upgrade(await RawClient.open(server.clientPort), trusting);
  const info = await first.readInfo();
  expect([info.tls_required, info.tls_available]).toEqual([true, true]);
  await first.handshake();
  await plain.roundTrip();
  late.destroy();
  first.destroy();
});

row("§16.2 allow_non_tls: a silent client stays, plain, when tls.timeout is over", async () => {
  await using server = await start(`${TLS}, timeout: "300ms"`, "allow_non_tls: true");
  expect(server.log).toContain("TLS available for client connections");
  const client = await server.connect();
  await new Promise((resolve) => setTimeout(resolve, 600));
  await client.handshake();
  await client.roundTrip();
});

row("§16.2 allow_non_tls: commands that come in pieces are plain", async () => {
  await using server = await start(TLS, "allow_non_tls: true");
  const client = await server.connect();
  for (const piece of ["P", "IN", "G\r", "\nPING\r\n"]) {
    client.send(piece);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await client.expect("PONG\r\nPONG\r\n");
});

row("8.7 the time for CONNECT is the handshake's and a second, counted from its end", async () => {
  await using server = await start(`${TLS}, timeout: 1`, "authorization { user: a, password: b }");
  const startMs = performance.now();
  const client = await upgrade(await server.connect(), trusting);
  await client.expect("-ERR 'Authentication Timeout'\r\n");
  await client.expectClosed();
  const waitedMs = performance.now() - startMs;
  expect(waitedMs).toBeGreaterThan(1900);
  expect(waitedMs < 4000).toBe(true);
});

row("§1.2 users log in over TLS", async () => {
  await using server = await start(TLS, "authorization { user: a, password: b }");
  const client = await upgrade(await server.connect(), trusting);
  await client.handshake({ user: "a", pass: "b" });
  const wrong = await upgrade(await server.connect(), trusting);
  wrong.send('CONNECT {"user":"a","pass":"x"}\r\n');
  await wrong.expect("-ERR 'Authorization Violation'\r\n");
  await wrong.expectClosed();
  client.destroy();
});

row("§16.4 connection_rate_limit: the surplus is told so in clear, and counted in the log", async () => {
  await using server = await start(`${TLS}, connection_rate_limit: 2, timeout: 5`);
  const clients = await Promise.all([1, 2, 3, 4].map(() => RawClient.open(server.clientPort)));
  const texts: string[] = [];
  for (const client of clients) {
    await client.readInfo();
    await new Promise((resolve) => setTimeout(resolve, 50));
    texts.push(client.waitingText);
  }
  const refusal = "-ERR 'Connection throttling is active. Please try again later.'\r\n";
  expect(texts.filter((text) => text === refusal).length).toBe(2);
  await server.waitForLog("Rejected 2 connections due to TLS rate limiting");
  for (const client of clients) client.destroy();
});

row("§1 max_connections is told in clear, before any handshake", async () => {
  await using server = await start(TLS, "max_connections: 1");
  const first = await connectSecurely(server, trusting);
  const second = await server.connect();
  await second.expect("-ERR 'maximum connections exceeded'\r\n");
  await second.expectClosed();
  first.destroy();
});

row("§5.3 flags turn TLS on", async () => {
  const flags = ["--tls", "--tlscert", listener.certFile, "--tlskey", listener.keyFile];
  await using server = await ServerProcess.start({ flags });
  (await connectSecurely(server, trusting)).destroy();
});

row("12.6 https monitoring serves with the listener's certificate and asks for none", async () => {
  await using server = await ServerProcess.start({
    config: `tls { ${TLS}, ca_file: "${authority.certFile}", verify: true }\nhttps: "127.0.0.1:-1"`,
  });
  const port = server.listenerPort("Starting https monitor on ");
  const { get } = await import("node:https");
  const body = await new Promise<string>((resolve, reject) => {
    get(
      { host: "127.0.0.1", port, path: "/varz", ca: authority.cert, servername: "localhost", agent: false },
      (response) => {
        let text = "";
        response.on("data", (bytes: Buffer) => {
          text += bytes.toString();
        });
        response.once("end", () => resolve(text));
      },
    ).once("error", reject);
  });
  expect((JSON.parse(body) as { tls_verify: boolean }).tls_verify).toBe(true);
});

row("§5.3 what keeps clients out, or attackers not, is warned of", async () => {
  await using server = await start(
    `${TLS}, handshake_first: true`,
    `cluster { listen: "127.0.0.1:-1", tls { ${TLS}, ca_file: "${authority.certFile}", insecure: true } }`,
  );
  await server.waitForLog('Clients that are not using "TLS Handshake First" option will fail to connect');
  await server.waitForLog(
    "TLS certificate chain and hostname of solicited routes will not be verified. DO NOT USE IN PRODUCTION!",
  );
});

const BROKEN: readonly (readonly [what: string, tls: string, text: string])[] = [
  [
    "a missing certificate",
    `cert_file: "missing.pem", key_file: "${listener.keyFile}"`,
    "open missing.pem: no such file or directory",
  ],
  [
    "a missing key",
    `cert_file: "${listener.certFile}", key_file: "missing.pem"`,
    "open missing.pem: no such file or directory",
  ],
  [
    "a file that is no certificate",
    `cert_file: "${maker.folder}/1.ext", key_file: "${listener.keyFile}"`,
    "error parsing X509 certificate/key pair: tls: failed to find any PEM data in certificate input",
  ],
  [
    "a file that is no key",
    `cert_file: "${listener.certFile}", key_file: "${maker.folder}/1.ext"`,
    "error parsing X509 certificate/key pair: tls: failed to find any PEM data in key input",
  ],
  [
    "a key of another certificate",
    `cert_file: "${listener.certFile}", key_file: "${authority.keyFile}"`,
    "error parsing X509 certificate/key pair: tls: private key does not match public key",
  ],
  [
    "a key of another kind",
    `cert_file: "${listener.certFile}", key_file: "${rsaListener.keyFile}"`,
    "error parsing X509 certificate/key pair: tls: private key type does not match public key type",
  ],
  [
    "authorities that are none",
    `${TLS}, ca_file: "${maker.folder}/1.ext"`,
    "failed to parse root ca certificate",
  ],
];

for (const [what, tls, text] of BROKEN) {
  row(`§5.3 -t refuses ${what}, in a block of routes too, and says where it stands`, async () => {
    for (const block of [`tls { ${tls} }`, `cluster { port: -1, tls { ${tls} } }`]) {
      const files = { "server.conf": block };
      const { code, stderr } = await runToExit({ files, flags: ["-t", "-c", "DIRECTORY/server.conf"] });
      expect(code).toBe(1);
      expect(stderr).toMatch(/^nats-server: \S+server\.conf:1:\d+: /);
      expect(stderr).toContain(text);
    }
  });
  row(`§5.3 ${what} keeps the server from starting`, async () => {
    const files = { "server.conf": `listen: "127.0.0.1:-1"\ntls { ${tls} }` };
    const { code, stderr } = await runToExit({ files, flags: ["-c", "DIRECTORY/server.conf"] });
    expect(code).toBe(1);
    expect(stderr).toContain(text);
  });
}
