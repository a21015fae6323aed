// Hot: files interest in the shared index: that of clients, and that of other servers, which comes by the thousand when
// a link is new. Only plain interest in literal subjects is filed here, in the same way as `interest/` does it. The
// host holds the write lock. It files what needs a larger table itself, and then calls again.

import {
  BLOCK_WORDS,
  BUCKET_BITS,
  BUCKETS,
  CHUNK_CLASS,
  CHUNK_FREE,
  CHUNK_FRESH,
  CHUNK_HEAD_WORDS,
  CHUNK_LIVE,
  ENTRIES,
  ENTRY_ACCOUNT,
  ENTRY_FREE,
  ENTRY_HASH,
  ENTRY_ID,
  ENTRY_NEXT,
  ENTRY_NODES,
  ENTRY_PAIRS,
  ENTRY_SUBJECT,
  ENTRY_SUBJECT_BYTES,
  ENTRY_TABLE,
  EXACT_BLOCK_WORDS_MAX,
  FREE_RUNS,
  FRONTIER_PAGE,
  INSERT_COUNT,
  LINK_NEXT,
  LINK_PREVIOUS,
  LITERAL_COUNT,
  OPEN_CHUNKS,
  PAGE_IS_CHUNK,
  PAGE_IS_FREE,
  PAGE_STATES,
  PAGE_WORDS,
  RUN_ORDER_COUNT,
  RUN_PAGE_COUNT,
  SEEDS,
  SLOT_HASH,
  SLOT_VALUE,
  SLOT_WORDS,
  TABLE_COUNT,
  TABLE_MASK,
  TABLE_SLOTS,
  VERSION,
} from "../../memory/interest_layout";
import {
  ACCOUNT_NAME_ID,
  ACCOUNT_NAME_LENGTH_MAX,
  AREA_ACCOUNT,
  AREA_ACCOUNT_LENGTH,
  AREA_CONTROL_LINE_MAX,
  AREA_FENCE,
  AREA_INDEX,
  AREA_LOCAL_BUCKET_COUNT,
  AREA_LOCAL_BUCKETS,
  AREA_RESUME,
  CONNECTION_CONTEXT,
  CONTEXT_ACCOUNTS,
  INTEREST_OF_UNKNOWN_ACCOUNT,
} from "../../memory/layout";
import { accountSlot } from "./account_names";
import { area, connectionAt, hashSeed } from "./area";
import { equal, findBlank, hashBytes } from "./bytes";

const RS_PLUS: u32 = 0x202b5352;
const CR_LF: u16 = 0x0a0d;
const DOT: u8 = 0x2e;
const STAR: u8 = 0x2a;
const GREATER: u8 = 0x3e;
/** The shortest line is `RS+ a␍␊`. */
const LINE_BYTES_MIN: u32 = 7;
/** A reader without the lock gives up after so many slots. */
const PROBES_MAX: u32 = 64;
/** Returned instead of an entry's id: the host has to file it. */
const FOR_HOST: i32 = -1;

/** Address of the index's region. References count words from there. */
let index: u32 = 0;

/**
 * Files the `RS+` lines in `[start, end)` of a route's input as plain interest of `node` in the index at `region`. It
 * takes at most `countMax` lines, and stops at the first that is not plain and literal; RESUME says where. Writes the
 * ids of their entries, one word each, from `ids` on. Returns how many lines it took, or INTEREST_OF_UNKNOWN_ACCOUNT if
 * the first names an account that is not in the table; then ACCOUNT holds the name. The host holds the lock, and the
 * journal tells nobody what `node` files.
 */
