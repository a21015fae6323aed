/**
 * Offsets of every structure that TypeScript and the engine (AssemblyScript) both touch, except for those of the
 * interest index (`interest_layout.ts`). Both compilers read this file, so it holds plain integer constants and nothing
 * else.
 *
 * All offsets are bytes from the start of the structure; all addresses are byte offsets into the shared memory
 * and stay below 2 GiB, so that they are int32 in JavaScript.
 */

// A connection: one record for each slot of a shard. Slot 0 is the fabric itself, which counts as the publisher of what
// other nodes sent.
export const CONNECTION_BYTES = 128;
export const CONNECTION_SHIFT = 7;
/** Address of the next byte to frame into, 0 while no outbox is lent. Engine and shard. */
export const CONNECTION_CURSOR = 0;
/** Address the cursor must not pass. */
export const CONNECTION_LIMIT = 4;
/** Address where the bytes not yet named by an iovec begin. */
export const CONNECTION_SEGMENT = 8;
/** Number of iovecs filled in the outbox. */
export const CONNECTION_IOVECS = 12;
/** CONNECTION_IS_… bits. */
export const CONNECTION_FLAGS = 16;
/** Address of the lent outbox, 0 for none. */
export const CONNECTION_OUTBOX = 20;
/** Messages and payload bytes sent to this peer, u64. */
export const CONNECTION_OUT_MESSAGES = 24;
export const CONNECTION_OUT_BYTES = 32;
/** Messages and payload bytes received from this peer, u64. */
export const CONNECTION_IN_MESSAGES = 40;
export const CONNECTION_IN_BYTES = 48;
/** Address of the plan its last message used, 0 for none. */
export const CONNECTION_LAST_PLAN = 56;
/** The context that its messages are looked up under: the account, or the account with its user's permissions. */
export const CONNECTION_CONTEXT = 60;
/** Largest payload it may publish, bytes; below 0 none at all. */
export const CONNECTION_PAYLOAD_MAX = 64;
/** The account it is counted in, 0 for none. When a shard dies, main takes its connections off the counts. */
export const CONNECTION_ACCOUNT = 72;
/** File descriptor, −1 for none. When a shard dies, main closes its descriptors. */
export const CONNECTION_FD = 68;

/** Its client id; 0 once it is to close. The logins thread reads it before it judges a login. Atomics. */
export const CONNECTION_CLIENT = 76;
/** Of a link that names accounts: address of the table's slot with the name in its last message, 0 for none. Engine. */
export const CONNECTION_LAST_ACCOUNT = 80;
/** Address of the DISCLOSURE_… entry with what services are told of it, 0 for none. Shard. */
export const CONNECTION_DISCLOSURE = 84;

export const CONNECTION_IS_CLOSED = 1;
export const CONNECTION_HAS_NO_ECHO = 2;
export const CONNECTION_TAKES_HEADERS = 4;
export const CONNECTION_WANTS_NO_RESPONDERS = 8;
/** Its backlog has passed the bound: connections that publish to it are to be slowed. */
export const CONNECTION_IS_CONGESTED = 16;
/** Messages for it are dropped rather than queued (no_fast_producer_stall). */
export const CONNECTION_DROPS = 32;
/** Each delivery is reported to the host: for the trace log, or because the reply subject may be answered. */
export const CONNECTION_IS_NOTED = 64;
/**
 * A connection to another server. The prefixes of its targets are written whole (`RMSG <account> <subject> `,
 * `LMSG <subject> `), with an `H` as their first byte if a header block follows. No subscription counts what it gets.
 */
export const CONNECTION_IS_LINK = 128;
/** A route. A prefix that begins with `L` keeps that letter there, and two sizes follow it even without headers. */
export const CONNECTION_IS_ROUTE = 256;
/** It is asking the WebSocket port for an upgrade. It is no client yet, and not counted as one. */
export const CONNECTION_IS_UPGRADING = 512;
/** A gateway: a link to another cluster. Replies that were subscribed to lately are mapped on their way there. */
export const CONNECTION_IS_GATEWAY = 1024;

