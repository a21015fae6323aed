import { expect } from "bun:test";
import { IPV4_ADDRESSES, PROXY_LINE, proxyHeader2 } from "../support/proxy_header.ts";
import { type Bytes, RawClient } from "../support/raw_client.ts";
import { row, sharedServer } from "../support/row.ts";
import type { ServerProcess } from "../support/server_process.ts";
import { upgrade } from "../support/tls_client.ts";

const FIXTURES = new URL("./fixtures/", import.meta.url).pathname;
const FILES = `cert_file: "${FIXTURES}server_cert.pem", key_file: "${FIXTURES}server_key.pem"`;
const HEADERS: readonly Bytes[] = [PROXY_LINE, proxyHeader2(0x21, 0x11, IPV4_ADDRESSES)];

const required = sharedServer({ config: `proxy_protocol: true\ntls { ${FILES} }`, monitoring: true });
const mixed = sharedServer({
  config: `proxy_protocol: true\nallow_non_tls: true\ntls { ${FILES} }`,
  monitoring: true,
});
const first = sharedServer({
  config: `proxy_protocol: true\ntls { ${FILES}, handshake_first: true }`,
  monitoring: true,
});
const soonFirst = sharedServer({
  config: `proxy_protocol: true\ntls { ${FILES}, handshake_first: "300ms" }`,
  monitoring: true,
});

/** Logs in over TLS; the address under which the server lists the client. */
async function addressListed(server: ServerProcess, client: RawClient): Promise<string> {
  await client.handshake({ name: "wanted" });
  const { connections } = await server.json<{ connections: { ip: string; name?: string }[] }>("/connz");
  client.destroy();
  return connections.find(({ name }) => name === "wanted")!.ip;
}

row("§16.4 a header goes before the handshake", async () => {
  for (const header of HEADERS) {
    const client = await required().connect();
    client.send(header);
    expect(await addressListed(required(), await upgrade(client))).toStartWith("192.0.2.");
  }
  expect(await addressListed(required(), await upgrade(await required().connect()))).toBe("127.0.0.1");
});

row("§16.4 allow_non_tls: what follows the header decides", async () => {
  for (const header of HEADERS) {
    const [secure, plain] = [await mixed().connect(), await mixed().connect()];
    secure.send(header);
    expect(await addressListed(mixed(), await upgrade(secure))).toStartWith("192.0.2.");
    plain.send(header);
    expect(await addressListed(mixed(), plain)).toStartWith("192.0.2.");
  }
  const plain = await mixed().connect();
  plain.send("PING\r\n");
  await plain.expect("PONG\r\n");
});

row("§16.4 handshake_first: the header, the handshake, and INFO with the address", async () => {
  for (const header of HEADERS) {
    const client = await RawClient.open(first().clientPort);
    client.send(header);
    const secure = await upgrade(client);
    expect((await secure.readInfo()).client_ip).toStartWith("192.0.2.");
    secure.destroy();
  }
});

row("§16.4 handshake_first with a moment to do so: a header within it, or after INFO", async () => {
  const early = await RawClient.open(soonFirst().clientPort);
  early.send(PROXY_LINE);
  const secure = await upgrade(early);
  expect((await secure.readInfo()).client_ip).toBe("192.0.2.7");
  secure.destroy();
  const late = await soonFirst().connect();
  expect(late.info.client_ip).toBe(undefined);
  late.send(PROXY_LINE);
  expect(await addressListed(soonFirst(), await upgrade(late))).toBe("192.0.2.7");
});

row("§16.4 plain text where TLS is required is refused, with a header and without", async () => {
  for (const said of ["PING\r\nPING\r\n", `${PROXY_LINE}PING\r\n`]) {
    const client = await required().connect();
    client.send(said);
    await client.expectClosed();
  }
});
