/** Connections and subscriptions as shards report them, turned into what monitoring shows. */
import type { ConnectionSnapshot } from "../../monitor/snapshots/connections.ts";
import type { SubscriptionSnapshot } from "../../monitor/snapshots/subscriptions.ts";
import type {
  ConnectionRecord,
  SubscriptionSnapshot as SubscriptionRecord,
} from "../../shard/watch/records.ts";

export function connectionSnapshot(record: ConnectionRecord): ConnectionSnapshot {
  return {
    id: record.clientId,
    kind: "Client",
    type: record.isWebSocket ? "websocket" : "nats",
    ip: record.ip,
    port: record.port,
    startMs: record.startMs,
    lastActivityMs: record.lastActivityMs,
    stop: record.stopMs === null ? null : { atMs: record.stopMs, reason: record.reason },
    roundTripNs: Math.round(record.rttMs * 1e6),
    pendingBytes: record.pendingBytes,
    inMessages: record.inMessages,
    outMessages: record.outMessages,
    inBytes: record.inBytes,
    outBytes: record.outBytes,
    stalls: record.stalls,
    subscriptionCount: record.subscriptionCount,
    name: record.name,
    language: record.lang,
    version: record.version,
    tls: record.tls,
    user: record.user,
    account: record.account,
    accountNameTag: record.accountNameTag || record.account,
    userNameTag: record.userNameTag,
    jwt: record.jwt,
    issuerKey: record.issuerKey,
    tags: record.tags,
    mqttClient: "",
    proxyKey: record.proxyKey,
    subscriptions: (record.subscriptions ?? []).map(subscriptionSnapshot),
  };
}

export function subscriptionSnapshot(record: SubscriptionRecord): SubscriptionSnapshot {
  return {
    account: record.account,
    accountNameTag: record.accountNameTag || record.account,
    subject: record.subject,
    queue: record.queue,
    sid: record.sid,
    deliveredMessages: record.delivered,
    deliveriesMax: record.max,
    connectionId: record.clientId,
  };
}