// An outbox: where frames for one connection are written, lent from a shard's pool while there is something to send.
export const OUTBOX_BYTES = 65536;
/** iovecs of an outbox, each `struct iovec`: u64 address, u64 length. */
export const OUTBOX_IOVECS_MAX = 512;
/**
 * After so many iovecs an outbox is written out if they name what was received here. The receiver takes those while the
 * next ones are framed. What other nodes sent has waited already, and leaves in as few system calls as possible.
 */
export const OUTBOX_IOVECS_RECEIVED_MAX = 128;
export const OUTBOX_DATA = OUTBOX_IOVECS_MAX * 16;
/**
 * Bytes before OUTBOX_DATA that a poller may write a frame's header to: the place of the last iovec is never filled.
 */
export const OUTBOX_HEADROOM = 16;
/** Room kept past the limit, for copies that write 16 bytes at a time. */
export const OUTBOX_SLACK = 64;

// A subscription record of a shard.
export const SUBSCRIPTION_BYTES = 64;
/** Messages delivered since SUB, u64. Engine. */
export const SUBSCRIPTION_DELIVERED = 0;
/** The subscription is removed after this many messages, 0 for never. */
export const SUBSCRIPTION_MAX = 8;
export const SUBSCRIPTION_CONNECTION = 12;
/** Entry of the interest index. */
export const SUBSCRIPTION_ENTRY = 16;
/** Queue-name id + 1, 0 for a plain subscription. */
export const SUBSCRIPTION_QUEUE = 20;
/** Neighbours on the list of the entry and on that of the connection: record addresses, 0 for none. */
export const SUBSCRIPTION_ENTRY_NEXT = 24;
export const SUBSCRIPTION_ENTRY_PREVIOUS = 28;
export const SUBSCRIPTION_CONNECTION_NEXT = 32;
export const SUBSCRIPTION_CONNECTION_PREVIOUS = 36;
/** Next record in the sid table's chain. */
export const SUBSCRIPTION_SID_NEXT = 40;
export const SUBSCRIPTION_SID_LENGTH = 44;
/** The sid itself if it has up to 12 bytes. A longer one lies in the shard's side table. */
export const SUBSCRIPTION_SID = 48;
export const SUBSCRIPTION_SID_INLINE_MAX = 12;
/** Next of the subscriptions that reached their maximum, 0 for none. Engine. */
export const SUBSCRIPTION_EXPIRED_NEXT = 60;

// Contexts: what plans are looked up under, beside the subject. The context of a record is an account with some of
// these bits, as is that of what the host publishes. A client's is a number of its shard's own, from CONTEXT_CLIENTS
// on.
/** Account ids are below this. */
export const CONTEXT_ACCOUNTS = 65536;
/** Set for messages that came in through a service import: no stream import takes them. */
export const CONTEXT_IS_STREAMLESS = 65536;
/** Set for answers to a service's requests, on their way to the node that forwarded the request. */
export const CONTEXT_IS_RESPONSE = 131072;
export const CONTEXT_CLIENTS = 262144;
/**
 * Set on the links shard for answers to requests that crossed gateways. With CONTEXT_FROM_…, it is an answer to a
 * request of this server and goes on under the subject behind the mapping. Without, it is an answer to a request of
 * another cluster; then only the part of the mapped subject that names the cluster is looked up.
 */
export const CONTEXT_IS_ANSWER = 1 << 26;
/**
 * Set if the subject is two subjects with a blank between them: the one that is matched, and the one that clients see.
 */
export const CONTEXT_IS_RENAMED = 1 << 27;
/**
 * Set beside the account id for messages from routes and from gateways. A link whose CONNECTION_CONTEXT has one of them
 * names the account in each message, unless that context has an account id as well: then the link carries that account
 * alone, and its messages name none. Contexts of clients count up from CONTEXT_CLIENTS; before CONTEXT_IS_ANSWER they
 * start over.
 */
export const CONTEXT_FROM_ROUTE = 1 << 28;
export const CONTEXT_FROM_GATEWAY = 1 << 29;

