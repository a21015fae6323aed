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
/** Whether the payload lies outside the shared memory; then the host attaches it. */
export let isLarge: bool = false;

/** Bytes at the start of `rest` that are not sent to other nodes: the prefix of a mapped reply. */
export let hiddenLength: u32 = 0;
/** What is sent to links between the target's prefix and `rest`: the subject of an answer to another cluster. */
export let inserted: u32 = 0;
export let insertedLength: u32 = 0;

/**
 * Describes the message at hand. `from` is the record address of its publisher. The payload lies behind the line at
 * `at`, unless it is `large`.
 */
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

/** Notes that the reply is mapped: the other nodes of this server are sent the reply behind its prefix. */
export function hideReplyPrefix(length: u32): void {
  hiddenLength = length;
}

export function insert(at: u32, length: u32): void {
  inserted = at;
  insertedLength = length;
}

/** Address of the size in its line, or of both sizes with headers. A reply, if there is one, ends one blank before. */
export function sizesAt(): u32 {
  // It searches backwards because a reply may hold any byte but a blank, control characters included.
  let sizes = rest + lineLength - 2;
  while (sizes > rest && load<u8>(sizes - 1) != 0x20) sizes--;
  if (headerLength < 0) return sizes;
  sizes--;
  while (sizes > rest && load<u8>(sizes - 1) != 0x20) sizes--;
  return sizes;
}
