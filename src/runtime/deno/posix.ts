import { assert } from "../../base/assert.ts";
import { LIBC_FILE, LIBC_FUNCTIONS } from "../posix/libc.ts";
import { type NativeFunctions, type NativeView, type Pointer, Posix } from "../posix/posix.ts";
import { deno } from "./globals.ts";

/**
 * libc through `Deno.dlopen`. Pointers are `Deno.PointerObject`s made beforehand: 6 ns a call, against 16
 * for a `buffer` and 76 to make one on the way. Needs `--allow-ffi`; throws without it or without libc.
 */
export function openDenoPosix(): Posix {
  // The table is the type; Deno's own inference is not among the declarations we have.
  const functions = deno.dlopen(LIBC_FILE, LIBC_FUNCTIONS).symbols as unknown as NativeFunctions;
  const pointerObjectOf = (view: NativeView): object => {
    const pointer = deno.UnsafePointer.of(view);
    assert(pointer !== null, "pointerOf: an empty view has no address");
    return pointer;
  };
  return new Posix(
    {
      functions,
      pointerOf: (view) => Number(deno.UnsafePointer.value(pointerObjectOf(view))),
      preparePointer: (view, byteOffset) =>
        deno.UnsafePointer.offset(pointerObjectOf(view), byteOffset) as unknown as Pointer,
      wordAt: (pointer) => new Int32Array(deno.UnsafePointerView.getArrayBuffer(pointer, 4)),
    },
    process.arch,
  );
}
