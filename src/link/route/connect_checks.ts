import { CloseReason } from "../../protocol/close_reason.ts";
import { ANY_CLUSTER } from "../core/link.ts";
import { faultOf, type LinkFault } from "../core/link_fault.ts";
import type { LinkConnect, LinkInfo } from "../core/link_info.ts";
import { quoted } from "../core/quoted.ts";

/**
 * The fault of a peer on the route port that is not a route, by nats-server's checks in their order; null for a route.
 */
export function connectFault(connect: LinkConnect): LinkFault | null {
  if (connect.lang !== "") return faultOf("attempted to connect to route port", CloseReason.IncorrectPort);
  if (connect.gateway !== "") {
    const text = `Rejecting connection from gateway ${quoted(connect.gateway)} on the Route port`;
    return faultOf(text, CloseReason.WrongGateway);
  }
  if (connect.cluster === ANY_CLUSTER) {
    const text = `Rejecting connection, cluster name ${quoted(connect.cluster)} is reserved`;
    return faultOf(text, CloseReason.ClusterNameConflict);
  }
  return null;
}

/** The peer's cluster name is not ours and does not become ours; an empty one is a different one, too. */
export function clusterNameFault(theirs: string, ours: string): LinkFault {
  const text = `Rejecting connection, cluster name ${quoted(theirs)} does not match ${quoted(ours)}`;
  return faultOf(text, CloseReason.ClusterNameConflict);
}

export function duplicateNameFault(serverName: string): LinkFault {
  return {
    logText: `Remote server has a duplicate name: ${quoted(serverName)}`,
    wireText: null,
    closeReason: CloseReason.DuplicateServerName,
  };
}

/** A connection is for one account alone, but one of the two servers makes no such connections. */
export function dedicatedRouteFault(account: string): LinkFault {
  const text = `Not possible to have a dedicated route for account ${quoted(account)} between those servers`;
  return faultOf(text, CloseReason.ProtocolViolation);
}

/** A connection is for an account that this server does not know. */
export function missingAccountFault(account: string): LinkFault {
  const text = `Unable to lookup account ${quoted(account)}: account missing`;
  return faultOf(text, CloseReason.MissingAccount);
}

/** A connection is for an account that goes by the pool on this server. */
export function noRouteFault(account: string): LinkFault {
  return faultOf(`No route for account ${quoted(account)}`, CloseReason.ProtocolViolation);
}

/**
 * The fault of an index that a connection of a pool cannot have; null for a valid one. Only the side that dialled tells
 * an index.
 */
export function poolIndexFault(info: LinkInfo, isDialled: boolean, poolSize: number): LinkFault | null {
  const { routePoolIndex: index, routePoolSize } = info;
  if (isDialled) {
    if (index === 0) return null;
    return faultOf(
      `Route pool index should not be set but is set to ${index}`,
      CloseReason.ProtocolViolation,
    );
  }
  if (index >= 0 && index < poolSize) return null;
  return faultOf(
    `Invalid route pool index: ${index} - pool size is ${routePoolSize}`,
    CloseReason.ProtocolViolation,
  );
}
