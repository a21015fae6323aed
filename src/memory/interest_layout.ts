/**
 * Where everything in the region of the interest index lies: the one place with its offsets. Both compilers read this
 * file, as they read `layout.ts`, so it holds plain integer constants and nothing else.
 */

export const PAGE_BYTES = 4096;
export const PAGE_WORDS = PAGE_BYTES / 4;
export const NODE_COUNT_MAX = 32;
export const ACCOUNT_COUNT_MAX = 65536;
export const BUCKET_BITS = 14;
export const RUN_ORDER_COUNT = 19;
export const BLOCK_CLASS_COUNT = 80;
export const REGION_PAGES_MAX = 1 << (RUN_ORDER_COUNT - 1);

// Offsets count 32-bit words from the start of the region. A *reference* to anything in the region is such an offset
// too; 0 is no reference. "lock" means that the holder of the write lock writes the word while the version is odd;
// readers read it plainly and check the version afterwards.
//
//    word  name             unit       written by  read with   holds
//       0  MAGIC            -          main        plain       INTEREST_MAGIC once the rest is initialised
//       1  REGION_WORDS     words      main        plain       size of the region
//       2  SEEDS            4 × u32    main        plain       state of the subject hash, new for each process
//      16  VERSION          -          lock        Atomics     odd while a writer changes what readers see
//      32  LOCK             -          all         Atomics     0 free, else owner + 1, with LOCK_HAS_WAITERS
//      48  ENTRY_NEXT       ids        lock        plain       entry ids ever used
//      49  ENTRY_FREE       id + 1     lock        plain       head of the list of freed entry ids, 0 none
//      50  LITERAL_COUNT    entries    lock        plain
//      51  WILDCARD_COUNT   entries    lock        plain
//      52  INSERT_COUNT     calls      lock        plain       changes that added interest; wraps
//      53  REMOVE_COUNT     calls      lock        plain       changes that removed interest; wraps
//      54  FRONTIER_PAGE    pages      lock        plain       pages from here to the end belong to the arena
//      55  RUN_PAGE_COUNT   pages      lock        plain       arena pages handed out
//      56  BLOCK_WORDS      words      lock        plain       words of live blocks, rounded to their class
//      64  ENTRY_TABLE      4 words    lock        plain       slot table: (account, subject) → entry
//      68  EDGE_TABLE       4 words    lock        plain       slot table: (parent node, token) → trie node
//      72  TEXT_TABLE       4 words    lock        plain       slot table: queue name or filter → its id
//      76  PAIR_TABLE       4 words    lock        plain       slot table: (entry, queue, filter, node) → pair
//      80  FREE_RUNS        19 refs    lock        plain       free runs of 2^order pages, one list an order
//     104  OPEN_CHUNKS      80 refs    lock        plain       chunks with a free block, one list a class
//    1024  BUCKETS          16384 u32  lock        Atomics     generation of the literal subjects hashed there
//   17408  ACCOUNTS         2 words    lock        mixed       per account: trie root; generation (Atomics)
//  148480  PAGE_STATES      1 word     lock        plain       per page: what starts there (arena.ts)
//  410624  ENTRIES          1 ref      lock        plain       per entry id: the entry, or −(next free id + 1);
//                                                               grows up to FRONTIER_PAGE
//     end  the arena                                           blocks and runs, growing down from the end
//
// The head takes 1.6 MiB of addresses, of which only touched pages cost memory. A million literal
// subscriptions such as `_INBOX.<22 characters>.<n>` (36 bytes) cost 60 bytes of entry with subject, 4 of id
// and 17 of table each: 82 bytes with what the arena rounds up.
export const INTEREST_MAGIC = 0x4d494458;
export const MAGIC = 0;
export const REGION_WORDS = 1;
export const SEEDS = 2;
export const VERSION = 16;
export const LOCK = 32;
export const ENTRY_NEXT = 48;
export const ENTRY_FREE = 49;
export const LITERAL_COUNT = 50;
export const WILDCARD_COUNT = 51;
export const INSERT_COUNT = 52;
export const REMOVE_COUNT = 53;
export const FRONTIER_PAGE = 54;
export const RUN_PAGE_COUNT = 55;
export const BLOCK_WORDS = 56;
export const ENTRY_TABLE = 64;
export const EDGE_TABLE = 68;
export const TEXT_TABLE = 72;
export const PAIR_TABLE = 76;
export const FREE_RUNS = 80;
export const OPEN_CHUNKS = 104;
export const BUCKETS = 1024;
export const ACCOUNTS = 17408;
export const PAGE_STATES = 148480;
export const ENTRIES = 410624;

