/** Loads the S2 unit, which lies beside the engine. `assembly/s2/` says what each entry reads and writes. */
import type { S2Codec } from "../runtime/s2/s2_codec.ts";
import { loadUnit } from "./load_unit.ts";

const S2_FILE = new URL("./s2.wasm", import.meta.url);

/** The unit's code. Main gives it to the links shard, because in a single executable of Bun only main finds it. */
export function loadS2Code(): WebAssembly.Module {
  return loadUnit(S2_FILE);
}

/** Instantiates the unit for one thread. It works in the region at that address (`runtime/s2/s2_region.ts`). */
export function createS2Codec(memory: WebAssembly.Memory, region: number, code = loadS2Code()): S2Codec {
  const instance = new WebAssembly.Instance(code, { env: { memory } });
  const unit = instance.exports as unknown as S2Codec & { attach(region: number): void };
  unit.attach(region);
  return unit;
}
