/** The one shared memory as TypeScript sees it: typed arrays over all of it, and the words of its headers. */
import { assert } from "../base/assert.ts";
import {
  ACCOUNT_NAME_BYTES,
  ACCOUNT_NAME_LENGTH_MAX,
  ACCOUNT_NAME_SHIFT,
  ACCOUNT_NAME_TEXT,
  AREA_ACCOUNT_NAMES,
  AREA_CONNECTIONS,
  AREA_CONTROL_LINE_MAX,
  AREA_COUNTERS,
  AREA_COUNTERS_END,
  AREA_DIRTY,
  AREA_HASH_SEED,
  AREA_HEADER_BYTES,
  AREA_IN_RINGS,
  AREA_INDEX,
  AREA_LINK_COUNTERS,
  AREA_LOCAL_BUCKET_COUNT,
  AREA_LOCAL_BUCKETS,
  AREA_LOCAL_WILDCARDS,
  AREA_NODE,
  AREA_NODE_COUNT,
  AREA_OUT_RINGS,
  AREA_PICKS,
  AREA_PLAN_SLOTS,
  AREA_RANDOM,
  AREA_REPLIES,
  AREA_REQUESTS,
  AREA_YOUNG_SUBJECTS,
  CONNECTION_BYTES,
  CONNECTION_SHIFT,
  DISCLOSURE_BYTES,
  GATHER_BYTES_MIN,
  MESSAGE_LINE_BYTES_MAX,
  NODES_MAX,
  OUTBOX_BYTES,
  OUTBOX_DATA,
  OUTBOX_SLACK,
  PLAN_SUBJECT,
  REQUEST_BYTES,
  REQUESTS_BYTES,
  REQUESTS_DISCLOSURES,
  REQUESTS_DISCLOSURES_COUNT,
  REQUESTS_ENTRIES,
  REQUESTS_ENTRIES_COUNT,
  REQUESTS_HEADS,
  REQUESTS_HEADS_COUNT,
  REQUESTS_MESSAGES,
  REQUESTS_MESSAGES_BYTES,
  REQUESTS_NUMBERS,
  REQUESTS_NUMBERS_COUNT,
  REQUESTS_RANDOM,
  REQUESTS_RANDOM_COUNT,
  RING_END_BYTES,
  RING_END_CAPACITY,
  RING_END_RING,
  RING_END_SHIFT,
  SUBSCRIPTION_BYTES,
  SUBSCRIPTION_EXPIRED_NEXT,
  SUBSCRIPTION_SID,
  SUBSCRIPTION_SID_INLINE_MAX,
  TARGET_PREFIX_BYTES_MAX,
} from "./layout.ts";
import {
  BLOCK_BYTES,
  HEADER_BLOCKS_USED,
  HEADER_HAS_LINKS_SHARD,
  HEADER_MAGIC,
  HEADER_MESSAGE_NUMBER,
  HEADER_NODES,
  HEADER_SHARD_COUNT,
  MAGIC,
  MEMORY_PAGES,
  type MemoryMap,
  memoryMap,
  NODE_WORDS,
} from "./map.ts";

