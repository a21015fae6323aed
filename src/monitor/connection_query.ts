/**
 * Which connections a request means, and in which order: nats-server's rules, in one place for every
 * list of connections, wherever it lives.
 */

import type { Integer } from "./go_json.ts";
import type { ConnectionState } from "./parameters.ts";
import type { ConnectionSelection, ConnectionSnapshot } from "./snapshot.ts";

export const CONNECTION_SORTS = [
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
] as const;

export type ConnectionSort = (typeof CONNECTION_SORTS)[number];

export interface ConnectionQuery {
  readonly state: ConnectionState;
  /** Only this connection; 0: all. */
  readonly id: Integer;
  /** Exact matches; empty: no filter. */
  readonly account: string;
  readonly user: string;
  readonly mqttClient: string;
  /** Only open connections with a subscription that can meet this subject; empty: no filter. */
  readonly subject: string;
  readonly sort: ConnectionSort;
  /** Time for the orders that depend on it. */
  readonly nowMs: number;
  /** The page ends here: no more than this many connections are looked at. */
  readonly count: number;
  /** Whether the subscriptions and the credentials of the connections will be shown. */
  readonly listsSubscriptions: boolean;
  readonly showsCredentials: boolean;
}

/** The server-wide default account. Closed connections do not remember that they were in it. */
export const GLOBAL_ACCOUNT = "$G";

/**
 * Filters connections that are at hand. The caller has checked that the account is known.
 *
 * `totalCount` counts what is left after the state and the account only. With an id, an open connection
 * that passes the filters wins over a closed one. `subjectsMeet` says whether two subjects, both
 * possibly with wildcards, have a subject in common. Source: nats-server `Connz`.
 */
export function selectConnections(
  open: Iterable<ConnectionSnapshot>,
  closed: Iterable<ConnectionSnapshot>,
  query: ConnectionQuery,
  subjectsMeet: (a: string, b: string) => boolean,
): ConnectionSelection {
  const isInAccount = ({ account, stop }: ConnectionSnapshot) =>
    query.account === "" || (account === query.account && (stop === null || account !== GLOBAL_ACCOUNT));
  const isMatch = (connection: ConnectionSnapshot) =>
    (query.user === "" || connection.user === query.user) &&
    (query.mqttClient === "" || connection.mqttClient === query.mqttClient) &&
    (query.id === 0 || connection.id === query.id);
  const hasSubject = ({ subscriptions }: ConnectionSnapshot) =>
    query.subject === "" || subscriptions.some(({ subject }) => subjectsMeet(query.subject, subject));

  const openCandidates = query.state === "closed" ? [] : [...open].filter(isInAccount);
  const closedCandidates = query.state === "open" ? [] : [...closed].filter(isInAccount);

  const openMatches = openCandidates.filter((connection) => isMatch(connection));
  const hidesClosed = query.id !== 0 && openMatches.length > 0;
  const closedMatches = hidesClosed ? [] : closedCandidates.filter(isMatch);
  return {
    totalCount: openCandidates.length + closedCandidates.length,
    connections: [...openMatches.filter(hasSubject), ...closedMatches],
  };
}

/**
 * The connections at places [start, end) of the asked order; ties go by connection id.
 *
 * Only keys are compared, so that a page of a server with many connections costs little more than
 * the keys: 65,000 connections take some tens of milliseconds.
 */
export function pageOfConnections(
  connections: readonly ConnectionSnapshot[],
  query: Pick<ConnectionQuery, "sort" | "nowMs">,
  start: number,
  end: number,
): ConnectionSnapshot[] {
  const places = Uint32Array.from(connections, (_, place) => place);
  const idOf = (place: number) => connections[place]!.id;

  if (query.sort === "reason") {
    const reasons = connections.map(({ stop }) => stop?.reason ?? "");
    places.sort((a, b) => compareText(reasons[a]!, reasons[b]!) || idOf(a) - idOf(b));
  } else {
    const keyOf = ascendingKey(query.sort, query.nowMs);
    const keys = Float64Array.from(connections, keyOf);
    places.sort((a, b) => keys[a]! - keys[b]! || idOf(a) - idOf(b));
  }
  return Array.from(places.subarray(start, end), (place) => connections[place]!);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** A number per connection that is smaller the earlier the connection comes. */
function ascendingKey(
  sort: Exclude<ConnectionSort, "reason">,
  nowMs: number,
): (connection: ConnectionSnapshot) => number {
  switch (sort) {
    case "cid":
    case "start":
      return ({ id }) => id;
    case "subs":
      return ({ subscriptionCount }) => -subscriptionCount;
    case "pending":
      return ({ pendingBytes }) => -pendingBytes;
    case "msgs_to":
      return ({ outMessages }) => -outMessages;
    case "msgs_from":
      return ({ inMessages }) => -inMessages;
    case "bytes_to":
      return ({ outBytes }) => -outBytes;
    case "bytes_from":
      return ({ inBytes }) => -inBytes;
    case "last":
      return ({ lastActivityMs }) => -lastActivityMs;
    case "idle":
      return ({ lastActivityMs }) => lastActivityMs;
    case "uptime":
      return ({ startMs, stop }) => (stop?.atMs ?? nowMs) - startMs;
    case "stop":
      return ({ stop }) => -(stop?.atMs ?? nowMs);
    case "rtt":
      return ({ roundTripNs }) => -roundTripNs;
  }
}
