import { assert } from "../base/assert.ts";
import {
  BLOCK_CLASS_COUNT,
  BLOCK_WORDS,
  CHUNK_CLASS,
  CHUNK_FREE,
  CHUNK_FRESH,
  CHUNK_HEAD_WORDS,
  CHUNK_LIVE,
  ENTRIES,
  ENTRY_NEXT,
  EXACT_BLOCK_WORDS_MAX,
  FREE_RUNS,
  FRONTIER_PAGE,
  LINK_NEXT,
  LINK_PREVIOUS,
  OPEN_CHUNKS,
  PAGE_IS_CHUNK,
  PAGE_IS_FREE,
  PAGE_IS_RUN,
  PAGE_ORDER,
  PAGE_STATES,
  PAGE_WORDS,
  RUN_ORDER_COUNT,
  RUN_PAGE_COUNT,
} from "../memory/interest_layout.ts";
import type { InterestMemory } from "./interest_memory.ts";

/**
 * Words of a block by class: exact at first, then four steps a doubling. The last two classes put 3 and 2 in a chunk.
 */
const CLASS_WORDS = new Int32Array([
  ...Array.from({ length: EXACT_BLOCK_WORDS_MAX }, (_, index) => index + 1),
  ...[80, 96, 112, 128, 160, 192, 224, 256, 338, 508],
]);
const CHUNKED_WORDS_MAX = 508;
/** The class of a block by its words: the first class that holds them. */
const CLASS_OF_WORDS = new Uint8Array(CHUNKED_WORDS_MAX + 1);
for (let words = 1, of = 0; words <= CHUNKED_WORDS_MAX; words++) {
  if (words > CLASS_WORDS[of]!) of++;
  CLASS_OF_WORDS[words] = of;
}

assert(CLASS_WORDS.length <= BLOCK_CLASS_COUNT, "interest: more block classes than lists");

/**
 * Allocates blocks of memory at the upper end of the region, such that no memory is lost for good. A small block lies
 * in a chunk: a page of blocks of one class, which is freed with its last block. Pages come in runs of a power of two,
 * which are split and joined again (a buddy allocator). Runs that were never used lie below `FRONTIER_PAGE`, which
 * moves down towards the entries. Only writers use it, under the lock.
 */
export class Arena {
  readonly #words: Int32Array<SharedArrayBuffer>;

  constructor(memory: InterestMemory) {
    this.#words = memory.words;
  }

