/** The alphabet of NATS's ids and hashes. */
export const BASE62_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** Random characters of that alphabet. */
export function randomDigits(count: number): string {
  const random = crypto.getRandomValues(new Uint32Array(count));
  let text = "";
  for (const value of random) text += BASE62_DIGITS[value % BASE62_DIGITS.length];
  return text;
}

/** A new id as events carry it: 22 characters. */
export function newNuid(): string {
  return randomDigits(22);
}
