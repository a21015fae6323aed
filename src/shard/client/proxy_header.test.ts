import { describe, expect, test } from "bun:test";
import { proxyHeader2 } from "../../../test/support/proxy_header.ts";
import { byteStringOf, bytesOf } from "../../subject/byte_string.ts";
import { ProxyHeader } from "./proxy_header.ts";

/** A header of version 2, one character per byte. */
function header2(versionAndCommand: number, familyAndProtocol: number, rest: string): string {
  return byteStringOf(proxyHeader2(versionAndCommand, familyAndProtocol, bytesOf(rest)));
}

/** Reads a header from a stream, in pieces of at most `pieceBytes`. Returns also the rest of the stream. */
function read(stream: string, pieceBytes = 1000): { header: ProxyHeader; rest: string } {
  const header = new ProxyHeader();
  let at = 0;
  while (header.wantedBytes > 0 && at < stream.length) {
    const piece = stream.slice(at, at + Math.min(header.wantedBytes, pieceBytes));
    header.add(bytesOf(piece));
    at += piece.length;
  }
  return { header, rest: stream.slice(at) };
}

const IPV4_ADDRESSES = "\xc0\0\x02\x09\x0a\0\0\x01\x15\xb3\x10\x7e";
const IPV6 = "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01";
const MAPPED = "\0\0\0\0\0\0\0\0\0\0\xff\xff\x01\x02\x03\x04";
const PORTS = "\x15\xb3\x10\x7e";

