import { formatDuration } from "../../config/duration.ts";
import { type LineLimit, onceASecond } from "../../log/line_limit.ts";
import type { ClientFault } from "../../protocol/client_fault.ts";
import type { ErrorEntry } from "../../protocol/errors.ts";
import type { Connection } from "../connection.ts";

/** A shorter stall is not worth a line. Source: nats-server `stallClientMaxDuration`. */
const STALL_MIN_MS = 5;

/** A log line about a client, and the limit on how often lines like it are written. */
export interface LimitedLine {
  readonly text: string;
  readonly limit: LineLimit | undefined;
}

/** The line about one of the protocol's errors. Source: nats-server client.go, `RateLimitErrorf`. */
export function faultLine(
  connection: Connection,
  { wireText, logEveryMs, logsLogin }: ErrorEntry,
): LimitedLine {
  const said = connection.statement(wireText ?? "");
  const text = `${connection.label} - ${logsLogin ? said.line : wireText}`;
  return { text, limit: logEveryMs === 0 ? undefined : { statement: said.statement, everyMs: logEveryMs } };
}

/**
 * The line about an operation that ends a client. nats-server logs each; here they are limited, since clients can cause
 * any number of them.
 */
export function operationLine(connection: Connection, { statement, text }: ClientFault): LimitedLine {
  const limit = onceASecond(connection.statement(statement).statement);
  return { text: `${connection.label} - ${text}`, limit };
}

/** The line about a producer that was not read for this long; null if that is too short to tell. */
export function stallLine(connection: Connection, stalledMs: number): LimitedLine | null {
  if (stalledMs < STALL_MIN_MS) return null;
  const total = formatDuration(Math.round(stalledMs));
  const { line } = connection.statement(`Producer was stalled for a total of ${total}`);
  const { statement } = connection.statement("Producer was stalled");
  return { text: `${connection.label} - ${line}`, limit: onceASecond(statement) };
}
