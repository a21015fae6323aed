import { Buffer } from "node:buffer";
import { sha1 } from "@noble/hashes/legacy.js";

/** Makes a key an answer to a WebSocket's request and to nothing else. Source: RFC 6455, section 1.3. */
const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const KEY_BYTES = 16;

/** What `Sec-WebSocket-Accept` must say to a `Sec-WebSocket-Key`. */
export function acceptKey(key: string): string {
  return Buffer.from(sha1(new TextEncoder().encode(key + GUID))).toString("base64");
}

/** A key is 16 random bytes in base64, padding included. */
export function isWebSocketKey(key: string): boolean {
  return /^[A-Za-z0-9+/]{22}==$/.test(key) && Buffer.from(key, "base64").length === KEY_BYTES;
}

export function newWebSocketKey(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(KEY_BYTES))).toString("base64");
}
