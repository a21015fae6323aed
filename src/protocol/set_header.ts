// Writing into a NATS/1.0 header block: what services, latencies and traces add to a message on its way. Cold.

import { Buffer } from "node:buffer";

const VERSION_LINE = "NATS/1.0\r\n";
const LINE_END = "\r\n";

/** A message as HPUB carries it: a header block of `headerBytes`, 0 for none, and the payload behind it. */
export interface MessageBytes {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly headerBytes: number;
}

/**
 * The message with the header `name: value` at the end of its block, which is made if there is none, and without any
 * header of that name before. Names are compared as they are written. The message itself is not changed.
 *
 * The block is not parsed: bytes that are not a header block are kept as they are. Source: nats-server setHeader.
 */
export function withHeader({ bytes, headerBytes }: MessageBytes, name: string, value: string): MessageBytes {
  // What is too short to be a block counts as payload.
  const blockBytes = headerBytes > LINE_END.length ? headerBytes : 0;
  // The block as bytes, one a character, without the empty line at its end.
  const block = latin1(bytes.subarray(0, Math.max(blockBytes - LINE_END.length, 0)));
  const kept = withoutHeader(block, name);
  const line = `${name}: ${Buffer.from(value).toString("latin1")}${LINE_END}`;
  const header = Buffer.from(`${kept}${line}${LINE_END}`, "latin1");
  const changed = new Uint8Array(header.length + bytes.length - blockBytes);
  changed.set(header);
  changed.set(bytes.subarray(blockBytes), header.length);
  return { bytes: changed, headerBytes: header.length };
}

/** A header block with nothing but this header. */
export function headerBlock(name: string, value: string): Uint8Array {
  return Buffer.from(`${VERSION_LINE}${name}: ${value}${LINE_END}${LINE_END}`);
}

/** A message that has no headers, with this block. */
export function withBlock(bytes: Uint8Array, block: Uint8Array): MessageBytes {
  const changed = new Uint8Array(block.length + bytes.length);
  changed.set(block);
  changed.set(bytes, block.length);
  return { bytes: changed, headerBytes: block.length };
}

/** The message without the header `name`; without any block if no other header is left. */
export function dropHeader({ bytes, headerBytes }: MessageBytes, name: string): MessageBytes {
  if (headerBytes === 0) return { bytes, headerBytes };
  const block = latin1(bytes.subarray(0, Math.max(headerBytes - LINE_END.length, 0)));
  if (!block.includes(`${LINE_END}${name}:`)) return { bytes, headerBytes };
  const kept = withoutHeader(block, name);
  const header = Buffer.from(kept === VERSION_LINE ? "" : `${kept}${LINE_END}`, "latin1");
  const changed = new Uint8Array(header.length + bytes.length - headerBytes);
  changed.set(header);
  changed.set(bytes.subarray(headerBytes), header.length);
  return { bytes: changed, headerBytes: header.length };
}

function withoutHeader(block: string, name: string): string {
  let kept = block;
  for (;;) {
    const at = kept.indexOf(`${LINE_END}${name}:`);
    const end = at < 0 ? -1 : kept.indexOf(LINE_END, at + LINE_END.length);
    if (end < 0) break;
    kept = kept.slice(0, at) + kept.slice(end);
  }
  const isEmptied = kept !== block && kept.length <= VERSION_LINE.length;
  return isEmptied || kept === "" ? VERSION_LINE : kept;
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}
