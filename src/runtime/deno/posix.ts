import { assert } from "../../base/assert.ts";
import { LIBC_FILE, LIBC_FUNCTIONS, type NativeFunction } from "../posix/libc.ts";
import { type NativeFunctions, Posix } from "../posix/posix.ts";
import { deno } from "./globals.ts";

/**
 * libc through `Deno.dlopen`. Needs `--allow-ffi`; throws without it, or without libc.
 *
 * A 64-bit parameter is declared `usize`, which wants a BigInt. The hot calls read theirs out of a
 * `BigUint64Array`: optimised code passes the word on without making a BigInt. Per argument in Deno 2.9.6:
 * 5 ns so, 19 ns for `BigInt(n)`, 107 ns for a number given to a `usize`, 10 ns for a `buffer`, none for a
 * `pointer` object made beforehand (but 70 ns to make one). `u32` for a `size_t` would be quick, too, yet
 * nothing promises that the register's upper half is clear.
 */
export function openDenoPosix(): Posix {
  const declarations: Record<string, { parameters: readonly string[]; result: string }> = {};
  for (const [name, { parameters, result }] of Object.entries(LIBC_FUNCTIONS)) {
    declarations[name] = { parameters: parameters.map(denoType), result: denoType(result) };
  }
  const symbols = deno.dlopen(LIBC_FILE, declarations).symbols as Record<string, DenoFunction>;
  return new Posix(
    {
      // The table is the type; both parts below follow it.
      functions: { ...coldFunctions(symbols), ...hotFunctions(symbols) } as unknown as NativeFunctions,
      addressOf(view) {
        const pointer = deno.UnsafePointer.of(view);
        assert(pointer !== null, "addressOf: an empty view has no address");
        return Number(deno.UnsafePointer.value(pointer));
      },
      wordAt(address) {
        const pointer = deno.UnsafePointer.create(BigInt(address));
        assert(pointer !== null, "wordAt: nothing lies at address 0");
        return new Int32Array(deno.UnsafePointerView.getArrayBuffer(pointer, 4));
      },
    },
    process.arch,
  );
}

type DenoFunction = (...values: (number | bigint)[]) => number | bigint;

function denoType(type: NativeFunction["result"]): string {
  return type === "pointer" || type === "size" ? "usize" : type;
}

/** Any function of the table, at the cost of an array and a BigInt or two: fine for cold calls. */
function coldFunctions(
  symbols: Record<string, DenoFunction>,
): Record<string, (...values: number[]) => number> {
  const functions: Record<string, (...values: number[]) => number> = {};
  for (const [name, { parameters }] of Object.entries(LIBC_FUNCTIONS)) {
    const call = symbols[name]!;
    const isWide = parameters.map((type) => type === "pointer" || type === "size");
    functions[name] = (...values) =>
      Number(call(...values.map((value, i) => (isWide[i] ? BigInt(value) : value))));
  }
  return functions;
}

/** The calls of the data plane, written out so that each is a fast call that allocates nothing. */
function hotFunctions(symbols: Record<string, DenoFunction>): Partial<NativeFunctions> {
  type Fast<P extends (number | bigint)[]> = (...values: P) => number;
  const epollWait = symbols.epoll_wait as Fast<[number, bigint, number, number]>;
  const readv = symbols.readv as Fast<[number, bigint, number]>;
  const writev = symbols.writev as Fast<[number, bigint, number]>;
  const recv = symbols.recv as Fast<[number, bigint, bigint, number]>;
  const send = symbols.send as Fast<[number, bigint, bigint, number]>;
  // Words 0 and 1: the address; words 2 and 3: the size, whose upper half stays 0.
  const words = new Uint32Array(new ArrayBuffer(16));
  const wide = new BigUint64Array(words.buffer);
  return {
    epoll_wait(epollFd, address, maxEvents, timeoutMs) {
      words[0] = address >>> 0;
      words[1] = (address / 4294967296) >>> 0;
      return epollWait(epollFd, wide[0]!, maxEvents, timeoutMs);
    },
    readv(fd, address, count) {
      words[0] = address >>> 0;
      words[1] = (address / 4294967296) >>> 0;
      return readv(fd, wide[0]!, count);
    },
    writev(fd, address, count) {
      words[0] = address >>> 0;
      words[1] = (address / 4294967296) >>> 0;
      return writev(fd, wide[0]!, count);
    },
    recv(fd, address, lengthBytes, flags) {
      words[0] = address >>> 0;
      words[1] = (address / 4294967296) >>> 0;
      words[2] = lengthBytes;
      return recv(fd, wide[0]!, wide[1]!, flags);
    },
    send(fd, address, lengthBytes, flags) {
      words[0] = address >>> 0;
      words[1] = (address / 4294967296) >>> 0;
      words[2] = lengthBytes;
      return send(fd, wide[0]!, wide[1]!, flags);
    },
  };
}
