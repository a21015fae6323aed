// A NATS/1.0 header block taken apart the way Go does it, where what is in it decides: names in canonical form,
// lines that go on in the next one, and nothing at all if anything is wrong. Cold.

/** Values by canonical name (`X-B3-Traceid`), in the order they come. */
export type MimeHeaders = ReadonlyMap<string, readonly string[]>;

/**
 * The headers of `bytes[start, end)`, which begins with a status line and ends with an empty one; null if the block
 * has another form. Source: Go textproto ReadMIMEHeader.
 */
export function readMimeHeaders(bytes: Uint8Array, start: number, end: number): MimeHeaders | null {
  const lines = new TextDecoder().decode(bytes.slice(start, end)).split(/\r?\n/);
  const lineEnd = lines.indexOf("", 1);
  if (lineEnd < 0 || lineEnd === lines.length - 1) return null;
  // There is no line before the first that it could go on.
  if (/^[ \t]/.test(lines[1]!)) return null;
  const headers = new Map<string, string[]>();
  for (const line of unfold(lines.slice(1, lineEnd))) {
    const colon = line.indexOf(":");
    const name = colon < 0 ? null : canonicalName(line.slice(0, colon));
    const value = line.slice(colon + 1);
    if (name === null || /[\0-\x08\x0a-\x1f\x7f]/.test(value)) return null;
    const values = headers.get(name) ?? [];
    values.push(value.replace(/^[ \t]+/, ""));
    headers.set(name, values);
  }
  return headers;
}

/** Joins lines that begin with a blank to the one before, blanks at the ends become one space. */
function unfold(lines: readonly string[]): string[] {
  const unfolded: string[] = [];
  for (const line of lines) {
    const trimmed = line.replace(/[ \t]+$/, "");
    if (/^[ \t]/.test(line)) {
      unfolded.push(`${unfolded.pop()} ${trimmed.replace(/^[ \t]+/, "")}`);
    } else unfolded.push(trimmed);
  }
  return unfolded;
}

/** `x-b3-traceid` as `X-B3-Traceid`; null for what is no name. One with a space in it stays as it is. */
function canonicalName(name: string): string | null {
  if (!/^[ !#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)) return null;
  if (name.includes(" ")) return name;
  return name.toLowerCase().replace(/(^|-)[a-z]/g, (start) => start.toUpperCase());
}
