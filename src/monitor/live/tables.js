/** The rows of the page's tables, as texts. */
import { byteRate, cut, exact, hostPort, rate, short, shortBytes } from "./format.js";

/** @typedef {import("../live_data.ts").LiveData} LiveData */
/** @typedef {import("./rates.js").Rates} Rates */
/** @typedef {Map<string | number, Rates | null>} RatesByKey */

/** Clients call themselves what they like, and the page keeps its shape. */
const NAME_LENGTH = 128;
const LIBRARY_LENGTH = 32;

/**
 * The columns of the connections, with what the server sorts them by where it can.
 * @type {readonly { title: string, sort: string, direction: "ascending" | "descending" | "" }[]}
 */
export const CONNECTION_COLUMNS = [
  { title: "Name", sort: "", direction: "" },
  { title: "Id", sort: "cid", direction: "ascending" },
  { title: "Account", sort: "", direction: "" },
  { title: "Address", sort: "", direction: "" },
  { title: "Client", sort: "", direction: "" },
  { title: "Pending", sort: "pending", direction: "descending" },
  { title: "Messages from", sort: "msgs_from", direction: "descending" },
  { title: "Messages to", sort: "msgs_to", direction: "descending" },
  { title: "Bytes from", sort: "bytes_from", direction: "descending" },
  { title: "Bytes to", sort: "bytes_to", direction: "descending" },
  { title: "Subscriptions", sort: "subs", direction: "descending" },
  { title: "Idle", sort: "idle", direction: "descending" },
];

/**
 * @param {LiveData["connz"]["connections"]} connections
 * @param {RatesByKey} rates by connection id
 */
export function connectionRows(connections, rates) {
  return connections.map((connection) => {
    const of = rates.get(connection.cid) ?? null;
    return [
      cut(connection.name ?? "–", NAME_LENGTH),
      String(connection.cid),
      connection.account ?? "$G",
      hostPort(connection.ip, connection.port),
      cut([connection.lang, connection.version].filter(Boolean).join(" "), LIBRARY_LENGTH) || "–",
      shortBytes(connection.pending_bytes),
      total(connection.in_msgs, of && rate(of.inMessages)),
      total(connection.out_msgs, of && rate(of.outMessages)),
      total(connection.in_bytes, of && byteRate(of.inBytes)),
      total(connection.out_bytes, of && byteRate(of.outBytes)),
      exact(connection.subscriptions),
      connection.idle,
    ];
  });
}

/**
 * @param {LiveData["shardz"]["shards"]} shards
 * @param {RatesByKey} rates by the shard's name
 */
export function shardRows(shards, rates) {
  const messages = (/** @type {string} */ shard) => {
    const of = rates.get(shard) ?? null;
    return of === null ? 0 : of.inMessages + of.outMessages;
  };
  const all = shards.reduce((sum, { shard }) => sum + messages(shard), 0);
  return shards.map((shard) => {
    const of = rates.get(shard.shard) ?? null;
    return [
      shard.shard,
      shard.up ? "up" : "being replaced",
      exact(shard.connections),
      exact(shard.subscriptions),
      traffic(of, "in"),
      traffic(of, "out"),
      all === 0 ? "–" : `${Math.round((100 * messages(shard.shard)) / all)}%`,
      shortBytes(shard.waiting_bytes),
      exact(shard.stalls),
    ];
  });
}

/**
 * @param {LiveData["accstatz"]["account_statz"]} accounts
 * @param {RatesByKey} rates by the account's id: in is what it sent us
 */
export function accountRows(accounts, rates) {
  return accounts.map((account) => [
    account.name,
    exact(account.conns),
    exact(account.leafnodes),
    exact(account.num_subscriptions),
    traffic(rates.get(account.acc) ?? null, "in"),
    traffic(rates.get(account.acc) ?? null, "out"),
    exact(account.slow_consumers),
  ]);
}

/** @param {LiveData["accstatz"]["account_statz"][number]} account */
export function accountCounters({ acc, received, sent }) {
  return {
    acc,
    in_msgs: received.msgs,
    out_msgs: sent.msgs,
    in_bytes: received.bytes,
    out_bytes: sent.bytes,
  };
}

const LINK_KINDS = { route: "route", gateway: "gateway", leaf: "leaf node" };

/**
 * @param {readonly import("./peers.js").Link[]} links
 * @param {RatesByKey} rates by the link's id
 */
export function linkRows(links, rates) {
  return links.map((link) => [
    link.name,
    LINK_KINDS[link.kind],
    link.direction === "out" ? "by this server" : "by the other",
    link.address,
    link.rtt,
    link.account || "–",
    exact(link.subscriptions),
    traffic(rates.get(link.id) ?? null, "in"),
    traffic(rates.get(link.id) ?? null, "out"),
  ]);
}

/**
 * Of closed connections those that read too slowly, the last one first.
 * @param {readonly { cid: number, ip: string, port: number, name?: string | undefined, stop?: string | undefined, reason?: string | undefined, pending_bytes: number }[]} closed
 */
export function slowRows(closed) {
  return closed
    .filter(({ reason = "" }) => reason.startsWith("Slow Consumer"))
    .sort((a, b) => Date.parse(b.stop ?? "") - Date.parse(a.stop ?? ""))
    .map(({ cid, ip, port, name = "–", stop = "", reason = "", pending_bytes }) => [
      stop.replace(/\.\d+Z$/, "Z"),
      String(cid),
      cut(name, NAME_LENGTH),
      hostPort(ip, port),
      shortBytes(pending_bytes),
      reason,
    ]);
}

/**
 * @param {number} count
 * @param {string | null} perSecond
 */
function total(count, perSecond) {
  return perSecond === null ? short(count) : `${short(count)} (${perSecond})`;
}

/**
 * @param {Rates | null} rates
 * @param {"in" | "out"} direction
 */
function traffic(rates, direction) {
  if (rates === null) return "–";
  return direction === "in"
    ? `${rate(rates.inMessages)}, ${byteRate(rates.inBytes)}`
    : `${rate(rates.outMessages)}, ${byteRate(rates.outBytes)}`;
}
