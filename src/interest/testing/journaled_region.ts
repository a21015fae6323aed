import { PAGE_BYTES } from "../../memory/interest_layout.ts";
import type { InterestRegion } from "../interest_memory.ts";
import { journalBytes } from "../journal.ts";

/** Room for an index of so many bytes, with a journal beside it, in a memory of their own. */
export function journaledRegion(byteLength: number): InterestRegion {
  const journal = {
    byteOffset: byteLength,
    byteLength: Math.ceil(journalBytes(byteLength) / PAGE_BYTES) * PAGE_BYTES,
  };
  return {
    buffer: new SharedArrayBuffer(byteLength + journal.byteLength),
    byteOffset: 0,
    byteLength,
    journal,
  };
}
