/** Reports whose fields become metrics one by one, without a list of them: /varz, /subsz, /routez. */
import { type Exposition, metricName } from "./exposition.ts";

/** Texts that become metrics: as the label of a 1, or in milliseconds if they are times. */
const TEXT_FIELDS: ReadonlySet<string> = new Set([
  "server_id",
  "server_name",
  "version",
  "domain",
  "leader",
  "name",
  "start",
  "config_load_time",
]);

/** Settings that say nothing about a running server. */
const LEFT_OUT: ReadonlySet<string> = new Set([
  "leaf",
  "trusted_operators_claim",
  "cluster_tls_timeout",
  "cluster_cluster_port",
  "cluster_auth_timeout",
  "gateway_port",
  "gateway_auth_timeout",
  "gateway_tls_timeout",
  "gateway_connect_retries",
]);

const RFC3339 = /^\d{4}-\d{2}-\d{2}T[0-9:.]+(?:Z|[+-]\d{2}:\d{2})$/;

/**
 * Numbers are gauges named by their path, `gnatsd_varz_slow_consumer_stats_clients`; lists and booleans are left out.
 * Source: prometheus-nats-exporter `objectToMetrics`, `collectStatsFromRequests`.
 */
export function addFlatReport(
  exposition: Exposition,
  prefix: string,
  report: object,
  serverId: string,
  path: readonly string[] = [],
): void {
  for (const [field, value] of Object.entries(report)) {
    const name = metricName(...path, field);
    if (LEFT_OUT.has(name)) continue;
    const metric = metricName(prefix, name);
    if (typeof value === "number" || typeof value === "bigint") {
      exposition.add(metric, "gauge", value, { server_id: serverId });
    } else if (typeof value === "string") {
      if (!TEXT_FIELDS.has(field)) continue;
      if (RFC3339.test(value)) exposition.add(metric, "gauge", Date.parse(value), { server_id: serverId });
      else exposition.add(metric, "gauge", 1, { server_id: serverId, value });
    } else if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      addFlatReport(exposition, prefix, value, serverId, [...path, field]);
    }
  }
}