// A delivery plan: the answer to "who gets a message on this subject", cached per (context, subject).
export const PLAN_HASH = 0;
export const PLAN_SUBJECT_LENGTH = 4;
export const PLAN_CONTEXT = 8;
/** PLAN_IS_… bits. */
export const PLAN_FLAGS = 12;
/** Four generation words that must stand still, of the account that the message is in: (address, value) pairs. */
export const PLAN_GENERATIONS = 16;
/** Plain subscriptions: count, address of the first entry. */
export const PLAN_PLAIN_COUNT = 48;
export const PLAN_PLAIN = 52;
/** Queue groups: count, address of the first group. */
export const PLAN_GROUP_COUNT = 56;
export const PLAN_GROUPS = 60;
/** Bitmaps of the other nodes with plain interest, and of all nodes that a message may go to. */
export const PLAN_PLAIN_NODES = 64;
export const PLAN_ALL_NODES = 68;
/**
 * Its messages' context at other nodes: the account they are delivered in, with CONTEXT_IS_STREAMLESS if it applies.
 */
export const PLAN_ACCOUNT = 72;
/**
 * The subject that messages are delivered under and sent to other nodes with: address, bytes. PLAN_SUBJECT unless
 * mapped.
 */
export const PLAN_DELIVERED = 76;
export const PLAN_DELIVERED_LENGTH = 80;
/** Generation words of the accounts that import the message: address and number of the (address, value) pairs. */
export const PLAN_MORE_GENERATIONS = 84;
export const PLAN_MORE_COUNT = 88;
/** With PLAN_IS_FORWARDED, address of the FORWARD_… record. */
export const PLAN_FORWARD = 92;
export const PLAN_SUBJECT = 96;

/** The host handles messages of this plan (denied, reserved, a service of another account). */
export const PLAN_IS_FOR_HOST = 1;
/** The host handles records of other nodes that name queue groups, and answers that come over links. */
export const PLAN_QUEUES_ARE_FOR_HOST = 2;
/** The host handles messages with a reply. */
export const PLAN_REPLIES_ARE_FOR_HOST = 4;
/** The host handles messages with a reply and a header block. */
export const PLAN_HEADED_REPLIES_ARE_FOR_HOST = 8;
/** Its messages are also requests to a service of another account. */
export const PLAN_IS_FORWARDED = 16;
/**
 * What is published by it goes only to the nodes that it names. It also names subscribers here, but they are for what
 * other nodes send.
 */
export const PLAN_GOES_BACK = 32;

// A plan's entry for one local subscription or one link: four words, then the prefix, padded to 16. A client's prefix
// is `HMSG <subject> <sid> `, whose first byte is left out if there are no headers.
export const TARGET_CONNECTION = 0;
/**
 * A client's: the subscription record, which counts deliveries. A link's: two u64 counters (LINK_COUNTERS_OUT), 0 for
 * none.
 */
export const TARGET_SUBSCRIPTION = 4;
export const TARGET_PREFIX_LENGTH = 8;
/** Bytes from this entry to the next. */
export const TARGET_STRIDE = 12;
export const TARGET_PREFIX = 16;

// How a plan's messages go on into the account whose service they ask.
/** The context and the subject there. */
export const FORWARD_CONTEXT = 0;
export const FORWARD_SUBJECT_LENGTH = 4;
/** The account that asks. */
export const FORWARD_REQUESTOR = 8;
/** Which of four texts about a client services are told: see `disclosureKind()`. */
export const FORWARD_DISCLOSURE = 12;
/** How long the service may take to answer. */
export const FORWARD_THRESHOLD_MS = 16;
/** 1 if only requests with a reply below `_INBOX.` are forwarded, or without one: other replies may be mapped. */
export const FORWARD_INBOXES_ONLY = 20;
/** What the reply subjects of its requests begin with: REQUEST_REPLY_HEAD_BYTES, padded. */
export const FORWARD_REPLY_HEAD = 32;
export const FORWARD_SUBJECT = 48;

