import { sha256 } from "@noble/hashes/sha2.js";
import { BASE62_DIGITS } from "../../base/nuid.ts";
import { bytesOf } from "../../subject/byte_string.ts";

export const NAME_HASH_LENGTH = 6;

/**
 * The hash that stands for a cluster (of its name) or a server (of its id) in mapped replies: six characters, `GA` is
 * `F2cAWZ`. Names are byte strings.
 * Source: nats-server getGWHash.
 */
export function nameHash(name: string): string {
  const digest = sha256(bytesOf(name)).subarray(0, NAME_HASH_LENGTH);
  return Array.from(digest, (byte) => BASE62_DIGITS[byte % BASE62_DIGITS.length]).join("");
}
