// Hot: once for each read of a WebSocket.
import {
  CLOSE,
  COMPRESSED_BIT,
  CONTINUATION,
  CONTROL_PAYLOAD_BYTES_MAX,
  FINAL_BIT,
  FRAME_HEADER_BYTES_MAX,
  LENGTH_16_BIT,
  LENGTH_64_BIT,
  MASK_BIT,
  PING,
  RESERVED_BITS,
  TEXT,
} from "./frame_header.ts";
import { maskAt, rotateMask, type Unmask } from "./mask.ts";

// Why `read` came back.
/** Everything up to `end` was taken. */
export const FRAMES_TAKEN = 0;
/** A ping, pong or close frame is complete: `opcode`, `control` and `controlBytes` tell. */
export const FRAMES_CONTROL = 1;
/** A piece of a compressed message lies at `[pieceStart, pieceEnd)`; `isPieceLast` says that the message ends with it. */
export const FRAMES_PIECE = 2;
/** The peer broke the protocol, as `violation` says; nothing after it means anything. */
export const FRAMES_VIOLATION = 3;

/**
 * Takes a stream of frames apart, wherever it is cut. Payloads of text and binary frames become one stream of bytes;
 * other frames are reported one by one. Each connection has one reader, which allocates nothing per frame.
 *
 *   header ─▶ payload ─▶ header …       control frames may stand between the frames of a message
 *
 * Violations and their texts are nats-server's. Source: RFC 6455, section 5; nats-server `wsReadLoop`.
 */
export class FrameReader {
  /** Where in the bytes given to `read` it stopped. */
  at = 0;
  /** Why it stopped there: one of the FRAMES_… above. */
  reason = FRAMES_TAKEN;
  opcode = 0;
  /** Payload of the control frame. */
  readonly control = new Uint8Array(CONTROL_PAYLOAD_BYTES_MAX);
  controlBytes = 0;
  pieceStart = 0;
  pieceEnd = 0;
  isPieceLast = false;
  violation = "";

  readonly #mustMask: boolean;
  readonly #mayCompress: boolean;
  /** Start of a header that a read cut off. */
  readonly #header = new Uint8Array(FRAME_HEADER_BYTES_MAX);
  #headerBytes = 0;
  #isInPayload = false;
  /** How much of the frame's payload is still to come. */
  #leftBytes = 0;
  /** The mask from the payload's next byte on. 0 if there is none, which unmasks nothing. */
  #mask = 0;
  #isFinal = true;
  /** Whether more frames of the current message are to come. */
  #isInMessage = false;
  #isCompressed = false;

  /** `mustMask`: the peer is a client that did not ask to leave masks out. `mayCompress`: that was agreed on. */
  constructor(mustMask: boolean, mayCompress: boolean) {
    this.#mustMask = mustMask;
    this.#mayCompress = mayCompress;
  }

