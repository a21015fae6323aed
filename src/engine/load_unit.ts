/** The code of a unit that `scripts/engine.ts` has compiled. Main reads it: threads get the module. */
export function loadUnit(file: URL): WebAssembly.Module {
  const path = process.getBuiltinModule("node:url").fileURLToPath(file.href);
  return new WebAssembly.Module(new Uint8Array(process.getBuiltinModule("node:fs").readFileSync(path)));
}