// A plan's queue group: a header, then its members: TARGET entries for the local ones, and other nodes after them.
export const GROUP_QUEUE = 0;
export const GROUP_LOCAL_COUNT = 4;
export const GROUP_NODE_COUNT = 8;
/** Sum of all weights. A local member weighs 1, another node as much as it has members. */
export const GROUP_WEIGHT = 12;
export const GROUP_STRIDE = 16;
/** Address of the (node, weight) pairs. */
export const GROUP_NODES = 20;
/** Address of an array with the address of each local entry. */
export const GROUP_LOCALS = 24;
export const GROUP_BYTES = 32;

// Account names as links write them. Each lies in the one slot that the low bits of its hash (the engine's) lead to.
// The host fills slots as names come, and empties all of them when accounts change.
export const ACCOUNT_NAME_SLOTS = 512;
export const ACCOUNT_NAME_SHIFT = 7;
export const ACCOUNT_NAME_BYTES = 128;
/** Bytes of the name, 0 while the slot is empty. */
export const ACCOUNT_NAME_LENGTH = 0;
export const ACCOUNT_NAME_ID = 4;
export const ACCOUNT_NAME_TEXT = 16;
/** Messages that name longer ones are left to the host. */
export const ACCOUNT_NAME_LENGTH_MAX = 112;

// The area of a node, which is its private working memory: this header, then the regions that it names.
export const AREA_NODE = 0;
export const AREA_NODE_COUNT = 4;
/** Added to an address to make an iovec entry, u64: where the memory lies in the process. */
export const AREA_MEMORY_BASE = 8;
/** Seed of subject hashes, u64. */
export const AREA_HASH_SEED = 16;
/** State of the generator that picks queue members, u64. */
export const AREA_RANDOM = 24;
export const AREA_CONNECTIONS = 32;
/** List of the connections that hold an outbox: address, count. */
export const AREA_DIRTY = 36;
export const AREA_DIRTY_COUNT = 40;
/** First free outbox, 0 for none. The first word of a free one is the next. */
export const AREA_OUTBOX_FREE = 44;
export const AREA_PLAN_SLOTS = 48;
/** First of the subscriptions that reached their maximum, 0 for none. */
export const AREA_EXPIRED = 52;
/** Queue groups of the message at hand that other nodes are to serve: address of (node, queue id) pairs. */
export const AREA_PICKS = 56;
/** Record of a congested connection that the last call delivered to, 0 for none. */
export const AREA_STALLED_BY = 60;
// What scan() and drain() say besides their reason.
export const AREA_RESUME = 64;
export const AREA_SUBJECT = 68;
export const AREA_SUBJECT_LENGTH = 72;
export const AREA_SUBJECT_HASH = 76;
export const AREA_REPLY = 80;
export const AREA_REPLY_LENGTH = 84;
/** Address after the message's payload and CR LF. */
export const AREA_MESSAGE_END = 88;
export const AREA_FULL_NODE = 92;
export const AREA_REST = 96;
export const AREA_LINE_LENGTH = 100;
export const AREA_HEADER_LENGTH = 104;
export const AREA_CONTEXT = 108;
/** 1 when an outbox names bytes outside itself: they must be written before those bytes are reused. */
export const AREA_HAS_GATHERED = 112;
/** Bitmap of the nodes whose ring holds records they have not been shown yet. */
export const AREA_UNPUBLISHED = 116;
/** Longest argument part of a PUB or HPUB line, or of a link's message, bytes. */
export const AREA_CONTROL_LINE_MAX = 120;
/** When the lower half of AREA_OUT_MESSAGES reaches this, the host looks at the clock before more is taken in. */
export const AREA_LOOK_AT = 124;
// Counters of an account on links, u64, one writer: messages and bytes in, then out, over routes. The same follows for
// gateways.
export const LINK_COUNTERS_SHIFT = 6;
export const LINK_COUNTERS_BYTES = 64;
export const LINK_COUNTERS_IN = 0;
export const LINK_COUNTERS_OUT = 16;
export const LINK_COUNTERS_OF_GATEWAYS = 32;

