/** What compression of links costs per block: making chunks of all kinds, reading them, and their checksums. */
import { bench, group, run } from "mitata";
import { numbers } from "../../src/base/testing/numbers.ts";
import { createS2Codec } from "../../src/engine/s2_codec.ts";
import { MEMORY_PAGES } from "../../src/memory/map.ts";
import {
  S2_BETTER,
  S2_CHECKSUM_BYTES,
  S2_CHUNK_HEAD_BYTES,
  S2_DECODED,
  S2_FAST,
  S2_REGION_BYTES,
  S2_STORED,
} from "../../src/runtime/s2/s2_region.ts";

const REGION = 65536;
/** What lies behind the region: what is compressed, and the result, in a megabyte for each. */
const CONTENT_BYTES = 1024 * 1024;
const COMPRESSED = CONTENT_BYTES / 2;
const memory = new WebAssembly.Memory({ initial: MEMORY_PAGES, maximum: MEMORY_PAGES, shared: true });
const codec = createS2Codec(memory, REGION);

const next = numbers(7);

function lines(length: number): Uint8Array {
  let text = "";
  while (text.length < length) {
    text += `RMSG $G orders.eu.${next(900)} 80\r\n{"id":${next(1e6)},"state":"${["new", "paid", "sent"][next(3)]}","total":${next(1e4)}}\r\n`;
  }
  return new TextEncoder().encode(text.slice(0, length));
}

const CONTENTS = [
  ["lines, 64 KiB", lines(65_536)],
  ["lines, 300 B", lines(300)],
  ["noise, 64 KiB", Uint8Array.from({ length: 65_536 }, () => next(256))],
] as const;
const EFFORTS = [
  ["stored", S2_STORED],
  ["fast", S2_FAST],
  ["better", S2_BETTER],
] as const;

for (const [i, [what, content]] of CONTENTS.entries()) {
  const plain = REGION + S2_REGION_BYTES + i * CONTENT_BYTES;
  const compressed = plain + COMPRESSED;
  const block = compressed + S2_CHUNK_HEAD_BYTES + S2_CHECKSUM_BYTES;
  const bytes = new Uint8Array(memory.buffer, plain, CONTENT_BYTES);
  bytes.set(content);
  const encode = (effort: number) => codec.encodeChunk(compressed, plain, content.length, effort);
  const sizes = EFFORTS.map(
    ([name, effort]) => `${name} ${Math.round((100 * encode(effort)) / content.length)} %`,
  );
  group(`${what}: ${sizes.join(", ")}`, () => {
    for (const [name, effort] of EFFORTS) bench(`encodeChunk, ${name}`, () => encode(effort));
    const blockBytes = encode(S2_FAST) - S2_CHUNK_HEAD_BYTES - S2_CHECKSUM_BYTES;
    // There is nothing to decode in a stored chunk.
    if (bytes[COMPRESSED] === 0) {
      const copy = block + CONTENT_BYTES / 4;
      codec.move(copy, block, blockBytes);
      bench("decode", () => codec.decode(REGION + S2_DECODED, copy, blockBytes));
    }
    bench("checksum", () => codec.checksum(plain, content.length));
  });
}

await run();
