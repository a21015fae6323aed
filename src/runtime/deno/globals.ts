/**
 * The few members of Deno that we use. They are declared by hand, because the project is checked with Bun's types,
 * which clash with Deno's own declarations.
 */
export interface DenoGlobal {
  readonly version: { readonly deno: string };
  readonly build: { readonly os: string; readonly arch: string };
  memoryUsage(): { readonly rss: number };
  dlopen(
    file: string,
    functions: Record<string, { parameters: readonly string[]; result: string }>,
  ): { readonly symbols: Record<string, unknown> };
  readonly UnsafePointer: {
    of(view: ArrayBufferView): object | null;
    value(pointer: object | null): bigint;
    create(address: bigint): object | null;
  };
  readonly UnsafePointerView: { getArrayBuffer(pointer: object, byteLength: number): ArrayBuffer };
  readonly permissions: { querySync(descriptor: { name: string; path?: string }): { state: string } };
}

export const deno = (globalThis as unknown as { Deno: DenoGlobal }).Deno;
