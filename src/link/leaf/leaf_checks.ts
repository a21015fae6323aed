/** The reasons for which one side of a leaf connection refuses the other. Source: leafnodes.md 2.2 and 3.1. */
import { CloseReason } from "../../protocol/close_reason.ts";
import { goQuoteText } from "../../protocol/go_quote.ts";
import { ANY_CLUSTER } from "../core/link.ts";
import { faultOf, type LinkFault } from "../core/link_fault.ts";
import type { LinkConnect, LinkInfo } from "../core/link_info.ts";
import { quoted } from "../core/quoted.ts";
import { isVersionAtLeast } from "./version.ts";

/** Why the sender of a CONNECT cannot be our leaf node, whatever its login; null if it can. */
export function findLeafFault({ lang, cluster, gateway }: LinkConnect, ownCluster: string): LinkFault | null {
  if (lang !== "") return faultOf("attempted to connect to leaf node port", CloseReason.IncorrectPort);
  const ofCluster = findClusterFault(cluster);
  if (ofCluster !== null) return ofCluster;
  if (cluster !== "" && cluster === ownCluster) {
    return faultOf("remote leafnode has same cluster name", CloseReason.ClusterNamesIdentical);
  }
  if (gateway === "") return null;
  const name = quoted(gateway);
  return faultOf(`Rejecting connection from gateway ${name} on the leafnode port`, CloseReason.WrongGateway);
}

/** Why a leaf node is too old; null if it is not. */
export function findVersionFault({ version }: LinkConnect, versionMin: string | null): LinkFault | null {
  if (versionMin === null || isVersionAtLeast(version, versionMin)) return null;
  const text = `connection rejected since minimum version required is ${goQuoteText(versionMin)}`;
  return { ...faultOf(text, CloseReason.MinimumVersionRequired), isLimited: true };
}

/** Why the sender of a first INFO is not a hub; null if it may be one. */
export function findPortFault({ clientId, leafNodeUrls, infoOnConnect }: LinkInfo): LinkFault | null {
  if (clientId === 0 || (leafNodeUrls.length === 0 && !infoOnConnect)) {
    const logText = "attempted to connect to wrong port";
    return { logText, wireText: null, closeReason: CloseReason.IncorrectPort };
  }
  return null;
}

/** Why the sender of an INFO cannot be our hub; null if it can. */
export function findHubFault({ cluster }: LinkInfo): LinkFault | null {
  const fault = findClusterFault(cluster);
  return fault === null ? null : { ...fault, isLimited: true };
}

function findClusterFault(cluster: string): LinkFault | null {
  if (cluster.includes(" ")) {
    return faultOf("cluster name cannot contain spaces", CloseReason.ProtocolViolation);
  }
  return cluster === ANY_CLUSTER ? faultOf("cluster name is reserved", CloseReason.ProtocolViolation) : null;
}
