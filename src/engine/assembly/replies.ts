// Hot: requests that cross gateways. The server that they leave knows which subjects were subscribed to lately: replies
// on those are mapped. The server where they arrive remembers, for each reply that it delivered, the mapped reply that
// it came from, so that the answer goes back by it.

import {
  AREA_NOW_MS,
  AREA_OWN_REPLY_PREFIX,
  AREA_REPLIES,
  AREA_YOUNG_SUBJECTS,
  MAPPED_REPLY_MS,
  MAPPED_REPLY_PREFIX_BYTES,
  MAPPED_REPLY_SPARE_MS,
  REPLIES_CHAIN_COUNT,
  REPLIES_CHAINS,
  REPLIES_GENERATION_COUNT,
  REPLIES_GENERATIONS,
  REPLIES_HEAD,
  REPLIES_LOG,
  REPLIES_LOG_BYTES,
  REPLIES_TAIL,
  REPLY_ACCOUNT,
  REPLY_BYTES,
  REPLY_EXPIRES_MS,
  REPLY_HASH,
  REPLY_LENGTH,
  REPLY_NEXT,
  REPLY_TEXT,
  YOUNG_SUBJECTS_COUNT,
} from "../../memory/layout";
import { area, hashSeed } from "./area";
import { copy, equal, hashBytes } from "./bytes";

/** `_GR_`. */
const GR_: u32 = 0x5f52475f;
const BLANK: u8 = 0x20;

/** Whether a word is a mapped subject: `_GR_.<cluster>.<server>.<subject>`. At least 16 bytes are readable there. */
export function isMapped(at: u32, length: u32): bool {
  return length > <u32>MAPPED_REPLY_PREFIX_BYTES && load<u32>(at) == GR_ && load<u8>(at, 4) == 0x2e;
}

/** Whether this server made a mapped subject. */
export function isOwnMapped(at: u32): bool {
  return equal(at, area + AREA_OWN_REPLY_PREFIX, MAPPED_REPLY_PREFIX_BYTES);
}

/** Notes that somebody here has just subscribed to a literal subject. For two seconds `isYoung()` knows it. */
export function noteYoung(subject: u32, length: u32): void {
  const now = load<u32>(area, AREA_NOW_MS);
  store<u32>(youngSlot(subject, length), now != 0 ? now : 1);
}

/** Whether a subject was noted within two seconds, or another one whose hash leads to the same word. */
export function isYoung(subject: u32, length: u32): bool {
  const noted = load<u32>(youngSlot(subject, length));
  return noted != 0 && load<u32>(area, AREA_NOW_MS) - noted <= <u32>MAPPED_REPLY_MS;
}

function youngSlot(subject: u32, length: u32): u32 {
  const hash = hashBytes(subject, length, hashSeed);
  return load<u32>(area, AREA_YOUNG_SUBJECTS) + ((hash & (YOUNG_SUBJECTS_COUNT - 1)) << 2);
}

/**
 * Remembers that a message with the mapped reply at `text` is delivered in an account under the reply behind the
 * prefix. For two seconds or a little more, `recall()` finds it by account and reply. If there is no room, the oldest
 * mappings are dropped. Only the links' thread may call it.
 */
export function remember(account: u32, text: u32, length: u32): void {
  const replies = load<u32>(area, AREA_REPLIES);
  const now = load<u32>(area, AREA_NOW_MS);
  const subject = text + MAPPED_REPLY_PREFIX_BYTES;
  const hash = hashBytes(subject, length - MAPPED_REPLY_PREFIX_BYTES, hashSeed);
  const known = find(replies, account, hash, subject, length - MAPPED_REPLY_PREFIX_BYTES);
  // An inbox that serves many requests is not entered with each of them.
  if (
    known != 0 &&
    <i32>(load<u32>(known, REPLY_EXPIRES_MS) - now) >= MAPPED_REPLY_MS &&
    equal(known + REPLY_TEXT, text, MAPPED_REPLY_PREFIX_BYTES)
  )
    return;
  const size = (REPLY_TEXT + length + 1 + 15) & ~15;
  // Mappings that are over are dropped as new ones come, two at a time.
  if (dropIfOver(replies, now)) dropIfOver(replies, now);
  let head = load<u32>(replies, REPLIES_HEAD);
  const left = REPLIES_LOG_BYTES - (head & (REPLIES_LOG_BYTES - 1));
  const skipped = size > left ? left : 0;
  while (head + skipped + size - load<u32>(replies, REPLIES_TAIL) > <u32>REPLIES_LOG_BYTES) drop(replies);
  if (skipped != 0) {
    store<u32>(logAt(replies, head), 0, REPLY_LENGTH);
    store<u32>(logAt(replies, head), skipped, REPLY_BYTES);
    head += skipped;
  }
  const chain = chainOf(replies, hash);
  const entry = logAt(replies, head);
  store<u32>(entry, load<u32>(chain), REPLY_NEXT);
  store<u32>(entry, hash, REPLY_HASH);
  store<u32>(entry, account, REPLY_ACCOUNT);
  store<u32>(entry, length, REPLY_LENGTH);
  store<u32>(entry, now + MAPPED_REPLY_MS + MAPPED_REPLY_SPARE_MS, REPLY_EXPIRES_MS);
  store<u32>(entry, size, REPLY_BYTES);
  copy(entry + REPLY_TEXT, text, length);
  store<u8>(entry + REPLY_TEXT + length, BLANK);
  atomic.store<u32>(replies, head + size, REPLIES_HEAD);
  atomic.store<u32>(chain, head | 1);
  bump(replies, hash);
}

