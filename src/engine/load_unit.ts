/** Reads the code of a unit that `scripts/engine.ts` has compiled. Only main does; threads are given the module. */
export function loadUnit(file: URL): WebAssembly.Module {
  const path = process.getBuiltinModule("node:url").fileURLToPath(file.href);
  return new WebAssembly.Module(new Uint8Array(process.getBuiltinModule("node:fs").readFileSync(path)));
}
