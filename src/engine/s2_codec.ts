/** The door to the unit of S2, which lies beside the engine. What each entry reads and writes is said in `assembly/s2/`. */
import type { S2Codec } from "../runtime/s2/s2_codec.ts";
import { loadUnit } from "./load_unit.ts";

const S2_FILE = new URL("./s2.wasm", import.meta.url);

/** The unit's code, which main gives to the links shard: in an executable of Bun only main finds it. */
export function loadS2Code(): WebAssembly.Module {
  return loadUnit(S2_FILE);
}

/** Instantiates the unit for one thread, working in the region at that address (`runtime/s2/s2_region.ts`). */
export function createS2Codec(memory: WebAssembly.Memory, region: number, code = loadS2Code()): S2Codec {
  const instance = new WebAssembly.Instance(code, { env: { memory } });
  const unit = instance.exports as unknown as S2Codec & { attach(region: number): void };
  unit.attach(region);
  return unit;
}