export function fileInterest(
  region: u32,
  node: u32,
  slot: u32,
  start: u32,
  end: u32,
  ids: u32,
  countMax: u32,
): i32 {
  index = region;
  const connection = connectionAt(slot);
  const ownAccount = load<u32>(connection, CONNECTION_CONTEXT) & (CONTEXT_ACCOUNTS - 1);
  let at = start;
  let count: u32 = 0;
  while (count < countMax && end - at >= LINE_BYTES_MIN && load<u32>(at) == RS_PLUS) {
    let account = ownAccount;
    let subject = at + 4;
    if (ownAccount == 0) {
      const nameEnd = findBlank(subject, end);
      const nameLength = nameEnd - subject;
      if (nameLength == 0 || nameLength > <u32>ACCOUNT_NAME_LENGTH_MAX) break;
      if (nameEnd == end || load<u8>(nameEnd) != 0x20) break;
      const name = accountSlot(connection, subject, nameLength);
      if (name == 0) {
        if (count != 0) break;
        store<u32>(area, subject, AREA_ACCOUNT);
        store<u32>(area, nameLength, AREA_ACCOUNT_LENGTH);
        store<u32>(area, at, AREA_RESUME);
        return INTEREST_OF_UNKNOWN_ACCOUNT;
      }
      account = load<u32>(name, ACCOUNT_NAME_ID);
      subject = nameEnd + 1;
    }
    const subjectEnd = findBlank(subject, end);
    if (end - subjectEnd < 2 || load<u16>(subjectEnd) != CR_LF || !isLiteral(subject, subjectEnd)) break;
    if (subjectEnd - at > load<u32>(area, AREA_CONTROL_LINE_MAX)) break;
    const length = subjectEnd - subject;
    const id = file(node, account, subject, length);
    if (id == FOR_HOST) break;
    const bucket = hashBytes(subject, length, hashSeed) & (AREA_LOCAL_BUCKET_COUNT - 1);
    const local = area + AREA_LOCAL_BUCKETS + (bucket << 2);
    store<u32>(local, load<u32>(local) + 1);
    store<i32>(ids + (count << 2), id);
    count++;
    at = subjectEnd + 2;
  }
  store<u32>(area, at, AREA_RESUME);
  return count;
}

/**
 * Files plain interest of `node` in a literal subject in the index at `region`, if it is not there yet. Returns the
 * entry's id, or −1 if the host has to file it. The host holds the lock, and tells the journal.
 */
export function fileLiteral(region: u32, node: u32, account: u32, subject: u32, length: u32): i32 {
  index = region;
  return isLiteral(subject, subject + length) ? file(node, account, subject, length) : FOR_HOST;
}

/**
 * Whether there is interest in exactly this subject, or may be: the subject of an entry has the same hash, or the index
 * changes meanwhile. It takes no lock, so the words it reads may not belong together, but all of them lie in the
 * memory.
 */
export function isFiled(account: u32, subject: u32, length: u32): bool {
  index = load<u32>(area, AREA_INDEX);
  const version = atomic.load<u32>(addressOf(VERSION));
  if ((version & 1) != 0) return true;
  const hash = hashSubject(account, subject, length);
  const slots = get(ENTRY_TABLE + TABLE_SLOTS);
  const mask = get(ENTRY_TABLE + TABLE_MASK);
  if (slots != 0) {
    let slot = hash & mask;
    for (let left = PROBES_MAX; ; left--) {
      if (left == 0) return true;
      const entry = get(slots + slot * SLOT_WORDS + SLOT_VALUE);
      if (entry == 0) break;
      if (get(slots + slot * SLOT_WORDS + SLOT_HASH) == hash) return true;
      slot = (slot + 1) & mask;
    }
  }
  // The store keeps arm64 from moving the reads above below the check (release before acquire).
  atomic.store<u32>(area + AREA_FENCE, 0);
  return atomic.load<u32>(addressOf(VERSION)) != version;
}

/** Moves the values of a slot table, `count` slots from the reference `from` on, to a larger table with `mask`. */
export function moveSlots(region: u32, from: u32, count: u32, to: u32, mask: u32): void {
  index = region;
  memory.fill(addressOf(to), 0, (mask + 1) * SLOT_WORDS * 4);
  const end = from + count * SLOT_WORDS;
  for (let old = from; old < end; old += SLOT_WORDS) {
    const value = get(old + SLOT_VALUE);
    if (value == 0) continue;
    const hash = get(old + SLOT_HASH);
    let slot = hash & mask;
    while (get(to + slot * SLOT_WORDS + SLOT_VALUE) != 0) slot = (slot + 1) & mask;
    set(to + slot * SLOT_WORDS + SLOT_HASH, hash);
    set(to + slot * SLOT_WORDS + SLOT_VALUE, value);
  }
}

/** Whether `[subject, end)` is a subject without wildcards: one or more tokens, none of them empty, `*` or `>`. */
function isLiteral(subject: u32, end: u32): bool {
  let token = subject;
  for (let at = subject; at <= end; at++) {
    if (at != end && load<u8>(at) != DOT) continue;
    if (at == token) return false;
    if (at == token + 1 && (load<u8>(token) == STAR || load<u8>(token) == GREATER)) return false;
    token = at + 1;
  }
  return true;
}

