/** A shard's connections and subscriptions as monitoring shows them. Cold. */
import { type CloseReason, closeReasonEntry } from "../protocol/close_reason.ts";
import { subjectMatchesText, subjectsCollideText } from "../subject/text.ts";
import { type Connection, STATE_CLOSING } from "./connection.ts";
import { tlsRecord } from "./peer_identity.ts";
import type { Shard } from "./shard.ts";
import type {
  ConnectionOrder,
  ConnectionPage,
  ConnectionPick,
  ConnectionRecord,
  SubscriptionPage,
  SubscriptionSnapshot,
} from "./shard_options.ts";
import { NO_SUBSCRIPTION } from "./subscription_table.ts";

const decoder = new TextDecoder();

/** The open connections that a query wants. Only the keys of the others are looked at. */
export function connectionPage(shard: Shard, pick: ConnectionPick): ConnectionPage {
  const open = shard.connections.filter(
    (connection) => connection !== null && connection.state < STATE_CLOSING,
  ) as Connection[];
  const wanted = open.filter(
    (connection) =>
      (pick.clientId === 0 || connection.clientId === pick.clientId) &&
      (pick.user === "" || connection.user === pick.user) &&
      (pick.subject === "" || hasSubject(shard, connection, pick.subject)),
  );
  return {
    connections: firstInOrder(shard, wanted, pick).map((connection) =>
      connectionRecord(shard, connection, pick.subscriptions),
    ),
    openCount: open.length,
  };
}

function hasSubject(shard: Shard, connection: Connection, subject: string): boolean {
  for (const record of recordsOf(shard, connection)) {
    if (subjectsCollideText(subjectOf(shard, record), subject)) return true;
  }
  return false;
}

function firstInOrder(shard: Shard, all: Connection[], { order, count }: ConnectionPick): Connection[] {
  if (all.length <= count) return all;
  const keys = Float64Array.from(all, (connection) => ascendingKey(shard, connection, order));
  const last = keys.toSorted()[count - 1] ?? Number.NEGATIVE_INFINITY;
  return all
    .map((connection, place) => ({ connection, key: keys[place]! }))
    .filter(({ key }) => key <= last)
    .sort((a, b) => a.key - b.key || a.connection.clientId - b.connection.clientId)
    .slice(0, count)
    .map(({ connection }) => connection);
}

/** A number that is smaller the earlier the connection comes. */
function ascendingKey(shard: Shard, connection: Connection, order: ConnectionOrder): number {
  const [inMessages, inBytes, outMessages, outBytes] = shard.countersOf(connection);
  switch (order) {
    case "cid":
      return connection.clientId;
    case "subs":
      return -connection.subscriptionCount;
    case "pending":
      return -shard.outbound.pendingBytes(connection);
    case "msgs_to":
      return -outMessages;
    case "msgs_from":
      return -inMessages;
    case "bytes_to":
      return -outBytes;
    case "bytes_from":
      return -inBytes;
    case "last":
      return -connection.lastActivityMs;
    case "idle":
      return connection.lastActivityMs;
    case "uptime":
      return -connection.startMs;
    case "rtt":
      return -connection.rttMs;
  }
}

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
    stopMs: closeReason === 0 ? null : shard.wallMs(),
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
    tls: tlsRecord(connection),
    subscriptions: withSubscriptions
      ? [...recordsOf(shard, connection)].map((record) => subscriptionSnapshot(shard, connection, record))
      : null,
  };
}

/** The first `count` subscriptions of the shard, all or those that a message on `subject` would reach. */
export function subscriptionPage(shard: Shard, subject: string | null, count: number): SubscriptionPage {
  const subscriptions: SubscriptionSnapshot[] = [];
  let matchCount = 0;
  for (const connection of shard.connections) {
    if (connection === null) continue;
    if (subject === null && subscriptions.length >= count) {
      matchCount += connection.subscriptionCount;
      continue;
    }
    for (const record of recordsOf(shard, connection)) {
      if (subject !== null && !subjectMatchesText(subjectOf(shard, record), subject)) continue;
      matchCount++;
      if (subscriptions.length < count) subscriptions.push(subscriptionSnapshot(shard, connection, record));
    }
  }
  return { subscriptions, matchCount };
}

function* recordsOf({ table }: Shard, connection: Connection): Iterable<number> {
  let record = connection.firstSubscription;
  for (; record !== NO_SUBSCRIPTION; record = table.nextOfConnection(record)) yield record;
}

function subjectOf({ index, table }: Shard, record: number): string {
  return decoder.decode(index.subjectOf(table.entryOf(record)));
}

function subscriptionSnapshot(shard: Shard, connection: Connection, record: number): SubscriptionSnapshot {
  const { index, table } = shard;
  const queue = table.queueOf(record);
  return {
    account: connection.account,
    clientId: connection.clientId,
    subject: subjectOf(shard, record),
    queue: queue === 0 ? "" : decoder.decode(index.queueNameOf(queue - 1)),
    sid: decoder.decode(table.sidOf(record)),
    delivered: table.deliveredOf(record),
    max: table.maxOf(record),
  };
}
