/**
 * The client's side of the handshake, for a leaf node that connects to its hub. Source: leafnodes over WebSocket. Cold.
 */
import { byteStringOfText, bytesOf } from "../../subject/byte_string.ts";
import { acceptKey } from "./accept_key.ts";
import {
  compressionIn,
  DEFLATE_EXTENSION,
  type FrameTerms,
  NO_MASKING_HEADER,
  NO_MASKING_VALUE,
} from "./extensions.ts";
import { type HttpHead, headerValue } from "./http_head.ts";

export interface UpgradeWish {
  /** As in a URL, with its port. */
  readonly host: string;
  /** The path of the remote's URL, before anything is added to it; "" or "/" for none. */
  readonly path: string;
  /** `newWebSocketKey()`. */
  readonly key: string;
  readonly wantsCompression: boolean;
  readonly wantsNoMasking: boolean;
}

/** The request to become a leaf node. */
export function leafnodeUpgradeRequest(wish: UpgradeWish): Uint8Array {
  const lines = [
    `GET ${pathOf(wish)}/leafnode HTTP/1.1`,
    `Host: ${wish.host}`,
    "Upgrade: websocket",
    "Connection: Upgrade",
    `Sec-WebSocket-Key: ${wish.key}`,
    "Sec-WebSocket-Version: 13",
    ...(wish.wantsCompression ? [`Sec-WebSocket-Extensions: ${DEFLATE_EXTENSION}`] : []),
    ...(wish.wantsNoMasking ? [`${NO_MASKING_HEADER}: ${NO_MASKING_VALUE}`] : []),
  ];
  return bytesOf(byteStringOfText(`${lines.join("\r\n")}\r\n\r\n`));
}

/** The path without empty and dotted segments, with escapes. */
function pathOf({ path }: UpgradeWish): string {
  const { pathname } = new URL(`http://hub/${path}`);
  return pathname.replace(/\/+/g, "/").replace(/\/$/, "");
}

/** The outcome of the handshake: how frames look; `isMasked` is about our own. */
export type UpgradeOutcome =
  | { readonly ok: true; readonly terms: FrameTerms }
  | { readonly ok: false; readonly problem: string };

export function readUpgradeResponse({ firstLine, headers }: HttpHead, wish: UpgradeWish): UpgradeOutcome {
  const isUpgraded =
    /^HTTP\/1\.\d 101( |$)/.test(firstLine) &&
    headerValue(headers, "upgrade").toLowerCase() === "websocket" &&
    headerValue(headers, "connection").toLowerCase() === "upgrade" &&
    headerValue(headers, "sec-websocket-accept") === acceptKey(wish.key);
  if (!isUpgraded) return { ok: false, problem: "invalid websocket connection" };
  const compression = wish.wantsCompression ? compressionIn(headers) : "none";
  if (compression === "other") return { ok: false, problem: "compression negotiation error" };
  const agreesToNoMasking =
    wish.wantsNoMasking && headerValue(headers, NO_MASKING_HEADER.toLowerCase()) === NO_MASKING_VALUE;
  return {
    ok: true,
    terms: {
      isMasked: !agreesToNoMasking,
      isCompressed: compression === "per message",
      frameBytesMax: 0,
      compressedFrameBytesMax: 0,
    },
  };
}
