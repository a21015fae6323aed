// The members of a JSON object with their source text. JSON.parse alone hides what Go's encoding/json
// looks at: the order of keys that differ only in case, keys that come twice, and how a number was
// written.

export interface JsonMember {
  readonly key: string;
  /** The value as it was written, without white space around it. */
  readonly json: string;
  /** Where `json` stands in the document, in UTF-16 units. */
  readonly jsonStart: number;
}

/**
 * Returns `bytes[start, end)` as text. Broken UTF-8 becomes U+FFFD; a byte order mark stays, for it is
 * no JSON.
 */
export function decodeJson(bytes: Uint8Array, start: number, end: number): string {
  // slice, because TextDecoder refuses shared memory.
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes.slice(start, end));
}

/**
 * Returns the members of the object that `text` is, in the order written, duplicates included; none for
 * the document `null`; or null if the document is anything else or no JSON.
 */
export function jsonMembers(text: string): JsonMember[] | null {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    return null;
  }
  if (document === null) return [];
  if (typeof document !== "object" || Array.isArray(document)) return null;
  return splitObject(text);
}

/** Splits what JSON.parse has accepted as an object, so that only strings and nesting need care. */
function splitObject(text: string): JsonMember[] {
  const members: JsonMember[] = [];
  let key: string | null = null;
  let depth = 0;
  let partStart = text.indexOf("{") + 1;
  for (let i = partStart; i < text.length; i++) {
    switch (text[i]) {
      case '"':
        i = closingQuote(text, i);
        break;
      case "{":
      case "[":
        depth++;
        break;
      case ":":
        if (depth === 0) {
          key = JSON.parse(text.slice(partStart, i)) as string;
          partStart = i + 1;
        }
        break;
      case ",":
      case "}":
      case "]":
        if (depth === 0) {
          if (key !== null) members.push(memberAt(text, key, partStart, i));
          key = null;
          partStart = i + 1;
        }
        if (text[i] !== ",") depth--;
        break;
    }
  }
  return members;
}

function memberAt(text: string, key: string, start: number, end: number): JsonMember {
  const value = text.slice(start, end);
  return { key, json: value.trim(), jsonStart: end - value.trimStart().length };
}

/** Returns the offset of the quote that ends the string starting at `opening`. */
function closingQuote(text: string, opening: number): number {
  let i = opening + 1;
  while (text[i] !== '"') i += text[i] === "\\" ? 2 : 1;
  return i;
}

/** As Go folds keys: beyond ASCII, the Kelvin sign is a k (to toLowerCase as well) and the long s an s. */
export function foldCase(key: string): string {
  return key.replaceAll("\u017f", "s").toLowerCase();
}
