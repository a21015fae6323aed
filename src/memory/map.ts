/**
 * The map of the one shared memory: which region lies where. It is laid out once at start, and is the same in every
 * thread.
 *
 *   header       magic, layout parameters, process-wide words, one block of words per node
 *   index        the interest index, and the journal of its changes
 *   accounts     how many connections and clients each account has
 *   replies      if there are links: the mapped replies of requests that were delivered lately
 *   compression  if there are links: where the links shard compresses and decompresses S2
 *   rings        one per ordered pair of nodes that talk
 *   areas        one per node: header, connections, plan cache, receive buffers, outboxes
 *   blocks       pool that areas draw from as they grow (subscription records)
 *
 * Everything is reserved and nothing is touched: a page costs memory only once it is written. All addresses stay below
 * 2 GiB, so that they are int32 in JavaScript.
 */
import { assert } from "../base/assert.ts";
import { S2_REGION_BYTES } from "../runtime/s2/s2_region.ts";
import {
  DEFLATE_BLOCK_BYTES,
  DEFLATE_BLOCK_GROWTH_BYTES,
  DEFLATE_OUTPUT,
  DEFLATE_SLACK,
} from "../runtime/websocket/deflate_region.ts";
import {
  ACCOUNT_NAME_BYTES,
  ACCOUNT_NAME_SLOTS,
  AREA_ACCOUNTS_MAX,
  AREA_HEADER_BYTES,
  CONNECTION_BYTES,
  LINK_COUNTERS_BYTES,
  MESSAGE_LINE_BYTES_MAX,
  NODE_SHARD_FIRST,
  NODES_MAX,
  OUTBOX_BYTES,
  PLAN_GROUPS_MAX,
  PLAN_SET_BYTES,
  PLAN_SET_COUNT,
  REPLIES_LOG,
  REPLIES_LOG_BYTES,
  REQUESTS_BYTES,
  RING_DATA,
  YOUNG_SUBJECTS_COUNT,
} from "./layout.ts";

/**
 * Pages of the WebAssembly memory: all 4 GiB from the start, because a shared memory that can grow makes every read
 * slower.
 */
export const MEMORY_PAGES = 65536;
const MEMORY_BYTES_USED = 2 ** 31;

/**
 * The threads of a process. NODE_LOGINS judges logins. Shards follow from NODE_SHARD_FIRST on. The links shard, whose
 * connections are routes, gateways and leaf nodes, comes last.
 */
export const NODE_MAIN = 0;
export const NODE_LOGINS = 1;
export const NODE_ACCEPTOR = 2;
export { NODE_SHARD_FIRST };
export const SHARDS_MAX = 16;
/**
 * A node that is no thread. Its interest is that of queue groups on other servers (leaf nodes, gateways) which serve
 * only if no nearer member does. Messages for them go to the node with the links.
 */
export const NODE_FAR = NODES_MAX - 1;

/** What the header page holds, in words of 4 bytes. */
export const HEADER_MAGIC = 0;
export const HEADER_SHARD_COUNT = 1;
/** 1 if the process has a links shard. */
export const HEADER_HAS_LINKS_SHARD = 12;
/** Last client id given out, u32. Ids are unique in the process. */
export const HEADER_CLIENT_ID = 2;
/** Connections open on all shards. */
export const HEADER_CONNECTION_COUNT = 3;
/** Blocks handed out so far. */
export const HEADER_BLOCKS_USED = 4;
/**
 * Listeners that the acceptor is to close: a bit for each, by its place among those that it was started with. −1: it is
 * to close all and stop.
 */
export const HEADER_LISTENERS_CLOSED = 7;
/** Messages sent so far that say which server sends them, u32. All threads count together. */
export const HEADER_MESSAGE_NUMBER = 8;
/**
 * `connection_rate_limit`: start of the second that is counted (low bits of the time of day, ms), and handshakes in it.
 */
