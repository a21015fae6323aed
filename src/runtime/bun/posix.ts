import { dlopen, type FFIFunction, ptr, toArrayBuffer } from "bun:ffi";
import { LIBC_FILE, LIBC_FUNCTIONS } from "../posix/libc.ts";
import { type NativeFunctions, type NativeView, type Pointer, Posix } from "../posix/posix.ts";

/**
 * libc through `bun:ffi`. Pointers are plain numbers, declared `ptr`: 2 ns a call where `u64_fast` takes 8.
 * Throws where libc cannot be opened.
 */
export function openBunPosix(): Posix {
  const declarations: Record<string, FFIFunction> = {};
  for (const [name, { parameters, result }] of Object.entries(LIBC_FUNCTIONS)) {
    declarations[name] = {
      args: parameters.map((type) => (type === "pointer" ? "ptr" : type)),
      returns: result === "pointer" ? "ptr" : result,
    };
  }
  // The table above is the type; bun:ffi cannot infer it from a computed object.
  const functions = dlopen(LIBC_FILE, declarations).symbols as unknown as NativeFunctions;
  const pointerOf = (view: NativeView): number => ptr(view);
  return new Posix(
    {
      functions,
      pointerOf,
      preparePointer: (view, byteOffset) => (ptr(view) + byteOffset) as unknown as Pointer,
      wordAt: (pointer) => new Int32Array(toArrayBuffer(pointer as never, 0, 4)),
    },
    process.arch,
  );
}