// One account in ACCOUNTS.
export const ACCOUNT_WORDS = 2;
export const ACCOUNT_ROOT = 0; // trie node, 0 while the account has no wildcard subscription
export const ACCOUNT_GENERATION = 1;

// The head of a slot table. The table itself is a run of (hash, value) slots; an empty slot has value 0.
export const TABLE_SLOTS = 0; // reference
export const TABLE_MASK = 1; // slots − 1, a power of two less one
export const TABLE_COUNT = 2; // slots taken
export const SLOT_WORDS = 2;
export const SLOT_HASH = 0;
export const SLOT_VALUE = 1;

// An entry: an (account, subject) that some node has interest in. The subject's bytes follow at ENTRY_SUBJECT, so
// finding an entry costs two cache misses: its slot and the entry.
export const ENTRY_ACCOUNT = 0; // account id, with ENTRY_IS_WILDCARD
export const ENTRY_NODES = 1; // bit n: node n has plain interest without a filter
export const ENTRY_PAIRS = 2; // first pair, 0 none
export const ENTRY_ID = 3;
export const ENTRY_HASH = 4; // of account and subject
export const ENTRY_SUBJECT_BYTES = 5;
export const ENTRY_SUBJECT = 6;
export const ENTRY_IS_WILDCARD = 0x10000;

// A trie node. The token of its edge follows at NODE_TOKEN.
export const NODE_PARENT = 0; // 0 for a root
export const NODE_STAR = 1; // child along `*`
export const NODE_LITERAL_COUNT = 2; // children along literal tokens, found through EDGE_TABLE
export const NODE_ENTRY = 3; // entry whose pattern ends here, 0 none
export const NODE_BELOW = 4; // entry whose pattern is this one and `.>`, 0 none
export const NODE_HASH = 5; // of the edge; the account id in a root; 0 along `*`
export const NODE_TOKEN_BYTES = 6; // NODE_IS_STAR or NODE_IS_ROOT where there is no literal token
export const NODE_TOKEN = 7;
export const NODE_IS_STAR = -1;
export const NODE_IS_ROOT = -2;

// A queue name or filter, interned for the process. Its reference is its id.
export const TEXT_REFERENCES = 0; // pairs that name it
export const TEXT_HASH = 1;
export const TEXT_BYTES = 2;
export const TEXT = 3;

// A pair: how many members of one queue, with one filter, one node has in one entry.
export const PAIR_WORDS = 7;
export const PAIR_ENTRY = 0;
export const PAIR_QUEUE = 1; // 0 for plain subscriptions, which are counted here only when they are filtered
export const PAIR_FILTER = 2; // patterns that the members are not to be sent, 0 none
export const PAIR_NODE = 3;
export const PAIR_MEMBERS = 4;
export const PAIR_NEXT = 5; // within the entry
export const PAIR_PREVIOUS = 6;

/** The class of a block of up to so many words is its words less one. Larger blocks round up (`interest/arena.ts`). */
export const EXACT_BLOCK_WORDS_MAX = 64;

// What a page's word in PAGE_STATES holds. 0: nothing starts here.
export const PAGE_IS_CHUNK = 0x100; // a chunk: blocks of one class
export const PAGE_IS_RUN = 0x200; // | order: first page of a run in use
export const PAGE_IS_FREE = 0x400; // | order: first page of a free run
export const PAGE_ORDER = 0xff;

// A free run's first page and a chunk's head, linked in lists.
export const LINK_NEXT = 0;
export const LINK_PREVIOUS = 1;
export const CHUNK_CLASS = 2;
export const CHUNK_LIVE = 3; // blocks in use
export const CHUNK_FREE = 4; // first freed block, linked through its first word
export const CHUNK_FRESH = 5; // words from the chunk's start to the first block that was never used
export const CHUNK_HEAD_WORDS = 8;

// The smallest region holds the head, one page of entry ids and one page for each table.
export const REGION_PAGES_MIN = ENTRIES / PAGE_WORDS + 16;