/** Does what `InterestIndex.addPlain` does. Returns the entry's id, or FOR_HOST with nothing changed. */
function file(node: u32, account: u32, subject: u32, length: u32): i32 {
  const hash = hashSubject(account, subject, length);
  const slots = get(ENTRY_TABLE + TABLE_SLOTS);
  const mask = get(ENTRY_TABLE + TABLE_MASK);
  if (slots == 0) return FOR_HOST;
  let slot = hash & mask;
  let entry = get(slots + slot * SLOT_WORDS + SLOT_VALUE);
  while (entry != 0) {
    const isSame =
      get(slots + slot * SLOT_WORDS + SLOT_HASH) == hash && isOf(entry, account, subject, length);
    if (isSame) break;
    slot = (slot + 1) & mask;
    entry = get(slots + slot * SLOT_WORDS + SLOT_VALUE);
  }
  const bit = (<u32>1) << node;
  if (entry == 0) {
    if ((get(ENTRY_TABLE + TABLE_COUNT) + 1) * 4 > (mask + 1) * 3) return FOR_HOST;
    const free = get(ENTRY_FREE);
    const next = get(ENTRY_NEXT);
    if (free == 0 && <u32>ENTRIES + next >= get(FRONTIER_PAGE) * PAGE_WORDS) return FOR_HOST;
    beginChange();
    entry = allocate(ENTRY_SUBJECT + ((length + 3) >> 2));
    if (entry == 0) {
      endChange();
      return FOR_HOST;
    }
    let id = next;
    if (free == 0) set(ENTRY_NEXT, next + 1);
    else {
      id = free - 1;
      set(ENTRY_FREE, -get(ENTRIES + id));
    }
    set(ENTRIES + id, entry);
    set(entry + ENTRY_ACCOUNT, account);
    set(entry + ENTRY_NODES, 0);
    set(entry + ENTRY_PAIRS, 0);
    set(entry + ENTRY_ID, id);
    set(entry + ENTRY_HASH, hash);
    set(entry + ENTRY_SUBJECT_BYTES, length);
    const text = addressOf(entry + ENTRY_SUBJECT);
    for (let done: u32 = 0; done < length; done += 4) store<u32>(text + done, load<u32>(subject + done));
    set(slots + slot * SLOT_WORDS + SLOT_HASH, hash);
    set(slots + slot * SLOT_WORDS + SLOT_VALUE, entry);
    add(ENTRY_TABLE + TABLE_COUNT, 1);
    add(LITERAL_COUNT, 1);
  } else if ((get(entry + ENTRY_NODES) & bit) == 0) beginChange();
  else return get(entry + ENTRY_ID);

  set(entry + ENTRY_NODES, get(entry + ENTRY_NODES) | bit);
  add(INSERT_COUNT, 1);
  const bucket = BUCKETS + (hash >> (32 - BUCKET_BITS));
  atomic.store<u32>(addressOf(bucket), get(bucket) + 1);
  endChange();
  return get(entry + ENTRY_ID);
}

function isOf(entry: u32, account: u32, subject: u32, length: u32): bool {
  if (get(entry + ENTRY_SUBJECT_BYTES) != length || get(entry + ENTRY_ACCOUNT) != account) return false;
  return equal(addressOf(entry + ENTRY_SUBJECT), subject, length);
}

/** Does what `Arena.allocate` does for a small block. Returns 0 if it cannot. */
function allocate(wordCount: u32): u32 {
  if (wordCount > <u32>EXACT_BLOCK_WORDS_MAX) return 0;
  const list = OPEN_CHUNKS + wordCount - 1;
  let chunk = get(list);
  if (chunk == 0) {
    chunk = openChunk(wordCount - 1);
    if (chunk == 0) return 0;
  }
  let block = get(chunk + CHUNK_FREE);
  if (block != 0) set(chunk + CHUNK_FREE, get(block));
  else {
    block = chunk + get(chunk + CHUNK_FRESH);
    add(chunk + CHUNK_FRESH, wordCount);
  }
  add(chunk + CHUNK_LIVE, 1);
  if (get(chunk + CHUNK_FREE) == 0 && get(chunk + CHUNK_FRESH) + wordCount > <u32>PAGE_WORDS) takeFirst(list);
  add(BLOCK_WORDS, wordCount);
  return block;
}