export const HEADER_HANDSHAKE_WINDOW = 9;
export const HEADER_HANDSHAKE_COUNT = 10;
/** Connections turned away for that limit and not reported yet. Main takes those that it reports off this count. */
export const HEADER_HANDSHAKES_REJECTED = 11;
export const MAGIC = 0x4d494447;

/** The words of nodes in the header. Each node has a block of them, on cache lines of its own. */
export const HEADER_NODES = 256;
export const NODE_WORDS = 32;
/** NODE_IS_…: written by main, and by a shard that stops. */
export const NODE_STATE = 0;
/** 1 while the node sleeps and needs a wake-up; written by the node. */
export const NODE_IS_ASLEEP = 1;
/**
 * How to wake it: its poller's handle, or minus the index of a word that its event loop waits for. Written by the node.
 */
export const NODE_WAKE = 2;
/** How many connections it serves: the acceptor adds to it, the node subtracts. */
export const NODE_LOAD = 3;
/** The word that an event loop waits for. */
export const NODE_WAKE_WORD = 4;

export const NODE_IS_ABSENT = 0;
export const NODE_IS_UP = 1;
export const NODE_IS_DEAD = 2;

/** Slots for connections, the fabric's first one included. */
export const SLOTS_PER_SHARD = 65536;
const SLOTS_FOR_LINKS = 4096;
/** A receive buffer holds what a connection kept, one read, and room for the engine's reads past the end. */
export const RECEIVE_BYTES = 512 * 1024;
export const RECEIVE_BUFFERS = 9;
export const READ_BYTES = 128 * 1024;
/** The same before a login, and for a connection that has too much pending already: it is to send little. */
export const READ_BYTES_FEW = 16 * 1024;
/** Payload that is put together for one frame of a WebSocket, at most. */
export const PACKING_BYTES = 64 * 1024;
const DEFLATING_BYTES =
  DEFLATE_OUTPUT +
  PACKING_BYTES +
  (PACKING_BYTES / DEFLATE_BLOCK_BYTES) * DEFLATE_BLOCK_GROWTH_BYTES +
  DEFLATE_SLACK;
export const BLOCK_BYTES = 256 * 1024;

const INDEX_BYTES = 640 * 1024 * 1024;
/** A word and a bit for each of 2^24 entries. interest/journal.ts checks that this is enough. */
const JOURNAL_BYTES = 2 ** 24 * 4 + 2 ** 24 / 8 + 4096;
const AREA_BYTES_MAX = 320 * 1024 * 1024;
const AREAS_BYTES_MAX = 640 * 1024 * 1024;
const OUTBOXES_MAX = 2048;
const PLAN_ARENA_BYTES_MAX = 64 * 1024 * 1024;
const RINGS_BYTES_MAX = 192 * 1024 * 1024;
const PAGE = 65536;

/** A node's area: addresses of its regions. */
export interface AreaMap {
  readonly area: number;
  readonly connections: number;
  readonly dirty: number;
  readonly picks: number;
  readonly planSets: number;
  readonly planArena: number;
  readonly planArenaEnd: number;
  /** RECEIVE_BUFFERS of RECEIVE_BYTES each. */
  readonly receive: number;
  /** PACKING_BYTES for payload that is put together before it is deflated, masked or cut. */
  readonly packing: number;
  /** Where a shard deflates: DEFLATE_…, with room for the result of PACKING_BYTES. */
  readonly deflating: number;
  /** A few pages for lines that are rewritten before the engine sees them. */
  readonly scratch: number;
  /** On the links shard: the table of account names. */
  readonly accountNames: number;
  /** On the links shard: LINK_COUNTERS_BYTES for each account id; 0 elsewhere. */
  readonly linkCounters: number;
  /** On the links shard: a word for each of YOUNG_SUBJECTS_COUNT hashes; 0 elsewhere. */
  readonly youngSubjects: number;
  /** On a shard that serves clients: REQUESTS_…; 0 elsewhere. */
  readonly requests: number;
  readonly outboxes: number;
  readonly outboxCount: number;
}

