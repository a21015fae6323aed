/**
 * Connections that do not take what is queued for them: by when they must, and what becomes of those that do not.
 * Source: nats-server `handleWriteTimeout`.
 */
import { formatDuration } from "../../config/duration.ts";
import { AREA_SLOW_CONSUMERS } from "../../memory/layout.ts";
import { increment } from "../../memory/shared_memory.ts";
import { CloseReason } from "../../protocol/close_reason.ts";
import { type Connection, STATE_CLOSING } from "../connection.ts";
import type { ShardContext } from "../context.ts";
import type { LinkHost } from "../links/link_host.ts";
import { TIMER_WRITE, timerId } from "../timers.ts";

/** `write_deadline` and `write_timeout`. */
export interface WriteLimits {
  /** What is queued now must have left by then. */
  readonly deadlineMs: number;
  /** Whoever has taken something of it by then has as long again. */
  readonly isRetried: boolean;
}

type WatchingShard = Pick<
  ShardContext,
  "node" | "shared" | "options" | "outbound" | "timers" | "nowMs" | "close" | "log"
>;

export class SlowConsumers {
  readonly #shard: WatchingShard;
  /** Set once in the links shard, whose connections have limits of their own. */
  links: Pick<LinkHost, "labelOf" | "writeLimits"> | null = null;

  constructor(shard: WatchingShard) {
    this.#shard = shard;
  }

  /** What is queued now must have left by the write deadline. */
  startDeadline(connection: Connection): void {
    const { writtenBytes, pending } = connection;
    connection.deadlineWrittenBytes = writtenBytes;
    connection.deadlineMark = writtenBytes + (pending?.length ?? 0);
    const { timers, nowMs } = this.#shard;
    timers.set(timerId(connection, TIMER_WRITE), nowMs + this.#limitsOf(connection).deadlineMs);
  }

  /** What was queued when the deadline was set must have left by now. */
  onDeadline(connection: Connection): void {
    // A shard with much to do may not have come to it: what the kernel takes now is not slow.
    if (this.#isLate(connection)) this.#shard.outbound.writePending(connection);
    if (connection.pending === null || connection.state >= STATE_CLOSING) return;
    if (this.#isLate(connection)) {
      const hasMoved = connection.writtenBytes > connection.deadlineWrittenBytes;
      if (!this.#limitsOf(connection).isRetried || !hasMoved) {
        this.fail(connection, CloseReason.SlowConsumerWriteDeadline);
        return;
      }
      this.#note(connection, CloseReason.SlowConsumerWriteDeadline);
      connection.isSlow = true;
    }
    this.startDeadline(connection);
  }

  /** Closes a connection that cannot be written to. */
  fail(connection: Connection, reason: CloseReason): void {
    if (connection.state >= STATE_CLOSING) return;
    this.#note(connection, reason);
    this.#shard.close(connection, reason);
  }

  #isLate({ writtenBytes, deadlineMark, pending }: Connection): boolean {
    return pending !== null && writtenBytes < deadlineMark;
  }

  #limitsOf(connection: Connection): WriteLimits {
    if (connection.isLink) return this.links!.writeLimits(connection);
    const { writeDeadlineMs, retriesWrites } = this.#shard.options;
    return { deadlineMs: writeDeadlineMs, isRetried: retriesWrites };
  }

  /** Counts a connection that is slow, and says so; nothing where it is closed for something else. */
  #note(connection: Connection, reason: CloseReason): void {
    const what = this.#slowness(connection, reason);
    if (what === undefined) return;
    const { shared, node } = this.#shard;
    increment(shared.words, shared.map.area(node).area + AREA_SLOW_CONSUMERS);
    const label = connection.isLink ? this.links!.labelOf(connection) : connection.label;
    this.#shard.log("info", `${label} - Slow Consumer ${connection.isSlow ? "State" : "Detected"}: ${what}`);
  }

  /** Why a connection counts as slow; undefined where it is closed for something else. */
  #slowness(connection: Connection, reason: CloseReason): string | undefined {
    const { maxPendingBytes } = this.#shard.options;
    if (reason === CloseReason.SlowConsumerPendingBytes) return `MaxPending of ${maxPendingBytes} Exceeded`;
    if (reason !== CloseReason.SlowConsumerWriteDeadline) return undefined;
    const { pending } = connection;
    return (
      `WriteDeadline of ${formatDuration(this.#limitsOf(connection).deadlineMs)} exceeded with ` +
      `${pending?.chunkCount ?? 0} chunks of ${pending?.length ?? 0} total bytes.`
    );
  }
}
