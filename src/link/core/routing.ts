/**
 * Who may get a message, by how it came to this server. This table keeps messages from looping and from arriving twice.
 * These are pure rules over links; the caller knows who wants the message at all.
 *
 *   origin ↓ to →   route   gateway   leaf node of ours        our hub
 *   local           yes     yes       yes                      yes
 *   route           no      no        unless of its cluster    answers to services
 *   gateway         yes     no        yes                      yes
 *   leaf node       yes     yes       unless of its cluster    yes
 *   hub             no      yes       unless of its cluster    other hubs
 *
 * If two accounts are both leaf nodes of one hub, imports between them would bring a hub's message back to the hub,
 * which does its own imports. Such a message does not go back.
 *
 * Source: nats-server `processMsgResults`, `processInboundRoutedMsg`, `processInboundGatewayMsg`.
 */
import type { Link } from "./link.ts";

/** How a message came here. */
export interface Origin {
  /** The link it came over; null if this server's own clients or services published it. */
  readonly link: Link | null;
  /** The cluster of the leaf node through which it came in; "" if it came in otherwise or the cluster is unknown. */
  readonly cluster: string;
  /** The account it came in, if its link is not for one account alone. */
  readonly account?: string;
  /**
   * Whether it is an answer from another cluster on its last stretch to the requestor, which may go one hop further
   * than other messages.
   */
  readonly isAnswer?: boolean;
}

export const LOCAL_ORIGIN: Origin = { link: null, cluster: "" };

/** A link that wants a message: for itself with `queue` "", or for members of a group. */
export interface LinkInterest {
  readonly link: Link;
  readonly queue: string;
  readonly weight: number;
  /** The cluster of the leaf nodes whose interest this is; "" if it is not that of leaf nodes. */
  readonly origin: string;
}

const SERVICE_REPLY = "_R_.";

/** Whether a message may go over a link at all, for plain interest or for a group. */
export function mayCross(origin: Origin, to: Link, subject: string): boolean {
  const { link: from } = origin;
  if (isSamePeer(from, to) || to.role === "inbound") return false;
  if (from === null) return true;
  if (origin.isAnswer) return to.kind !== "gateway" || !subject.startsWith(SERVICE_REPLY);
  switch (from.kind) {
    case "route":
      if (to.kind !== "leaf") return false;
      return to.role === "hub" ? subject.startsWith(SERVICE_REPLY) : !isOfCluster(origin, to);
    case "gateway":
      return to.kind !== "gateway";
    case "leaf":
      if (to.kind === "route") return from.role === "spoke";
      if (to.kind === "gateway") return true;
      return to.role === "hub" ? !isBackToHub(from, to) : !isOfCluster(origin, to);
  }
}

/**
 * Whether two links lead to the same server. A server may want messages over another route than the one it sends them
 * by.
 */
function isSamePeer(from: Link | null, to: Link): boolean {
  return from === to || (from?.kind === "route" && to.kind === "route" && from.remoteId === to.remoteId);
}

/** Whether a leaf node belongs to the cluster that a message came from, which has got it already. */
function isOfCluster(origin: Origin, to: Link): boolean {
  const { cluster } = origin;
  return to.kind === "leaf" && cluster !== "" && to.cluster === cluster && !isImported(origin, to);
}

/** Whether interest belongs to the cluster of leaf nodes that a message came from. */
export function isOfOrigin(origin: Origin, { link, origin: of }: LinkInterest): boolean {
  return of !== "" && of === origin.cluster && !isImported(origin, link);
}

/** Whether a message is on its way to a leaf node in another account, where the cluster it came from has not got it. */
function isImported(origin: Origin, to: Link): boolean {
  const account = origin.account ?? origin.link?.account ?? null;
  return to.kind === "leaf" && account !== null && account !== to.account;
}

/**
 * Whether an import would return a hub's message to that hub, or to another hub that may be of the same cluster: not
 * all hubs name their cluster.
 */
function isBackToHub(from: Link, to: Link): boolean {
  if (from.role !== "hub" || from.account === to.account) return false;
  return from.cluster === "" || to.cluster === "" || from.cluster === to.cluster;
}

/** Who serves a queue group: members of this server (`here`), one link, or nobody. */
export type Pick = "here" | LinkInterest | null;

/**
 * Picks one member of a group for a message. `membersHere` counts the members on this server; `candidates` are the
 * links that want it for the group. Members of the cluster are drawn by weight. If the cluster has none, a leaf node
 * serves, and if there is none either, the nearest gateway.
 */
export function pickMember(
  origin: Origin,
  subject: string,
  membersHere: number,
  candidates: readonly LinkInterest[],
  random: () => number,
): Pick {
  const from = origin.link;
  if (from?.kind === "route" && !origin.isAnswer)
    return pickForRoute(origin, membersHere, candidates, random);
  // A hub without a cluster that named a group whose members here have gone serves it itself.
  const back = from?.kind === "leaf" && from.cluster === "" ? from : null;
  const reachable = candidates.filter(
    (wish) => (wish.link === back || mayCross(origin, wish.link, subject)) && !isOfOrigin(origin, wish),
  );
  const near = reachable.filter(({ link, origin: of }) => link.kind === "route" && of === "");
  const picked = draw(membersHere, near, random);
  if (picked !== null) return picked;
  const leafs = reachable.filter(
    ({ link, origin: of }) => link.kind === "leaf" || (link.kind === "route" && of !== ""),
  );
  return draw(0, leafs, random) ?? nearest(reachable.filter(({ link }) => link.kind === "gateway"));
}

/**
 * Picks for a group that another server named. Our members come first. If they have gone meanwhile, the message may take
 * one more hop, at last back to that server, which drew us beside members of its own.
 */
function pickForRoute(
  origin: Origin,
  membersHere: number,
  candidates: readonly LinkInterest[],
  random: () => number,
): Pick {
  if (membersHere > 0) return "here";
  const reachable = candidates.filter((wish) => !isOfOrigin(origin, wish));
  const leafs = reachable.filter(
    ({ link }) => link.kind === "leaf" && link.role === "spoke" && !isOfCluster(origin, link),
  );
  const routes = reachable.filter(({ link }) => link.kind === "route");
  const isBack = ({ link }: LinkInterest) => isSamePeer(origin.link, link);
  return (
    draw(0, leafs, random) ??
    draw(
      0,
      routes.filter((wish) => !isBack(wish)),
      random,
    ) ??
    draw(0, routes.filter(isBack), random)
  );
}

/** Draws one, each with a probability in proportion to its members; null if there are none. */
function draw(membersHere: number, candidates: readonly LinkInterest[], random: () => number): Pick {
  let left = random() * candidates.reduce((sum, { weight }) => sum + weight, membersHere);
  if (left < membersHere) return "here";
  left -= membersHere;
  for (const candidate of candidates) {
    if (left < candidate.weight) return candidate;
    left -= candidate.weight;
  }
  return candidates[0] ?? null;
}

function nearest(gateways: readonly LinkInterest[]): LinkInterest | null {
  let best: LinkInterest | null = null;
  for (const gateway of gateways) if (best === null || distance(gateway) < distance(best)) best = gateway;
  return best;
}

/** The round trip. A cluster whose round trip is not measured yet is farther than any other. */
function distance({ link }: LinkInterest): number {
  return link.rttMs === 0 ? Number.POSITIVE_INFINITY : link.rttMs;
}
