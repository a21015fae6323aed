/**
 * SHA-256 of bytes, as lower-case hex. The first call loads `node:crypto`, which takes 6 ms on Bun and 17 on Deno,
 * because most threads never hash anything.
 */
export function sha256Hex(bytes: Uint8Array): string {
  return process.getBuiltinModule("node:crypto").createHash("sha256").update(bytes).digest("hex");
}
