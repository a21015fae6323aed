import { afterAll, expect } from "bun:test";
import { Buffer } from "node:buffer";
import { createServer } from "node:net";
import { connect as connectTls } from "node:tls";
import { CertificateMaker } from "../support/certificates.ts";
import { until } from "../support/deadline.ts";
import { RawClient } from "../support/raw_client.ts";
import { row, sharedServer } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";
import { connectSecurely, sClient, upgrade } from "../support/tls_client.ts";

const maker = new CertificateMaker();
afterAll(() => maker.remove());

const authority = maker.makeAuthority("Test CA");
const listener = maker.makeServer("localhost", authority);
const trusting = { ca: authority.cert };
const TLS = `tls { cert_file: "${listener.certFile}", key_file: "${listener.keyFile}", timeout: 2 }`;
const server = sharedServer({ config: `debug: true\n${TLS}`, monitoring: true });

const ALERT = 0x15;

/** What comes back for these first bytes until the connection ends: nothing, or an alert. */
async function answerTo(bytes: string | Buffer): Promise<Buffer> {
  const client = await server().connect();
  client.send(bytes);
  return Buffer.from(await client.readToEnd(), "latin1");
}

for (const [what, bytes] of [
  ["commands", "CONNECT {}\r\nPING\r\n"],
  ["another command", "PING\r\n"],
  ["an HTTP request", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"],
  ["zeros", Buffer.alloc(200)],
  ["high bytes", Buffer.alloc(200, 0xff)],
] as const) {
  row(`§16.1 ${what} instead of a handshake: the end, without a word`, async () => {
    const from = server().log.length;
    expect((await answerTo(bytes)).length).toBe(0);
    await server().waitForLog(
      "TLS handshake error: tls: first record does not look like a TLS handshake",
      from,
    );
  });
}

for (const [what, hex] of [
  ["a hello that ends too soon", "16030100050100000100"],
  ["a record of 65,535 bytes", "160301ffff0100000100"],
  ["a handshake message of 16 MB", "1603010005 01ffffff00"],
  ["application data", "1703030005 0102030405"],
  ["a finished message", "1603010004 14000000"],
  ["a hello of TLS 1.0 without suites", `16030100 2d 01000029 0301 ${"00".repeat(32)} 00 0000 0100 0000`],
  ["an alert", "1503010002 0228"],
] as const) {
  row(`§16.1 ${what}: at most an alert, then the end`, async () => {
    const answer = await answerTo(Buffer.from(hex.replaceAll(" ", ""), "hex"));
    if (answer.length > 0) expect(answer[0]).toBe(ALERT);
    const closed = await server().json<{ connections: { reason: string }[] }>(
      "/connz?state=closed&sort=stop&limit=1",
    );
    expect(closed.connections[0]?.reason).toBe("TLS Handshake Failure");
  });
}

row(
  "§16.1 a client that stops in the handshake is closed after tls.timeout; others are served meanwhile",
  async () => {
    const startMs = performance.now();
    const stopped = await server().connect();
    stopped.send(Buffer.from("160301004001000000", "hex"));
    const other = await connectSecurely(server(), trusting);
    while (!stopped.isClosed) await other.roundTrip();
    const waitedMs = performance.now() - startMs;
    expect(waitedMs).toBeGreaterThan(1800);
    expect(waitedMs < 4000).toBe(true);
    await server().waitForLog(/TLS handshake timeout|i\/o timeout/);
    other.destroy();
  },
);

row("§16.1 a hello that comes byte by byte is a hello", async () => {
  const plain = await server().connect();
  plain.release();
  const { Duplex } = await import("node:stream");
  const { socket } = plain;
  // Passes what the TLS client writes on in single bytes.
  const dripping = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      for (const byte of chunk) socket.write(Buffer.from([byte]));
      done();
    },
  });
  socket.on("data", (bytes: Buffer) => dripping.push(bytes));
  socket.on("close", () => dripping.push(null));
  const secure = connectTls({ socket: dripping, servername: "localhost", ...trusting });
  const client = RawClient.over(secure);
  await client.handshake();
  await client.roundTrip();
  client.destroy();
  socket.destroy();
});

row("§16.1 hundreds that stop in the handshake hold up nobody", async () => {
  const stopped: RawClient[] = [];
  for (let count = 0; count < 300; count++) {
    const client = await RawClient.open(server().clientPort);
    client.send(Buffer.from("16030100400100", "hex"));
    stopped.push(client);
  }
  const startMs = performance.now();
  const other = await connectSecurely(server(), trusting);
  for (let count = 0; count < 20; count++) await other.roundTrip();
  expect(performance.now() - startMs < 1500).toBe(true);
  await until(
    () => stopped.every((client) => client.isClosed),
    () => `${stopped.filter((client) => !client.isClosed).length} are still open`,
  );
  await other.roundTrip();
  other.destroy();
});

