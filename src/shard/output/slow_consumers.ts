/**
 * Connections that do not take what is queued for them: by when they must, and what happens to those that do not.
 * Source: nats-server `handleWriteTimeout`, `flushOutbound`.
 */
import { formatDuration } from "../../config/duration.ts";
import { AREA_SLOW_CONSUMERS } from "../../memory/layout.ts";
import { increment } from "../../memory/shared_memory.ts";
import { CloseReason } from "../../protocol/close_reason.ts";
import { type Connection, STATE_CLOSING } from "../connection.ts";
import type { ShardContext } from "../context.ts";
import type { LinkHost, WriteLimits } from "../links/link_host.ts";
import { TIMER_EXCESS, TIMER_WRITE, timerId } from "../timers.ts";

/** Time that a client with more than `max_pending` pending has to take the excess: a moment, also on a busy machine. */
const EXCESS_MS = 250;
/**
 * Excess that is ignored while messages are dropped: more than a turn usually frames for one client before it is known
 * that its messages are dropped.
 */
const LATE_DROPS_BYTES = 1024 * 1024;
/** Approximate bytes of excess that all congested connections may have together. */
const EXCESS_BYTES_MAX = 64 * 1024 * 1024;

type WatchingShard = Pick<
  ShardContext,
  "node" | "shared" | "options" | "outbound" | "timers" | "nowMs" | "close" | "log"
>;

export class SlowConsumers {
  readonly #shard: WatchingShard;
  /** Set once, in the links shard only, whose connections have limits of their own. */
  links: Pick<LinkHost, "labelOf" | "writeLimits" | "noteSlow"> | null = null;

  constructor(shard: WatchingShard) {
    this.#shard = shard;
  }

  /** Sets the write deadline, by which what is queued now must have left. */
  startDeadline(connection: Connection): void {
    const { writtenBytes, pending } = connection;
    const { timers, nowMs } = this.#shard;
    connection.deadlineWrittenBytes = writtenBytes;
    connection.deadlineMark = writtenBytes + (pending?.length ?? 0);
    connection.deadlineChunks = pending?.chunkCount ?? 0;
    connection.deadlineSinceMs = nowMs;
    timers.set(timerId(connection, TIMER_WRITE), nowMs + this.#limitsOf(connection).deadlineMs);
  }

  /** The deadline is over: ends the connection if what was queued when it was set has not left. */
  onDeadline(connection: Connection): void {
    // A busy shard may not have tried to write it: what the kernel takes now is not slow.
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

  /** A connection that missed its deadline has written what was queued then. */
  recover(connection: Connection): void {
    connection.isSlow = false;
    const { deadlineMark, deadlineWrittenBytes, deadlineChunks, deadlineSinceMs } = connection;
    const seconds = ((performance.now() - deadlineSinceMs) / 1000).toFixed(3);
    const what = `${deadlineChunks} chunks of ${deadlineMark - deadlineWrittenBytes} total bytes.`;
    this.#log(connection, `Slow Consumer Recovered: Flush took ${seconds}s with ${what}`);
  }

  /**
   * A client has more pending than it may have. When its producers were told to wait, several times that may have been
   * on its way. The client stays if it takes the excess as fast as waiting producers would have sent it.
   *
   * If messages for congested clients are dropped, only two things can be too much: messages from other servers, and a
   * single message for a client for which none were dropped yet. The latter ends the client.
   */
  exceed(connection: Connection, byOneMessage: boolean): void {
    const { options, outbound } = this.#shard;
    const excess = this.#excessOf(connection);
    const { dropsInsteadOfStalling: drops } = options;
    if (drops && !byOneMessage && excess <= LATE_DROPS_BYTES) return;
    if ((drops && byOneMessage) || excess > EXCESS_BYTES_MAX / outbound.congestedCount) {
      this.fail(connection, CloseReason.SlowConsumerPendingBytes);
    } else if (!connection.isInExcess) {
      connection.isInExcess = true;
      // The turn may have lasted long already, so `nowMs` is not used.
      this.#measureExcess(connection, performance.now());
    }
  }

  /** The time for the excess is over: ends the client if that has not left. */
  onExcess(connection: Connection): void {
    const { outbound } = this.#shard;
    outbound.writePending(connection);
    const now = performance.now();
    if (connection.state >= STATE_CLOSING) return;
    if (this.#excessOf(connection) <= 0) connection.isInExcess = false;
    else if (connection.writtenBytes >= connection.excessMark) this.#measureExcess(connection, now);
    else this.fail(connection, CloseReason.SlowConsumerPendingBytes);
  }

  #measureExcess(connection: Connection, nowMs: number): void {
    connection.excessMark = connection.writtenBytes + this.#excessOf(connection);
    this.#shard.timers.set(timerId(connection, TIMER_EXCESS), nowMs + EXCESS_MS);
  }

  #excessOf({ pending }: Connection): number {
    return (pending?.length ?? 0) - this.#shard.options.maxPendingBytes;
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

  /** Counts and logs a slow consumer. Does nothing if the connection is closed for another reason. */
  #note(connection: Connection, reason: CloseReason): void {
    const what = this.#slowness(connection, reason);
    if (what === undefined) return;
    const { shared, node } = this.#shard;
    increment(shared.words, shared.map.area(node).area + AREA_SLOW_CONSUMERS);
    if (connection.isLink) this.links!.noteSlow(connection);
    this.#log(connection, `Slow Consumer ${connection.isSlow ? "State" : "Detected"}: ${what}`);
  }

  #log(connection: Connection, text: string): void {
    const label = connection.isLink ? this.links!.labelOf(connection) : connection.label;
    this.#shard.log("info", `${label} - ${text}`);
  }

  /** Why a connection counts as slow; undefined if it is closed for another reason. */
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
