/** Loads the deflate unit, which lies beside the engine. `assembly/deflate/` says what it reads and writes. */
import type { Deflater } from "../runtime/websocket/deflater.ts";
import { loadUnit } from "./load_unit.ts";

const DEFLATE_FILE = new URL("./deflate.wasm", import.meta.url);

/** The unit's code. Main gives it to the shards, because in a single executable of Bun only main finds it. */
export function loadDeflateCode(): WebAssembly.Module {
  return loadUnit(DEFLATE_FILE);
}

/**
 * Instantiates the unit for one thread. It works in the region at that address (`runtime/websocket/deflate_region.ts`).
 */
export function createDeflater(
  memory: WebAssembly.Memory,
  region: number,
  code = loadDeflateCode(),
): Deflater {
  const instance = new WebAssembly.Instance(code, { env: { memory } });
  const unit = instance.exports as unknown as Deflater & { attach(region: number): void };
  unit.attach(region);
  return unit;
}
