/** Passwords and tokens as the configuration stores them: in clear, or as bcrypt hashes. */

/** Whether `secret`, as the client sent it, is what the bcrypt `hash` was made from. Takes 60 ms and more. */
export type HashComparison = (secret: string, hash: string) => boolean;

/** Whether a stored secret is a bcrypt hash. Source: nats-server auth.go, isBcrypt. */
export function isBcryptHash(stored: string): boolean {
  return /^\$2[abxy]\$\d\d\$/.test(stored);
}

/** Length of a hash. nats-server leaves out of account what stands behind, such as a line end. */
const BCRYPT_CHARACTERS = 60;

/**
 * Loads the package that compares hashes: worth its time only where a hash is configured. Of the four revisions it
 * does not know `$2x$`, which names hashes of the same algorithm.
 */
export async function loadHashComparison(): Promise<HashComparison> {
  const { compareSync } = await import("bcryptjs");
  return (secret, hash) => {
    try {
      return compareSync(secret, hash.slice(0, BCRYPT_CHARACTERS).replace(/^\$2x/, "$2b"));
    } catch {
      return false; // a cost out of range, or salt that is no base64
    }
  };
}

/**
 * Compares secrets in time that depends on their lengths alone. Not by node:crypto, whose import takes 9 ms of every
 * shard's start on Bun.
 */
export function isSameSecret(given: string, stored: string): boolean {
  const a = new TextEncoder().encode(given);
  const b = new TextEncoder().encode(stored);
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) difference |= a[i]! ^ b[i % b.length]!;
  return difference === 0;
}
