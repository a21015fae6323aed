const SIGNED = [-(2n ** 63n), 2n ** 63n - 1n] as const;
const UNSIGNED = [0n, 2n ** 64n - 1n] as const;

/**
 * A decimal integer of 64 bits, signed or unsigned; undefined for anything else. The digits are limited first, because
 * `BigInt` would take hours for a few million.
 */
export function parseInt64(text: string, isUnsigned = false): bigint | undefined {
  const [, sign = "", digits] = /^([+-]?)0*(\d{1,20})$/.exec(text) ?? [];
  if (digits === undefined) return undefined;
  const value = BigInt(sign === "-" ? `-${digits}` : digits);
  const [lowest, highest] = isUnsigned ? UNSIGNED : SIGNED;
  return value >= lowest && value <= highest ? value : undefined;
}