describe("ProxyHeader", () => {
  for (const [what, stream, source] of [
    ["1 of TCP4", "PROXY TCP4 192.0.2.7 10.0.0.1 4321 4222\r\n", "192.0.2.7 4321"],
    ["1 of TCP6", "PROXY TCP6 2001:DB8::0:1 ::1 1 65535\r\n", "2001:db8::1 1"],
    ["1 of TCP6, mapped", "PROXY TCP6 ::ffff:1.2.3.4 ::ffff:1.2.3.5 9 2\r\n", "1.2.3.4 9"],
    ["1 that does not say", "PROXY UNKNOWN ff:: what ever\r\n", null],
    ["2 of IPv4", header2(0x21, 0x11, IPV4_ADDRESSES), "192.0.2.9 5555"],
    ["2 of IPv4 with more", header2(0x21, 0x11, `${IPV4_ADDRESSES}\x04\0\x01\0`), "192.0.2.9 5555"],
    ["2 of IPv6", header2(0x21, 0x21, IPV6 + IPV6 + PORTS), "2001:db8::1 5555"],
    ["2 of IPv6, mapped", header2(0x21, 0x21, MAPPED + MAPPED + PORTS), "1.2.3.4 5555"],
    ["2 of the proxy itself", header2(0x20, 0x00, ""), null],
    ["2 of the proxy itself, with more", header2(0x20, 0x11, IPV4_ADDRESSES), null],
    ["2 that does not say", header2(0x21, 0x01, IPV4_ADDRESSES), null],
  ] as const) {
    test(`version ${what}: takes it wherever it is cut, and nothing behind it`, () => {
      for (const pieceBytes of [1, 2, 7, 1000]) {
        const { header, rest } = read(`${stream}PING\r\n`, pieceBytes);
        expect(header.outcome).toBe("complete");
        expect(header.source && `${header.source.ip} ${header.source.port}`).toBe(source);
        expect(rest).toBe("PING\r\n");
      }
    });
  }

  for (const [stream, problem] of [
    ["PROXY TCP4 1.2.3.4\r\n", "invalid PROXY protocol header: invalid v1 format"],
    ["PROXY \r\n", "invalid PROXY protocol header: invalid v1 format"],
    ["PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n", "invalid PROXY protocol header: invalid v1 format"],
    ["PROXY TCP4 1.2.3.x 1.2.3.4 1 2\r\n", "invalid PROXY protocol header: invalid address"],
    ["PROXY TCP4 1.2.3.4 1.2.3 1 2\r\n", "invalid PROXY protocol header: invalid address"],
    [
      "PROXY TCP4 1.2.3.4 1.2.3.4 1x 2\r\n",
      'invalid source port: strconv.ParseUint: parsing "1x": invalid syntax',
    ],
    [
      "PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n",
      'invalid dest port: strconv.ParseUint: parsing "65536": value out of range',
    ],
    ["PROXY TCP4 ::1 ::1 1 2\r\n", "invalid PROXY protocol header: TCP4 with IPv6 address"],
    ["PROXY TCP6 1.2.3.4 ::1 1 2\r\n", "invalid PROXY protocol header: TCP6 with IPv4 address"],
    ["PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n", "invalid PROXY protocol header: invalid protocol UDP4"],
    [`PROXY ${"x".repeat(150)}\r\n`, "invalid PROXY protocol header: v1 line too long"],
    ["\r\n\r\n\0\rxxxxxxxxxxxx", "invalid PROXY protocol header: invalid signature"],
    [header2(0x11, 0x11, IPV4_ADDRESSES), "invalid PROXY protocol header: invalid version 0x10"],
    [header2(0x22, 0x11, IPV4_ADDRESSES), "unknown PROXY protocol command: 0x02"],
    [
      header2(0x21, 0x12, IPV4_ADDRESSES),
      "unsupported PROXY protocol feature: only STREAM protocol supported",
    ],
    [
      header2(0x21, 0x31, IPV4_ADDRESSES),
      "unsupported PROXY protocol feature: unsupported address family 0x30",
    ],
    [header2(0x21, 0x11, "\x01\x02\x03\x04\x05\x06\x07\x08"), "IPv4 address data too short: 8 bytes"],
    [header2(0x21, 0x21, IPV4_ADDRESSES), "IPv6 address data too short: 12 bytes"],
  ] as const) {
    test(`${JSON.stringify(stream.slice(0, 60))} is broken`, () => {
      for (const pieceBytes of [1, 1000]) {
        const { header } = read(stream, pieceBytes);
        expect([header.outcome, header.problem]).toEqual(["broken", problem]);
      }
    });
  }

  test("what a client says is no header, and is known for that as soon as it differs", () => {
    for (const [stream, text] of [
      ["PING\r\nPING\r\n", "PING\r\n"],
      ["PUB a 1\r\nx\r\n", "PUB a "],
      ["\r\n\r\nPING\r\n", "\r\n\r\nPI"],
    ] as const) {
      const { header } = read(stream);
      expect([header.outcome, header.text]).toEqual(["absent", text]);
    }
    expect(read("PIN").header.outcome).toBe("absent");
    expect(read("PRO").header.outcome).toBe("reading");
    expect([..."PS\r\x16"].map((first) => ProxyHeader.mayBeginWith(first.charCodeAt(0)))).toEqual([
      true,
      false,
      true,
      false,
    ]);
  });

  test("says what could not be read", () => {
    for (const [stream, problem] of [
      ["", "failed to read protocol version: EOF"],
      ["PRO", "failed to read protocol version: unexpected EOF"],
      ["PROXY TCP4 1", "failed to read v1 line: EOF"],
      [header2(0x21, 0x11, "").slice(0, 9), "failed to read v2 signature: unexpected EOF"],
      [header2(0x21, 0x11, "").slice(0, 12), "failed to read v2 header: EOF"],
      [header2(0x21, 0x11, IPV4_ADDRESSES).slice(0, 20), "failed to read IPv4 address data: unexpected EOF"],
      [header2(0x20, 0x11, IPV4_ADDRESSES).slice(0, 20), "failed to discard LOCAL command address data: EOF"],
      [
        header2(0x21, 0x01, IPV4_ADDRESSES).slice(0, 20),
        "failed to discard UNSPEC address address data: EOF",
      ],
    ] as const) {
      expect(read(stream).header.end("EOF")).toBe(problem);
    }
  });
});
