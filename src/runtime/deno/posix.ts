import { assert } from "../../base/assert.ts";
import { LIBC_FILE, LIBC_FUNCTIONS } from "../posix/libc.ts";
import { type NativeFunctions, Posix } from "../posix/posix.ts";
import { deno } from "./globals.ts";
import { coldFunctions, type DenoFunction, openDenoSymbols } from "./library.ts";

/**
 * libc through `Deno.dlopen`. Needs `--allow-ffi`; throws without it, or without libc.
 *
 * A 64-bit parameter is declared `usize`, which takes a BigInt. The hot calls read theirs from a `BigUint64Array`:
 * optimised code passes the word on without making a BigInt. An argument costs 5 ns in this way (Deno 2.9.6). It would
 * cost 19 ns with `BigInt(n)`, 107 ns for a number given to a `usize`, 10 ns for a `buffer`, and nothing for a
 * `pointer` object made beforehand, which takes 70 ns to make. `u32` for a `size_t` would be quick, too, but nothing
 * promises that the register's upper half is clear.
 */
export function openDenoPosix(): Posix {
  const symbols = openDenoSymbols(LIBC_FILE, LIBC_FUNCTIONS);
  const pointerTo = (address: number) => {
    const pointer = deno.UnsafePointer.create(BigInt(address));
    assert(pointer !== null, "nothing lies at address 0");
    return pointer;
  };
  return new Posix(
    {
      functions: { ...coldFunctions(symbols, LIBC_FUNCTIONS), ...hotFunctions(symbols) },
      addressOf(view) {
        const pointer = deno.UnsafePointer.of(view);
        assert(pointer !== null, "addressOf: an empty view has no address");
        return Number(deno.UnsafePointer.value(pointer));
      },
      wordAt: (address) => new Int32Array(deno.UnsafePointerView.getArrayBuffer(pointerTo(address), 4)),
      bytesAt: (address, lengthBytes) =>
        new Uint8Array(deno.UnsafePointerView.getArrayBuffer(pointerTo(address), lengthBytes)).slice(),
    },
    deno.build.arch === "aarch64" ? "arm64" : "x64",
  );
}

/** The calls of the data plane, written out so that each is a fast call that allocates nothing. */
function hotFunctions(symbols: Record<string, DenoFunction>): Partial<NativeFunctions> {
  type Fast<P extends (number | bigint)[]> = (...values: P) => number;
  const epollWait = symbols.epoll_wait as Fast<[number, bigint, number, number]>;
  const readv = symbols.readv as Fast<[number, bigint, number]>;
  const writev = symbols.writev as Fast<[number, bigint, number]>;
  const recv = symbols.recv as Fast<[number, bigint, bigint, number]>;
  const send = symbols.send as Fast<[number, bigint, bigint, number]>;
  const memcpy = symbols.memcpy as Fast<[bigint, bigint, bigint]>;
  // Words 0 and 1 are the address, words 2 and 3 the size, whose upper half stays 0, words 4 and 5 a second address.
  const words = new Uint32Array(new ArrayBuffer(24));
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
    memcpy(target, source, lengthBytes) {
      words[0] = target >>> 0;
      words[1] = (target / 4294967296) >>> 0;
      words[2] = lengthBytes;
      words[4] = source >>> 0;
      words[5] = (source / 4294967296) >>> 0;
      return memcpy(wide[0]!, wide[2]!, wide[1]!);
    },
  };
}
