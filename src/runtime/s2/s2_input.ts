// Hot: `read` runs once for each read of a compressed link.
import { assert } from "../../base/assert.ts";
import {
  CHUNK_COMPRESSED,
  CHUNK_NAME,
  CHUNK_SKIPPABLE,
  SNAPPY_NAME,
  STREAM_NAME,
} from "../../protocol/s2_chunks.ts";
import { READ_FAILED, type Streams, WOULD_BLOCK } from "../poller.ts";
import type { S2Context } from "./s2_context.ts";
import {
  S2_BLOCK_BYTES_MAX,
  S2_CHECKSUM_BYTES,
  S2_CHUNK_GROWTH_BYTES,
  S2_CHUNK_HEAD_BYTES,
  S2_ROOM_COUNT,
} from "./s2_region.ts";
import { RoomBytes, type SharedRoom } from "./shared_room.ts";

/** Input that begins with this is a line of the protocol (`-ERR`), not S2. */
const MINUS = 0x2d;

/**
 * The inbound side of one compressed stream: it reads chunks and gives what is in them. A chunk is decoded once all of
 * it is here, into its reader's room if it fits there. A chunk holds at most `blockBytesMax`, and is only a few bytes
 * longer than what it holds. So a peer can make this side keep at most that much, both before and after decoding.
 */
export class S2Input {
  /** What was wrong with the input, "" for nothing. */
  violation = "";
  /** How much a chunk may hold, at most S2_BLOCK_BYTES_MAX. */
  blockBytesMax = S2_BLOCK_BYTES_MAX;

  readonly #streams: Streams;
  readonly #slot: number;
  readonly #context: S2Context;
  readonly #onBroken: (problem: string) => void;
  readonly #room: SharedRoom;
  readonly #arrived: RoomBytes;
  readonly #decoded: RoomBytes;
  /** What the next read returns once nothing waits; WOULD_BLOCK while the stream goes on. */
  #end = WOULD_BLOCK;
  /** What has arrived begins with a whole chunk. */
  #isReady = false;
  /** How long the first chunk is with its head, once the head is here. Before that, how long a head is. */
  #chunkBytes = S2_CHUNK_HEAD_BYTES;
  /** Bytes of a chunk that are still to be skipped. */
  #skippedBytes = 0;
  #hasName = false;
  /** The other side has refused to go on before it compressed anything. What it says is read as it is. */
  #isClear = false;

  constructor(streams: Streams, slot: number, context: S2Context, onBroken: (problem: string) => void) {
    this.#streams = streams;
    this.#slot = slot;
    this.#context = context;
    this.#onBroken = onBroken;
    this.#room = context.arrived[slot % S2_ROOM_COUNT]!;
    this.#arrived = new RoomBytes(this.#room);
    this.#decoded = new RoomBytes(context.decoded[slot % S2_ROOM_COUNT]!);
  }

  /** Whether a read would give something although the socket has nothing. */
  get hasNews(): boolean {
    return this.#isReady || this.#end !== WOULD_BLOCK || this.#decoded.length > 0;
  }

