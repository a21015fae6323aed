// Hot: words of the lines that messages come with.

/** Length of a plain decimal at `at` (no sign, no leading zero, at most nine digits), 0 if there is none. Its value is in `number`. */
export let number: u32 = 0;
export function readNumber(at: u32): u32 {
  let value: u32 = 0;
  let length: u32 = 0;
  for (;;) {
    const digit = <u32>load<u8>(at + length) - 0x30;
    if (digit > 9) break;
    if (length == 9) return 0;
    value = value * 10 + digit;
    length++;
  }
  if (length > 1 && load<u8>(at) == 0x30) return 0;
  number = value;
  return length;
}

/** `_R…`, `_G…`, `$J…` and `$G…` may be subjects that only servers use: the host looks closer. */
export function mayBeReserved(subject: u32): bool {
  const start = load<u16>(subject);
  return start == 0x525f || start == 0x475f || start == 0x4a24 || start == 0x4724;
}
