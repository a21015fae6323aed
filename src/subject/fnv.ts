const OFFSET_BASIS = 0x811c9dc5;
const PRIME = 0x01000193;

/** The 32-bit FNV-1a hash of a byte string, as an unsigned integer. */
export function fnv1a32(byteString: string): number {
  let hash = OFFSET_BASIS;
  for (let i = 0; i < byteString.length; i++) {
    hash = Math.imul(hash ^ byteString.charCodeAt(i), PRIME);
  }
  return hash >>> 0;
}
