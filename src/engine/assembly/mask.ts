// Hot: runs once for each piece of a WebSocket's frame.

/**
 * Moves `length` bytes from `from` to `to` and applies a mask of four bytes, the lowest first. `to` is at most `from`,
 * or the two do not overlap. Writes nothing behind the bytes, because the next frame may lie there.
 */
export function unmask(to: u32, from: u32, length: u32, mask: u32): void {
  const pattern = i32x4.splat(mask);
  while (length >= 16) {
    v128.store(to, v128.xor(v128.load(from), pattern));
    to += 16;
    from += 16;
    length -= 16;
  }
  while (length >= 4) {
    store<u32>(to, load<u32>(from) ^ mask);
    to += 4;
    from += 4;
    length -= 4;
  }
  while (length != 0) {
    store<u8>(to, load<u8>(from) ^ (mask & 0xff));
    mask = rotr(mask, 8);
    to++;
    from++;
    length--;
  }
}
