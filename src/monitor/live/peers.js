/** The servers that this one is connected to, as the reports list their connections. */
import { hostPort, rate } from "./format.js";

/** @typedef {import("../live_data.ts").LiveData} LiveData */
/** @typedef {import("./rates.js").Rates} Rates */
/** @typedef {import("./map_layout.js").Peer} Peer */

/**
 * A connection to another server, whichever kind it is.
 * @typedef {object} Link
 * @property {"route" | "gateway" | "leaf"} kind
 * @property {string} name the server's; of a gateway the cluster's
 * @property {string} direction
 * @property {number} id
 * @property {string} address
 * @property {string} rtt
 * @property {string} account
 * @property {number} subscriptions
 * @property {number} in_msgs
 * @property {number} out_msgs
 * @property {number} in_bytes
 * @property {number} out_bytes
 */

/**
 * @param {LiveData} data
 * @returns {Link[]} routes first, then gateways and leaf nodes
 */
export function linksOf({ routez, gatewayz, leafz }) {
  const routes = routez.routes.map((route) =>
    linkOf(route, {
      kind: "route",
      name: route.remote_name || route.remote_id,
      direction: route.did_solicit ? "out" : "in",
      id: route.rid,
      account: route.account ?? "",
    }),
  );
  /** @type {Link[]} */
  const gateways = [];
  for (const [name, gateway] of Object.entries(gatewayz.outbound_gateways ?? {})) {
    const { connection } = gateway;
    gateways.push(
      linkOf(connection, { kind: "gateway", name, direction: "out", id: connection.cid, account: "" }),
    );
  }
  for (const [name, inbound] of Object.entries(gatewayz.inbound_gateways)) {
    for (const { connection } of inbound) {
      gateways.push(
        linkOf(connection, { kind: "gateway", name, direction: "in", id: connection.cid, account: "" }),
      );
    }
  }
  const leafs = leafz.leafs.map((leaf) =>
    linkOf(leaf, {
      kind: "leaf",
      name: leaf.name,
      direction: leaf.is_spoke ? "out" : "in",
      id: leaf.id,
      account: leaf.account,
    }),
  );
  return [...routes, ...gateways, ...leafs];
}

/**
 * @param {import("./rates.js").Counters & { ip: string, port: number, rtt: string, subscriptions: number }} report
 * @param {Pick<Link, "kind" | "name" | "direction" | "id" | "account">} own
 * @returns {Link}
 */
function linkOf(report, own) {
  const { rtt, subscriptions, in_msgs, out_msgs, in_bytes, out_bytes } = report;
  return {
    ...own,
    address: hostPort(report.ip, report.port),
    rtt,
    subscriptions,
    in_msgs,
    out_msgs,
    in_bytes,
    out_bytes,
  };
}

/**
 * One box for each server or cluster, however many connections there are to it.
 * @param {readonly Link[]} links
 * @param {Link["kind"]} kind
 * @param {Map<string | number, Rates | null>} ratesById
 * @returns {Peer[]}
 */
export function peersOf(links, kind, ratesById) {
  /** @type {Map<string, number | null>} */
  const messages = new Map();
  for (const { name, id, ...link } of links) {
    if (link.kind !== kind) continue;
    const rates = ratesById.get(id) ?? null;
    const before = messages.get(name);
    const both = rates === null ? null : rates.inMessages + rates.outMessages;
    messages.set(name, before === undefined || before === null ? both : before + (both ?? 0));
  }
  return [...messages].map(([name, perSecond]) => ({ kind, name, note: rate(perSecond) }));
}
