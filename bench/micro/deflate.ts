/** What a message of a compressed WebSocket costs with the engine's unit, and with the runtime's zlib beside it. */
import { constants, deflateRawSync } from "node:zlib";
import { bench, group, run } from "mitata";
import { numbers } from "../../src/base/testing/numbers.ts";
import { createDeflater } from "../../src/engine/deflater.ts";
import { MEMORY_PAGES } from "../../src/memory/map.ts";
import { DEFLATE_OUTPUT } from "../../src/runtime/websocket/deflate_region.ts";

const REGION = 65536;
const OUTPUT = REGION + DEFLATE_OUTPUT;
const MESSAGE = OUTPUT + 2 * 65_536;
const memory = new WebAssembly.Memory({ initial: MEMORY_PAGES, maximum: MEMORY_PAGES, shared: true });
const bytes = new Uint8Array(memory.buffer, 0, MESSAGE + 2 * 65_536);
const deflater = createDeflater(memory, REGION);

const next = numbers(7);

function records(length: number): Uint8Array {
  let text = "";
  while (text.length < length) {
    text += `{"id":${next(1e6)},"customer":"${next(2 ** 28).toString(16)}","state":"${["new", "paid", "sent"][next(3)]}","total":${next(1e4)}},`;
  }
  return new TextEncoder().encode(text.slice(0, length));
}

const MESSAGES = [
  ["records, 64 KiB", records(65_536)],
  ["records, 1 KiB", records(1024)],
  ["records, 100 B", records(100)],
  ["noise, 64 KiB", Uint8Array.from({ length: 65_536 }, () => next(256))],
] as const;

const zlib = (message: Uint8Array) =>
  deflateRawSync(message, { level: constants.Z_BEST_SPEED, finishFlush: constants.Z_SYNC_FLUSH });

for (const [what, message] of MESSAGES) {
  const deflate = () => {
    bytes.set(message, MESSAGE);
    return deflater.deflate(OUTPUT, MESSAGE, message.length);
  };
  const share = (length: number) => `${Math.round((100 * length) / message.length)} %`;
  group(`${what}: to ${share(deflate())}, zlib ${share(zlib(message).length)}`, () => {
    bench("deflate", deflate);
    bench("node:zlib", () => zlib(message));
  });
}

await run();
