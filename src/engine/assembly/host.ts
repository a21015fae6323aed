// What the engine asks of the shard while it works. The shard may write to sockets, but touches no plan.

/** Writes out a connection's outbox, so that the whole of it is free again. */
export declare function flush(slot: u32): void;

/** Writes out every outbox and takes them back, so that at least one is free. */
export declare function reclaim(): void;

/** Writes out every outbox, so that nothing is named by an iovec any more. */
export declare function flushAll(): void;

/** Puts the large message at hand, less its first `skipped` bytes, behind what the connection's outbox holds. */
export declare function attach(slot: u32, skipped: u32): void;

/**
 * Sends the large message at hand to another node; `pickCount` pairs at AREA_PICKS name the queue groups. `wantsTaker` is
 * RECORD_WANTS_TAKER.
 */
export declare function sendLarge(node: u32, isPlain: u32, pickCount: u32, wantsTaker: u32): void;

/** The message at hand, described as in describe(), was framed for a target whose connection is CONNECTION_IS_NOTED. */
export declare function note(
  slot: u32,
  target: u32,
  rest: u32,
  lineLength: u32,
  headerLength: i32,
  payloadLength: u32,
  isLarge: bool,
): void;
