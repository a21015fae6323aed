import { expect, test } from "bun:test";
import * as layout from "./layout.ts";

/** The structures whose fields are checked, and their lengths in bytes. Fields are words unless LONGS names them. */
const STRUCTURES: Record<string, number> = {
  CONNECTION: layout.CONNECTION_BYTES,
  SUBSCRIPTION: layout.SUBSCRIPTION_BYTES,
  PLAN: layout.PLAN_SUBJECT + 4,
  TARGET: layout.TARGET_PREFIX + 4,
  GROUP: layout.GROUP_BYTES,
  FORWARD: layout.FORWARD_SUBJECT + 4,
  REQUEST: layout.REQUEST_BYTES,
  AREA: layout.AREA_HEADER_BYTES,
  RING_END: layout.RING_END_BYTES,
  RECORD: layout.RECORD_BODY + 4,
};

const LONGS = [
  "CONNECTION_OUT_MESSAGES",
  "CONNECTION_OUT_BYTES",
  "CONNECTION_IN_MESSAGES",
  "CONNECTION_IN_BYTES",
  "SUBSCRIPTION_DELIVERED",
  "AREA_MEMORY_BASE",
  "AREA_HASH_SEED",
  "AREA_RANDOM",
  "AREA_IN_MESSAGES",
  "AREA_IN_BYTES",
  "AREA_OUT_MESSAGES",
  "AREA_OUT_BYTES",
];
/** Constants that are no offsets: sizes, counts, bits and kinds. */
const OTHER =
  /_(BYTES|SHIFT|MAX|COUNT_MAX|SET_BYTES|SET_WAYS|SET_COUNT|BUCKET_COUNT|ACCOUNTS_MAX)$|^CONNECTION_(IS|HAS|TAKES|WANTS|DROPS)|^PLAN_IS|_GOES_BACK$|_ARE_FOR_HOST$|^PLAN_SET|^RECORD_KIND_|^RING_END_BYTES|^RING_RESTART|^AREA_COUNTERS/;
const OFFSETS_ENDING_SO = new Set([
  "CONNECTION_OUT_BYTES",
  "CONNECTION_IN_BYTES",
  "CONNECTION_PAYLOAD_MAX",
  "SUBSCRIPTION_MAX",
  "AREA_CONTROL_LINE_MAX",
  "AREA_IN_BYTES",
  "AREA_OUT_BYTES",
  "AREA_LENDS_BYTES",
]);

for (const [structure, bytes] of Object.entries(STRUCTURES)) {
  test(`the fields of ${structure} are aligned, lie in it and do not overlap`, () => {
    const fields = Object.entries(layout)
      .filter(
        ([name]) =>
          name.startsWith(`${structure}_`) && !(structure === "RING" && name.startsWith("RING_END_")),
      )
      .filter(([name]) => OFFSETS_ENDING_SO.has(name) || !OTHER.test(name))
      .map(([name, offset]) => ({ name, offset, length: LONGS.includes(name) ? 8 : 4 }))
      .sort((a, b) => a.offset - b.offset);
    expect(fields.length).toBeGreaterThan(3);
    for (const [index, { name, offset, length }] of fields.entries()) {
      const end = fields[index + 1]?.offset ?? bytes;
      if (offset % length !== 0) throw new Error(`${name} is not aligned to ${length}`);
      if (offset + length > end) throw new Error(`${name} runs into ${fields[index + 1]?.name ?? "the end"}`);
    }
  });
}