export interface MemoryMap {
  readonly nodeCount: number;
  /** Shards that serve clients. */
  readonly shardCount: number;
  /** The node whose connections are links, 0 for none. */
  readonly linksNode: number;
  /** Whether the node is one of the shards that serve clients. */
  isShard(node: number): boolean;
  /** Whether the node has connections: a shard, or the links shard. */
  hasConnections(node: number): boolean;
  /** Slots for connections, including the fabric's, which every node has. */
  slotCount(node: number): number;
  readonly index: {
    readonly byteOffset: number;
    readonly byteLength: number;
    readonly journal: { readonly byteOffset: number; readonly byteLength: number };
  };
  /** Capacity in bytes of a ring between two shards. Rings with main and the acceptor are smaller, or as small. */
  readonly ringBytes: number;
  /** Address of the ring from one node to another, 0 if the two never talk. */
  ring(from: number, to: number): number;
  ringCapacity(from: number, to: number): number;
  area(node: number): AreaMap;
  /** ACCOUNT_BYTES for each account id. */
  readonly accounts: number;
  /** Mapped replies: REPLIES_…; 0 if there are no links. */
  readonly replies: number;
  /** Where the links shard compresses and decompresses: S2_…; 0 if there are no links. */
  readonly compression: number;
  readonly blocks: number;
  readonly blockCount: number;
}

/** An account of the process: the three words that the functions below find. */
export const ACCOUNT_BYTES = 16;

/** Index of the word that counts an account's connections on all shards, clients and leaf nodes. Atomics. */
export function accountWord(map: MemoryMap, id: number): number {
  return (map.accounts + id * ACCOUNT_BYTES) >> 2;
}

/** Index of the word that says how many clients an account has on other servers. Only main writes it. */
export function clientsElsewhereWord(map: MemoryMap, id: number): number {
  return accountWord(map, id) + 1;
}

/** The same for leaf nodes. */
export function leafnodesElsewhereWord(map: MemoryMap, id: number): number {
  return accountWord(map, id) + 2;
}

export const SCRATCH_BYTES = 384 * 1024;
/** Offset in it of a subject or reply for one call of the engine, behind the lines that are being rewritten. */
export const SCRATCH_SUBJECT = SCRATCH_BYTES - 2 * MESSAGE_LINE_BYTES_MAX;

