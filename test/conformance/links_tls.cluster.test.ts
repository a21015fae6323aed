import { afterAll, describe, expect } from "bun:test";
import { once } from "node:events";
import { connect } from "node:net";
import { type ConnectionOptions, connect as connectTls, createServer, type TLSSocket } from "node:tls";
import { CertificateMaker, type KeyPair } from "../support/certificates.ts";
import { until } from "../support/deadline.ts";
import { routeConnect } from "../support/raw_route.ts";
import { row } from "../support/row.ts";
import { ServerProcess, serverCommand } from "../support/server_process.ts";

/** TLS between servers: routes and gateways handshake before anything else, leaf nodes after INFO. */

const maker = new CertificateMaker();
afterAll(() => maker.remove());

const authority = maker.makeAuthority("Links CA");
const stranger = maker.makeAuthority("Other CA");
const own = maker.makePeer("own", authority);
const peer = maker.makePeer("peer", authority);
const elsewhere = maker.make({
  subject: "/CN=elsewhere",
  extensions: ["subjectAltName=DNS:elsewhere.test"],
  issuer: authority,
});
const unknown = maker.makePeer("unknown", stranger);

/** node:tls does not tell which certificate it refuses, nor in all of Go's words. */
const HAS_OWN_TLS = serverCommand().join(" ").includes("--transport runtime");

function tls({ certFile, keyFile }: KeyPair, more = ""): string {
  return `tls { cert_file: "${certFile}", key_file: "${keyFile}", ca_file: "${authority.certFile}", ${more} }`;
}

const BLOCKS = {
  route: (more: string) => `cluster { name: C, listen: "127.0.0.1:-1", ${more} }`,
  gateway: (more: string) => `gateway { name: C, listen: "127.0.0.1:-1", ${more} }`,
  leafnode: (more: string) => `leafnodes { listen: "127.0.0.1:-1", ${more} }`,
} as const;
const LISTENING = {
  route: "Listening for route connections on ",
  gateway: "Listening for gateways connections on ",
  leafnode: "Listening for leafnode connections on ",
} as const;

type Kind = keyof typeof BLOCKS;

/** A server with one kind of link, and the port of that. */
async function listening(kind: Kind, more: string): Promise<{ server: ServerProcess; port: number }> {
  const server = await ServerProcess.start({ config: `debug: true\n${BLOCKS[kind](more)}` });
  await server.waitForLog(new RegExp(`${LISTENING[kind]}\\S+:\\d+\\n`));
  return { server, port: server.listenerPort(LISTENING[kind]) };
}

/** What comes over a socket, and whether it has ended. */
function collect(socket: NodeJS.ReadableStream) {
  const seen = { text: "", hasEnded: false };
  socket.on("data", (chunk) => {
    seen.text += String(chunk);
  });
  for (const event of ["end", "close", "error"]) {
    socket.on(event, () => {
      seen.hasEnded = true;
    });
  }
  return seen;
}

function dial(
  port: number,
  options: ConnectionOptions,
): { socket: TLSSocket; seen: ReturnType<typeof collect> } {
  const socket = connectTls({
    port,
    host: "127.0.0.1",
    servername: "localhost",
    ca: authority.cert,
    ...options,
  });
  return { socket, seen: collect(socket) };
}

/** A server that TLS is spoken with; resolves with the first that comes in. */
async function answering(pair: KeyPair) {
  const accepted = Promise.withResolvers<{ socket: TLSSocket; seen: ReturnType<typeof collect> }>();
  const server = createServer(
    { cert: pair.cert, key: pair.key, ca: authority.cert, requestCert: true, rejectUnauthorized: true },
    (socket) => accepted.resolve({ socket, seen: collect(socket) }),
  );
  server.on("tlsClientError", () => {});
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  return { port, accepted: accepted.promise, close: () => server.close() };
}

