import { connectionReport } from "./connection_report.ts";
import { formatTime, type Integer } from "./go_json.ts";
import { failed, type Outcome, succeeded } from "./outcome.ts";
import { pageBounds, pageOf } from "./page.ts";
import type { ConnectionState, SubscriptionListing } from "./parameters.ts";
import { pageOfConnections } from "./select_connections.ts";
import type { ConnectionSort } from "./snapshots/connections.ts";
import type { MonitorSource } from "./source.ts";

export interface ConnzOptions {
  /** A `ConnectionSort`, or empty for `cid`. */
  readonly sort: string;
  readonly showsCredentials: boolean;
  readonly subscriptions: SubscriptionListing;
  readonly offset: Integer;
  readonly limit: Integer;
  /** 0: all. */
  readonly id: Integer;
  readonly state: ConnectionState;
  readonly user: string;
  readonly account: string;
  readonly mqttClient: string;
  /** Needs `account`; has no form in a URL. */
  readonly subject: string;
}

export const CONNZ_DEFAULTS: ConnzOptions = {
  sort: "",
  showsCredentials: false,
  subscriptions: "none",
  offset: 0,
  limit: 0,
  id: 0,
  state: "open",
  user: "",
  account: "",
  mqttClient: "",
  subject: "",
};

export type Connz = Awaited<ReturnType<typeof report>>;

/** Connections, open or closed. Source: nats-server `Connz`. */
export async function connz(
  source: MonitorSource,
  options: Partial<ConnzOptions> = {},
): Promise<Outcome<Connz>> {
  const all = { ...CONNZ_DEFAULTS, ...options };
  const problem = refusal(all);
  return problem === null ? succeeded(await report(source, all)) : failed(problem);
}

const CONNECTION_SORTS: ReadonlySet<string> = new Set<ConnectionSort>([
  "cid",
  "start",
  "subs",
  "pending",
  "msgs_to",
  "msgs_from",
  "bytes_to",
  "bytes_from",
  "last",
  "idle",
  "uptime",
  "stop",
  "reason",
  "rtt",
]);

function refusal({ sort, state, subject, account }: ConnzOptions): string | null {
  if (sort !== "" && !CONNECTION_SORTS.has(sort)) return `invalid sorting option: ${sort}`;
  if ((sort === "stop" || sort === "reason") && state !== "closed") {
    return `sort by ${sort} only valid on closed connections`;
  }
  if (filtersSubject(subject) && account === "") return "filter by subject only valid with account filtering";
  return null;
}

function filtersSubject(subject: string): boolean {
  return subject !== "" && subject !== ">";
}

async function report(source: MonitorSource, options: ConnzOptions) {
  const { identity, nowMs } = await source.server();
  const page = pageOf(options.offset, options.id === 0 ? options.limit : 1);
  const query = {
    state: options.state,
    id: options.id,
    account: options.account,
    user: options.user,
    mqttClient: options.mqttClient,
    subject: filtersSubject(options.subject) ? options.subject : "",
    sort: (options.sort || "cid") as ConnectionSort,
    nowMs,
    count: pageBounds(page, Number.MAX_SAFE_INTEGER).end,
    listsSubscriptions: options.subscriptions !== "none",
    showsCredentials: options.showsCredentials,
  };
  const selection = await source.connections(query);
  // An account nobody knows leaves even the server's id empty.
  if (selection === null) return envelope("", nowMs, 0, page, null);

  const { start, end } = pageBounds(page, selection.connections.length);
  const connections = pageOfConnections(selection.connections, query, start, end);
  return envelope(
    identity.id,
    nowMs,
    selection.totalCount,
    page,
    connections.map((connection) => connectionReport(connection, { ...options, nowMs })),
  );
}

function envelope(
  serverId: string,
  nowMs: number,
  totalCount: number,
  page: { offset: Integer; limit: Integer },
  connections: ReturnType<typeof connectionReport>[] | null,
) {
  return {
    server_id: serverId,
    now: formatTime(nowMs),
    num_connections: connections?.length ?? 0,
    total: totalCount,
    offset: page.offset,
    limit: page.limit,
    connections,
  };
}