  /** Returns a block of `wordCount` ≥ 1 words, contents undefined, or 0 when the region is full. */
  allocate(wordCount: number): number {
    if (wordCount > CHUNKED_WORDS_MAX) return this.#allocateRun(orderOf(wordCount));
    const words = this.#words;
    const blockClass = CLASS_OF_WORDS[wordCount]!;
    const blockWords = CLASS_WORDS[blockClass]!;
    let chunk = words[OPEN_CHUNKS + blockClass]!;
    if (chunk === 0) {
      chunk = this.#openChunk(blockClass);
      if (chunk === 0) return 0;
    }
    let block = words[chunk + CHUNK_FREE]!;
    if (block !== 0) {
      words[chunk + CHUNK_FREE] = words[block]!;
    } else {
      block = chunk + words[chunk + CHUNK_FRESH]!;
      words[chunk + CHUNK_FRESH]! += blockWords;
    }
    words[chunk + CHUNK_LIVE]! += 1;
    if (this.#isFull(chunk, blockWords)) this.#unlink(OPEN_CHUNKS + blockClass, chunk);
    words[BLOCK_WORDS]! += blockWords;
    return block;
  }

  /** Gives back a block that `allocate` returned. */
  free(block: number): void {
    const words = this.#words;
    const page = (block / PAGE_WORDS) | 0;
    const state = words[PAGE_STATES + page]!;
    if ((state & PAGE_IS_RUN) !== 0) {
      assert(block === page * PAGE_WORDS, "interest: freed block is inside a run");
      this.#freeRun(page, state & PAGE_ORDER);
      return;
    }
    assert(state === PAGE_IS_CHUNK, "interest: freed block is in no chunk");
    const chunk = page * PAGE_WORDS;
    const blockClass = words[chunk + CHUNK_CLASS]!;
    const blockWords = CLASS_WORDS[blockClass]!;
    const list = OPEN_CHUNKS + blockClass;
    words[BLOCK_WORDS]! -= blockWords;
    if (this.#isFull(chunk, blockWords)) this.#link(list, chunk);
    words[block] = words[chunk + CHUNK_FREE]!;
    words[chunk + CHUNK_FREE] = block;
    words[chunk + CHUNK_LIVE]! -= 1;
    if (words[chunk + CHUNK_LIVE] === 0) {
      this.#unlink(list, chunk);
      this.#freeRun(page, 0);
    }
  }

  /** Walks every page and list; for tests. The lock is held. */
  invariants(pageCount: number): void {
    const words = this.#words;
    let pagesInUse = 0;
    let liveWords = 0;
    const freeRuns = new Set<number>();
    const openChunks = new Set<number>();
    for (let page = words[FRONTIER_PAGE]!; page < pageCount; ) {
      const state = words[PAGE_STATES + page]!;
      const pages = 1 << (state & PAGE_ORDER);
      assert(state !== 0 && page % pages === 0, "interest: page belongs to nothing");
      if ((state & PAGE_IS_FREE) !== 0) {
        freeRuns.add(page);
        const buddyState = words[PAGE_STATES + (page ^ pages)];
        assert(buddyState !== state || page + pages >= pageCount, "interest: free buddies are not joined");
      } else {
        pagesInUse += pages;
        if ((state & PAGE_IS_CHUNK) !== 0) {
          const chunk = page * PAGE_WORDS;
          const blockWords = CLASS_WORDS[words[chunk + CHUNK_CLASS]!]!;
          const live = words[chunk + CHUNK_LIVE]!;
          let freed = 0;
          for (let block = words[chunk + CHUNK_FREE]!; block !== 0; block = words[block]!) {
            assert(
              ((block / PAGE_WORDS) | 0) === page && freed++ < PAGE_WORDS,
              "interest: free block strays",
            );
          }
          const fresh = words[chunk + CHUNK_FRESH]!;
          assert(live > 0, "interest: empty chunk is kept");
          assert(CHUNK_HEAD_WORDS + (live + freed) * blockWords === fresh, "interest: chunk miscounts");
          if (!this.#isFull(chunk, blockWords)) openChunks.add(chunk);
          liveWords += live * blockWords;
        } else {
          liveWords += pages * PAGE_WORDS;
        }
      }
      page += pages;
    }
    assert(pagesInUse === words[RUN_PAGE_COUNT], "interest: page count is wrong");
    assert(liveWords === words[BLOCK_WORDS], "interest: live word count is wrong");
    for (let order = 0; order < RUN_ORDER_COUNT; order++) {
      for (let run = words[FREE_RUNS + order]!; run !== 0; run = words[run + LINK_NEXT]!) {
        assert(freeRuns.delete(run / PAGE_WORDS), "interest: listed run is not free");
      }
    }
    for (let blockClass = 0; blockClass < CLASS_WORDS.length; blockClass++) {
      for (let chunk = words[OPEN_CHUNKS + blockClass]!; chunk !== 0; chunk = words[chunk + LINK_NEXT]!) {
        assert(openChunks.delete(chunk), "interest: listed chunk is not open");
      }
    }
    assert(freeRuns.size === 0 && openChunks.size === 0, "interest: run or chunk is in no list");
  }

  #openChunk(blockClass: number): number {
    const chunk = this.#allocateRun(0);
    if (chunk === 0) return 0;
    const words = this.#words;
    words[BLOCK_WORDS]! -= PAGE_WORDS; // its blocks are counted one by one
    words[PAGE_STATES + chunk / PAGE_WORDS] = PAGE_IS_CHUNK;
    words[chunk + CHUNK_CLASS] = blockClass;
    words[chunk + CHUNK_LIVE] = 0;
    words[chunk + CHUNK_FREE] = 0;
    words[chunk + CHUNK_FRESH] = CHUNK_HEAD_WORDS;
    this.#link(OPEN_CHUNKS + blockClass, chunk);
    return chunk;
  }

  #isFull(chunk: number, blockWords: number): boolean {
    return (
      this.#words[chunk + CHUNK_FREE] === 0 && this.#words[chunk + CHUNK_FRESH]! + blockWords > PAGE_WORDS
    );
  }

  #allocateRun(order: number): number {
    const words = this.#words;
    let found = order;
    while (found < RUN_ORDER_COUNT && words[FREE_RUNS + found] === 0) found++;
    if (found >= RUN_ORDER_COUNT) {
      if (order >= RUN_ORDER_COUNT || !this.#extend(order)) return 0;
      found = order;
    }
    const run = words[FREE_RUNS + found]!;
    const page = run / PAGE_WORDS;
    this.#unlink(FREE_RUNS + found, run);
    while (found > order) {
      found--;
      this.#listFreeRun(page + (1 << found), found);
    }
    words[PAGE_STATES + page] = PAGE_IS_RUN | order;
    words[RUN_PAGE_COUNT]! += 1 << order;
    words[BLOCK_WORDS]! += PAGE_WORDS << order;
    return run;
  }

  /** Moves the frontier down over one aligned run of `order`, and lists it and what the alignment leaves over. */
  #extend(order: number): boolean {
    const words = this.#words;
    const pages = 1 << order;
    const frontier = words[FRONTIER_PAGE]!;
    const page = Math.floor((frontier - pages) / pages) * pages;
    const entriesEnd = ENTRIES + words[ENTRY_NEXT]!;
    if (page * PAGE_WORDS < entriesEnd) return false;
    words[FRONTIER_PAGE] = page;
    for (let gap = page + pages; gap < frontier; ) {
      let gapOrder = 0;
      while (gap % (2 << gapOrder) === 0 && gap + (2 << gapOrder) <= frontier) gapOrder++;
      this.#joinFreeRun(gap, gapOrder);
      gap += 1 << gapOrder;
    }
    this.#listFreeRun(page, order);
    return true;
  }

