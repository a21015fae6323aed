import type { NativeFunction } from "../posix/libc.ts";
import type { Callable } from "../posix/posix.ts";
import { deno } from "./globals.ts";

export type DenoFunction = (...values: (number | bigint)[]) => number | bigint;

/** A library's functions as `Deno.dlopen` gives them. Values of 64 bits are BigInts. */
export function openDenoSymbols(
  file: string,
  table: Readonly<Record<string, NativeFunction>>,
): Record<string, DenoFunction> {
  const declarations: Record<string, { parameters: readonly string[]; result: string }> = {};
  for (const [name, { parameters, result }] of Object.entries(table)) {
    declarations[name] = { parameters: parameters.map(denoType), result: denoType(result) };
  }
  return deno.dlopen(file, declarations).symbols as Record<string, DenoFunction>;
}

/** The functions of a table for cold calls: each call costs an array and a BigInt or two. */
export function coldFunctions<Table extends Readonly<Record<string, NativeFunction>>>(
  symbols: Record<string, DenoFunction>,
  table: Table,
): Callable<Table> {
  const functions: Record<string, (...values: number[]) => number> = {};
  for (const [name, { parameters }] of Object.entries(table)) {
    const call = symbols[name]!;
    const isWide = parameters.map((type) => type === "pointer" || type === "size");
    functions[name] = (...values) =>
      Number(call(...values.map((value, i) => (isWide[i] ? BigInt(value) : value))));
  }
  // The table is the type.
  return functions as unknown as Callable<Table>;
}

function denoType(type: NativeFunction["result"]): string {
  return type === "pointer" || type === "size" ? "usize" : type;
}
