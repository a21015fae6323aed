/**
 * zlib as data: the functions of libz that we call, once for both FFIs, and the numbers that go with them.
 * Source: zlib's manual and its public header zlib.h.
 */
import type { NativeFunction } from "../posix/libc.ts";

export const LIBZ_FILE = "libz.so.1";

export const LIBZ_FUNCTIONS = {
  inflate: { parameters: ["pointer", "i32"], result: "i32" },
  inflateInit2_: { parameters: ["pointer", "i32", "pointer", "i32"], result: "i32" },
  inflateReset: { parameters: ["pointer"], result: "i32" },
} as const satisfies Record<string, NativeFunction>;

export const Z_OK = 0;
export const Z_STREAM_END = 1;
export const Z_BUF_ERROR = -5;

export const Z_FINISH = 4;

/** It is negative, so there is no header and no checksum around the data. */
export const RAW_WINDOW_BITS = -15;

/** Size of a `z_stream` if a pointer and a `long` have 64 bits, and the words of its fields. */
export const Z_STREAM_BYTES = 112;
export const NEXT_IN_WORD = 0;
export const AVAIL_IN_WORD = 2;
export const NEXT_OUT_WORD = 6;
export const AVAIL_OUT_WORD = 8;
