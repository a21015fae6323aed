// Hot: once for each read of a WebSocket.
import { answerClose, closePayload, STATUS_PROTOCOL_ERROR } from "../../protocol/websocket/close_frame.ts";
import { inflateMessage } from "../../protocol/websocket/deflate.ts";
import type { FrameTerms } from "../../protocol/websocket/extensions.ts";
import { CLOSE, PING } from "../../protocol/websocket/frame_header.ts";
import {
  FRAMES_CONTROL,
  FRAMES_PIECE,
  FRAMES_TAKEN,
  FRAMES_VIOLATION,
  FrameReader,
} from "../../protocol/websocket/frame_reader.ts";
import type { Unmask } from "../../protocol/websocket/mask.ts";
import { READ_FAILED, type Streams, WOULD_BLOCK } from "../poller.ts";
import type { FrameSide } from "./websocket_layer.ts";

/** A compressed message may be so many times as long as what it becomes; more is padding. Source: `wsMaxMessageSize`. */
const COMPRESSED_TIMES_MAX = 8;
const COMPRESSED_BYTES_MAX = 64 * 1024 * 1024;
const NOTHING = new Uint8Array(0);

/** The memory that streams are read into. Both views are of it from its first byte. */
export interface FrameMemory {
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  unmask: Unmask;
}

/**
 * The inbound side of one WebSocket: reads frames and gives the bytes in them. What was inflated and does not fit the
 * caller's buffer waits here, and so do the frames behind it.
 */
export class FrameInput {
  /** Payload of the close frame that is due, null for none: the peer said goodbye, or broke the protocol. */
  goodbye: Uint8Array | null = null;
  /** How it broke the protocol, "" if it did not. */
  violation = "";

  readonly #reader: FrameReader;
  readonly #memory: FrameMemory;
  /** What the next read returns once nothing waits; WOULD_BLOCK while the stream goes on. */
  #end = WOULD_BLOCK;
  /** Bytes of an inflated message that were not taken yet, and frames that came behind it. */
  #inflated: Uint8Array = NOTHING;
  /** Of the last message that was compressed: the next one is likely to be as large. */
  #inflatedBytes = 0;
  #behind: Uint8Array = NOTHING;
  /** Of the compressed message that is arriving. */
  #pieces: Uint8Array[] = [];
  #pieceBytes = 0;

  /** `behind`: bytes of frames that were read with the handshake. */
  constructor(terms: FrameTerms, side: FrameSide, memory: FrameMemory, behind: Uint8Array = NOTHING) {
    this.#reader = new FrameReader(side === "server" && terms.isMasked, terms.isCompressed);
    this.#memory = memory;
    this.#behind = behind;
  }

  /** A read would give something without the socket having anything. */
  get hasNews(): boolean {
    return this.#end !== WOULD_BLOCK || this.#inflated.length > 0 || this.#behind.length > 0;
  }

  /**
   * As `Streams.read`: 0 when the peer has said goodbye, READ_FAILED after a violation. `onPing` is given what a pong
   * must carry, a view that holds until it returns.
   */
  read(
    streams: Streams,
    slot: number,
    offset: number,
    lengthBytes: number,
    messageBytesMax: number,
    onPing: (payload: Uint8Array) => void,
  ): number {
    if (this.#inflated.length > 0) return this.#takeInflated(offset, lengthBytes);
    if (this.#end !== WOULD_BLOCK) return this.#end;
    const { bytes, unmask } = this.#memory;
    const count =
      this.#behind.length > 0
        ? this.#takeBehind(offset, lengthBytes)
        : streams.read(slot, offset, lengthBytes);
    if (count <= 0) return count;
    const end = offset + count;
    const reader = this.#reader;
    let to = reader.read(bytes, unmask, offset, end, offset);
    while (reader.reason !== FRAMES_TAKEN) {
      if (reader.reason === FRAMES_CONTROL) this.#onControl(reader, onPing);
      else if (reader.reason === FRAMES_VIOLATION) this.#violate(reader.violation);
      else if (reader.reason === FRAMES_PIECE) this.#onPiece(reader, messageBytesMax);
      if (this.#end !== WOULD_BLOCK) break;
      if (this.#inflated.length > 0) {
        this.#behind = joined(bytes.slice(reader.at, end), this.#behind);
        break;
      }
      to = reader.read(bytes, unmask, reader.at, end, to);
    }
    if (to > offset) return to - offset;
    return this.#inflated.length > 0 ? this.#takeInflated(offset, lengthBytes) : this.#end;
  }

  #takeInflated(offset: number, lengthBytes: number): number {
    const count = Math.min(lengthBytes, this.#inflated.length);
    this.#memory.bytes.set(this.#inflated.subarray(0, count), offset);
    this.#inflated = count === this.#inflated.length ? NOTHING : this.#inflated.subarray(count);
    return count;
  }

  #takeBehind(offset: number, lengthBytes: number): number {
    const count = Math.min(lengthBytes, this.#behind.length);
    this.#memory.bytes.set(this.#behind.subarray(0, count), offset);
    this.#behind = count === this.#behind.length ? NOTHING : this.#behind.subarray(count);
    return count;
  }

  #onControl({ opcode, control, controlBytes }: FrameReader, onPing: (payload: Uint8Array) => void): void {
    if (opcode === PING) onPing(control.subarray(0, controlBytes));
    if (opcode !== CLOSE) return;
    const answer = answerClose(control.subarray(0, controlBytes));
    if (!answer.ok) {
      this.#violate(answer.violation);
      return;
    }
    this.goodbye = answer.payload;
    this.#end = 0;
  }

  #onPiece({ pieceStart, pieceEnd, isPieceLast }: FrameReader, messageBytesMax: number): void {
    this.#pieceBytes += pieceEnd - pieceStart;
    if (this.#pieceBytes > Math.min(messageBytesMax * COMPRESSED_TIMES_MAX, COMPRESSED_BYTES_MAX)) {
      this.#fail("maximum payload exceeded");
      return;
    }
    this.#pieces.push(this.#memory.bytes.slice(pieceStart, pieceEnd));
    if (!isPieceLast) return;
    const message = inflateMessage(this.#pieces, messageBytesMax, this.#inflatedBytes);
    this.#pieces = [];
    this.#pieceBytes = 0;
    if (message === null) this.#fail("a compressed message is broken, or larger than max_payload");
    else {
      this.#inflated = message;
      this.#inflatedBytes = message.length;
    }
  }

  #violate(text: string): void {
    this.goodbye = closePayload(STATUS_PROTOCOL_ERROR, text);
    this.#fail(text);
  }

  #fail(text: string): void {
    this.violation = text;
    this.#end = READ_FAILED;
    this.#pieces = [];
  }
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  if (a.length === 0) return b;
  if (b.length === 0) return a;
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
