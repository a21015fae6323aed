/**
 * Who gets a message, by how it came to this server: the table that keeps messages from looping and from arriving twice.
 * Pure rules over links; who wants a message at all was asked before.
 *
 *   origin ↓ to →   route   gateway   leaf node of ours        our hub
 *   local           yes     yes       yes                      yes
 *   route           no      no        unless of its cluster    answers to services
 *   gateway         yes     no        yes                      yes
 *   leaf node       yes     yes       unless of its cluster    yes
 *   hub             no      yes       unless of its cluster    other hubs
 *
 * Imports between accounts that are both leaf nodes of one hub would bring a message back to it: it has imports of its own.
 *
 * Source: nats-server `processMsgResults`, `processInboundRoutedMsg`, `processInboundGatewayMsg`.
 */
import type { Link } from "./link.ts";

/** How a message came here. */
export interface Origin {
  /** The link it came over; null for what this server's own clients and services publish. */
  readonly link: Link | null;
  /** Cluster of the leaf node through which it entered, "" where it entered otherwise or nobody knows. */
  readonly cluster: string;
  /** The account it came in, where its link does not say so by being for one account alone. */
  readonly account?: string;
  /** An answer from another cluster that is on its last way to whoever asked: it may go one hop further than others. */
  readonly isAnswer?: boolean;
}

export const LOCAL_ORIGIN: Origin = { link: null, cluster: "" };

/** A link that wants a message: for itself with `queue` "", or for members of a group. */
export interface LinkInterest {
  readonly link: Link;
  readonly queue: string;
  readonly weight: number;
  /** Cluster of the leaf nodes that the interest is of; "" for anybody else. */
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

/** Whether two links end at one server: one may want messages over another route than the one it sends them by. */
function isSamePeer(from: Link | null, to: Link): boolean {
  return from === to || (from?.kind === "route" && to.kind === "route" && from.remoteId === to.remoteId);
}

/** Whether a leaf node is of the cluster that a message came from, which has it. */
function isOfCluster(origin: Origin, to: Link): boolean {
  const { cluster } = origin;
  return to.kind === "leaf" && cluster !== "" && to.cluster === cluster && !isImported(origin, to);
}

/** Whether interest is of the leaf nodes' cluster that a message came from. */
export function isOfOrigin(origin: Origin, { link, origin: of }: LinkInterest): boolean {
  return of !== "" && of === origin.cluster && !isImported(origin, link);
}

/** A message on its way to a leaf node in another account: the cluster that it came from has not had it there. */
function isImported(origin: Origin, to: Link): boolean {
  const account = origin.account ?? origin.link?.account ?? null;
  return to.kind === "leaf" && account !== null && account !== to.account;
}

/** An import would return a hub's message to the hub, or to another one that may be of its cluster: not all name theirs. */
function isBackToHub(from: Link, to: Link): boolean {
  if (from.role !== "hub" || from.account === to.account) return false;
  return from.cluster === "" || to.cluster === "" || from.cluster === to.cluster;
}

/** Who serves a queue group: members of this server (`here`), one link, or nobody. */
export type Pick = "here" | LinkInterest | null;

/**
 * One member of a group for a message. `membersHere` are those of this server, `candidates` the links that want it for
 * the group. Members of the cluster are drawn by weight; leaf nodes serve where the cluster has none, gateways, the nearest
 * first, where nobody else does.
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
  const reachable = candidates.filter(
    (wish) => mayCross(origin, wish.link, subject) && !isOfOrigin(origin, wish),
  );
  const near = reachable.filter(({ link, origin: of }) => link.kind === "route" && of === "");
  const picked = draw(membersHere, near, random);
  if (picked !== null) return picked;
  const leafs = reachable.filter(
    ({ link, origin: of }) => link.kind === "leaf" || (link.kind === "route" && of !== ""),
  );
  return draw(0, leafs, random) ?? nearest(reachable.filter(({ link }) => link.kind === "gateway"));
}

/** The group is named by a server that has none of its members: ours come first, and one more hop is allowed. */
function pickForRoute(
  origin: Origin,
  membersHere: number,
  candidates: readonly LinkInterest[],
  random: () => number,
): Pick {
  if (membersHere > 0) return "here";
  const others = candidates.filter(
    (wish) => !isSamePeer(origin.link, wish.link) && !isOfOrigin(origin, wish),
  );
  const leafs = others.filter(
    ({ link }) => link.kind === "leaf" && link.role === "spoke" && !isOfCluster(origin, link),
  );
  return (
    draw(0, leafs, random) ??
    draw(
      0,
      others.filter(({ link }) => link.kind === "route"),
      random,
    )
  );
}

/** Each as likely as it has members; null where there are none. */
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

/** A cluster whose round trip is not measured yet is farther than any other. */
function distance({ link }: LinkInterest): number {
  return link.rttMs === 0 ? Number.POSITIVE_INFINITY : link.rttMs;
}