assert(CONNECTION_BYTES === 1 << CONNECTION_SHIFT, "a connection's address is its slot, shifted");
assert(RING_END_BYTES === 1 << RING_END_SHIFT, "a ring end's address is its node, shifted");
assert(
  TARGET_PREFIX_BYTES_MAX + MESSAGE_LINE_BYTES_MAX + GATHER_BYTES_MIN + 64 <=
    OUTBOX_BYTES - OUTBOX_DATA - OUTBOX_SLACK,
  "the longest frame fits an outbox: a prefix, the line, a small payload",
);
assert(ACCOUNT_NAME_BYTES === 1 << ACCOUNT_NAME_SHIFT, "an account name's address is its slot, shifted");
assert(ACCOUNT_NAME_TEXT + ACCOUNT_NAME_LENGTH_MAX <= ACCOUNT_NAME_BYTES, "an account name ends in its slot");
assert(PLAN_SUBJECT % 16 === 0, "a plan's subject is compared 16 bytes at a time");
assert(OUTBOX_DATA < OUTBOX_BYTES / 2, "an outbox is mostly room for frames");
assert(AREA_OUT_RINGS + NODES_MAX * RING_END_BYTES <= AREA_IN_RINGS, "ring ends do not overlap");
assert(AREA_IN_RINGS + NODES_MAX * RING_END_BYTES <= AREA_LOCAL_BUCKETS, "ring ends end before the buckets");
assert(AREA_LOCAL_BUCKETS + AREA_LOCAL_BUCKET_COUNT * 4 === AREA_LOCAL_WILDCARDS, "buckets end at wildcards");
assert(REQUESTS_RANDOM + REQUESTS_RANDOM_COUNT * 4 === REQUESTS_NUMBERS, "random words end at the chains");
assert(REQUESTS_NUMBERS + REQUESTS_NUMBERS_COUNT * 4 === REQUESTS_HEADS, "chains do not overlap");
assert(REQUESTS_HEADS + REQUESTS_HEADS_COUNT * 4 === REQUESTS_DISCLOSURES, "chains end at what is told");
assert(
  REQUESTS_DISCLOSURES + REQUESTS_DISCLOSURES_COUNT * DISCLOSURE_BYTES === REQUESTS_MESSAGES,
  "what is told of clients ends where messages are made",
);
assert(REQUESTS_MESSAGES + REQUESTS_MESSAGES_BYTES === REQUESTS_ENTRIES, "messages end at the requests");
assert(REQUESTS_ENTRIES + REQUESTS_ENTRIES_COUNT * REQUEST_BYTES === REQUESTS_BYTES, "requests come last");
assert(AREA_LOCAL_WILDCARDS < AREA_HEADER_BYTES, "wildcard generations are part of the header");
assert(
  SUBSCRIPTION_SID + SUBSCRIPTION_SID_INLINE_MAX <= SUBSCRIPTION_EXPIRED_NEXT,
  "a sid ends before the link",
);
assert(SUBSCRIPTION_EXPIRED_NEXT + 4 === SUBSCRIPTION_BYTES, "a subscription record is full");

export interface SharedMemory {
  readonly memory: WebAssembly.Memory;
  readonly buffer: SharedArrayBuffer;
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  readonly map: MemoryMap;
}

/** Makes the memory and lays it out. Main calls it once. `seeds` are four random words of 32 bits. */
export function createSharedMemory(
  shardCount: number,
  seeds: Uint32Array,
  hasLinksShard = false,
): SharedMemory {
  const memory = new WebAssembly.Memory({ initial: MEMORY_PAGES, maximum: MEMORY_PAGES, shared: true });
  const shared = view(memory, shardCount, hasLinksShard);
  const { words, map } = shared;
  words[HEADER_MAGIC] = MAGIC;
  words[HEADER_SHARD_COUNT] = shardCount;
  words[HEADER_HAS_LINKS_SHARD] = hasLinksShard ? 1 : 0;
  for (let node = 0; node < map.nodeCount; node++) layOutArea(shared, node, seeds);
  return shared;
}

/** Opens the same memory in another thread. */
export function openSharedMemory(memory: WebAssembly.Memory): SharedMemory {
  const header = new Int32Array(memory.buffer, 0, HEADER_HAS_LINKS_SHARD + 1);
  assert(header[HEADER_MAGIC] === MAGIC, "the shared memory is laid out before a thread opens it");
  return view(memory, header[HEADER_SHARD_COUNT]!, header[HEADER_HAS_LINKS_SHARD] === 1);
}

function view(memory: WebAssembly.Memory, shardCount: number, hasLinksShard: boolean): SharedMemory {
  const buffer = memory.buffer as unknown as SharedArrayBuffer;
  return {
    memory,
    buffer,
    bytes: new Uint8Array(buffer),
    words: new Int32Array(buffer),
    map: memoryMap(shardCount, hasLinksShard),
  };
}

/**
 * Writes the header of a node's area. Main calls it again when a node has died, so that its successor starts afresh.
 * The counters stay, because they are the process's.
 */