export function memoryMap(shardCount: number, hasLinksShard: boolean): MemoryMap {
  assert(shardCount >= 1 && shardCount <= SHARDS_MAX, "a process has 1 to 16 shards");
  const linksNode = hasLinksShard ? NODE_SHARD_FIRST + shardCount : 0;
  const nodeCount = NODE_SHARD_FIRST + shardCount + (hasLinksShard ? 1 : 0);
  assert(nodeCount <= NODE_FAR, "sets of nodes are 32-bit maps");
  const hasConnections = (node: number) => node >= NODE_SHARD_FIRST && node < nodeCount;
  const isShard = (node: number) => hasConnections(node) && node !== linksNode;
  const slotCount = (node: number) =>
    node === linksNode && hasLinksShard ? SLOTS_FOR_LINKS : hasConnections(node) ? SLOTS_PER_SHARD : 1;

  let at = PAGE;
  const take = (bytes: number) => {
    const start = at;
    at += Math.ceil(bytes / PAGE) * PAGE;
    return start;
  };

  const index = {
    byteOffset: take(INDEX_BYTES),
    byteLength: INDEX_BYTES,
    journal: { byteOffset: take(JOURNAL_BYTES), byteLength: JOURNAL_BYTES },
  };

  const accounts = take(AREA_ACCOUNTS_MAX * ACCOUNT_BYTES);

  const replies = hasLinksShard ? take(REPLIES_LOG + REPLIES_LOG_BYTES) : 0;
  const compression = hasLinksShard ? take(S2_REGION_BYTES) : 0;

  const servingCount = nodeCount - NODE_SHARD_FIRST;
  const busyPairs = servingCount * (servingCount + 1);
  const ringBytes = Math.min(
    4 << 20,
    Math.max(256 << 10, 2 ** Math.floor(Math.log2(RINGS_BYTES_MAX / busyPairs))),
  );
  const ringCapacity = (from: number, to: number) => {
    if (from === to || to === NODE_ACCEPTOR || (from === NODE_ACCEPTOR && !hasConnections(to))) return 0;
    if (from === NODE_ACCEPTOR || from === NODE_MAIN || to === NODE_MAIN) return 256 << 10;
    return ringBytes;
  };
  const rings: number[] = [];
  for (let from = 0; from < nodeCount; from++) {
    for (let to = 0; to < nodeCount; to++) {
      const capacity = ringCapacity(from, to);
      rings.push(capacity === 0 ? 0 : take(RING_DATA + capacity));
    }
  }

  const areaBytes = Math.min(AREA_BYTES_MAX, Math.floor(AREAS_BYTES_MAX / (servingCount + 1)));
  const areas: AreaMap[] = [];
  for (let node = 0; node < nodeCount; node++) {
    const isServing = hasConnections(node);
    const slots = slotCount(node);
    const start = at;
    const area = take(AREA_HEADER_BYTES);
    const connections = take(slots * CONNECTION_BYTES);
    const dirty = take(slots * 4);
    const picks = take(PLAN_GROUPS_MAX * 8);
    const receive = take(isServing ? RECEIVE_BYTES * RECEIVE_BUFFERS : 0);
    const planSets = take(isServing ? PLAN_SET_BYTES * PLAN_SET_COUNT : 0);
    const packing = take(isServing ? PACKING_BYTES : 0);
    const deflating = take(isServing ? DEFLATING_BYTES : 0);
    const scratch = take(SCRATCH_BYTES);
    const hasLinks = node === linksNode && hasLinksShard;
    const accountNames = take(hasLinks ? ACCOUNT_NAME_SLOTS * ACCOUNT_NAME_BYTES : 0);
    const linkCounters = take(hasLinks ? AREA_ACCOUNTS_MAX * LINK_COUNTERS_BYTES : 0);
    const youngSubjects = take(hasLinks ? YOUNG_SUBJECTS_COUNT * 4 : 0);
    const requests = take(isShard(node) ? REQUESTS_BYTES : 0);
    const left = start + (isServing ? areaBytes : 0) - at;
    const arenaBytes = Math.min(PLAN_ARENA_BYTES_MAX, Math.max(0, left >> 1));
    const planArena = take(arenaBytes);
    const outboxCount = Math.max(
      0,
      Math.min(OUTBOXES_MAX, Math.floor((left - arenaBytes) / OUTBOX_BYTES) - 1),
    );
    const outboxes = take(outboxCount * OUTBOX_BYTES);
    const planArenaEnd = planArena + arenaBytes;
    areas.push({
      area,
      connections,
      dirty,
      picks,
      planSets,
      planArena,
      planArenaEnd,
      receive,
      packing,
      deflating,
      scratch,
      accountNames,
      linkCounters: hasLinks ? linkCounters : 0,
      youngSubjects: hasLinks ? youngSubjects : 0,
      requests: isShard(node) ? requests : 0,
      outboxes,
      outboxCount,
    });
  }

  const blocks = take(0);
  const blockCount = Math.floor((MEMORY_BYTES_USED - blocks) / BLOCK_BYTES) - 1;
  assert(blockCount > 512, "the regions leave room for blocks");

  return {
    nodeCount,
    shardCount,
    linksNode,
    isShard,
    hasConnections,
    slotCount,
    index,
    ringBytes,
    ring: (from, to) => rings[from * nodeCount + to]!,
    ringCapacity,
    area: (node) => areas[node]!,
    accounts,
    replies,
    compression,
    blocks,
    blockCount,
  };
}
