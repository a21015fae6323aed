/**
 * The metrics of prometheus-nats-exporter for connections, accounts and links, with its names, labels and units, so
 * that dashboards and alerts made for it keep working. `server_id` is what the exporter shows with
 * `-use_internal_server_id`.
 */
import type { Connz } from "../connz.ts";
import type { Healthz } from "../healthz.ts";
import type { AccountSnapshot } from "../snapshots/accounts.ts";
import type { GatewaysSnapshot, LeafnodeSnapshot } from "../snapshots/links.ts";
import type { Traffic } from "../snapshots/traffic.ts";
import type { Exposition, Labels } from "./exposition.ts";

const NS_PER_SECOND = 1e9;

/** The page of /connz, and sums over it. Source: `connzCollector`. */
export function addConnections(exposition: Exposition, connz: Connz, serverId: string): void {
  const gauge = gauges(exposition, "gnatsd_connz", { server_id: serverId });
  gauge("num_connections", connz.num_connections);
  gauge("total", connz.total);
  gauge("offset", connz.offset);
  gauge("limit", connz.limit);
  const connections = connz.connections ?? [];
  for (const name of ["pending_bytes", "subscriptions"] as const) gauge(name, sum(connections, name));
  for (const name of ["in_bytes", "out_bytes", "in_msgs", "out_msgs"] as const) {
    exposition.add(`gnatsd_connz_${name}`, "counter", sum(connections, name), { server_id: serverId });
  }
}

function sum<Field extends string>(
  connections: readonly Readonly<Record<Field, number>>[],
  field: Field,
): number {
  return connections.reduce((total, connection) => total + connection[field], 0);
}

/** Two metrics: `status` is 0 while healthy, `status_value` is 1. Source: `healthzCollector`. */
export function addHealth(exposition: Exposition, { status }: Healthz, serverId: string): void {
  const isOk = status === "ok";
  exposition.add("gnatsd_healthz_status", "gauge", isOk ? 0 : 1, { server_id: serverId });
  const labels = { server_id: serverId, value: status };
  exposition.add("gnatsd_healthz_status_value", "gauge", isOk ? 1 : 0, labels);
}

/** Source: `accountMetrics`. */
export function addAccounts(
  exposition: Exposition,
  accounts: readonly AccountSnapshot[],
  serverId: string,
): void {
  for (const account of accounts) {
    const { name, nameTag, clients, leafnodes, sent, received } = account;
    const labels = { server_id: serverId, account: name, account_id: name, account_name: nameTag };
    const gauge = gauges(exposition, "gnatsd_accstatz", labels);
    gauge("current_connections", clients);
    gauge("total_connections", clients + leafnodes);
    gauge("subscriptions", account.subscriptions);
    gauge("leaf_nodes", leafnodes);
    gauge("sent_messages", sent.messages);
    gauge("sent_bytes", sent.bytes);
    gauge("received_messages", received.messages);
    gauge("received_bytes", received.bytes);
    gauge("slow_consumers", account.slowConsumers);
  }
}

/** Source: `leafzCollector`, `leafMetrics`. */
export function addLeafnodes(
  exposition: Exposition,
  leafnodes: readonly LeafnodeSnapshot[],
  serverId: string,
): void {
  exposition.add("gnatsd_leafz_conn_nodes_total", "gauge", leafnodes.length, { server_id: serverId });
  for (const { account, ip, port, name, ...leafnode } of leafnodes) {
    const labels = { server_id: serverId, account, account_id: account, ip, port, name };
    const gauge = gauges(exposition, "gnatsd_leafz", labels);
    gauge("info", 1);
    gauge("conn_rtt", leafnode.roundTripNs / NS_PER_SECOND);
    addTraffic(gauge, leafnode);
    gauge("conn_subscriptions_total", leafnode.subscriptionCount);
  }
}

/** Source: `gatewayzCollector`. */
export function addGateways(
  exposition: Exposition,
  gateways: GatewaysSnapshot | null,
  serverId: string,
  nowMs: number,
): void {
  if (gateways === null) return;
  const directions = [
    ["outbound_gateway", gateways.outbound],
    ["inbound_gateway", gateways.inbound],
  ] as const;
  for (const [direction, ends] of directions) {
    for (const { name, isConfigured, connection } of ends) {
      const gauge = gauges(exposition, `gnatsd_gatewayz_${direction}`, {
        gateway_name: gateways.name,
        cid: connection.id,
        remote_gateway_name: name,
        server_id: serverId,
      });
      gauge("configured", isConfigured ? 1 : 0);
      gauge("conn_start_time_seconds", wholeSeconds(connection.startMs));
      gauge("conn_last_activity_seconds", wholeSeconds(connection.lastActivityMs));
      gauge("conn_uptime_seconds", wholeSeconds(nowMs - connection.startMs));
      gauge("conn_idle_seconds", wholeSeconds(nowMs - connection.lastActivityMs));
      gauge("conn_rtt", connection.roundTripNs / NS_PER_SECOND);
      gauge("conn_pending_bytes", connection.pendingBytes);
      addTraffic(gauge, connection);
      gauge("conn_subscriptions", connection.subscriptionCount);
    }
  }
}

/** Returns a function that adds gauges with these labels, named `<prefix>_<name>`. */
function gauges(exposition: Exposition, prefix: string, labels: Labels) {
  return (name: string, value: number | bigint) =>
    exposition.add(`${prefix}_${name}`, "gauge", value, labels);
}

/** Adds what crossed a link. */
function addTraffic(gauge: (name: string, value: number) => void, link: Traffic): void {
  gauge("conn_in_msgs", link.inMessages);
  gauge("conn_out_msgs", link.outMessages);
  gauge("conn_in_bytes", link.inBytes);
  gauge("conn_out_bytes", link.outBytes);
}

function wholeSeconds(ms: number): number {
  return Math.trunc(ms / 1000);
}
