// Hot: reads the words of the lines that messages come with.

import { CONNECTION_PAYLOAD_MAX, IN_PLACE_BYTES_MAX, MAPPED_REPLY_PREFIX_BYTES } from "../../memory/layout";
import { findBlank } from "./bytes";
import { isMapped } from "./replies";
import { mayAskForTrace } from "./trace_request";

const CR_LF: u16 = 0x0a0d;

/** What readNumber() has read. */
export let number: u32 = 0;
/** Length of a plain decimal at `at` (no sign, no leading zero, at most nine digits), 0 if there is none. */
export function readNumber(at: u32): u32 {
  let value: u32 = 0;
  let length: u32 = 0;
  for (;;) {
    const digit = <u32>load<u8>(at + length) - 0x30;
    if (digit > 9) break;
    if (length == 9) return 0;
    value = value * 10 + digit;
    length++;
  }
  if (length > 1 && load<u8>(at) == 0x30) return 0;
  number = value;
  return length;
}

/**
 * Whether a subject begins with `_R`, `_G`, `$J` or `$G`. Only servers may use some of those: the host looks closer.
 */
export function mayBeReserved(subject: u32): bool {
  const start = load<u16>(subject);
  return start == 0x525f || start == 0x475f || start == 0x4a24 || start == 0x4724;
}

/** What readEnd() found; 0 without a reply. */
export let replyLength: u32 = 0;
/** -1 without headers. */
export let headerLength: i32 = -1;
export let payloadLength: u32 = 0;

/** Whether the reply was mapped by another server. */
export let hasMappedReply: bool = false;

/**
 * Reads what follows the subject of a message: `[reply ]size` or `[reply ]header-size size`, the line break and the
 * payload. Returns where the payload begins. Returns 0 if the host has to look at the message: some of it is missing,
 * it is not plain, it is larger than the connection may send or the engine takes, or it may ask for a trace.
 * `isOfServer`: it comes from another server, which may map replies.
 */
export function readEnd(connection: u32, rest: u32, end: u32, isWithHeaders: bool, isOfServer: bool): u32 {
  // Only the number of words tells a reply from a size.
  let word = rest;
  let wordEnd = findBlank(word, end);
  const wordsWithoutReply: u32 = isWithHeaders ? 2 : 1;
  let words: u32 = 1;
  let previous = word;
  replyLength = 0;
  hasMappedReply = false;
  while (wordEnd != end && load<u8>(wordEnd) == 0x20) {
    if (++words > 3) return 0;
    if (words == 2) replyLength = wordEnd - word;
    previous = word;
    word = wordEnd + 1;
    wordEnd = findBlank(word, end);
  }
  if (wordEnd + 2 > end || load<u16>(wordEnd) != CR_LF) return 0;
  if (words == wordsWithoutReply + 1) {
    if (replyLength == 0) return 0;
    if (mayBeReserved(rest)) {
      // Acknowledgements, and the reply subjects of services, need the host.
      if (!isOfServer || !isMapped(rest, replyLength) || mayBeReserved(rest + MAPPED_REPLY_PREFIX_BYTES))
        return 0;
      hasMappedReply = true;
    }
  } else {
    if (words != wordsWithoutReply) return 0;
    replyLength = 0;
  }
  if (word + readNumber(word) != wordEnd || word == wordEnd) return 0;
  payloadLength = number;
  headerLength = -1;
  if (<i32>payloadLength > load<i32>(connection, CONNECTION_PAYLOAD_MAX)) return 0;
  if (payloadLength > <u32>IN_PLACE_BYTES_MAX) return 0;
  const payload = wordEnd + 2;
  if (payload + payloadLength + 2 > end || load<u16>(payload + payloadLength) != CR_LF) return 0;
  if (isWithHeaders) {
    if (previous + readNumber(previous) + 1 != word || previous + 1 == word) return 0;
    if (number > payloadLength) return 0;
    headerLength = number;
    if (mayAskForTrace(payload, payload + headerLength)) return 0;
  }
  return payload;
}
