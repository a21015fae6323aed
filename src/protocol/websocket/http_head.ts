/**
 * Reads the head of an HTTP/1 message, as far as the upgrade to a WebSocket needs it. It reads as Go's net/http does,
 * so that the same requests are refused in the same words. Texts are byte strings. Cold.
 */
import { byteStringOf } from "../../subject/byte_string.ts";

/** Longer heads are refused: cookies with a few JWTs fit. */
export const HEAD_BYTES_MAX = 64 * 1024;
const BUFFER_BYTES_MIN = 1024;
const LF = 10;
const CR = 13;

/** Values of header lines by lower-case name, in their order. */
export type HeaderLines = ReadonlyMap<string, readonly string[]>;

export interface HttpHead {
  readonly firstLine: string;
  readonly headers: HeaderLines;
}

/** Why a head cannot be read; the text is what Go adds to `Bad Request`, empty for nothing. */
export interface BadHead {
  readonly isTooLong: boolean;
  readonly text: string;
}

/** Collects a head from pieces, wherever it is cut. */
export class HeadReader {
  #bytes = new Uint8Array(BUFFER_BYTES_MIN);
  #length = 0;
  /** Up to here no end of a head was found. */
  #searched = 0;
  #firstLineEnd = -1;

  /** Adds `from[start, end)`. False when that is more than a head can be: then it has not been added. */
  add(from: Uint8Array, start: number, end: number): boolean {
    const length = this.#length + end - start;
    if (length > HEAD_BYTES_MAX) return false;
    if (length > this.#bytes.length) {
      const larger = new Uint8Array(2 ** Math.ceil(Math.log2(length)));
      larger.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = larger;
    }
    this.#bytes.set(from.subarray(start, end), this.#length);
    this.#length = length;
    return true;
  }

  /** How many bytes are left that belong to no head taken so far. */
  get restBytes(): number {
    return this.#length;
  }

  /** Takes the bytes that no head has taken. */
  takeRest(): Uint8Array {
    const rest = this.#bytes.slice(0, this.#length);
    this.#length = 0;
    return rest;
  }

  /** The first line as soon as it is there, else null. */
  peekFirstLine(): string | null {
    if (this.#firstLineEnd < 0) this.#firstLineEnd = this.#bytes.subarray(0, this.#length).indexOf(LF);
    return this.#firstLineEnd < 0 ? null : this.#line(0, this.#firstLineEnd);
  }

  /** The head, once it is complete; what follows it stays for the next. Null before. */
  take(): HttpHead | BadHead | null {
    const lines: string[] = [];
    const end = this.#findEnd();
    if (end < 0) return null;
    for (let at = 0; at < end; ) {
      const lineEnd = this.#bytes.indexOf(LF, at);
      lines.push(this.#line(at, lineEnd));
      at = lineEnd + 1;
    }
    this.#bytes.copyWithin(0, end, this.#length);
    this.#length -= end;
    this.#searched = 0;
    this.#firstLineEnd = -1;
    const [firstLine, ...rest] = lines;
    const headers = readHeaderLines(rest.slice(0, -1));
    return "text" in headers ? headers : { firstLine: firstLine!, headers: headers.lines };
  }

  /** The address after the empty line, −1 without one. */
  #findEnd(): number {
    const bytes = this.#bytes;
    for (let at = this.#searched; ; ) {
      const lf = bytes.subarray(0, this.#length).indexOf(LF, at);
      if (lf < 0) break;
      const next = bytes[lf + 1] === CR && lf + 2 < this.#length ? lf + 2 : lf + 1;
      if (next < this.#length && bytes[next] === LF) return next + 1;
      at = lf + 1;
    }
    this.#searched = Math.max(0, this.#length - 2);
    return -1;
  }

  #line(start: number, lf: number): string {
    return byteStringOf(this.#bytes, start, lf > start && this.#bytes[lf - 1] === CR ? lf - 1 : lf);
  }
}

/** Whether a head could not be read. */
export function isBadHead(head: HttpHead | BadHead): head is BadHead {
  return "isTooLong" in head;
}

const MALFORMED: BadHead = { isTooLong: false, text: "" };

function readHeaderLines(lines: readonly string[]): { readonly lines: HeaderLines } | BadHead {
  const found = new Map<string, string[]>();
  let last: string[] | null = null;
  for (const line of lines) {
    // A line that begins with a blank goes on with the one before.
    if (/^[ \t]/.test(line)) {
      if (last === null) return MALFORMED;
      last.push(`${last.pop()} ${line.trim()}`.trim());
      continue;
    }
    const colon = line.indexOf(":");
    if (colon < 0) return MALFORMED;
    const name = line.slice(0, colon);
    const value = line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, "");
    if (!isToken(name.replaceAll(" ", "")) || /[\0-\x08\x0a-\x1f\x7f]/.test(value)) return MALFORMED;
    if (name.includes(" ")) return { isTooLong: false, text: "invalid header name" };
    last = found.get(name.toLowerCase()) ?? [];
    last.push(value);
    found.set(name.toLowerCase(), last);
  }
  return { lines: found };
}

/** Whether the text is a token of HTTP, such as the name of a method, a header or a cookie. */
export function isToken(text: string): boolean {
  return /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(text);
}

/** The first value of a header, "" without. */
export function headerValue(headers: HeaderLines, name: string): string {
  return headers.get(name)?.[0] ?? "";
}

/** The elements of a header that is a list, over all its lines. */
export function headerList(headers: HeaderLines, name: string): readonly string[] {
  return (headers.get(name) ?? []).flatMap((value) => value.split(",").map(trimBlanks));
}

/** Whether a header that is a list has this element, in any case. */
export function headerListHas(headers: HeaderLines, name: string, wanted: string): boolean {
  return headerList(headers, name).some((element) => element.toLowerCase() === wanted.toLowerCase());
}

function trimBlanks(text: string): string {
  return text.replace(/^[ \t]+|[ \t]+$/g, "");
}
