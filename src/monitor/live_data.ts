import { accstatzReport } from "./accstatz.ts";
import { type Connz, connz } from "./connz.ts";
import { gatewayz } from "./gatewayz.ts";
import { leafzReport } from "./leafz.ts";
import { atOneMoment } from "./one_moment.ts";
import { type Outcome, succeeded } from "./outcome.ts";
import { routezReport } from "./routez.ts";
import { shardz } from "./shardz.ts";
import type { AccountSnapshot } from "./snapshots/accounts.ts";
import type { LeafnodeSnapshot } from "./snapshots/links.ts";
import type { MonitorSource } from "./source.ts";
import { subsz } from "./subsz.ts";
import { varzReport } from "./varz.ts";

/** How many entries of a list the page shows; totals count all of them. */
const LIST_MAX = 64;
const CONNECTIONS_MAX = 16;

export type LiveData = Awaited<ReturnType<typeof report>>;

/**
 * What the live page polls: the reports it shows, of one moment, in one answer. Asked for one by one they cost eight requests,
 * each of which takes a snapshot of its own. Lists are cut to what the page shows; `sort` picks connections as in /connz.
 */
export async function liveData(source: MonitorSource, sort: string): Promise<Outcome<LiveData>> {
  const moment = atOneMoment(source);
  const connections = await connz(moment, { sort, limit: CONNECTIONS_MAX, showsCredentials: true });
  if (!connections.ok) return connections;
  return succeeded(await report(moment, connections.report));
}

async function report(moment: MonitorSource, connections: Connz) {
  const [server, subscriptions, accounts, routes, gateways, leafnodes, shards] = await Promise.all([
    moment.server(),
    subsz(moment),
    moment.accounts(),
    moment.routes(false),
    gatewayz(moment),
    moment.leafnodes({ account: "", listsSubscriptions: false }),
    moment.shards(),
  ]);
  if (!subscriptions.ok) throw new Error(subscriptions.message);
  return {
    varz: varzReport(server),
    connz: { ...connections, connections: (connections.connections ?? []).map(withoutCredentials) },
    subsz: subscriptions.report,
    accstatz: {
      total: accounts.length,
      ...accstatzReport(server, busiest(accounts), { includesUnused: true }),
    },
    routez: {
      ...routezReport(server, { ...routes, routes: routes.routes.slice(0, LIST_MAX) }),
      total: routes.routes.length,
    },
    gatewayz: gateways,
    leafz: { ...leafzReport(server, mostActive(leafnodes)), total: leafnodes.length },
    shardz: shardz(server, shards),
  };
}

/** Leaves out what a connection logged in with; the page names only its account. */
function withoutCredentials(connection: NonNullable<Connz["connections"]>[number]) {
  const { authorized_user, jwt, issuer_key, tags, tls_peer_certs, ...shown } = connection;
  return shown;
}

function busiest(accounts: readonly AccountSnapshot[]): readonly AccountSnapshot[] {
  const connectionsOf = ({ clients, leafnodes }: AccountSnapshot) => clients + leafnodes;
  return [...accounts].sort((a, b) => connectionsOf(b) - connectionsOf(a)).slice(0, LIST_MAX);
}

function mostActive(leafnodes: readonly LeafnodeSnapshot[]): readonly LeafnodeSnapshot[] {
  const messagesOf = ({ inMessages, outMessages }: LeafnodeSnapshot) => inMessages + outMessages;
  return [...leafnodes].sort((a, b) => messagesOf(b) - messagesOf(a)).slice(0, LIST_MAX);
}
