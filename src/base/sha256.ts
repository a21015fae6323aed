import process from "node:process";

/**
 * SHA-256 as lower-case hex. Loads `node:crypto` with the first call, which takes 9 ms on Bun: most threads never need it.
 */
export function sha256Hex(bytes: Uint8Array): string {
  return process.getBuiltinModule("node:crypto").createHash("sha256").update(bytes).digest("hex");
}
