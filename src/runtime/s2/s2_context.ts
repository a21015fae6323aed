import type { S2Codec } from "./s2_codec.ts";
import {
  S2_ARRIVED,
  S2_ARRIVED_BYTES,
  S2_BLOCK_BYTES_MAX,
  S2_DECODED,
  S2_ROOM_COUNT,
  S2_SLACK,
} from "./s2_region.ts";
import { SharedRoom } from "./shared_room.ts";

/** What all compressed streams of a thread share. */
export interface S2Context {
  /** Both views are of the shared memory, from its first byte. */
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  /** Address of the region (`s2_region.ts`). */
  readonly region: number;
  readonly codec: S2Codec;
  /** Rooms for chunks as they came, and for what a chunk held that its reader had no room for. */
  readonly arrived: readonly SharedRoom[];
  readonly decoded: readonly SharedRoom[];
}

export function createS2Context(memory: Uint8Array, region: number, codec: S2Codec): S2Context {
  const rooms = (first: number, lengthBytes: number) =>
    Array.from(
      { length: S2_ROOM_COUNT },
      (_, i) => new SharedRoom(memory, first + i * (lengthBytes + S2_SLACK), lengthBytes, codec),
    );
  return {
    bytes: memory,
    words: new Int32Array(memory.buffer, 0, Math.floor(memory.length / 4)),
    region,
    codec,
    arrived: rooms(region + S2_ARRIVED, S2_ARRIVED_BYTES),
    decoded: rooms(region + S2_DECODED, S2_BLOCK_BYTES_MAX),
  };
}
