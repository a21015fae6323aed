import { CONNZ_DEFAULTS, type Connz, connz } from "../connz.ts";
import { type Healthz, healthz } from "../healthz.ts";
import { atOneMoment } from "../one_moment.ts";
import type { Outcome } from "../outcome.ts";
import { routezReport } from "../routez.ts";
import type { AccountSnapshot } from "../snapshots/accounts.ts";
import type { GatewaysSnapshot, LeafnodeSnapshot, RoutesSnapshot } from "../snapshots/links.ts";
import type { ServerSnapshot, ShardSnapshot } from "../snapshots/server.ts";
import type { MonitorSource } from "../source.ts";
import { type Subsz, subsz } from "../subsz.ts";
import { varzReport } from "../varz.ts";
import { addAccounts, addConnections, addGateways, addHealth, addLeafnodes } from "./exporter_metrics.ts";
import { Exposition } from "./exposition.ts";
import { addFlatReport } from "./flat_report.ts";
import { addShards } from "./shard_metrics.ts";

/** The reports and snapshots that the metrics are made from. */
export interface MetricsDocuments {
  readonly server: ServerSnapshot;
  readonly connz: Connz;
  readonly subsz: Subsz;
  readonly health: Healthz;
  readonly accounts: readonly AccountSnapshot[];
  readonly routes: RoutesSnapshot;
  readonly gateways: GatewaysSnapshot | null;
  readonly leafnodes: readonly LeafnodeSnapshot[];
  readonly shards: readonly ShardSnapshot[];
}

/** One scrape: it costs the shards what one page of /connz and /accstatz do. */
export async function readMetrics(source: MonitorSource): Promise<MetricsDocuments> {
  const moment = atOneMoment(source);
  const [server, connections, subscriptions, health, accounts, routes, gateways, leafnodes, shards] =
    await Promise.all([
      moment.server(),
      connz(moment, CONNZ_DEFAULTS),
      subsz(moment),
      moment.health(),
      moment.accounts(),
      moment.routes(false),
      moment.gateways({ gateway: "", account: "", listsAccounts: false, listsSubscriptions: false }),
      moment.leafnodes({ account: "", listsSubscriptions: false }),
      moment.shards(),
    ]);
  return {
    server,
    connz: reportOf(connections),
    subsz: reportOf(subscriptions),
    health: healthz(health),
    accounts,
    routes,
    gateways,
    leafnodes,
    shards,
  };
}

/** The text of /metrics. */
export function renderMetrics(documents: MetricsDocuments): string {
  const { server, health, accounts, routes, gateways, leafnodes, shards } = documents;
  const { id } = server.identity;
  const exposition = new Exposition();
  addFlatReport(exposition, "gnatsd_varz", varzReport(server), id);
  addConnections(exposition, documents.connz, id);
  addFlatReport(exposition, "gnatsd_subsz", documents.subsz, id);
  addFlatReport(exposition, "gnatsd_routez", routezReport(server, routes), id);
  addGateways(exposition, gateways, id, server.nowMs);
  addLeafnodes(exposition, leafnodes, id);
  addAccounts(exposition, accounts, id);
  addHealth(exposition, health, id);
  addShards(exposition, shards, id);
  return exposition.text();
}

/** Takes the report out of an outcome. Only options can make a report fail, and these requests have none. */
function reportOf<Report>(outcome: Outcome<Report>): Report {
  if (!outcome.ok) throw new Error(outcome.message);
  return outcome.report;
}
