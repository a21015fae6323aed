/** What close frames say. Source: RFC 6455, sections 5.5.1 and 7.4; nats-server `wsHandleControlFrame`. Cold. */
import { CONTROL_PAYLOAD_BYTES_MAX } from "./frame_header.ts";

export const STATUS_PROTOCOL_ERROR = 1002;
const STATUS_INVALID_PAYLOAD = 1007;
/** Codes below 3000 are the protocol's; of these, a close frame may carry the ones up to here. */
const STATUS_OF_PROTOCOL_MAX = 1014;
const STATUSES_NEVER_SENT: ReadonlySet<number> = new Set([1004, 1005, 1006]);
const ELLIPSIS = "...";

/** The payload of a close frame; text that is too long is cut. */
export function closePayload(status: number, text: string): Uint8Array {
  let bytes = new TextEncoder().encode(text);
  if (bytes.length > CONTROL_PAYLOAD_BYTES_MAX - 2) {
    const cut = bytes.subarray(0, CONTROL_PAYLOAD_BYTES_MAX - 2 - ELLIPSIS.length);
    bytes = new Uint8Array([...cut, ...new TextEncoder().encode(ELLIPSIS)]);
  }
  return new Uint8Array([status >> 8, status & 0xff, ...bytes]);
}

/** The answer to a peer's close frame: the payload of ours, or what is wrong with the peer's. */
export type CloseAnswer =
  | { readonly ok: true; readonly payload: Uint8Array }
  | { readonly ok: false; readonly violation: string };

export function answerClose(payload: Uint8Array): CloseAnswer {
  if (payload.length === 0) return { ok: true, payload };
  if (payload.length === 1) return { ok: false, violation: "close frame payload cannot be 1 byte" };
  const status = (payload[0]! << 8) | payload[1]!;
  if (!isValidStatus(status)) return { ok: false, violation: `invalid close status code ${status}` };
  if (isUtf8(payload.subarray(2))) return { ok: true, payload: payload.slice() };
  return { ok: true, payload: closePayload(STATUS_INVALID_PAYLOAD, "invalid utf8 body in close frame") };
}

function isValidStatus(status: number): boolean {
  if (STATUSES_NEVER_SENT.has(status)) return false;
  return (status >= 1000 && status <= STATUS_OF_PROTOCOL_MAX) || (status >= 3000 && status < 5000);
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}
