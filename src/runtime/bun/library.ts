import { dlopen, type FFIFunction, FFIType } from "bun:ffi";
import type { NativeFunction } from "../posix/libc.ts";
import type { Callable } from "../posix/posix.ts";

/**
 * A library's functions through `bun:ffi`. Parameters of 64 bits are declared `ptr`, which takes a number in 2 ns where
 * `u64_fast` takes 8 (Bun 1.4.5). Throws if the library or one of the functions is missing.
 */
export function openBunLibrary<Table extends Readonly<Record<string, NativeFunction>>>(
  file: string,
  table: Table,
): Callable<Table> {
  const declarations: Record<string, FFIFunction> = {};
  for (const [name, { parameters, result }] of Object.entries(table)) {
    declarations[name] = {
      args: parameters.map((type) => (isWide(type) ? "ptr" : type)),
      // A `ptr` of address 0 would come back as null.
      returns: isWide(result) ? FFIType.u64_fast : result,
    };
  }
  // The table is the type; bun:ffi cannot infer it from a computed object.
  return dlopen(file, declarations).symbols as unknown as Callable<Table>;
}

function isWide(type: NativeFunction["result"]): type is "pointer" | "size" {
  return type === "pointer" || type === "size";
}
