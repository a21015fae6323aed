import { expect } from "bun:test";
import { IPV4_ADDRESSES, PROXY_LINE, proxyHeader2 } from "../support/proxy_header.ts";
import type { Bytes, RawClient } from "../support/raw_client.ts";
import { row, rowsInParallel, sharedServer } from "../support/row.ts";

const CONNECT = 'CONNECT {"verbose":false,"protocol":1}\r\nPING\r\n';
/** Between two pieces of a header, so that they are read apart. */
const PIECE_MS = 50;
/** Longer than headers are waited for. */
const CLOSED_MS = 10_000;

const server = sharedServer({ config: "proxy_protocol: true\ndebug: true", monitoring: true });

/** Says these pieces and then CONNECT; what INFO tells the client of its address afterwards. */
async function addressTold(client: RawClient, ...pieces: Bytes[]): Promise<unknown> {
  for (const piece of pieces) {
    client.send(piece);
    await new Promise((resolve) => setTimeout(resolve, PIECE_MS));
  }
  client.send(CONNECT);
  await client.expect("PONG\r\n");
  return (await client.readInfo()).client_ip;
}

/** The connection is closed, for a reason that the log tells. */
async function expectRefused(problem: string, ...pieces: Bytes[]): Promise<void> {
  const client = await server().connect();
  const { localPort } = client.socket;
  for (const piece of pieces) {
    client.send(piece);
    await new Promise((resolve) => setTimeout(resolve, PIECE_MS));
  }
  await client.expectClosed(CLOSED_MS);
  await server().waitForLog(`Error reading PROXY protocol header from 127.0.0.1:${localPort}: ${problem}`);
  await server().waitForLog(
    `127.0.0.1:${localPort} - cid:${client.info.client_id} - Client connection closed: Protocol Violation`,
  );
}

row("§16.4 the log says that headers of proxies are taken", async () => {
  await server().waitForLog("PROXY protocol enabled for client connections");
});

row("§16.4 the first INFO tells no address, the one after the first PONG that of the header", async () => {
  for (const [pieces, address] of [
    [[PROXY_LINE], "192.0.2.7"],
    [["PRO", "XY TCP4 192.0.2.7 10.0.0.1 43", "21 4222\r", "\n"], "192.0.2.7"],
    [["PROXY TCP6 2001:db8::1 ::1 4321 4222\r\n"], "2001:db8::1"],
    [[proxyHeader2(0x21, 0x11, IPV4_ADDRESSES)], "192.0.2.9"],
    [[proxyHeader2(0x21, 0x11, Buffer.concat([IPV4_ADDRESSES, Buffer.from([4, 0, 1, 0])]))], "192.0.2.9"],
    [["PROXY UNKNOWN\r\n"], "127.0.0.1"],
    [[proxyHeader2(0x20, 0, Buffer.alloc(0))], "127.0.0.1"],
    [[proxyHeader2(0x21, 0x01, Buffer.alloc(7))], "127.0.0.1"],
    [[], "127.0.0.1"],
  ] as const) {
    const client = await server().connect();
    expect(client.info.client_ip).toBe(undefined);
    expect(await addressTold(client, ...pieces)).toBe(address);
  }
});

row("§16.4 a header and what the client says may come in one piece", async () => {
  const client = await server().connect();
  client.send(`${PROXY_LINE}${CONNECT}`);
  await client.expect("PONG\r\n");
  expect((await client.readInfo()).client_ip).toBe("192.0.2.7");
});

row("§16.4 connz shows the address and the port of the header", async () => {
  const client = await server().connect();
  await addressTold(client, PROXY_LINE);
  const { connections } = await server().json<{ connections: { ip: string; port: number }[] }>(
    `/connz?cid=${client.info.client_id}`,
  );
  expect(connections.map(({ ip, port }) => [ip, port])).toEqual([["192.0.2.7", 4321]]);
});

row("§16.4 whoever sends no header is served, whatever its first bytes are", async () => {
  for (const [said, answer] of [
    ["PING\r\n", "PONG\r\n"],
    ["PUB a 1\r\nx\r\nPING\r\n", "+OK\r\nPONG\r\n"],
    ["SUB a 1\r\nPUB a 1\r\nx\r\nPING\r\n", "+OK\r\n+OK\r\nMSG a 1 1\r\nx\r\nPONG\r\n"],
  ] as const) {
    const client = await server().connect();
    client.send(said);
    await client.expect(answer);
  }
});

rowsInParallel({
  "§16.4 a client that is silent for five seconds is closed": () =>
    expectRefused("failed to read protocol version: EOF"),
  "§16.4 half a header is waited for five seconds": () =>
    expectRefused("failed to read v1 line: read tcp 127.0.0.1:", "PROXY TCP4 192.0"),
});

row("§16.4 a broken header closes the connection, and the log says what is wrong", async () => {
  await expectRefused("invalid PROXY protocol header: invalid v1 format", "PROXY TCP4 1.2.3.4\r\n");
  await expectRefused("invalid PROXY protocol header: invalid address", "PROXY TCP4 1.2.3.x 1.2.3.4 1 2\r\n");
  await expectRefused(
    'invalid source port: strconv.ParseUint: parsing "1x": invalid syntax',
    "PROXY TCP4 1.2.3.4 1.2.3.4 1x 2\r\n",
  );
  await expectRefused("invalid PROXY protocol header: v1 line too long", `PROXY ${"x".repeat(150)}\r\n`);
  await expectRefused("invalid PROXY protocol header: invalid signature", "\r\n\r\n\0\rxxxxxxxxxx");
  await expectRefused(
    "unsupported PROXY protocol feature: only STREAM protocol supported",
    proxyHeader2(0x21, 0x12, IPV4_ADDRESSES),
  );
  await expectRefused("IPv4 address data too short: 8 bytes", proxyHeader2(0x21, 0x11, Buffer.alloc(8)));
});
