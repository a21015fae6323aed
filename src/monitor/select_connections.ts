/**
 * Which connections a request selects, and in which order: nats-server's rules, for lists of open and of closed
 * connections alike.
 */
import type { ConnectionState } from "./parameters.ts";
import type {
  ConnectionQuery,
  ConnectionSelection,
  ConnectionSnapshot,
  ConnectionSort,
} from "./snapshots/connections.ts";

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
  const isMatch = ({ id, user, mqttClient }: ConnectionSnapshot) =>
    (query.user === "" || user === query.user) &&
    (query.mqttClient === "" || mqttClient === query.mqttClient) &&
    (query.id === 0 || id === query.id);
  const hasSubject = ({ subscriptions }: ConnectionSnapshot) =>
    query.subject === "" || subscriptions.some(({ subject }) => subjectsMeet(query.subject, subject));

  let totalCount = 0;
  const select = (candidates: Iterable<ConnectionSnapshot>): ConnectionSnapshot[] => {
    const matches: ConnectionSnapshot[] = [];
    for (const candidate of candidates) {
      if (!isInAccount(candidate)) continue;
      totalCount += 1;
      if (isMatch(candidate)) matches.push(candidate);
    }
    return matches;
  };
  const openMatches = includesOpen(query.state) ? select(open) : [];
  const closedMatches = includesClosed(query.state) ? select(closed) : [];
  const hidesClosed = query.id !== 0 && openMatches.length > 0;
  const connections = openMatches.filter(hasSubject).concat(hidesClosed ? [] : closedMatches);
  return { totalCount, connections };
}

export function includesOpen(state: ConnectionState): boolean {
  return state === "open" || state === "all";
}

export function includesClosed(state: ConnectionState): boolean {
  return state === "closed" || state === "all";
}

/**
 * The connections at places [start, end) of the asked order; ties go by connection id.
 *
 * Only the keys are sorted, natively, and then the connections whose key lies within the page, so
 * that a page of a server with many connections does not hold up the thread.
 */
export function pageOfConnections(
  connections: readonly ConnectionSnapshot[],
  query: Pick<ConnectionQuery, "sort" | "nowMs">,
  start: number,
  end: number,
): ConnectionSnapshot[] {
  if (start >= end) return [];
  if (query.sort === "reason") {
    const byReason = (a: ConnectionSnapshot, b: ConnectionSnapshot) =>
      compareText(a.stop?.reason ?? "", b.stop?.reason ?? "") || a.id - b.id;
    return connections.toSorted(byReason).slice(start, end);
  }

  const keyOf = ascendingKey(query.sort, query.nowMs);
  const keys = new Float64Array(connections.length);
  for (let place = 0; place < keys.length; place++) keys[place] = keyOf(connections[place]!);
  const sorted = keys.toSorted();
  const lowest = sorted[start]!;
  const highest = sorted[end - 1]!;

  const within: { key: number; connection: ConnectionSnapshot }[] = [];
  let countBefore = 0;
  for (let place = 0; place < keys.length; place++) {
    const key = keys[place]!;
    if (key < lowest) countBefore += 1;
    else if (key <= highest) within.push({ key, connection: connections[place]! });
  }
  within.sort((a, b) => a.key - b.key || a.connection.id - b.connection.id);
  return within.slice(start - countBefore, end - countBefore).map(({ connection }) => connection);
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
