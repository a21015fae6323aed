/** A shard's connections and subscriptions as monitoring shows them. Cold. */
import { type CloseReason, closeReasonEntry } from "../../protocol/close_reason.ts";
import { byteStringOf, byteStringOfText, textOf } from "../../subject/byte_string.ts";
import { isSubset } from "../../subject/subset.ts";
import { isLiteralText, subjectMatchesText, subjectsCollideText } from "../../subject/text.ts";
import { tlsRecord } from "../client/peer_identity.ts";
import { type Connection, STATE_CLOSING } from "../connection.ts";
import type { ShardContext } from "../context.ts";
import { NO_SUBSCRIPTION } from "../interest/subscription_table.ts";
import { addTraffic, connectionTraffic, NO_COUNTERS } from "./account_counters.ts";
import type {
  AccountCounters,
  ConnectionPage,
  ConnectionRecord,
  SubscriptionPage,
  SubscriptionSnapshot,
  UserRecord,
} from "./records.ts";
import type { ConnectionOrder, ConnectionPick, ShardQuery } from "./shard_queries.ts";

/** The open connections that a query wants. Only the sort keys of the others are looked at. */
export function connectionPage(shard: ShardContext, pick: ConnectionPick): ConnectionPage {
  const wanted: Connection[] = [];
  let openCount = 0;
  for (const connection of openConnections(shard)) {
    if (pick.account !== "" && connection.account.name !== pick.account) continue;
    openCount++;
    if (pick.clientId !== 0 && connection.clientId !== pick.clientId) continue;
    if (pick.user !== "" && connection.user !== pick.user) continue;
    if (pick.subject === "" || hasSubject(shard, connection, pick.subject)) wanted.push(connection);
  }
  const connections = firstInOrder(shard, wanted, pick).map((connection) =>
    connectionRecord(shard, connection, pick.subscriptions),
  );
  return { connections, openCount };
}

function openConnections({ connections }: ShardContext): Connection[] {
  return connections.filter(
    (connection): connection is Connection => connection !== null && connection.state < STATE_CLOSING,
  );
}

/** The open connection of that id, if it is here. */
export function openConnection(shard: ShardContext, clientId: number): Connection | undefined {
  return openConnections(shard).find((connection) => connection.clientId === clientId);
}

export function userRecord(shard: ShardContext, clientId: number): UserRecord | null {
  const connection = openConnection(shard, clientId);
  if (connection?.login == null) return null;
  const { permissions, expiresAtMs } = connection.login;
  return { permissions, expiresAtMs };
}

/** Ids of an account's open connections. A link is in an account once it is counted there. */
export function connectionsOf(shard: ShardContext, account: string): number[] {
  return openConnections(shard)
    .filter((connection) => connection.account.name === account)
    .filter(({ isLink, countedIn }) => !isLink || countedIn !== 0)
    .map(({ clientId }) => clientId);
}

/**
 * The counters of each account here, by name. Messages are those of its connections; `gone` holds the sums over closed
 * connections.
 */
export function accountCounters(
  shard: ShardContext,
  gone: ReadonlyMap<string, AccountCounters>,
): Record<string, AccountCounters> {
  const all = new Map(Array.from(gone, ([name, counters]) => [name, { ...counters }]));
  const sumOf = (name: string) => all.getOrInsertComputed(name, () => ({ ...NO_COUNTERS }));
  for (const connection of openConnections(shard)) {
    const sum = sumOf(connection.account.name);
    sum.connections++;
    sum.subscriptions += connection.subscriptionCount;
    addTraffic(sum, connectionTraffic(shard.shared, connection));
  }
  for (const { name, tally } of shard.accounts.all()) Object.assign(sumOf(name), tally);
  return Object.fromEntries(all);
}

function hasSubject(shard: ShardContext, connection: Connection, subject: string): boolean {
  for (const record of recordsOf(shard, connection)) {
    if (subjectsCollideText(subjectOf(shard, record), subject)) return true;
  }
  return false;
}

/** The first `count` connections, themselves unordered. Of those with the same key the lowest ids are taken. */
function firstInOrder(
  shard: ShardContext,
  all: Connection[],
  { order, count }: Pick<ConnectionPick, "order" | "count">,
): Connection[] {
  if (all.length <= count) return all;
  const keys = new Float64Array(all.length);
  for (let place = 0; place < keys.length; place++) keys[place] = ascendingKey(shard, all[place]!, order);
  const last = keys.toSorted()[count - 1] ?? Number.NEGATIVE_INFINITY;
  const first = all.filter((_, place) => keys[place]! < last);
  const ties = all.filter((_, place) => keys[place]! === last);
  return first.concat(firstInOrder(shard, ties, { order: "cid", count: count - first.length }));
}

/** A number that is smaller the earlier the connection comes. */
function ascendingKey(shard: ShardContext, connection: Connection, order: ConnectionOrder): number {
  switch (order) {
    case "cid":
      return connection.clientId;
    case "subs":
      return -connection.subscriptionCount;
    case "pending":
      return -shard.outbound.pendingBytes(connection);
    case "msgs_from":
      return -connectionTraffic(shard.shared, connection).inMessages;
    case "bytes_from":
      return -connectionTraffic(shard.shared, connection).inBytes;
    case "msgs_to":
      return -connectionTraffic(shard.shared, connection).outMessages;
    case "bytes_to":
      return -connectionTraffic(shard.shared, connection).outBytes;
    case "last":
      return -lastActivityMs(shard, connection);
    case "idle":
      return lastActivityMs(shard, connection);
    case "uptime":
      return -connection.startMs;
    case "rtt":
      return -connection.rttMs;
  }
}

