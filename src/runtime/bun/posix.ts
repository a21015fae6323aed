import { ptr, toArrayBuffer } from "bun:ffi";
import { LIBC_FILE, LIBC_FUNCTIONS } from "../posix/libc.ts";
import { Posix } from "../posix/posix.ts";
import { openBunLibrary } from "./library.ts";

/** libc through `bun:ffi`. Throws if it cannot be opened. */
export function openBunPosix(): Posix {
  return new Posix(
    {
      functions: openBunLibrary(LIBC_FILE, LIBC_FUNCTIONS),
      addressOf: (view) => ptr(view),
      wordAt: (address) => new Int32Array(toArrayBuffer(address as never, 0, 4)),
      bytesAt: (address, lengthBytes) =>
        new Uint8Array(toArrayBuffer(address as never, 0, lengthBytes)).slice(),
    },
    process.arch,
  );
}
