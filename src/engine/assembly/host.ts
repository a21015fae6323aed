// What the engine calls in the shard while it works. These calls may write to sockets, but they change no plan.

/** Writes out a connection's outbox, so that all of it is free again. */
export declare function flush(slot: u32): void;

/** Writes out all outboxes and takes them back, so that at least one is free. */
export declare function reclaim(): void;

/** Writes out all outboxes, so that no iovec names anything any more. */
export declare function flushAll(): void;

/** Sends the payload of the large message at hand, without its first `skipped` bytes, after what the outbox holds. */
export declare function attach(slot: u32, skipped: u32): void;

/**
 * Sends the large message at hand to another node; `pickCount` pairs at AREA_PICKS name the queue groups. `isPlain` and
 * `wantsTaker` are for RECORD_IS_PLAIN and RECORD_WANTS_TAKER.
 */
export declare function sendLarge(node: u32, isPlain: u32, pickCount: u32, wantsTaker: u32): void;

/**
 * Reports that the message at hand, described as in describe(), was framed for a target whose connection is
 * CONNECTION_IS_NOTED.
 */
export declare function note(
  slot: u32,
  target: u32,
  rest: u32,
  lineLength: u32,
  headerLength: i32,
  payloadLength: u32,
  isLarge: bool,
): void;