function openChunk(blockClass: u32): u32 {
  const page = takePage();
  if (page == 0) return 0;
  const chunk = page * PAGE_WORDS;
  set(PAGE_STATES + page, PAGE_IS_CHUNK);
  add(RUN_PAGE_COUNT, 1);
  set(chunk + CHUNK_CLASS, blockClass);
  set(chunk + CHUNK_LIVE, 0);
  set(chunk + CHUNK_FREE, 0);
  set(chunk + CHUNK_FRESH, CHUNK_HEAD_WORDS);
  putFirst(OPEN_CHUNKS + blockClass, chunk);
  return chunk;
}

/**
 * Takes a page from the smallest free run, whose rest stays free, or else the next page that was never used. 0 if there
 * is none.
 */
function takePage(): u32 {
  let order: u32 = 0;
  while (order < <u32>RUN_ORDER_COUNT && get(FREE_RUNS + order) == 0) order++;
  if (order == <u32>RUN_ORDER_COUNT) {
    const next = get(FRONTIER_PAGE) - 1;
    // The id of the entry that the block is for is not taken yet.
    if (next * PAGE_WORDS < <u32>ENTRIES + get(ENTRY_NEXT) + 1) return 0;
    set(FRONTIER_PAGE, next);
    return next;
  }
  const page = get(FREE_RUNS + order) / PAGE_WORDS;
  takeFirst(FREE_RUNS + order);
  while (order > 0) {
    order--;
    const half = page + (1 << order);
    set(PAGE_STATES + half, PAGE_IS_FREE | order);
    putFirst(FREE_RUNS + order, half * PAGE_WORDS);
  }
  return page;
}

/** Takes the first item off a list of runs or chunks. */
function takeFirst(list: u32): void {
  const next = get(get(list) + LINK_NEXT);
  if (next != 0) set(next + LINK_PREVIOUS, 0);
  set(list, next);
}

function putFirst(list: u32, item: u32): void {
  const next = get(list);
  set(item + LINK_NEXT, next);
  set(item + LINK_PREVIOUS, 0);
  if (next != 0) set(next + LINK_PREVIOUS, item);
  set(list, item);
}

/** See `WriteLock`. */
function beginChange(): void {
  atomic.store<u32>(addressOf(VERSION), get(VERSION) + 1);
  atomic.load<u32>(addressOf(VERSION));
}

function endChange(): void {
  atomic.store<u32>(addressOf(VERSION), get(VERSION) + 1);
}

/** The hash of `interest/subject_hash.ts`. */
function hashSubject(prefix: u32, subject: u32, length: u32): u32 {
  let v0 = get(SEEDS);
  let v1 = get(SEEDS + 1);
  let v2 = get(SEEDS + 2) ^ 0x6c796765;
  let v3 = get(SEEDS + 3) ^ 0x74656462;
  let word = prefix;
  let from = subject;
  const whole = subject + (length & ~3);
  // The prefix, whole words, the rest with the length, and three empty ones.
  for (let left: i32 = (length >> 2) + 4; left >= 0; left--) {
    v3 ^= word;
    v0 += v1;
    v1 = rotl<u32>(v1, 5) ^ v0;
    v0 = rotl<u32>(v0, 16);
    v2 += v3;
    v3 = rotl<u32>(v3, 8) ^ v2;
    v0 += v3;
    v3 = rotl<u32>(v3, 7) ^ v0;
    v2 += v1;
    v1 = rotl<u32>(v1, 13) ^ v2;
    v2 = rotl<u32>(v2, 16);
    v0 ^= word;
    if (from < whole) {
      word = load<u32>(from);
      from += 4;
    } else if (left == 4) {
      word = (length << 24) | (load<u32>(from) & ((1 << ((length & 3) << 3)) - 1));
    } else {
      if (left == 3) v2 ^= 0xff;
      word = 0;
    }
  }
  return v1 ^ v3;
}

function addressOf(reference: u32): u32 {
  return index + (reference << 2);
}

function get(reference: u32): u32 {
  return load<u32>(addressOf(reference));
}

function set(reference: u32, value: u32): void {
  store<u32>(addressOf(reference), value);
}

function add(reference: u32, more: u32): void {
  set(reference, get(reference) + more);
}
