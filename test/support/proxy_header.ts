/** Headers of the PROXY protocol. */
import { Buffer } from "node:buffer";

/** 192.0.2.9:5555 to 10.0.0.1:4222, as version 2 has it. */
export const IPV4_ADDRESSES = Buffer.from([192, 0, 2, 9, 10, 0, 0, 1, 0x15, 0xb3, 0x10, 0x7e]);

/** A header of version 1 that speaks for 192.0.2.7:4321. */
export const PROXY_LINE = "PROXY TCP4 192.0.2.7 10.0.0.1 4321 4222\r\n";

/** A header of version 2. */
export function proxyHeader2(versionAndCommand: number, familyAndProtocol: number, rest: Uint8Array): Buffer {
  const { length } = rest;
  const fixed = Buffer.from([versionAndCommand, familyAndProtocol, length >> 8, length & 0xff]);
  return Buffer.concat([Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1"), fixed, rest]);
}