// Counters of the node, u64, one writer. They stay when a shard is replaced.
export const AREA_COUNTERS = 128;
export const AREA_COUNTERS_END = 256;
export const AREA_IN_MESSAGES = 128;
export const AREA_IN_BYTES = 136;
export const AREA_OUT_MESSAGES = 144;
export const AREA_OUT_BYTES = 152;
export const AREA_SUBSCRIPTIONS_ADDED = 160;
export const AREA_SUBSCRIPTIONS_REMOVED = 168;
export const AREA_SLOW_CONSUMERS = 176;
export const AREA_STALE_CONNECTIONS = 184;
export const AREA_STALLS = 192;
/** Logins of operator mode into accounts that are not among `resolver_pinned_accounts`. */
export const AREA_PINNED_ACCOUNT_FAILURES = 200;
/** Clients accepted so far. */
export const AREA_CLIENTS_EVER = 208;
/** The table of account names of a node with links. */
export const AREA_ACCOUNT_NAMES = 256;
/** With REASON_ACCOUNT: address and length of the name that was not found in that table. */
export const AREA_ACCOUNT = 260;
export const AREA_ACCOUNT_LENGTH = 264;
/** On a node with links: what accounts have sent and received over them, LINK_COUNTERS_… by account id; 0 elsewhere. */
export const AREA_LINK_COUNTERS = 268;
/** 1 if the header `traceparent` may ask for a trace, because some account has a destination for such traces. */
export const AREA_HEARS_TRACEPARENT = 272;
/** The mapped replies of the process, REPLIES_…; 0 if it has no links. */
export const AREA_REPLIES = 276;
/**
 * On a node with links: YOUNG_SUBJECTS_COUNT words, each the time when a subject of that hash was last subscribed to, 0
 * for never. 0 elsewhere.
 */
export const AREA_YOUNG_SUBJECTS = 280;
/** On a node with links: the time in ms, a u32 that wraps; 0 elsewhere. */
export const AREA_NOW_MS = 284;
/** On a node with gateways: the prefix that maps replies of this server's clients; all zero elsewhere. */
export const AREA_OWN_REPLY_PREFIX = 288;
/** The requests to services that the engine has forwarded, REQUESTS_…; 0 for a node that has no clients. */
export const AREA_REQUESTS = 308;
/** The shared index. */
export const AREA_INDEX = 312;
/** It is only written, between reading the index and checking that it did not change. */
export const AREA_FENCE = 320;
/**
 * Where payloads lie that other nodes may be lent, and how many bytes that is: the receive buffer that was read into
 * last, with 0 bytes if it is not lent.
 */
export const AREA_LENDS = 324;
export const AREA_LENDS_BYTES = 328;
/** Bitmap of the nodes that were sent records that name payloads in that buffer. */
export const AREA_LENT_TO = 332;
/** 1 while messages are delivered that come from no client of this server: CONNECTION_DROPS does not apply to them. */
export const AREA_DROPS_NOTHING = 336;
/** With REASON_ANSWER_MISS: the request that the message answers. */
export const AREA_REQUEST = 316;
/** RING_END_… of the rings to each node and from each node. */
export const AREA_OUT_RINGS = 2048;
export const AREA_IN_RINGS = 3072;
/** Generations of this shard's own subscriptions: one per bucket of literal subjects, one per account for wildcards. */
export const AREA_LOCAL_BUCKETS = 4096;
export const AREA_LOCAL_BUCKET_COUNT = 16384;
export const AREA_LOCAL_WILDCARDS = 4096 + 65536;
export const AREA_ACCOUNTS_MAX = 65536;
export const AREA_HEADER_BYTES = 4096 + 65536 + 65536 * 4;
/** Most queue groups that a plan holds. If a subject has more, its messages reach only so many of them. */
export const PLAN_GROUPS_MAX = 16384;

// Replies that are mapped on their way through gateways.
/** `_GR_.<cluster>.<server>.`, and the part of it that names the cluster. */
export const MAPPED_REPLY_PREFIX_BYTES = 19;
export const MAPPED_REPLY_CLUSTER_BYTES = 12;
/** How long a delivered reply is remembered, and how long after a subscription replies on its subject are mapped. */
export const MAPPED_REPLY_MS = 2000;
/** A reply is remembered for so much longer, so that one that comes again within that time is not entered again. */
export const MAPPED_REPLY_SPARE_MS = 200;
/** With more than half as many subscriptions within two seconds, many replies are mapped that need not be. */
export const YOUNG_SUBJECTS_COUNT = 262144;