/** When a connection last sent or was sent something other than PING or PONG. */
function lastActivityMs(shard: ShardContext, connection: Connection): number {
  if (connection.lastOutputMs !== 0) {
    const outputMs = shard.wallMs() - (performance.now() - connection.lastOutputMs);
    connection.lastActivityMs = Math.max(connection.lastActivityMs, outputMs);
    connection.lastOutputMs = 0;
  }
  return connection.lastActivityMs;
}

export function connectionRecord(
  shard: ShardContext,
  connection: Connection,
  withSubscriptions: boolean,
): ConnectionRecord {
  const { options, closeReason, account, login, refusal } = connection;
  const traffic = connectionTraffic(shard.shared, connection);
  return {
    clientId: connection.clientId,
    ip: connection.ip,
    port: connection.port,
    startMs: connection.startMs,
    stopMs: closeReason === 0 ? null : shard.wallMs(),
    reason: closeReason === 0 ? "" : closeReasonEntry(closeReason as CloseReason).text,
    lastActivityMs: lastActivityMs(shard, connection),
    rttMs: connection.rttMs,
    pendingBytes: shard.outbound.pendingBytes(connection),
    inMessages: traffic.inMessages,
    outMessages: traffic.outMessages,
    inBytes: traffic.inBytes,
    outBytes: traffic.outBytes,
    stalls: connection.stalls,
    subscriptionCount: connection.subscriptionCount,
    name: options.name,
    lang: options.lang,
    version: options.version,
    user: connection.user,
    account: account.name,
    accountNameTag: account.definition.nameTag ?? "",
    userNameTag: login?.nameTag ?? "",
    jwt: shownJwt(connection),
    issuerKey: login?.issuerKey ?? "",
    tags: login?.tags ?? [],
    proxyKey: login?.proxyKey ?? refusal?.proxyKey ?? "",
    isWebSocket: connection.webSocket !== null,
    tls: tlsRecord(connection),
    subscriptions: withSubscriptions
      ? recordsOf(shard, connection).map((record) => subscriptionSnapshot(shard, connection, record))
      : null,
  };
}

/** A JWT as monitoring shows it. Bearer tokens are left out: anybody who has one can log in with it. */
function shownJwt({ login, refusal }: Connection): string {
  if (login === null) return refusal?.jwt ?? "";
  return login.isBearer ? "" : login.jwt;
}

/**
 * The first `count` subscriptions of an account, or of all (""): all subscriptions, or those that a message on
 * `subject` would reach.
 */
export function subscriptionPage(
  shard: ShardContext,
  { account, subject, count }: Extract<ShardQuery, { what: "subscriptions" }>,
): SubscriptionPage {
  const subscriptions: SubscriptionSnapshot[] = [];
  let matchCount = 0;
  for (const connection of shard.connections) {
    if (connection === null || (account !== "" && connection.account.name !== account)) continue;
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

/** How many subscriptions take a message on a subject; for a pattern, how many are subsets of it. */
export function subscriberCount(
  shard: ShardContext,
  { account, subject, queue }: Extract<ShardQuery, { what: "subscribers" }>,
): number {
  const isLiteral = isLiteralText(subject);
  const pattern = byteStringOfText(subject);
  const wanted = queue === null ? null : byteStringOfText(queue);
  let count = 0;
  for (const connection of openConnections(shard)) {
    if (connection.account.name !== account) continue;
    for (const record of recordsOf(shard, connection)) {
      const group = shard.table.queueOf(record);
      const name = group === 0 ? "" : byteStringOf(shard.index.queueNameOf(group - 1));
      if (wanted !== null && name !== wanted) continue;
      const own = shard.index.byteStringOf(shard.table.entryOf(record));
      if (isLiteral ? isSubset(pattern, own) : isSubset(own, pattern)) count++;
    }
  }
  return count;
}

function recordsOf({ table }: ShardContext, connection: Connection): number[] {
  const records: number[] = [];
  let record = connection.firstSubscription;
  for (; record !== NO_SUBSCRIPTION; record = table.nextOfConnection(record)) records.push(record);
  return records;
}

function subjectOf({ index, table }: ShardContext, record: number): string {
  return textOf(index.byteStringOf(table.entryOf(record)));
}

function subscriptionSnapshot(
  shard: ShardContext,
  connection: Connection,
  record: number,
): SubscriptionSnapshot {
  const { index, table } = shard;
  const queue = table.queueOf(record);
  const { name, definition } = connection.account;
  return {
    account: name,
    accountNameTag: definition.nameTag ?? "",
    clientId: connection.clientId,
    subject: subjectOf(shard, record),
    queue: queue === 0 ? "" : textOf(byteStringOf(index.queueNameOf(queue - 1))),
    sid: textOf(byteStringOf(table.sidOf(record))),
    delivered: table.deliveredOf(record),
    max: table.maxOf(record),
  };
}
