// Looking into a NATS/1.0 header block. Servers forward it untouched; only tracing, latency samples and
// service imports read it. Source: NATS ADR-4.

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const TAB = 0x09;
const COLON = 0x3a;

/**
 * Returns the value of the first header called `name`, exactly as written but for blanks around it, or
 * null.
 *
 * `bytes[start, end)` is a header block: a status line, one `Name: value` per line, an empty line.
 * Names are case-sensitive and touch their colon. A block in any other form just has no headers.
 */
export function headerValue(bytes: Uint8Array, start: number, end: number, name: string): string | null {
  let lineStart = nextLine(bytes, start, end);
  while (lineStart < end) {
    const lineEnd = nextLine(bytes, lineStart, end);
    if (hasName(bytes, lineStart, lineEnd, name)) {
      let valueStart = lineStart + name.length + 1;
      let valueEnd = lineEnd;
      while (valueStart < valueEnd && isBlank(bytes[valueStart]!)) valueStart++;
      while (valueEnd > valueStart && isBlankOrLineEnd(bytes[valueEnd - 1]!)) valueEnd--;
      return new TextDecoder().decode(bytes.slice(valueStart, valueEnd));
    }
    lineStart = lineEnd;
  }
  return null;
}

/** Returns the offset after the next LF, or `end`. */
function nextLine(bytes: Uint8Array, from: number, end: number): number {
  let i = from;
  while (i < end && bytes[i] !== LF) i++;
  return i < end ? i + 1 : end;
}

function hasName(bytes: Uint8Array, lineStart: number, lineEnd: number, name: string): boolean {
  if (lineStart + name.length >= lineEnd || bytes[lineStart + name.length] !== COLON) return false;
  for (let i = 0; i < name.length; i++) {
    if (bytes[lineStart + i] !== name.charCodeAt(i)) return false;
  }
  return true;
}

function isBlank(byte: number): boolean {
  return byte === SPACE || byte === TAB;
}

function isBlankOrLineEnd(byte: number): boolean {
  return isBlank(byte) || byte === CR || byte === LF;
}
