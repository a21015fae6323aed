/**
 * SHA-256 of bytes, as lower-case hex. `node:crypto` is loaded for the first of them, in 6 ms on Bun and 17 on Deno: it
 * is for threads that mostly hash nothing.
 */
export function sha256Hex(bytes: Uint8Array): string {
  return process.getBuiltinModule("node:crypto").createHash("sha256").update(bytes).digest("hex");
}