// The mapped replies that were delivered within two seconds: a log of entries, the oldest first. Chains lead to them by
// the hash (the engine's) of the reply as it was delivered. Positions count bytes and wrap at 2³². The links' thread
// writes, all threads read. A plan holds only while the generation of its subject's hash stands still.
export const REPLIES_HEAD = 0;
export const REPLIES_TAIL = 64;
export const REPLIES_GENERATIONS = 4096;
export const REPLIES_GENERATION_COUNT = 16384;
/** Position of the newest entry, plus 1; 0 for none. */
export const REPLIES_CHAINS = 4096 + 65536;
export const REPLIES_CHAIN_COUNT = 65536;
export const REPLIES_LOG = 4096 + 65536 + 262144;
export const REPLIES_LOG_BYTES = 16777216;
/** Next older entry of the chain, as in REPLIES_CHAINS. */
export const REPLY_NEXT = 0;
export const REPLY_HASH = 4;
export const REPLY_ACCOUNT = 8;
/** Bytes of the mapped reply; 0 for an entry that only fills the end of the log. */
export const REPLY_LENGTH = 12;
export const REPLY_EXPIRES_MS = 16;
/** Bytes of the entry, a multiple of 16. */
export const REPLY_BYTES = 20;
/** The mapped reply, with a blank behind it. */
export const REPLY_TEXT = 32;

// The requests of one shard to services of other accounts that the engine has forwarded and that wait for their answer.
// An answer finds its request by the number in its subject, `_R_.<account>.<node><number>`: five digits to the base 62.
// The head is everything before the number.
export const REQUEST_REPLY_BYTES = 17;
export const REQUEST_REPLY_HEAD_BYTES = 12;
/** The part of it that all requests to an account have in common, with the dot. */
export const REQUEST_ACCOUNT_BYTES = 11;
/** Numbers of the engine's requests are below this, 31 × 62⁴; those from there to 62⁵ are the host's. */
export const REQUEST_NUMBERS_MAX = 458066416;

/** How many requests wait. */
export const REQUESTS_COUNT = 0;
/** Address of the first free entry among those used before, 0 for none. The first word of a free one is the next. */
export const REQUESTS_FREE = 4;
/** How many entries have ever been used. */
export const REQUESTS_USED = 8;
/** The steady clock, ms, a u32 that wraps. Shard, once a turn. */
export const REQUESTS_NOW_MS = 12;
/** Not 0 while answers from other nodes are put aside: answers that come later must not overtake them. Shard. */
export const REQUESTS_HAS_ASIDE = 16;
/** How many random words are left. They are used from the last to the first, and the shard fills them up. */
export const REQUESTS_RANDOM_LEFT = 20;
/** Where the next message goes if iovecs still name the last one: bytes from REQUESTS_MESSAGES. */
export const REQUESTS_MESSAGES_END = 24;
export const REQUESTS_RANDOM = 1024;
export const REQUESTS_RANDOM_COUNT = 4096;
/** Chains by number: its low bits lead to the address of the first entry, 0 for none. */
export const REQUESTS_NUMBERS = 17408;
export const REQUESTS_NUMBERS_COUNT = 16384;
/** The same by the hash (the engine's) of the first two tokens of the requestor's reply. */
export const REQUESTS_HEADS = 82944;
export const REQUESTS_HEADS_COUNT = 16384;
/** What services are told of clients: entries that the low bits of a client's slot lead to. */
export const REQUESTS_DISCLOSURES = 148480;
export const REQUESTS_DISCLOSURES_COUNT = 4096;
/** Where forwarded messages are put together, one behind the other as long as iovecs name them. */
export const REQUESTS_MESSAGES = 1197056;
export const REQUESTS_MESSAGES_BYTES = 262144;
export const REQUESTS_ENTRIES = 1459200;
export const REQUESTS_ENTRIES_COUNT = 16384;
export const REQUESTS_BYTES = 5653504;

