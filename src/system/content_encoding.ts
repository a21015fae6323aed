/** Answers in the encoding that a request asks for. Source: nats-server getAcceptEncoding, internalSendLoop. */
import { headerValue } from "../protocol/headers.ts";
import type { MessageBytes } from "../protocol/set_header.ts";
import { frameSnappy } from "./snappy.ts";

export interface EncodedAnswer {
  readonly payload: Uint8Array;
  /** Its header block; undefined for none. */
  readonly headers: Uint8Array | undefined;
}

/** `request` is the whole message. Without the header the answer goes out as it is, without headers. */
export function encodeAnswer(
  answer: Uint8Array,
  { bytes, headerBytes }: MessageBytes,
): Promise<EncodedAnswer> {
  return encodeFor(headerValue(bytes, 0, headerBytes, "Accept-Encoding") ?? "", answer);
}

/** The same for a known value of the header, "" if there is none. */
export async function encodeFor(acceptEncoding: string, answer: Uint8Array): Promise<EncodedAnswer> {
  const accepted = acceptEncoding.toLowerCase();
  if (accepted === "") return { payload: answer, headers: undefined };
  if (accepted.includes("snappy") || accepted.includes("s2")) return encoded(frameSnappy(answer), "snappy");
  if (accepted.includes("gzip")) {
    // Importing it takes 14 ms of a start on Bun.
    const { gzipSync } = await import("node:zlib");
    return encoded(gzipSync(answer), "gzip");
  }
  return encoded(answer, "identity");
}

function encoded(payload: Uint8Array, name: string): EncodedAnswer {
  return { payload, headers: new TextEncoder().encode(`NATS/1.0\r\nContent-Encoding: ${name}\r\n\r\n`) };
}