/**
 * The entry of the mapping that the last request with this reply came with, 0 if there is none. A mapping that is over
 * holds until it is dropped. If a shard finds one, it sends the answer to the links' thread alone, so that thread must
 * find it too.
 */
export function recall(account: u32, subject: u32, length: u32): u32 {
  const replies = load<u32>(area, AREA_REPLIES);
  if (replies == 0) return 0;
  if (atomic.load<u32>(replies, REPLIES_HEAD) == atomic.load<u32>(replies, REPLIES_TAIL)) return 0;
  return find(replies, account, hashBytes(subject, length, hashSeed), subject, length);
}

function find(replies: u32, account: u32, hash: u32, subject: u32, length: u32): u32 {
  const tail = atomic.load<u32>(replies, REPLIES_TAIL);
  const count = atomic.load<u32>(replies, REPLIES_HEAD) - tail;
  // The newest entry comes first. Behind one that is dropped, all are.
  let link = atomic.load<u32>(chainOf(replies, hash));
  while (link != 0 && link - 1 - tail < count) {
    const entry = logAt(replies, link - 1);
    if (
      load<u32>(entry, REPLY_HASH) == hash &&
      load<u32>(entry, REPLY_ACCOUNT) == account &&
      load<u32>(entry, REPLY_LENGTH) == length + MAPPED_REPLY_PREFIX_BYTES &&
      equal(entry + REPLY_TEXT + MAPPED_REPLY_PREFIX_BYTES, subject, length)
    )
      return entry;
    const next = load<u32>(entry, REPLY_NEXT);
    // The next entry must be older. If it is not, this one was overwritten while it was read.
    if (next != 0 && <i32>(next - link) >= 0) return 0;
    link = next;
  }
  return 0;
}

/** Forgets the mappings that are over. Returns whether any are left. Only the links' thread may call it. */
export function forgetOver(): bool {
  const replies = load<u32>(area, AREA_REPLIES);
  const now = load<u32>(area, AREA_NOW_MS);
  while (dropIfOver(replies, now)) {}
  return load<u32>(replies, REPLIES_HEAD) != load<u32>(replies, REPLIES_TAIL);
}

/** Drops the oldest mapping if it is over. False if it is still needed, or if there is none. */
function dropIfOver(replies: u32, now: u32): bool {
  const tail = load<u32>(replies, REPLIES_TAIL);
  if (tail == load<u32>(replies, REPLIES_HEAD)) return false;
  const entry = logAt(replies, tail);
  if (load<u32>(entry, REPLY_LENGTH) != 0 && !isOver(entry, now)) return false;
  drop(replies);
  return true;
}

function drop(replies: u32): void {
  const tail = load<u32>(replies, REPLIES_TAIL);
  const entry = logAt(replies, tail);
  atomic.store<u32>(replies, tail + load<u32>(entry, REPLY_BYTES), REPLIES_TAIL);
  if (load<u32>(entry, REPLY_LENGTH) != 0) bump(replies, load<u32>(entry, REPLY_HASH));
}

function isOver(entry: u32, now: u32): bool {
  return <i32>(load<u32>(entry, REPLY_EXPIRES_MS) - now) <= 0;
}

/** Makes plans for subjects of that hash stale, since they may be answers now, or no longer. */
function bump(replies: u32, hash: u32): void {
  const generation = replies + REPLIES_GENERATIONS + ((hash & (REPLIES_GENERATION_COUNT - 1)) << 2);
  atomic.store<u32>(generation, load<u32>(generation) + 1);
}

function chainOf(replies: u32, hash: u32): u32 {
  return replies + REPLIES_CHAINS + ((hash & (REPLIES_CHAIN_COUNT - 1)) << 2);
}

function logAt(replies: u32, position: u32): u32 {
  return replies + REPLIES_LOG + (position & (REPLIES_LOG_BYTES - 1));
}
