// The quoting of Go's `%q`, which -ERR texts and log lines use for everything a client chose. Cold.

const BACKSLASH_ESCAPES: Readonly<Record<number, string>> = {
  7: "\\a",
  8: "\\b",
  9: "\\t",
  10: "\\n",
  11: "\\v",
  12: "\\f",
  13: "\\r",
  34: '\\"',
  92: "\\\\",
};

/**
 * What Go's unicode.IsPrint accepts: letters, marks, numbers, punctuation, symbols and the ASCII space.
 */
const PRINTABLE = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u;

/** Of ASCII what stands for itself: most texts have nothing else. */
const PLAIN = /^[ !#-[\]-~]*$/;

/**
 * Returns `bytes[start, end)` in double quotes. Bytes that are no UTF-8 come out as `\xNN` each, runes
 * that do not print as `\uNNNN` or `\UNNNNNNNN`. Source: Go strconv.Quote.
 */
export function goQuote(bytes: Uint8Array, start = 0, end = bytes.length): string {
  let quoted = '"';
  for (let i = start; i < end; ) {
    const lengthBytes = runeLengthBytes(bytes, i, end);
    if (lengthBytes === 0) {
      quoted += `\\x${hex(bytes[i]!, 2)}`;
      i++;
      continue;
    }
    quoted += quoteRune(runeAt(bytes, i, lengthBytes));
    i += lengthBytes;
  }
  return `${quoted}"`;
}

/** `goQuote` for text. */
export function goQuoteText(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : goQuote(new TextEncoder().encode(text));
}

function quoteRune(rune: number): string {
  const backslashed = BACKSLASH_ESCAPES[rune];
  if (backslashed !== undefined) return backslashed;
  const character = String.fromCodePoint(rune);
  if (PRINTABLE.test(character)) return character;
  if (rune < 0x20 || rune === 0x7f) return `\\x${hex(rune, 2)}`;
  return rune < 0x10000 ? `\\u${hex(rune, 4)}` : `\\U${hex(rune, 8)}`;
}

/** Length of the UTF-8 sequence at `i`, 0 if there is none: overlong, a surrogate, too large or cut. */
function runeLengthBytes(bytes: Uint8Array, i: number, end: number): number {
  const first = bytes[i]!;
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  const lengthBytes = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if (i + lengthBytes > end) return 0;
  for (let k = 1; k < lengthBytes; k++) {
    if ((bytes[i + k]! & 0xc0) !== 0x80) return 0;
  }
  const rune = runeAt(bytes, i, lengthBytes);
  if (lengthBytes === 3 && (rune < 0x800 || (rune >= 0xd800 && rune <= 0xdfff))) return 0;
  if (lengthBytes === 4 && (rune < 0x10000 || rune > 0x10ffff)) return 0;
  return lengthBytes;
}

/** Decodes the sequence of `lengthBytes` bytes at `i`, whose form has been checked. */
function runeAt(bytes: Uint8Array, i: number, lengthBytes: number): number {
  if (lengthBytes === 1) return bytes[i]!;
  let rune = bytes[i]! & (0x7f >> lengthBytes);
  for (let k = 1; k < lengthBytes; k++) rune = (rune << 6) | (bytes[i + k]! & 0x3f);
  return rune;
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, "0");
}
