/**
 * Deliveries that the engine notes to the host, for connections with CONNECTION_IS_NOTED: they permit replies, or are
 * logged as traces. The message lies in the shared memory.
 */
import type { MessagePlace } from "../../engine/engine.ts";
import {
  CONNECTION_FLAGS,
  CONNECTION_IS_NOTED,
  TARGET_PREFIX,
  TARGET_PREFIX_LENGTH,
} from "../../memory/layout.ts";
import { traceOperation, tracePayload } from "../../protocol/trace.ts";
import { byteStringOf } from "../../subject/byte_string.ts";
import type { Connection } from "../connection.ts";
import type { ShardContext } from "../context.ts";

const decoder = new TextDecoder();

/**
 * Sets whether the engine notes a connection's deliveries. Called after a change of its permissions or of the options.
 */
export function noteDeliveries(
  { options, shared }: Pick<ShardContext, "options" | "shared">,
  { address, permits }: Connection,
): void {
  const word = (address + CONNECTION_FLAGS) >> 2;
  if (options.logsTrace || permits !== null) shared.words[word]! |= CONNECTION_IS_NOTED;
  else shared.words[word]! &= ~CONNECTION_IS_NOTED;
}

export class NotedDeliveries {
  readonly #shard: ShardContext;

  constructor(shard: ShardContext) {
    this.#shard = shard;
  }

  /** `target`: address of the plan's entry for the subscription. */
  note(slot: number, target: number, message: MessagePlace): void {
    const { rest, lineLength, headerLength } = message;
    const { connections, options, shared } = this.#shard;
    const connection = connections[slot];
    if (connection == null) return;
    if (connection.permits !== null) {
      const words = byteStringOf(shared.bytes, rest, rest + lineLength)
        .trimEnd()
        .split(" ");
      const isReplied = words.length > (headerLength < 0 ? 1 : 2);
      if (isReplied && words[0] !== "") this.#permitReply(connection, words[0]!);
    }
    if (options.logsTrace) this.#trace(connection, target, message);
  }

  /**
   * Permits the reply to a request that was sent to a client with allow_responses, unless the client may publish there
   * anyway.
   */
  #permitReply(connection: Connection, reply: string): void {
    const { contexts, nowMs } = this.#shard;
    if (contexts.permissionsOf(connection.context)?.canPublish(reply)) return;
    connection.permits?.add(reply, nowMs);
  }

  /** Logs a delivery: its line, and its payload if that lies in the shared memory. */
  #trace(
    connection: Connection,
    target: number,
    { rest, lineLength, headerLength: header, payloadLength: length, isLarge }: MessagePlace,
  ): void {
    const { options, shared } = this.#shard;
    const { bytes, words: memory } = shared;
    const takesHeaders = connection.options.headers && header > 0;
    const words = decoder
      .decode(bytes.slice(rest, rest + lineLength))
      .trimEnd()
      .split(" ");
    // An HPUB's line ends in two sizes; a client without headers sees only the payload's own size.
    if (header >= 0 && !takesHeaders) words.splice(-2, 2, `${length - header}`);
    // The prefix as it was sent, `HMSG <subject> <sid> `.
    const prefix = target + TARGET_PREFIX;
    const prefixEnd = prefix + memory[(target + TARGET_PREFIX_LENGTH) >> 2]!;
    const subjectAndSid = decoder.decode(bytes.slice(prefix + "HMSG ".length, prefixEnd));
    const verb = takesHeaders ? "HMSG" : "MSG";
    const text = traceOperation("out", verb, `${subjectAndSid}${words.join(" ")}`);
    this.#shard.log("trace", `${connection.label} - ${text}`);
    if (isLarge) return;
    const start = rest + lineLength + (takesHeaders ? 0 : Math.max(header, 0));
    const message = bytes.slice(start, rest + lineLength + length);
    const payload = tracePayload("out", message, takesHeaders ? header : 0, {
      maxTracedBytes: options.maxTracedBytes,
      headersOnly: options.tracesHeadersOnly,
    });
    if (payload !== null) this.#shard.log("trace", `${connection.label} - ${payload}`);
  }
}
