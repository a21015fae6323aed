// Hot: words of the lines that messages come with.

import { CONNECTION_PAYLOAD_MAX, IN_PLACE_BYTES_MAX, MAPPED_REPLY_PREFIX_BYTES } from "../../memory/layout";
import { findBlank } from "./bytes";
import { isMapped } from "./replies";
import { mayAskForTrace } from "./trace_request";

const CR_LF: u16 = 0x0a0d;

/** Length of a plain decimal at `at` (no sign, no leading zero, at most nine digits), 0 if there is none. Its value is in `number`. */
export let number: u32 = 0;
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

/** `_R…`, `_G…`, `$J…` and `$G…` may be subjects that only servers use: the host looks closer. */
export function mayBeReserved(subject: u32): bool {
  const start = load<u16>(subject);
  return start == 0x525f || start == 0x475f || start == 0x4a24 || start == 0x4724;
}

/** What readEnd() found. */
export let replyLength: u32 = 0;
/** -1 without headers. */
export let headerLength: i32 = -1;
export let payloadLength: u32 = 0;

/** The reply is mapped, from another server. */
export let hasMappedReply: bool = false;

/**
 * Reads how a message goes on behind its subject: `[reply ]size` or `[reply ]header-size size`, the line break and the
 * payload. Returns where the payload begins; 0 where some of it is missing, not plain, more than the connection may send,
 * or to be traced, which the host looks at. `isOfServer`: it comes from one, which may map replies.
 */
export function readEnd(connection: u32, rest: u32, end: u32, isWithHeaders: bool, isOfServer: bool): u32 {
  // Numbers are told from a reply by how many words there are.
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
      // Acknowledgements, and what services answer to, mean more to the host.
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