  /**
   * Takes `bytes[start, end)`, which follow what was taken before, and moves payloads to `to` (≤ `start`) and behind.
   * Returns the end of what was written there. `unmask` works on the memory whose first byte is that of `bytes`.
   */
  read(bytes: Uint8Array, unmask: Unmask, start: number, end: number, to: number): number {
    let at = start;
    this.reason = FRAMES_TAKEN;
    // A frame without payload is complete when its header is.
    while (at < end || (this.#isInPayload && this.#leftBytes === 0)) {
      if (!this.#isInPayload) {
        at = this.#readHeader(bytes, at, end);
        if (this.reason !== FRAMES_TAKEN) break;
        continue;
      }
      const count = Math.min(this.#leftBytes, end - at);
      const isStream = this.opcode < CLOSE && !this.#isCompressed;
      const place = isStream ? to : at;
      if (this.#mask !== 0 || place !== at) unmask(place, at, count, this.#mask);
      this.#mask = rotateMask(this.#mask, count);
      this.#leftBytes -= count;
      this.#isInPayload = this.#leftBytes > 0;
      if (isStream) to += count;
      else if (this.opcode >= CLOSE) {
        this.control.set(bytes.subarray(at, at + count), this.controlBytes);
        this.controlBytes += count;
        if (!this.#isInPayload) this.reason = FRAMES_CONTROL;
      } else {
        this.reason = FRAMES_PIECE;
        this.pieceStart = at;
        this.pieceEnd = at + count;
        this.isPieceLast = this.#isFinal && !this.#isInPayload;
      }
      at += count;
      if (this.reason !== FRAMES_TAKEN) break;
    }
    this.at = at;
    return to;
  }

  /** Returns where the payload begins, or `end` when more of the header is to come. */
  #readHeader(bytes: Uint8Array, at: number, end: number): number {
    if (this.#headerBytes === 0) {
      const length = this.#parseHeader(bytes, at, end - at);
      if (length > 0 || this.reason !== FRAMES_TAKEN) return at + length;
    }
    while (at < end) {
      this.#header[this.#headerBytes++] = bytes[at++]!;
      const isParsed = this.#parseHeader(this.#header, 0, this.#headerBytes) > 0;
      if (isParsed) this.#headerBytes = 0;
      if (isParsed || this.reason !== FRAMES_TAKEN) break;
    }
    return at;
  }

  /** Reads the header that begins at `at` and is there for `available` bytes; its length, or 0 when it is not complete. */
  #parseHeader(bytes: Uint8Array, at: number, available: number): number {
    if (available < 2) return 0;
    const first = bytes[at]!;
    const second = bytes[at + 1]!;
    const length = second & ~MASK_BIT;
    const problem = this.#findProblem(first, second);
    if (problem !== null) return this.#violate(problem);
    const lengthBytes = length === LENGTH_16_BIT ? 2 : length === LENGTH_64_BIT ? 8 : 0;
    const isMasked = (second & MASK_BIT) !== 0;
    const headerBytes = 2 + lengthBytes + (isMasked ? 4 : 0);
    if (available < headerBytes) return 0;
    let payloadBytes = length;
    if (lengthBytes === 2) payloadBytes = (bytes[at + 2]! << 8) | bytes[at + 3]!;
    else if (lengthBytes === 8) {
      if (bytes[at + 2]! >= 0x80) return this.#violate("invalid 64-bit payload length");
      // Beyond 2⁵³ it is not exact, and nobody will send that much.
      payloadBytes = 0;
      for (let i = 2; i < 10; i++) payloadBytes = payloadBytes * 256 + bytes[at + i]!;
    }
    this.#mask = isMasked ? maskAt(bytes, at + headerBytes - 4) : 0;
    this.#leftBytes = payloadBytes;
    this.#isInPayload = true;
    this.opcode = first & 0x0f;
    if (this.opcode >= CLOSE) this.controlBytes = 0;
    else {
      this.#isFinal = (first & FINAL_BIT) !== 0;
      this.#isInMessage = !this.#isFinal;
      if (this.opcode !== CONTINUATION) this.#isCompressed = (first & COMPRESSED_BIT) !== 0;
    }
    return headerBytes;
  }

  #findProblem(first: number, second: number): string | null {
    const opcode = first & 0x0f;
    const isCompressed = (first & COMPRESSED_BIT) !== 0;
    if ((first & RESERVED_BITS) !== 0) return "RSV2 and RSV3 must be clear";
    if (isCompressed && !this.#mayCompress)
      return "compressed frame received without negotiated permessage-deflate";
    if (this.#mustMask && (second & MASK_BIT) === 0) return "mask bit missing";
    if (opcode === CONTINUATION) {
      return this.#isInMessage && !isCompressed ? null : "invalid continuation frame";
    }
    if (opcode >= CLOSE && opcode <= PING + 1) {
      if ((second & ~MASK_BIT) > CONTROL_PAYLOAD_BYTES_MAX) {
        return `control frame length bigger than maximum allowed of ${CONTROL_PAYLOAD_BYTES_MAX} bytes`;
      }
      if ((first & FINAL_BIT) === 0) return "control frame does not have final bit set";
      return isCompressed ? "control frame must not be compressed" : null;
    }
    if (opcode < TEXT || opcode > TEXT + 1) return `unknown opcode ${opcode}`;
    return this.#isInMessage
      ? "new message started before final frame for previous message was received"
      : null;
  }

  #violate(text: string): 0 {
    this.reason = FRAMES_VIOLATION;
    this.violation = text;
    return 0;
  }
}
