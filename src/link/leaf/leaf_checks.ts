/** What either side of a leaf connection refuses the other for. Source: leafnodes.md 2.2 and 3.1. */

import { CloseReason } from "../../protocol/close_reason.ts";
import { goQuoteText } from "../../protocol/go_quote.ts";
import { faultOf, type LinkFault } from "../core/link_fault.ts";
import type { LinkConnect, LinkInfo } from "../core/link_info.ts";
import { quoted } from "../core/quoted.ts";
import { NOT_COMPRESSED } from "./leaf_terms.ts";
import { isVersionAtLeast } from "./version.ts";

/** Modes of this version; another one's would be an offer that nobody here understands. */
const COMPRESSION_MODES = [
  "",
  "not supported",
  "off",
  "accept",
  "s2_auto",
  "s2_fast",
  "s2_better",
  "s2_best",
  "s2_uncompressed",
];

/** Whether `mode`, from a configuration, says that a peer may offer compression. */
export function mayCompress(mode: string): boolean {
  return mode !== "off" && mode !== NOT_COMPRESSED && mode !== "disabled";
}

/** Why the sender of a CONNECT is no leaf node for us, whoever logged in; null if it is one. */
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

/** Why the sender of a first INFO is no hub; null if it is one. `mode` is what the remote's configuration has. */
export function findHubFault(info: LinkInfo, mode: string): LinkFault | null {
  const { clientId, leafNodeUrls, infoOnConnect, cluster, compression } = info;
  if (clientId === 0 || (leafNodeUrls.length === 0 && !infoOnConnect)) {
    const logText = "attempted to connect to wrong port";
    return { logText, wireText: null, closeReason: CloseReason.IncorrectPort };
  }
  if (mayCompress(mode) && !COMPRESSION_MODES.includes(compression)) {
    const fault = faultOf(
      `unsupported route compression mode ${quoted(compression)}`,
      CloseReason.ProtocolViolation,
    );
    return { ...fault, isLimited: true };
  }
  const fault = findClusterFault(cluster);
  return fault === null ? null : { ...fault, isLimited: true };
}

/** How CONNECT answers what the hub's INFO says of compression: this server never compresses. */
export function compressModeFor({ compression }: LinkInfo, mode: string): string {
  if (compression === "" || mode === NOT_COMPRESSED || mode === "disabled") return NOT_COMPRESSED;
  return compression === "off" || mode === "off" ? "off" : NOT_COMPRESSED;
}

function findClusterFault(cluster: string): LinkFault | null {
  if (cluster.includes(" ")) {
    return faultOf("cluster name cannot contain spaces", CloseReason.ProtocolViolation);
  }
  return cluster === "_" ? faultOf("cluster name is reserved", CloseReason.ProtocolViolation) : null;
}
