import { expect, test } from "bun:test";
import { handshakeErrorOf } from "./handshake_errors.ts";

/** ERR_LIB_SSL. */
const LIBRARY = 20 << 23;
const reasonText = (code: number) => `openssl's words for ${code & 0x7fffff}`;
const textOf = (reason: number, verifyResult = 0) =>
  handshakeErrorOf(LIBRARY | reason, verifyResult, [], undefined, reasonText);

for (const [reason, text] of [
  [199, "tls: client didn't provide a certificate"],
  [193, "tls: no cipher suite supported by both client and server"],
  [258, "tls: client offered only unsupported versions"],
  [159, "local error: tls: error decoding message"],
  [244, "local error: tls: unexpected message"],
  [1048, "remote error: tls: unknown certificate authority"],
  [1116, "remote error: tls: certificate required"],
  [294, "EOF"],
] as const) {
  test(`handshakeErrorOf() says of reason ${reason}: ${text}`, () => {
    expect(textOf(reason)).toEqual({ text, isNoise: false });
  });
}

for (const reason of [155, 156, 267]) {
  test(`handshakeErrorOf() takes reason ${reason} for somebody who speaks no TLS`, () => {
    expect(textOf(reason).isNoise).toBe(true);
  });
}

for (const [result, text] of [
  [18, "x509: certificate signed by unknown authority"],
  [20, "x509: certificate signed by unknown authority"],
  [26, "x509: certificate specifies an incompatible key usage"],
] as const) {
  test(`handshakeErrorOf() says of a certificate with X509_V_ERR ${result}: ${text}`, () => {
    expect(textOf(134, result).text).toBe(`tls: failed to verify certificate: ${text}`);
  });
}

test("handshakeErrorOf() has OpenSSL's words for what Go has none for", () => {
  expect(textOf(321).text).toBe("tls: openssl's words for 321");
});