for (const kind of ["route", "gateway"] as const) {
  describe(`TLS of a ${kind}`, () => {
    row("3.1 the handshake comes before INFO, which says that certificates are required", async () => {
      const { server, port } = await listening(kind, tls(own));
      const { socket, seen } = dial(port, { cert: peer.cert, key: peer.key });
      await until(
        () => seen.text.includes("\r\n"),
        () => "no INFO came",
      );
      const info = JSON.parse(seen.text.slice("INFO ".length, seen.text.indexOf("\r\n")));
      expect([info.tls_required, info.tls_verify]).toEqual([true, true]);
      expect(socket.getPeerCertificate().subject.CN).toBe("own");
      await server.waitForLog(new RegExp(`Starting TLS ${kind} server handshake`));
      await server.waitForLog(/TLS version 1\.3, cipher suite TLS_/);
      socket.destroy();
      await server.stop();
    });

    row("3.1 a plain peer is sent nothing, and is closed when the time is over", async () => {
      const { server, port } = await listening(kind, tls(own, "timeout: 0.3"));
      const seen = collect(connect({ port, host: "127.0.0.1" }));
      await until(
        () => seen.hasEnded,
        () => "the connection stayed",
      );
      expect(seen.text).toBe("");
      // Of nats-server's two timers the one that is late may say nothing.
      await server.waitForLog(
        new RegExp(
          `TLS handshake timeout|TLS ${kind} handshake error: read tcp 127\\.0\\.0\\.1:${port}->127\\.0\\.0\\.1:\\d+: i/o timeout`,
        ),
      );
      await server.stop();
    });

    row("3.1 a peer without a certificate, or with one of another authority, is refused", async () => {
      const { server, port } = await listening(kind, tls(own));
      const bare = dial(port, {});
      await until(
        () => bare.seen.hasEnded,
        () => "the connection stayed",
      );
      await server.waitForLog(
        new RegExp(`TLS ${kind} handshake error: tls: client didn't provide a certificate`),
      );
      const other = dial(port, { cert: unknown.cert, key: unknown.key });
      await until(
        () => other.seen.hasEnded,
        () => "the connection stayed",
      );
      expect(bare.seen.text + other.seen.text).toBe("");
      await server.stop();
    });

    row("pinned_certs: another key is refused", async () => {
      const { server, port } = await listening(kind, tls(own, `pinned_certs: ["${"00".repeat(32)}"]`));
      const { seen } = dial(port, { cert: peer.cert, key: peer.key });
      await until(
        () => seen.hasEnded,
        () => "the connection stayed",
      );
      expect(seen.text).toBe("");
      await server.waitForLog(new RegExp(`TLS ${kind} handshake error: certificate not pinned`));
      await server.stop();
    });
  });
}

describe("dialling with TLS", () => {
  const CASES = {
    route: (port: number, host: string) => BLOCKS.route(`${tls(own)}, routes: ["nats://${host}:${port}"]`),
    gateway: (port: number, host: string) =>
      BLOCKS.gateway(`${tls(own)}, gateways: [ { name: D, url: "nats://${host}:${port}" } ]`),
    leafnode: (port: number, host: string) =>
      `leafnodes { remotes: [ { url: "nats://${host}:${port}", ${tls(own, "handshake_first: true")} } ] }`,
  } as const;

  for (const kind of ["route", "gateway", "leafnode"] as const) {
    row(`a ${kind} names whom it wants, shows its certificate, and verifies`, async () => {
      const remote = await answering(peer);
      const server = await ServerProcess.start({
        config: `debug: true\n${CASES[kind](remote.port, "localhost")}`,
      });
      const { socket, seen } = await remote.accepted;
      expect(socket.servername).toBe("localhost");
      expect(socket.getPeerCertificate().subject.CN).toBe("own");
      await server.waitForLog(new RegExp(`Starting TLS ${kind} client handshake`));
      // A route speaks first; the others wait for INFO.
      if (kind === "route")
        await until(
          () => seen.text.startsWith("CONNECT {"),
          () => `it said ${seen.text}`,
        );
      socket.destroy();
      await server.stop();
      remote.close();
    });

    row(`a ${kind} that is dialled by its address is verified by that`, async () => {
      const remote = await answering(peer);
      const server = await ServerProcess.start({ config: CASES[kind](remote.port, "127.0.0.1") });
      const { socket } = await remote.accepted;
      expect(socket.servername || false).toBe(false);
      socket.destroy();
      await server.stop();
      remote.close();
    });

    for (const [what, pair, words] of [
      [
        "another name",
        elsewhere,
        "certificate is valid for elsewhere.test, not localhost \\(CN=elsewhere SHA-256: ",
      ],
      ["another authority", unknown, "certificate signed by unknown authority \\(CN=unknown SHA-256: "],
    ] as const) {
      row(`a ${kind} takes no server with ${what}`, async () => {
        const remote = await answering(pair);
        const server = await ServerProcess.start({ config: CASES[kind](remote.port, "localhost") });
        const text = HAS_OWN_TLS ? words.slice(0, words.indexOf(" \\(")) : words;
        await server.waitForLog(
          new RegExp(`TLS ${kind} handshake error: tls: failed to verify certificate: x509: ${text}`),
        );
        await server.stop();
        remote.close();
      });
    }
  }

  row("insecure: a server is taken whatever its certificate says", async () => {
    const remote = await answering(unknown);
    const config = BLOCKS.route(`${tls(own, "insecure: true")}, routes: ["nats://localhost:${remote.port}"]`);
    const server = await ServerProcess.start({ config });
    const { seen } = await remote.accepted;
    await until(
      () => seen.text.startsWith("CONNECT {"),
      () => `it said ${seen.text}`,
    );
    await server.stop();
    remote.close();
  });
});

