import { CloseReason } from "../../protocol/close_reason.ts";
import { textOf } from "../../subject/byte_string.ts";
import { faultOf, type LinkFault } from "../core/link_fault.ts";
import type { LinkConnect } from "../core/link_info.ts";
import { quoted } from "../core/quoted.ts";
import { RESERVED_CLUSTER_NAME } from "./cluster_name.ts";
import type { RouteCredentials } from "./route_settings.ts";

export function authorizationFault({ user }: LinkConnect): LinkFault {
  const who = user === "" ? "" : ` - User ${quoted(user)}`;
  return {
    logText: `authentication error${who}`,
    wireText: "Authorization Violation",
    closeReason: CloseReason.AuthenticationFailure,
  };
}

/** What besides routes connects to their port, in the order of nats-server's checks; null for a route. */
export function connectFault(connect: LinkConnect): LinkFault | null {
  if (connect.lang !== "") return faultOf("attempted to connect to route port", CloseReason.IncorrectPort);
  if (connect.gateway !== "") {
    const text = `Rejecting connection from gateway ${quoted(connect.gateway)} on the Route port`;
    return faultOf(text, CloseReason.WrongGateway);
  }
  if (connect.cluster === RESERVED_CLUSTER_NAME) {
    const text = `Rejecting connection, cluster name ${quoted(connect.cluster)} is reserved`;
    return faultOf(text, CloseReason.ClusterNameConflict);
  }
  return null;
}

/** Whether a CONNECT has the cluster's credentials, if there are any. */
export function hasCredentials(
  { user, password }: LinkConnect,
  credentials: RouteCredentials | null,
): boolean {
  return credentials === null || (textOf(user) === credentials.user && credentials.isPassword(password));
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

/** A connection for one account alone, which this server does not make. */
export function dedicatedRouteFault(account: string): LinkFault {
  const text = `Not possible to have a dedicated route for account ${quoted(account)} between those servers`;
  return faultOf(text, CloseReason.ProtocolViolation);
}