/** A header block about one client, of one of four kinds. The key is `slot << 2 | kind`. */
export const DISCLOSURE_BYTES = 256;
export const DISCLOSURE_KEY = 0;
export const DISCLOSURE_LENGTH = 4;
export const DISCLOSURE_TEXT = 16;
export const DISCLOSURE_TEXT_BYTES_MAX = 240;

export const REQUEST_BYTES = 256;
/** Next of the chain by number. */
export const REQUEST_NEXT = 0;
export const REQUEST_NUMBER = 4;
/** The account that answers, and the one that asked. */
export const REQUEST_EXPORTER = 8;
export const REQUEST_REQUESTOR = 12;
export const REQUEST_DEADLINE_MS = 16;
export const REQUEST_THRESHOLD_MS = 20;
/** Slot of the client that is told if nobody takes the request, 0 for none. */
export const REQUEST_ASKER = 24;
/** As in FORWARD_DISCLOSURE. */
export const REQUEST_DISCLOSURE = 28;
/**
 * Neighbours in the chain by the reply's first two tokens, and the address of the word that leads to the first of them.
 */
export const REQUEST_HEAD_NEXT = 32;
export const REQUEST_HEAD_PREVIOUS = 36;
export const REQUEST_HEAD = 40;
/** The reply that its answer goes to. If there is an asker, the subject that it was published on lies behind it. */
export const REQUEST_REPLY_LENGTH = 44;
export const REQUEST_SUBJECT_LENGTH = 48;
export const REQUEST_TEXT = 64;
export const REQUEST_TEXT_BYTES_MAX = 176;

// An end of a ring as its owner sees it, private to one thread.
export const RING_END_BYTES = 32;
export const RING_END_SHIFT = 5;
/** Address of the shared ring, 0 for none. */
export const RING_END_RING = 0;
export const RING_END_CAPACITY = 4;
/** Producer: bytes written; consumer: bytes taken. Both wrap at 2³². */
export const RING_END_POSITION = 8;
/** The other side's position when this side last looked. */
export const RING_END_OTHER = 12;
/**
 * Producer: where the record begins that room was last asked for. It is past the position if the ring's end is skipped.
 */
export const RING_END_START = 16;

// A ring in shared memory: written by one node, read by one other.
export const RING_HEAD = 0;
export const RING_TAIL = 64;
/** 1 while the producer sleeps until the tail moves. */
export const RING_IS_AWAITED = 68;
export const RING_DATA = 128;
/** An empty ring starts over once it has got this far, so that the bytes in use stay in the cache. */
export const RING_RESTART_BYTES = 131072;

// A record in a ring, 16-aligned: header, queue ids, then `<subject> <rest of the PUB line>␍␊<payload>␍␊`.
export const RECORD_LENGTH = 0;
export const RECORD_KIND = 4;
export const RECORD_CONTEXT = 8;
export const RECORD_SUBJECT_LENGTH = 12;
/** Bytes after the subject up to and with the line's LF. */
export const RECORD_LINE_LENGTH = 16;
/** Bytes after the subject in all. */
export const RECORD_REST_LENGTH = 20;
/** Length of the message's headers, −1 for a PUB. */
export const RECORD_HEADER_LENGTH = 24;
export const RECORD_QUEUE_COUNT = 28;
/**
 * Not 0 if plain subscriptions are served too. It contains RECORD_GOES_BACK if the plan was PLAN_GOES_BACK; then the
 * links' node alone has the message. In a control record it says which piece of a message that is
 * (`fabric/control.ts`).
 */
export const RECORD_IS_PLAIN = 32;
export const RECORD_GOES_BACK = 2;
/**
 * Slot of the publishing connection at the sending shard, which is told it when that connection is to be slowed. For a
 * message that is passed on, the bits from RECORD_ORIGIN_NODE_SHIFT on are the publisher's shard.
 */
export const RECORD_ORIGIN = 36;
export const RECORD_ORIGIN_NODE_SHIFT = 20;
/** 1 if the publisher wants to know when nobody takes the message, and only the receiving node can take it. */
export const RECORD_WANTS_TAKER = 40;
/**
 * 0 for a message that comes from its publisher's shard. Otherwise the message is passed on, because queue groups had
 * no member any more where it was sent to, and this is a bitmap of the nodes that were tried.
 */
