import { expect, test } from "bun:test";
import { gunzipSync } from "node:zlib";
import { unframeSnappy } from "../../test/support/snappy.ts";
import { encodeAnswer } from "./content_encoding.ts";

const ANSWER = new TextEncoder().encode('{"a":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}');

function encode(header: string) {
  const bytes = new TextEncoder().encode(header);
  const { payload, headers } = encodeAnswer(ANSWER, { bytes, headerBytes: bytes.length });
  return { payload, headers: headers && new TextDecoder().decode(headers) };
}

test("encodeAnswer() says nothing where nothing is asked", () => {
  for (const header of ["", "NATS/1.0\r\nX: y\r\n\r\n", "NATS/1.0\r\nAccept-Encoding: \r\n\r\n"]) {
    expect(encode(header)).toEqual({ payload: ANSWER, headers: undefined });
  }
});

test("encodeAnswer() prefers snappy, knows gzip, and names anything else identity", () => {
  for (const [accepted, name, decode] of [
    ["gzip, Snappy", "snappy", unframeSnappy],
    ["s2", "snappy", unframeSnappy],
    ["GZIP", "gzip", (bytes: Uint8Array) => new Uint8Array(gunzipSync(bytes))],
    ["br", "identity", (bytes: Uint8Array) => bytes],
  ] as const) {
    const { payload, headers } = encode(`NATS/1.0\r\nAccept-Encoding: ${accepted}\r\n\r\n`);
    expect(headers).toBe(`NATS/1.0\r\nContent-Encoding: ${name}\r\n\r\n`);
    expect(decode(payload)).toEqual(ANSWER);
  }
});
