import { dlopen, type FFIFunction, ptr, toArrayBuffer } from "bun:ffi";
import { LIBC_FILE, LIBC_FUNCTIONS } from "../posix/libc.ts";
import { type NativeFunctions, Posix } from "../posix/posix.ts";

/**
 * libc through `bun:ffi`. Whatever is 64 bits wide is declared `ptr`, which takes a number in 2 ns where
 * `u64_fast` takes 8 (Bun 1.4.5). Throws where libc cannot be opened.
 */
export function openBunPosix(): Posix {
  const declarations: Record<string, FFIFunction> = {};
  for (const [name, { parameters, result }] of Object.entries(LIBC_FUNCTIONS)) {
    declarations[name] = {
      args: parameters.map((type) => (type === "pointer" || type === "size" ? "ptr" : type)),
      returns: result === "pointer" ? "ptr" : result,
    };
  }
  return new Posix(
    {
      // The table is the type; bun:ffi cannot infer it from a computed object.
      functions: dlopen(LIBC_FILE, declarations).symbols as unknown as NativeFunctions,
      addressOf: (view) => ptr(view),
      wordAt: (address) => new Int32Array(toArrayBuffer(address as never, 0, 4)),
    },
    process.arch,
  );
}
