// What the host calls in the S2 unit, a WebAssembly module beside the engine. The links shard loads it with its first
// compressed link. All addresses are of the shared memory, and the host has checked that what they name fits.

import { S2_CHECKSUM_TABLES } from "../../../runtime/s2/s2_region";
import { makeChecksumTables } from "./checksum";
import { attachTables } from "./encode";

export { checksum } from "./checksum";
export { decode, decodedLength } from "./decode";
export { encodeChunk } from "./encode";

/** Sets the region that this instance works in (`runtime/s2/s2_region.ts`). */
export function attach(region: u32): void {
  makeChecksumTables(region + S2_CHECKSUM_TABLES);
  attachTables(region);
}

/** Moves bytes; the two may overlap. */
export function move(to: u32, from: u32, length: u32): void {
  memory.copy(to, from, length);
}
