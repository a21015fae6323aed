// The message at hand, described by scan(), scanLink(), drain() or the host just before it is delivered.

/** Record address of the connection that published it, or of slot 0. */
export let publisher: u32 = 0;
/** Address of what follows the subject and its blank in the line: `[reply ][header size ]size␍␊`. */
export let rest: u32 = 0;
export let lineLength: u32 = 0;
/** Length of its headers, −1 for a PUB. */
export let headerLength: i32 = -1;
/** Length of headers and payload together. */
export let payloadLength: u32 = 0;
/** The payload lies outside the memory: the host attaches it. */
export let isLarge: bool = false;

/** Bytes at the start of `rest` that other nodes are not sent: the prefix of a mapped reply. */
export let hiddenLength: u32 = 0;
/** What links are sent between the target's prefix and `rest`: the subject of an answer that goes to another cluster. */
export let inserted: u32 = 0;
export let insertedLength: u32 = 0;

/** `from`: record address of its publisher. The payload lies behind the line at `at`, unless it is `large`. */
export function describe(from: u32, at: u32, line: u32, header: i32, payload: u32, large: bool): void {
  publisher = from;
  rest = at;
  lineLength = line;
  headerLength = header;
  payloadLength = payload;
  isLarge = large;
  hiddenLength = 0;
  insertedLength = 0;
}

/** The reply is mapped: those here see what it stands for. */
export function hideReplyPrefix(length: u32): void {
  hiddenLength = length;
}

export function insert(at: u32, length: u32): void {
  inserted = at;
  insertedLength = length;
}

/** Address of the sizes in its line, one or with headers two; a reply, if there is one, ends a blank before. */
export function sizesAt(): u32 {
  // Backwards: a reply may hold any byte but a blank, other controls included.
  let sizes = rest + lineLength - 2;
  while (sizes > rest && load<u8>(sizes - 1) != 0x20) sizes--;
  if (headerLength < 0) return sizes;
  sizes--;
  while (sizes > rest && load<u8>(sizes - 1) != 0x20) sizes--;
  return sizes;
}
