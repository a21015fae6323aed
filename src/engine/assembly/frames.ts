// Hot: writes one copy of the message at hand in the form that its receiver expects: the target's prefix, then what
// followed the subject in the line it came with. That is rewritten only if the receiver takes no headers or expects
// another number of sizes.

import {
  AREA_OWN_REPLY_PREFIX,
  CONNECTION_CURSOR,
  CONNECTION_IS_GATEWAY,
  CONNECTION_IS_ROUTE,
  CONNECTION_TAKES_HEADERS,
  GATHER_BYTES_MIN,
  MAPPED_REPLY_PREFIX_BYTES,
  TARGET_PREFIX,
  TARGET_PREFIX_LENGTH,
} from "../../memory/layout";
import { area, slotOf } from "./area";
import { copy, writeDecimal } from "./bytes";
import { attach } from "./host";
import {
  headerLength,
  inserted,
  insertedLength,
  isLarge,
  lineLength,
  payloadLength,
  rest,
  sizesAt,
} from "./message";
import { gather, room } from "./outbox";
import { isYoung } from "./replies";

const LETTER_H: u8 = 0x48;
const LETTER_L: u8 = 0x4c;
const CR_LF: u16 = 0x0a0d;

/** Frames a MSG or HMSG. Returns how many bytes of headers and payload it holds. */
export function frameForClient(connection: u32, flags: u32, target: u32): u32 {
  const prefix = target + TARGET_PREFIX;
  const prefixLength = load<u32>(target, TARGET_PREFIX_LENGTH);
  if (headerLength < 0) {
    frame(connection, prefix + 1, prefixLength - 1);
    return payloadLength;
  }
  if ((flags & CONNECTION_TAKES_HEADERS) != 0 && headerLength > 0) {
    frame(connection, prefix, prefixLength);
    return payloadLength;
  }
  frameWithSizes(connection, prefix + 1, prefixLength - 1, false);
  return payloadLength - headerLength;
}

/** Frames an RMSG, LMSG or HMSG. Returns how many bytes of headers and payload it holds. */
export function frameForLink(connection: u32, flags: u32, target: u32): u32 {
  let prefix = target + TARGET_PREFIX;
  let prefixLength = load<u32>(target, TARGET_PREFIX_LENGTH);
  const hasTwoSizes = (flags & CONNECTION_IS_ROUTE) != 0 && load<u8>(prefix) == LETTER_L;
  const isWithHeaders = headerLength > 0 && (flags & CONNECTION_TAKES_HEADERS) != 0;
  if (isWithHeaders) {
    frameLetter(connection, hasTwoSizes ? LETTER_L : LETTER_H);
    prefix++;
    prefixLength--;
  }
  if (insertedLength != 0) {
    frameBytes(connection, prefix, prefixLength);
    prefix = inserted;
    prefixLength = insertedLength;
  } else if ((flags & CONNECTION_IS_GATEWAY) != 0 && hasYoungReply()) {
    frameBytes(connection, prefix, prefixLength);
    prefix = area + AREA_OWN_REPLY_PREFIX;
    prefixLength = MAPPED_REPLY_PREFIX_BYTES;
  }
  // Without headers to send, the line can stay as it came if it has as many sizes as the link expects: the line of a
  // PUB has one, that of an HPUB with an empty header block two.
  if (isWithHeaders || (hasTwoSizes ? headerLength == 0 : headerLength < 0)) {
    frame(connection, prefix, prefixLength);
    return payloadLength;
  }
  frameWithSizes(connection, prefix, prefixLength, hasTwoSizes);
  return headerLength > 0 ? payloadLength - headerLength : payloadLength;
}

/** Whether somebody subscribed to the reply lately, so that the message may overtake that interest. */
function hasYoungReply(): bool {
  const sizes = sizesAt();
  return sizes != rest && isYoung(rest, sizes - 1 - rest);
}

/** Frames `prefix`, then the line's rest and the payload as they came. */
function frame(connection: u32, prefix: u32, prefixLength: u32): void {
  if (payloadLength < <u32>GATHER_BYTES_MIN && !isLarge) {
    const length = lineLength + payloadLength + 2;
    const cursor = room(connection, prefixLength + length);
    copy(cursor, prefix, prefixLength);
    copy(cursor + prefixLength, rest, length);
    store<u32>(connection, cursor + prefixLength + length, CONNECTION_CURSOR);
    return;
  }
  const cursor = room(connection, prefixLength + lineLength);
  copy(cursor, prefix, prefixLength);
  copy(cursor + prefixLength, rest, lineLength);
  store<u32>(connection, cursor + prefixLength + lineLength, CONNECTION_CURSOR);
  if (isLarge) attach(slotOf(connection), 0);
  else gather(connection, rest + lineLength, payloadLength + 2);
}

function frameLetter(connection: u32, letter: u8): void {
  const cursor = room(connection, 1);
  store<u8>(cursor, letter);
  store<u32>(connection, cursor + 1, CONNECTION_CURSOR);
}

function frameBytes(connection: u32, from: u32, length: u32): void {
  const cursor = room(connection, length);
  copy(cursor, from, length);
  store<u32>(connection, cursor + length, CONNECTION_CURSOR);
}

/**
 * Frames `prefix`, then `[reply ]size␍␊`, or with `hasTwoSizes` `[reply ]0 size␍␊`, and the payload without its
 * headers.
 */
function frameWithSizes(connection: u32, prefix: u32, prefixLength: u32, hasTwoSizes: bool): void {
  const replyLength = sizesAt() - rest;
  const skipped: u32 = headerLength > 0 ? headerLength : 0;
  const body = payloadLength - skipped;
  const isCopied = body < <u32>GATHER_BYTES_MIN && !isLarge;
  let cursor = room(connection, prefixLength + replyLength + 14 + (isCopied ? body + 2 : 0));
  copy(cursor, prefix, prefixLength);
  cursor += prefixLength;
  copy(cursor, rest, replyLength);
  cursor += replyLength;
  if (hasTwoSizes) {
    store<u16>(cursor, 0x2030);
    cursor += 2;
  }
  cursor = writeDecimal(cursor, body);
  store<u16>(cursor, CR_LF);
  cursor += 2;
  const payload = rest + lineLength + skipped;
  if (isCopied) {
    copy(cursor, payload, body + 2);
    cursor += body + 2;
  }
  store<u32>(connection, cursor, CONNECTION_CURSOR);
  if (isLarge) attach(slotOf(connection), skipped);
  else if (!isCopied) gather(connection, payload, body + 2);
}
