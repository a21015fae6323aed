/** Logs the operations of clients if `trace` is on. Source: nats-server `traceInOp`, `traceOutOp`, `traceMsg`. */
import type { HeldMessage } from "../../fabric/held_message.ts";
import { traceConnect, traceMapping, traceOperation, tracePayload } from "../../protocol/trace.ts";
import { textOf } from "../../subject/byte_string.ts";
import type { Connection } from "../connection.ts";
import type { ShardContext } from "../context.ts";
import type { Route } from "../contexts.ts";

type TracedShard = Pick<ShardContext, "log" | "options" | "shared" | "table">;

export class TraceLog {
  readonly #shard: TracedShard;

  constructor(shard: TracedShard) {
    this.#shard = shard;
  }

  /** Logs a received operation. */
  took(connection: Connection, operation: string): void {
    if (this.#isOn) this.#tell(connection, traceOperation("in", operation));
  }

  /** Logs a received operation with arguments, which lie at `[start, end)` of the shared memory. */
  tookLine(connection: Connection, operation: string, start: number, end: number): void {
    if (!this.#isOn) return;
    this.#tell(connection, traceOperation("in", operation, this.#shard.shared.bytes.slice(start, end)));
  }

  /** Logs a CONNECT, whose document lies at `[start, end)` of the shared memory. */
  tookConnect(connection: Connection, start: number, end: number): void {
    if (this.#isOn) this.#tell(connection, traceConnect(this.#shard.shared.bytes, start, end));
  }

  /** Logs a message whose line was logged before. `subject` is its own; `route` says where it goes. */
  tookMessage(connection: Connection, message: HeldMessage, subject: string, route: Route): void {
    if (!this.#isOn) return;
    if (route.subject !== subject)
      this.#tell(connection, traceMapping(textOf(subject), textOf(route.subject)));
    const { maxTracedBytes, tracesHeadersOnly } = this.#shard.options;
    const payload = message.bytes.subarray(0, message.payloadLength);
    const text = tracePayload("in", payload, Math.max(message.headerLength, 0), {
      maxTracedBytes,
      headersOnly: tracesHeadersOnly,
    });
    if (text !== null) this.#tell(connection, text);
  }

  /** Logs an operation that is sent. */
  sent(connection: Connection, operation: string, argument?: string): void {
    if (this.#isOn) this.#tell(connection, traceOperation("out", operation, argument));
  }

  removed(connection: Connection, subscription: number): void {
    if (!this.#isOn) return;
    this.#tell(connection, traceOperation("internal", "DELSUB", this.#shard.table.sidOf(subscription)));
  }

  get #isOn(): boolean {
    return this.#shard.options.logsTrace;
  }

  #tell(connection: Connection, text: string): void {
    this.#shard.log("trace", `${connection.label} - ${text}`);
  }
}
