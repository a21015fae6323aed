/** A shard's connections and subscriptions as monitoring shows them. Cold. */
import { type CloseReason, closeReasonEntry } from "../protocol/close_reason.ts";
import { subjectMatchesText } from "../subject/text.ts";
import type { Connection } from "./connection.ts";
import type { Shard } from "./shard.ts";
import type { ConnectionRecord, SubscriptionSnapshot } from "./shard_options.ts";
import { NO_SUBSCRIPTION } from "./subscription_table.ts";

const decoder = new TextDecoder();

export function connectionRecord(
  shard: Shard,
  connection: Connection,
  withSubscriptions: boolean,
): ConnectionRecord {
  const { options, closeReason } = connection;
  const [inMessages, inBytes, outMessages, outBytes] = shard.countersOf(connection);
  return {
    clientId: connection.clientId,
    ip: connection.ip,
    port: connection.port,
    startMs: connection.startMs,
    stopMs: closeReason === 0 ? null : Date.now(),
    reason: closeReason === 0 ? "" : closeReasonEntry(closeReason as CloseReason).text,
    lastActivityMs: connection.lastActivityMs,
    rttMs: connection.rttMs,
    pendingBytes: shard.outbound.pendingBytes(connection),
    inMessages,
    outMessages,
    inBytes,
    outBytes,
    stalls: connection.stalls,
    subscriptionCount: connection.subscriptionCount,
    name: options.name,
    lang: options.lang,
    version: options.version,
    user: connection.user,
    account: connection.account,
    subscriptions: withSubscriptions ? subscriptionSnapshots(shard, connection, null) : null,
  };
}

/** A connection's subscriptions, or those that a message on `subject` would reach. */
export function subscriptionSnapshots(
  shard: Shard,
  connection: Connection,
  subject: string | null,
): SubscriptionSnapshot[] {
  const { index, table } = shard;
  const snapshots: SubscriptionSnapshot[] = [];
  let record = connection.firstSubscription;
  for (; record !== NO_SUBSCRIPTION; record = table.nextOfConnection(record)) {
    const pattern = decoder.decode(index.subjectOf(table.entryOf(record)));
    if (subject !== null && !subjectMatchesText(pattern, subject)) continue;
    const queue = table.queueOf(record);
    snapshots.push({
      account: connection.account,
      clientId: connection.clientId,
      subject: pattern,
      queue: queue === 0 ? "" : decoder.decode(index.queueNameOf(queue - 1)),
      sid: decoder.decode(table.sidOf(record)),
      delivered: table.deliveredOf(record),
      max: table.maxOf(record),
    });
  }
  return snapshots;
}