  /** Takes `[start, end)` of the memory, at most one read, as input that came before everything else. */
  put(start: number, end: number): void {
    const arrived = this.#arrived;
    assert(arrived.length === 0 && this.#decoded.length === 0, "S2Input.put: it comes before everything");
    arrived.enter();
    this.#context.codec.move(arrived.start, start, end - start);
    arrived.end += end - start;
    this.#isReady = this.#findChunk();
  }

  /** Does what `Streams.read` does. Returns READ_FAILED once the input is broken. */
  read(offset: number, lengthBytes: number): number {
    if (this.#decoded.length > 0) return this.#takeDecoded(offset, offset + lengthBytes);
    if (this.#end !== WOULD_BLOCK) return this.#end;
    this.#arrived.enter();
    if (!this.#isReady) {
      const count = this.#fill(lengthBytes);
      if (count <= 0) return count;
      this.#isReady = this.#findChunk();
    }
    const end = offset + lengthBytes;
    let to = offset;
    while (this.#isReady && to < end) {
      const next = this.#takeChunk(to, end, to === offset);
      if (next < 0) break;
      to = next;
      this.#isReady = this.#end === WOULD_BLOCK && this.#findChunk();
      if (this.#decoded.length > 0) break;
    }
    return to > offset ? to - offset : this.#end;
  }

  /** Gives up what is kept, because the stream is gone. */
  leave(): void {
    this.#arrived.leave();
    this.#decoded.leave();
  }

  /**
   * Reads on behind what has arrived. That is moved to the beginning of the room unless it is long, so that the same
   * addresses are used again and again and stay in the processor's cache. The longest chunk and another read find room.
   */
  #fill(lengthBytes: number): number {
    const arrived = this.#arrived;
    const room = this.#room;
    const { codec } = this.#context;
    const { length } = arrived;
    const isCheap = length <= arrived.start - room.start;
    if (arrived.start > room.start && (isCheap || room.end - arrived.end < lengthBytes)) {
      codec.move(room.start, arrived.start, length);
      arrived.start = room.start;
      arrived.end = room.start + length;
    }
    const count = this.#streams.read(this.#slot, arrived.end, Math.min(lengthBytes, room.end - arrived.end));
    if (count > 0) arrived.end += count;
    return count;
  }

  /** Whether what has arrived begins with a whole chunk. Skips chunks that may be skipped. */
  #findChunk(): boolean {
    const arrived = this.#arrived;
    const { bytes } = this.#context;
    if (this.#isClear) return arrived.length > 0;
    // The chunk's head was read before. Part of the chunk may lie aside.
    if (this.#chunkBytes > S2_CHUNK_HEAD_BYTES) return arrived.length >= this.#chunkBytes;
    arrived.gather();
    const bytesMax = this.blockBytesMax + S2_CHUNK_GROWTH_BYTES;
    for (;;) {
      const skipped = Math.min(this.#skippedBytes, arrived.length);
      this.#skippedBytes -= skipped;
      arrived.start += skipped;
      if (!this.#hasName && arrived.length > 0 && bytes[arrived.start] === MINUS) {
        this.#isClear = true;
        return true;
      }
      if (arrived.length < S2_CHUNK_HEAD_BYTES) return false;
      const { start } = arrived;
      const type = bytes[start]!;
      const length = bytes[start + 1]! | (bytes[start + 2]! << 8) | (bytes[start + 3]! << 16);
      if (!this.#hasName && type !== CHUNK_NAME) return this.#fail("what was sent is no stream of S2");
      if (type === CHUNK_NAME) {
        if (length !== STREAM_NAME.length - S2_CHUNK_HEAD_BYTES)
          return this.#fail("the name of a stream is as long as no name");
      } else if (type >= CHUNK_SKIPPABLE) {
        arrived.start += S2_CHUNK_HEAD_BYTES;
        this.#skippedBytes = length;
        continue;
      } else if (type > 1) return this.#fail(`a chunk of unknown type ${type}`);
      else if (length < S2_CHECKSUM_BYTES) return this.#fail("a chunk without a checksum");
      else if (length > bytesMax)
        return this.#fail(`a chunk of ${length} bytes, which are more than ${bytesMax}`);
      this.#chunkBytes = S2_CHUNK_HEAD_BYTES + length;
      arrived.expectedBytes = this.#chunkBytes;
      return arrived.length >= this.#chunkBytes;
    }
  }

  /**
   * Decodes the first chunk to `[to, end)` and returns where the result ends. If the result does not fit, the chunk is
   * left as it is and −1 returned. With `isFirst`, the part that fits is taken instead, and the rest waits.
   */
  #takeChunk(to: number, end: number, isFirst: boolean): number {
    const arrived = this.#arrived;
    const { bytes, codec } = this.#context;
    arrived.gather();
    if (this.#isClear) {
      const count = Math.min(arrived.length, end - to);
      codec.move(to, arrived.start, count);
      arrived.start += count;
      return to + count;
    }
    const type = bytes[arrived.start]!;
    const content = arrived.start + S2_CHUNK_HEAD_BYTES + S2_CHECKSUM_BYTES;
    const next = arrived.start + this.#chunkBytes;
    if (type === CHUNK_NAME) {
      if (!this.#isName(arrived.start)) return this.#failAt(to, "a stream of an unknown name");
      this.#hasName = true;
      this.#leaveChunk(next);
      return to;
    }
    const isCompressed = type === CHUNK_COMPRESSED;
    const length = isCompressed ? codec.decodedLength(content, next - content) : next - content;
    if (length < 0 || length > this.blockBytesMax)
      return this.#failAt(to, "a chunk that is too long, or does not say how long it is");
    const fits = length <= end - to;
    if (!fits && !isFirst) return -1;
    const decoded = this.#decoded;
    if (!fits) decoded.enter();
    const place = fits ? to : decoded.start;
    if (!isCompressed) codec.move(place, content, length);
    else if (codec.decode(place, content, next - content) === 0)
      return this.#failAt(to, "a chunk that cannot be decoded");
    if (codec.checksum(place, length) !== this.#statedChecksum())
      return this.#failAt(to, "a chunk whose checksum is another one");
    this.#leaveChunk(next);
    if (fits) return to + length;
    decoded.end = decoded.start + length;
    return to + this.#takeDecoded(to, end);
  }

  /** Notes that the first chunk is done. The next one begins at `next`. */
  #leaveChunk(next: number): void {
    this.#arrived.start = next;
    this.#chunkBytes = S2_CHUNK_HEAD_BYTES;
  }

  #isName(at: number): boolean {
    const { bytes } = this.#context;
    const is = (name: Uint8Array) => name.every((byte, i) => bytes[at + i] === byte);
    return is(STREAM_NAME) || is(SNAPPY_NAME);
  }

  #statedChecksum(): number {
    const { bytes } = this.#context;
    const at = this.#arrived.start + S2_CHUNK_HEAD_BYTES;
    return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
  }

  /** Moves what there is room for to `[to, end)`. Returns how many bytes that was. */
  #takeDecoded(to: number, end: number): number {
    const count = Math.min(this.#decoded.length, end - to);
    this.#decoded.take(to, count);
    return count;
  }

  #failAt(to: number, problem: string): number {
    this.#fail(problem);
    return to;
  }

  #fail(problem: string): false {
    this.violation = `s2: ${problem}`;
    this.#end = READ_FAILED;
    this.#onBroken(this.violation);
    return false;
  }
}
