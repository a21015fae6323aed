import { expect } from "bun:test";
import { RawClient } from "../support/raw_client.ts";
import { row, sharedServer } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";
import { upgrade } from "../support/tls_client.ts";

const FIXTURES = new URL("./fixtures/", import.meta.url).pathname;
const TLS = `tls { cert_file: "${FIXTURES}server_cert.pem", key_file: "${FIXTURES}server_key.pem", timeout: 1 }`;

const server = sharedServer({ config: TLS });

row("§16.1 INFO in clear says tls_required, then the handshake, then the protocol", async () => {
  const plain = await server().connect();
  expect(plain.info.tls_required).toBe(true);
  const client = await upgrade(plain);
  await client.handshake();
  client.send("SUB foo 1\r\nPUB foo 5\r\nhello\r\n");
  await client.expect("MSG foo 1 5\r\nhello\r\n");
  await client.roundTrip();
  client.destroy();
});

row("§16.1 plaintext commands only see the end of the connection", async () => {
  const client = await server().connect();
  client.send("CONNECT {}\r\nPING\r\n");
  await client.expectClosed();
});

row("§16.1 a silent peer is closed without text after tls.timeout", async () => {
  const client = await server().connect();
  await client.expectClosed();
});

row("§16.2 allow_non_tls: both kinds are served", async () => {
  await using mixed = await ServerProcess.start({ config: `${TLS}\nallow_non_tls: true` });
  const plain = await mixed.connect();
  expect([plain.info.tls_required, plain.info.tls_available]).toEqual([undefined, true]);
  await plain.handshake();
  const secure = await upgrade(await mixed.connect());
  await secure.handshake();
  secure.send("SUB foo 1\r\n");
  await secure.roundTrip();
  plain.send("PUB foo 1\r\nx\r\n");
  await secure.expect("MSG foo 1 1\r\nx\r\n");
  secure.destroy();
});

row("§16.3 handshake_first: nothing in clear, INFO inside TLS", async () => {
  await using first = await ServerProcess.start({
    config: TLS.replace("timeout: 1", "handshake_first: true"),
  });
  const client = await upgrade(await RawClient.open(first.clientPort));
  expect((await client.readInfo()).tls_required).toBe(true);
  await client.handshake();
  client.destroy();
});

row("§16 large messages over TLS", async () => {
  const publisher = await upgrade(await server().connect());
  const subscriber = await upgrade(await server().connect());
  await publisher.handshake();
  await subscriber.handshake();
  subscriber.send("SUB large 1\r\n");
  await subscriber.roundTrip();
  const payload = "l".repeat(1_000_000);
  for (let count = 0; count < 5; count++) publisher.send(`PUB large 1000000\r\n${payload}\r\n`);
  for (let count = 0; count < 5; count++) await subscriber.expect(`MSG large 1 1000000\r\n${payload}\r\n`);
  publisher.destroy();
  subscriber.destroy();
});