  #freeRun(page: number, order: number): void {
    const words = this.#words;
    words[RUN_PAGE_COUNT]! -= 1 << order;
    // The words of an empty chunk were taken off the count already, block by block.
    if (words[PAGE_STATES + page] !== PAGE_IS_CHUNK) words[BLOCK_WORDS]! -= PAGE_WORDS << order;
    this.#joinFreeRun(page, order);
  }

  #joinFreeRun(page: number, order: number): void {
    const words = this.#words;
    words[PAGE_STATES + page] = 0;
    while (order + 1 < RUN_ORDER_COUNT) {
      const buddy = page ^ (1 << order);
      // States below the frontier and past the region's end are 0, so no buddy is found there.
      if (words[PAGE_STATES + buddy] !== (PAGE_IS_FREE | order)) break;
      this.#unlink(FREE_RUNS + order, buddy * PAGE_WORDS);
      words[PAGE_STATES + buddy] = 0;
      page = Math.min(page, buddy);
      order++;
    }
    this.#listFreeRun(page, order);
  }

  #listFreeRun(page: number, order: number): void {
    this.#words[PAGE_STATES + page] = PAGE_IS_FREE | order;
    this.#link(FREE_RUNS + order, page * PAGE_WORDS);
  }

  #link(list: number, item: number): void {
    const words = this.#words;
    const next = words[list]!;
    words[item + LINK_NEXT] = next;
    words[item + LINK_PREVIOUS] = 0;
    if (next !== 0) words[next + LINK_PREVIOUS] = item;
    words[list] = item;
  }

  #unlink(list: number, item: number): void {
    const words = this.#words;
    const next = words[item + LINK_NEXT]!;
    const previous = words[item + LINK_PREVIOUS]!;
    if (previous === 0) words[list] = next;
    else words[previous + LINK_NEXT] = next;
    if (next !== 0) words[next + LINK_PREVIOUS] = previous;
  }
}

/** The smallest order whose run of 2^order pages holds `wordCount` words. */
function orderOf(wordCount: number): number {
  let order = 0;
  while (order < RUN_ORDER_COUNT && PAGE_WORDS * 2 ** order < wordCount) order++;
  return order;
}