export function layOutArea({ words, map }: SharedMemory, node: number, seeds: Uint32Array): void {
  const regions = map.area(node);
  const at = regions.area >> 2;
  words.fill(0, at, at + (AREA_COUNTERS >> 2));
  words.fill(0, at + (AREA_COUNTERS_END >> 2), at + (AREA_LOCAL_BUCKETS >> 2));
  words[at + (AREA_NODE >> 2)] = node;
  words[at + (AREA_NODE_COUNT >> 2)] = map.nodeCount;
  words[at + (AREA_HASH_SEED >> 2)] = seeds[0]!;
  words[at + (AREA_HASH_SEED >> 2) + 1] = seeds[1]!;
  words[at + (AREA_RANDOM >> 2)] = (seeds[2]! + node * 0x9e3779b9) | 1;
  words[at + (AREA_RANDOM >> 2) + 1] = seeds[3]!;
  words[at + (AREA_CONNECTIONS >> 2)] = regions.connections;
  words[at + (AREA_DIRTY >> 2)] = regions.dirty;
  words[at + (AREA_PICKS >> 2)] = regions.picks;
  words[at + (AREA_PLAN_SLOTS >> 2)] = regions.planSets;
  words[at + (AREA_ACCOUNT_NAMES >> 2)] = regions.accountNames;
  words[at + (AREA_LINK_COUNTERS >> 2)] = regions.linkCounters;
  words[at + (AREA_REPLIES >> 2)] = map.replies;
  words[at + (AREA_YOUNG_SUBJECTS >> 2)] = regions.youngSubjects;
  words[at + (AREA_REQUESTS >> 2)] = regions.requests;
  words[at + (AREA_INDEX >> 2)] = map.index.byteOffset;
  words[at + (AREA_CONTROL_LINE_MAX >> 2)] = MESSAGE_LINE_BYTES_MAX;
  for (let other = 0; other < map.nodeCount; other++) {
    words[outEndWord(regions.area, other, RING_END_RING)] = map.ring(node, other);
    words[outEndWord(regions.area, other, RING_END_CAPACITY)] = map.ringCapacity(node, other);
    words[inEndWord(regions.area, other, RING_END_RING)] = map.ring(other, node);
    words[inEndWord(regions.area, other, RING_END_CAPACITY)] = map.ringCapacity(other, node);
  }
}

/** Index into `words` of a node's word in the header. */
export function nodeWord(node: number, word: number): number {
  return HEADER_NODES + node * NODE_WORDS + word;
}

/** Index into `words` of a word of RING_END_… in an area, for the ring to a node. */
export function outEndWord(area: number, node: number, word: number): number {
  return (area + AREA_OUT_RINGS + node * RING_END_BYTES + word) >> 2;
}

/** The same for the ring that comes from the node. */
export function inEndWord(area: number, node: number, word: number): number {
  return (area + AREA_IN_RINGS + node * RING_END_BYTES + word) >> 2;
}

const COUNTER_BYTES = 8;

/** Adds one to a u64 counter that only the calling thread writes. */
export function increment(words: Int32Array, address: number): void {
  const low = address >> 2;
  words[low]!++;
  if (words[low] === 0) words[low + 1]!++;
}

/** Adds up to 2^32 to such a counter. */
function addToCounter(words: Int32Array, address: number, amount: number): void {
  const low = (words[address >> 2]! >>> 0) + amount;
  words[address >> 2] = low;
  if (low >= 2 ** 32) words[(address >> 2) + 1]!++;
}

/** Counts a message of `bytes` in two counters: one of messages, and behind it one of bytes. */
export function countMessage(words: Int32Array, address: number, bytes: number): void {
  increment(words, address);
  addToCounter(words, address + COUNTER_BYTES, bytes);
}

/** The value of a u64 counter; exact up to 2^53. */
export function counterValue(words: Int32Array, address: number): number {
  return (words[address >> 2]! >>> 0) + (words[(address >> 2) + 1]! >>> 0) * 2 ** 32;
}

/** Takes a block of BLOCK_BYTES from the pool for good. Returns its address, or 0 if none is left. For any thread. */
export function takeBlock({ words, map }: SharedMemory): number {
  const index = Atomics.add(words, HEADER_BLOCKS_USED, 1);
  if (index < map.blockCount) return map.blocks + index * BLOCK_BYTES;
  Atomics.sub(words, HEADER_BLOCKS_USED, 1);
  return 0;
}

/** The number of the next message that says which server sends it. For any thread. */
export function nextMessageNumber(words: Int32Array): number {
  return (Atomics.add(words, HEADER_MESSAGE_NUMBER, 1) + 1) >>> 0;
}
