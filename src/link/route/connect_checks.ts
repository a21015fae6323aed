import { CloseReason } from "../../protocol/close_reason.ts";
import { ANY_CLUSTER } from "../core/link.ts";
import { faultOf, type LinkFault } from "../core/link_fault.ts";
import type { LinkConnect, LinkInfo } from "../core/link_info.ts";
import { quoted } from "../core/quoted.ts";

/** What besides routes connects to their port, in the order of nats-server's checks; null for a route. */
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

/** A cluster name that is not ours and does not become so; an empty one is another. */
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

/** A connection for one account alone, where one of the two servers makes none. */
export function dedicatedRouteFault(account: string): LinkFault {
  const text = `Not possible to have a dedicated route for account ${quoted(account)} between those servers`;
  return faultOf(text, CloseReason.ProtocolViolation);
}

/** One for an account that this server does not know. */
export function missingAccountFault(account: string): LinkFault {
  const text = `Unable to lookup account ${quoted(account)}: account missing`;
  return faultOf(text, CloseReason.MissingAccount);
}

/** One for an account that this server has among those of its pools. */
export function noRouteFault(account: string): LinkFault {
  return faultOf(`No route for account ${quoted(account)}`, CloseReason.ProtocolViolation);
}

/** An index that a connection of a pool cannot have: the side that dials says it, and alone. Null where it can. */
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