export const RECORD_TRIED = 44;
export const RECORD_BODY = 48;

/** The next record is at the start of the ring. */
export const RECORD_KIND_WRAP = 1;
export const RECORD_KIND_MESSAGE = 2;
/** JSON for the node itself (accept, reload, query, stop). */
export const RECORD_KIND_CONTROL = 3;
/** A message too large for one record: its start (a MESSAGE without payload), then its pieces. */
export const RECORD_KIND_LARGE = 4;
export const RECORD_KIND_PIECE = 5;
/** The connection in ORIGIN publishes faster than a subscriber of the sender's reads. */
export const RECORD_KIND_STALL = 6;
/** The sender's subscribers have caught up: connections it had stalled may go on. */
export const RECORD_KIND_RESUME = 7;
/** A MESSAGE whose last word is the address, in the sender's receive buffer, of what follows its subject. */
export const RECORD_KIND_LENT = 8;

// The plan cache: sets of eight (hash, plan address) pairs.
export const PLAN_SET_BYTES = 64;
export const PLAN_SET_WAYS = 8;
export const PLAN_SET_COUNT = 65536;

/** Payloads of at least this many bytes are sent from where they were received instead of copied. */
export const GATHER_BYTES_MIN = 512;

/** Larger payloads are not sent from the receive buffer: the host collects and attaches them. */
export const IN_PLACE_BYTES_MAX = 98304;

/**
 * Longest argument part of a PUB, HPUB, SUB or UNSUB line, bytes, whatever the configuration says. What is made of it
 * (twice the subject, a sid, a reply) must fit into an outbox and into the scratch.
 */
export const MESSAGE_LINE_BYTES_MAX = 16384;
/** Longest prefix of a target. With the line and a small payload behind it, it must fit into an outbox. */
export const TARGET_PREFIX_BYTES_MAX = 2 * MESSAGE_LINE_BYTES_MAX + 1024;

/** Most nodes (threads) that a process can have, because sets of them are u32 bitmaps. */
export const NODES_MAX = 32;
/** Nodes from this one on have connections. */
export const NODE_SHARD_FIRST = 3;

// Why scan() or drain() came back.
/** Everything up to `end` was consumed. */
export const REASON_DONE = 0;
/** At RESUME is something that the engine leaves to the host: another verb, an incomplete or unusual line. */
export const REASON_OTHER = 1;
/** No valid plan for the subject: build one and call again. */
export const REASON_MISS = 2;
/** The plan says the host handles it. */
export const REASON_HOST_PLAN = 3;
/** Nobody took the message that ends at RESUME, and its publisher wants to know. SUBJECT is the one after mapping. */
export const REASON_NO_RESPONDERS = 4;
/** The ring to FULL_NODE has no room for the message at RESUME. */
export const REASON_RING_FULL = 5;
/** drain(): a message went to a congested subscriber. RESUME is the record's ORIGIN, which names its publisher. */
export const REASON_STALLED = 6;
/** scanLink(): the table has no id for the account that the message at RESUME names. */
export const REASON_ACCOUNT = 7;
/** drain(): nobody here took the message of the record at RESUME, which its publisher wants to know. */
export const REASON_UNTAKEN = 8;
/**
 * scan(): there is no plan for the reply that REQUEST is answered on. The message is described as for REASON_HOST_PLAN.
 */
export const REASON_ANSWER_MISS = 9;
/**
 * drain(): in some queue group that the record at RESUME names, no member here took the message. The record was taken.
 * In it, the ids of the groups that were served are 0, and so is WANTS_TAKER if anybody took the message.
 */
export const REASON_UNSERVED = 10;
/**
 * scan(), scanLink(), drain(): so many messages were delivered that the host should look at the clock (AREA_LOOK_AT).
 */
export const REASON_LOOK = 11;

/** fileInterest(): the table has no id for the account that the line at RESUME names. */
export const INTEREST_OF_UNKNOWN_ACCOUNT = -1;