describe("certificates that stand for logins", () => {
  /** Whether a member with that certificate is let in: it gets an answer, or the refusal. */
  async function isWelcome(port: number, { cert, key }: KeyPair): Promise<boolean> {
    const { socket, seen } = dial(port, { cert, key });
    await until(
      () => seen.text.includes("INFO {"),
      () => `it said ${seen.text}`,
    );
    socket.write(`CONNECT ${JSON.stringify(routeConnect({ cluster: "C" }))}\r\nPING\r\n`);
    // Midge lets a member wait for a second that may not come in.
    const isRefused = await until(
      () => seen.text.includes("-ERR 'Authorization Violation'"),
      () => "it is not refused",
      1500,
    ).then(
      () => true,
      () => false,
    );
    expect(isRefused || seen.text.includes("PONG")).toBe(true);
    socket.destroy();
    return !isRefused;
  }

  for (const [what, before, after] of [
    [
      "verify_and_map",
      `${tls(own, "verify_and_map: true")}, authorization { user: nobody, password: p }`,
      `${tls(own, "verify_and_map: true")}, authorization { user: localhost, password: p }`,
    ],
    [
      "verify_cert_and_check_known_urls",
      `${tls(own, "verify_cert_and_check_known_urls: true")}, routes: ["nats://elsewhere.test:1"]`,
      `${tls(own, "verify_cert_and_check_known_urls: true")}, routes: ["nats://localhost:1"]`,
    ],
  ] as const) {
    row(`${what}: a route goes by what a reload has brought`, async () => {
      const { server, port } = await listening("route", before);
      expect(await isWelcome(port, peer)).toBe(false);
      await server.reload(`debug: true\n${BLOCKS.route(after)}`);
      expect(await isWelcome(port, peer)).toBe(true);
      expect(await isWelcome(port, elsewhere)).toBe(false);
      await server.stop();
    });
  }
});

describe("TLS of leaf nodes", () => {
  row("2 INFO comes in clear, the handshake after it", async () => {
    const { server, port } = await listening("leafnode", tls(own));
    const plain = connect({ port, host: "127.0.0.1" });
    const [chunk] = await once(plain, "data");
    const info = JSON.parse(String(chunk).slice("INFO ".length));
    expect(info.tls_required).toBe(true);
    const socket = connectTls({ socket: plain, servername: "localhost", ca: authority.cert });
    await once(socket, "secureConnect");
    expect(socket.getPeerCertificate().subject.CN).toBe("own");
    socket.destroy();
    await server.stop();
  });

  row("handshake_first: auto sends INFO in clear to who waits, and not to who comes first", async () => {
    const { server, port } = await listening("leafnode", tls(own, "handshake_first: auto"));
    const plain = connect({ port, host: "127.0.0.1" });
    const [chunk] = await once(plain, "data");
    expect(String(chunk)).toContain("INFO {");
    plain.destroy();
    const { socket, seen } = dial(port, {});
    await until(
      () => seen.text.startsWith("INFO {"),
      () => "no INFO came",
    );
    socket.destroy();
    await server.stop();
  });
});
