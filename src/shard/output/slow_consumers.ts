/** Connections that do not take what is queued for them: by when they must, and what becomes of those that do not. */
import { formatDuration } from "../../config/duration.ts";
import { AREA_SLOW_CONSUMERS } from "../../memory/layout.ts";
import { increment } from "../../memory/shared_memory.ts";
import { CloseReason } from "../../protocol/close_reason.ts";
import { type Connection, STATE_CLOSING } from "../connection.ts";
import type { ShardContext } from "../context.ts";
import { TIMER_WRITE, timerId } from "../timers.ts";

type WatchingShard = Pick<
  ShardContext,
  "node" | "shared" | "options" | "outbound" | "timers" | "nowMs" | "close" | "log"
>;

export class SlowConsumers {
  readonly #shard: WatchingShard;

  constructor(shard: WatchingShard) {
    this.#shard = shard;
  }

  /** What is queued now must have left by the write deadline. */
  startDeadline(connection: Connection): void {
    const { writtenBytes, pending } = connection;
    connection.deadlineWrittenBytes = writtenBytes;
    connection.deadlineMark = writtenBytes + (pending?.length ?? 0);
    const { timers, nowMs, options } = this.#shard;
    timers.set(timerId(connection, TIMER_WRITE), nowMs + options.writeDeadlineMs);
  }

  /** What was queued when the deadline was set must have left by now. */
  onDeadline(connection: Connection): void {
    // A shard with much to do may not have come to it: what the kernel takes now is not slow.
    if (this.#isLate(connection)) this.#shard.outbound.writePending(connection);
    if (connection.pending === null || connection.state >= STATE_CLOSING) return;
    const isLate = this.#isLate(connection);
    const hasMoved = connection.writtenBytes > connection.deadlineWrittenBytes;
    if (isLate && !((this.#shard.options.retriesWrites || connection.isLink) && hasMoved)) {
      this.fail(connection, CloseReason.SlowConsumerWriteDeadline);
    } else this.startDeadline(connection);
  }

  #isLate({ writtenBytes, deadlineMark, pending }: Connection): boolean {
    return pending !== null && writtenBytes < deadlineMark;
  }

  /** Closes a connection that cannot be written to. */
  fail(connection: Connection, reason: CloseReason): void {
    if (connection.state >= STATE_CLOSING) return;
    const { shared, node } = this.#shard;
    const what = this.#slowness(connection, reason);
    if (what !== undefined) {
      increment(shared.words, shared.map.area(node).area + AREA_SLOW_CONSUMERS);
      this.#shard.log("info", `${connection.label} - Slow Consumer Detected: ${what}`);
    }
    this.#shard.close(connection, reason);
  }

  /** Why a connection counts as slow; undefined where it is closed for something else. */
  #slowness({ pending }: Connection, reason: CloseReason): string | undefined {
    const { maxPendingBytes, writeDeadlineMs } = this.#shard.options;
    if (reason === CloseReason.SlowConsumerPendingBytes) return `MaxPending of ${maxPendingBytes} Exceeded`;
    if (reason !== CloseReason.SlowConsumerWriteDeadline) return undefined;
    return (
      `WriteDeadline of ${formatDuration(writeDeadlineMs)} exceeded with ` +
      `${pending?.chunkCount ?? 0} chunks of ${pending?.length ?? 0} total bytes.`
    );
  }
}
