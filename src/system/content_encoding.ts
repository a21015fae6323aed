/** Answers in the encoding that a request asks for. Source: nats-server getAcceptEncoding, internalSendLoop. */
import { gzipSync } from "node:zlib";
import { headerValue } from "../protocol/headers.ts";
import type { MessageBytes } from "../protocol/set_header.ts";
import { frameSnappy } from "./snappy.ts";

export interface EncodedAnswer {
  readonly payload: Uint8Array;
  /** Its header block; undefined for none. */
  readonly headers: Uint8Array | undefined;
}

/** `request` is the message whole. Without the header an answer goes out as it is, and says nothing. */
export function encodeAnswer(answer: Uint8Array, { bytes, headerBytes }: MessageBytes): EncodedAnswer {
  const accepted = (headerValue(bytes, 0, headerBytes, "Accept-Encoding") ?? "").toLowerCase();
  if (accepted === "") return { payload: answer, headers: undefined };
  if (accepted.includes("snappy") || accepted.includes("s2")) return encoded(frameSnappy(answer), "snappy");
  if (accepted.includes("gzip")) return encoded(gzipSync(answer), "gzip");
  return encoded(answer, "identity");
}

function encoded(payload: Uint8Array, name: string): EncodedAnswer {
  return { payload, headers: new TextEncoder().encode(`NATS/1.0\r\nContent-Encoding: ${name}\r\n\r\n`) };
}
