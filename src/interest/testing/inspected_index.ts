/** An index that also tells what is in it, whatever that costs; for tests. */
import {
  BLOCK_WORDS,
  ENTRY_NEXT,
  ENTRY_NODES,
  FRONTIER_PAGE,
  INSERT_COUNT,
  LITERAL_COUNT,
  NODE_COUNT_MAX,
  PAGE_BYTES,
  REMOVE_COUNT,
  RUN_PAGE_COUNT,
  WILDCARD_COUNT,
} from "../../memory/interest_layout.ts";
import { Entries } from "../entries.ts";
import { createInterestIndex, InterestIndex } from "../interest_index.ts";
import { type IndexEngine, InterestMemory, type InterestRegion } from "../interest_memory.ts";
import { InternedTexts } from "../interned_texts.ts";
import { type MemberCount, MemberCounts } from "../member_counts.ts";
import { WriteLock } from "../write_lock.ts";

/** The lock owner that this class counts as: a reader. */
const OWNER = NODE_COUNT_MAX;
const NO_TEXT = new Uint8Array(0);

/** One entry, copied out whole. */
interface EntryDescription {
  readonly entryId: number;
  readonly accountId: number;
  readonly subject: Uint8Array;
  readonly isWildcard: boolean;
  /** Bit n: node n has plain interest without a filter. */
  readonly plainNodes: number;
  readonly members: readonly MemberDescription[];
}

/** Members of a queue, or filtered plain subscriptions; `queue` and `filter` are empty for none. */
interface MemberDescription extends MemberCount {
  readonly queue: Uint8Array;
  readonly filter: Uint8Array;
}

interface InterestStatistics {
  readonly entries: number;
  readonly literals: number;
  readonly wildcards: number;
  /** Changes since the start that added or removed interest; they wrap at 2^32. */
  readonly inserts: number;
  readonly removes: number;
  /** Entries and blocks in use, without what chunks of blocks round up. */
  readonly bytesLive: number;
  /** Every entry ever used, and every page of the arena that holds something. */
  readonly bytesUsed: number;
  /**
   * The most that `bytesUsed` has been so far, which is what the operating system sees: pages that are free now count.
   */
  readonly bytesReached: number;
}

/** Makes an index in a region that is all zero. */
export function createInspectedIndex(
  region: InterestRegion,
  options: Parameters<typeof createInterestIndex>[1],
  engine: IndexEngine | null = null,
): InspectedIndex {
  createInterestIndex(region, options);
  return new InspectedIndex(region, engine);
}

export class InspectedIndex extends InterestIndex {
  readonly #memory: InterestMemory;
  readonly #lock: WriteLock;
  readonly #entries: Entries;
  readonly #texts: InternedTexts;
  readonly #members: MemberCounts;

  constructor(region: InterestRegion, engine: IndexEngine | null) {
    super(region, engine);
    this.#memory = new InterestMemory(region, null);
    this.#lock = new WriteLock(this.#memory);
    this.#entries = new Entries(this.#memory);
    this.#texts = new InternedTexts(this.#memory);
    this.#members = new MemberCounts(this.#memory, this.#texts);
  }

  /** The entry whole, or undefined when the id is free. */
  describe(entryId: number): EntryDescription | undefined {
    this.#lock.acquire(OWNER);
    const entry = this.#entries.byId(entryId);
    const description = entry === 0 ? undefined : this.#describe(entryId, entry);
    this.#lock.release();
    return description;
  }

  /** Calls `visit` for each entry; entries that come or go meanwhile may be missed. */
  forEachEntry(visit: (description: EntryDescription) => void): void {
    for (let id = 0; id < this.entryIdEnd; id++) {
      const description = this.describe(id);
      if (description !== undefined) visit(description);
    }
  }

  /** Counters read one by one, without the lock. */
  statistics(): InterestStatistics {
    const { words, pageCount } = this.#memory;
    const literals = words[LITERAL_COUNT]!;
    const wildcards = words[WILDCARD_COUNT]!;
    const idBytes = words[ENTRY_NEXT]! * 4;
    const arenaPages = pageCount - words[FRONTIER_PAGE]!;
    return {
      entries: literals + wildcards,
      literals,
      wildcards,
      inserts: words[INSERT_COUNT]! >>> 0,
      removes: words[REMOVE_COUNT]! >>> 0,
      bytesLive: (literals + wildcards) * 4 + words[BLOCK_WORDS]! * 4,
      bytesUsed: idBytes + words[RUN_PAGE_COUNT]! * PAGE_BYTES,
      bytesReached: idBytes + arenaPages * PAGE_BYTES,
    };
  }

  #describe(entryId: number, entry: number): EntryDescription {
    return {
      entryId,
      accountId: this.#entries.accountOf(entry),
      subject: this.#entries.subjectOf(entry),
      isWildcard: this.#entries.isWildcard(entry),
      plainNodes: this.#memory.words[entry + ENTRY_NODES]!,
      members: this.#members.pairsOf(entry).map((pair) => ({
        ...pair,
        queue: this.#textOf(pair.queueId),
        filter: this.#textOf(pair.filterId),
      })),
    };
  }

  #textOf(id: number): Uint8Array {
    return id === 0 ? NO_TEXT : this.#texts.textOf(id);
  }
}
