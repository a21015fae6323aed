// Hot: writes the elements of a block. Source: google/snappy, format_description.txt; klauspost/compress, s2/README.md.

const TAG_COPY_NEAR: u32 = 1;
const TAG_COPY: u32 = 2;
/** A copy that is written in two bytes goes back less than so far and is at most so long. */
const NEAR_DISTANCE: u32 = 2048;
const NEAR_COUNT_MAX: u32 = 11;
const COPY_COUNT_MAX: u32 = 64;
/** The first part of a longer copy. What is left is then long enough for a repeat. */
const COPY_COUNT_FIRST: u32 = 60;

/** Writes `count` bytes as a literal, or nothing for 0. Returns where it ends. Writes at most 16 bytes behind that. */
export function emitLiteral(out: u32, from: u32, count: u32): u32 {
  if (count == 0) return out;
  const code = count - 1;
  if (code < 60) {
    store<u8>(out, code << 2);
    out++;
    let done: u32 = 0;
    do {
      v128.store(out + done, v128.load(from + done));
      done += 16;
    } while (done < count);
    return out + count;
  }
  if (code < 256) {
    store<u16>(out, (60 << 2) | (code << 8));
    out += 2;
  } else {
    store<u8>(out, 61 << 2);
    store<u16>(out + 1, code);
    out += 3;
  }
  memory.copy(out, from, count);
  return out + count;
}

/** Writes a copy of `count` bytes, 4 or more, from `distance` back, less than 65,536. Returns where it ends. */
export function emitCopy(out: u32, distance: u32, count: u32): u32 {
  if (count <= NEAR_COUNT_MAX && distance < NEAR_DISTANCE) {
    store<u16>(out, ((distance >> 8) << 5) | ((count - 4) << 2) | TAG_COPY_NEAR | ((distance & 0xff) << 8));
    return out + 2;
  }
  const first = count <= COPY_COUNT_MAX ? count : COPY_COUNT_FIRST;
  store<u8>(out, ((first - 1) << 2) | TAG_COPY);
  store<u16>(out + 1, distance);
  return first == count ? out + 3 : emitRepeat(out + 3, count - first);
}

/** Writes a copy of `count` bytes, 4 or more, from as far back as the last copy. Returns where it ends. */
export function emitRepeat(out: u32, count: u32): u32 {
  if (count <= 8) {
    store<u16>(out, ((count - 4) << 2) | TAG_COPY_NEAR);
    return out + 2;
  }
  if (count < 8 + 256) {
    store<u16>(out, (5 << 2) | TAG_COPY_NEAR);
    store<u8>(out + 2, count - 8);
    return out + 3;
  }
  store<u16>(out, (6 << 2) | TAG_COPY_NEAR);
  store<u16>(out + 2, count - 260);
  return out + 4;
}