row("§16.1 clients that vanish in the handshake leave nothing", async () => {
  for (let count = 0; count < 50; count++) {
    const client = await server().connect();
    if (count % 2 === 0) client.send(Buffer.from("160301004001000000", "hex"));
    client.destroy();
  }
  const other = await connectSecurely(server(), trusting);
  await until(
    async () => (await server().json<{ num_connections: number }>("/connz")).num_connections === 1,
    () => "connections are left",
  );
  other.destroy();
});

/** The first message of a TLS client, as it is on the wire. */
function clientHello(): Promise<Buffer> {
  return new Promise((resolve) => {
    const listening = createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", (bytes: Buffer) => {
        socket.destroy();
        listening.close();
        resolve(bytes);
      });
    });
    listening.listen(0, "127.0.0.1", () => {
      const { port } = listening.address() as { port: number };
      connectTls({ port, host: "127.0.0.1", servername: "localhost" }).on("error", () => {});
    });
  });
}

row("§16.1 hundreds of hellos with wrong bytes end themselves alone", async () => {
  const hello = await clientHello();
  const other = await connectSecurely(server(), trusting);
  let random = 12345;
  const next = (bound: number) => {
    random = (random * 48271) % 2147483647;
    return random % bound;
  };
  for (let round = 0; round < 300; round++) {
    const changed = Buffer.from(hello.subarray(0, next(4) === 0 ? next(hello.length) : hello.length));
    for (let change = next(4); change >= 0 && changed.length > 5; change--) {
      changed[5 + next(changed.length - 5)] = next(256);
    }
    const client = await RawClient.open(server().clientPort);
    client.send(changed);
    client.end();
    if (round % 20 === 0) await other.roundTrip();
  }
  await until(
    async () => (await server().json<{ num_connections: number }>("/connz")).num_connections === 1,
    () => "connections are left",
  );
  await other.roundTrip();
  (await connectSecurely(server(), trusting)).destroy();
  other.destroy();
});

row("§16.1 a broken record after the handshake ends the connection alone", async () => {
  const other = await connectSecurely(server(), trusting);
  const plain = await server().connect();
  const secure = await upgrade(plain, trusting);
  await secure.handshake();
  plain.socket.write(Buffer.from("1703030014000102030405060708090a0b0c0d0e0f10111213", "hex"));
  await until(
    () => secure.isClosed || plain.socket.destroyed,
    () => "the connection stays open",
  );
  await other.roundTrip();
  other.destroy();
  secure.destroy();
});

row("§16.1 a client cannot ask for another handshake", async () => {
  await using first = await ServerProcess.start({
    config: TLS.replace("timeout: 2", "handshake_first: true"),
  });
  const said = await sClient(first.clientPort, ["-tls1_2"], "R\n", 500);
  expect(said).toContain("RENEGOTIATING");
  expect(said).toMatch(/no renegotiation|unexpected message|alert|errno/i);
  (await upgrade(await RawClient.open(first.clientPort), trusting)).destroy();
});

row("§16 a client may ask for new keys, some times in a row", async () => {
  await using first = await ServerProcess.start({
    config: TLS.replace("timeout: 2", "handshake_first: true"),
  });
  // OpenSSL's client takes a line that begins with K for a command: new keys for both sides.
  const commands = Array.from({ length: 10 }, () => "K\n");
  const said = await sClient(
    first.clientPort,
    ["-tls1_3"],
    [...commands, 'CONNECT {"verbose":false}\r\nPING\r\n'],
  );
  expect(said.split("KEYUPDATE").length).toBe(11);
  expect(said).toContain("PONG");
});

row("§16 a TLS client that does not read is a slow consumer, and nobody else waits", async () => {
  await using small = await ServerProcess.start({
    config: `${TLS}\nwrite_deadline: "1s"\nmax_pending: 4194304\nmax_payload: 1048576`,
    monitoring: true,
  });
  const slow = await connectSecurely(small, trusting);
  slow.send("SUB flood 1\r\n");
  await slow.roundTrip();
  slow.pause();
  const publisher = await connectSecurely(small, trusting);
  const other = await connectSecurely(small, trusting);
  const message = `PUB flood 100000\r\n${"x".repeat(100_000)}\r\n`;
  await until(
    async () => {
      for (let count = 0; count < 10; count++) publisher.send(message);
      await publisher.roundTrip();
      await other.roundTrip();
      return (await small.json<{ slow_consumers: number }>("/varz")).slow_consumers === 1;
    },
    () => "there is no slow consumer",
    20_000,
  );
  await other.roundTrip();
  for (const client of [slow, publisher, other]) client.destroy();
});
