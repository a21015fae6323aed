// Hot: `read` runs once for each read of a WebSocket.
import { answerClose, closePayload, STATUS_PROTOCOL_ERROR } from "../../protocol/websocket/close_frame.ts";
import type { InflatedMessage, Inflater } from "../../protocol/websocket/compression.ts";
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
import type { Deflater } from "./deflater.ts";
import type { FrameSide } from "./websocket_layer.ts";

/** A compressed message may be so many times as long as `max_payload`; more is padding. Source: `wsMaxMessageSize`. */
const COMPRESSED_TIMES_MAX = 8;
const COMPRESSED_BYTES_MAX = 64 * 1024 * 1024;
/**
 * Frames that may be compressed are read into this part of the room, its last, so that inflated bytes fit before them.
 */
const COMPRESSED_ROOM_PART = 4;
const NOTHING = new Uint8Array(0);

/** What the streams of a thread share. Both views are of the shared memory, from its first byte. */
export interface FrameContext {
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  /** Where payload is put together before it is deflated, masked or cut, and how much at a time. */
  readonly packing: number;
  readonly packingBytes: number;
  /** Address of the region in which it is deflated (`deflate_region.ts`). */
  readonly deflating: number;
  unmask: Unmask;
  /** null until the first stream that compresses. */
  deflater: Deflater | null;
  inflater: Inflater;
  /** The largest that a message may be when inflated. */
  messageBytesMax: number;
}

/**
 * The inbound side of one WebSocket: it reads frames and gives the bytes in them. Inflated bytes that do not fit into
 * the caller's buffer wait here, and so do the frames behind them.
 */
export class FrameInput {
  /**
   * Payload of the close frame that must be sent, because the peer said goodbye or broke the protocol; null for none.
   */
  goodbye: Uint8Array | null = null;
  /** How it broke the protocol, "" if it did not. */
  violation = "";

  readonly #reader: FrameReader;
  readonly #isCompressed: boolean;
  readonly #context: FrameContext;
  /** What the next read returns once nothing waits; WOULD_BLOCK while the stream goes on. */
  #end = WOULD_BLOCK;
  /** A message that was not taken completely yet. */
  #inflated: InflatedMessage | null = null;
  /** The size of the last compressed message, because the next one is likely to be as large. */
  #inflatedBytes = 0;
  /** Frames that are not read yet. */
  #behind: Uint8Array = NOTHING;
  /** The pieces of the compressed message that is arriving. */
  #pieces: Uint8Array[] = [];
  #pieceBytes = 0;

  /** `behind` are bytes of frames that were read with the handshake. */
  constructor(terms: FrameTerms, side: FrameSide, context: FrameContext, behind: Uint8Array = NOTHING) {
    this.#reader = new FrameReader(side === "server" && terms.isMasked, terms.isCompressed);
    this.#isCompressed = terms.isCompressed;
    this.#context = context;
    this.#behind = behind;
  }

  /** Whether a read would give something although the socket has nothing. */
  get hasNews(): boolean {
    return this.#end !== WOULD_BLOCK || this.#inflated !== null || this.#behind.length > 0;
  }

  /**
   * Does what `Streams.read` does: returns 0 when the peer has said goodbye, and READ_FAILED after a violation.
   * `onPing` is given what a pong must carry, a view that is valid until it returns.
   */
  read(
    streams: Streams,
    slot: number,
    offset: number,
    lengthBytes: number,
    messageBytesMax: number,
    onPing: (payload: Uint8Array) => void,
  ): number {
    if (this.#inflated !== null) return this.#takeInflated(this.#inflated, offset, offset + lengthBytes);
    if (this.#end !== WOULD_BLOCK) return this.#end;
    const { bytes, unmask } = this.#context;
    const roomBytes = this.#isCompressed ? Math.ceil(lengthBytes / COMPRESSED_ROOM_PART) : lengthBytes;
    const start = offset + lengthBytes - roomBytes;
    const behind = this.#behind;
    const count =
      behind.length > 0 ? this.#copyBehind(start, roomBytes) : streams.read(slot, start, roomBytes);
    if (count <= 0) return count;
    const end = start + count;
    const reader = this.#reader;
    let to = reader.read(bytes, unmask, start, end, offset);
    while (reader.reason !== FRAMES_TAKEN) {
      if (reader.reason === FRAMES_CONTROL) this.#onControl(reader, onPing);
      else if (reader.reason === FRAMES_VIOLATION) this.#violate(reader.violation);
      else if (reader.reason === FRAMES_PIECE) to = this.#onPiece(reader, messageBytesMax, to);
      if (this.#end !== WOULD_BLOCK || this.#inflated !== null) break;
      to = reader.read(bytes, unmask, reader.at, end, to);
    }
    if (behind.length > 0) this.#behind = behind.subarray(reader.at - start);
    else if (reader.at < end) this.#behind = bytes.slice(reader.at, end);
    return to > offset ? to - offset : this.#end;
  }

  /** Moves what there is room for to `bytes[start, end)`. Returns how many bytes that was. */
  #takeInflated(message: InflatedMessage, start: number, end: number): number {
    const count = message.take(this.#context.bytes.subarray(start, end));
    this.#inflated = message.leftBytes > 0 ? message : null;
    return count;
  }

  #copyBehind(start: number, lengthBytes: number): number {
    const count = Math.min(lengthBytes, this.#behind.length);
    this.#context.bytes.set(this.#behind.subarray(0, count), start);
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

  /** If a message ends with this piece, puts at `to` what fits of it. Returns where that ends. */
  #onPiece(reader: FrameReader, messageBytesMax: number, to: number): number {
    const { pieceStart, pieceEnd, isPieceLast } = reader;
    const { bytes, inflater } = this.#context;
    this.#pieceBytes += pieceEnd - pieceStart;
    if (this.#pieceBytes > Math.min(messageBytesMax * COMPRESSED_TIMES_MAX, COMPRESSED_BYTES_MAX)) {
      this.#fail("maximum payload exceeded");
      return to;
    }
    this.#pieces.push(isPieceLast ? bytes.subarray(pieceStart, pieceEnd) : bytes.slice(pieceStart, pieceEnd));
    if (!isPieceLast) return to;
    const message = inflater.inflate(this.#pieces, messageBytesMax, this.#inflatedBytes);
    this.#pieces = [];
    this.#pieceBytes = 0;
    if (message === null) {
      this.#fail("a compressed message is broken, or larger than max_payload");
      return to;
    }
    this.#inflatedBytes = message.leftBytes;
    return to + this.#takeInflated(message, to, reader.at);
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
