import type { Options } from "../../config/option_table.ts";
import type { OcspPeerOptions, TlsOptions } from "../../config/tls.ts";
import { CLIENT_CONTEXT, WEBSOCKET_CONTEXT } from "../../runtime/tls.ts";
import { isLeafContext, linkContextPlans } from "../settings/tls_contexts.ts";
import { hasWebSocket } from "../settings/websocket_settings.ts";
import type { CheckedPeers } from "./peer_checks.ts";

/** A TLS block whose peers are checked. */
export interface CheckedBlock {
  /** The name of the block, which is that of its TLS context. */
  readonly name: string;
  readonly peers: CheckedPeers;
  readonly options: OcspPeerOptions;
}

const CLIENTS: CheckedPeers = { kind: "Client", side: "client", isVerified: true };

/**
 * The blocks of clients, of leaf nodes, and of hubs that are dialled. Routes and gateways are not among them: there
 * nats-server relies on staples (`ocsp`). Source: nats-server `enableOCSP`.
 */
export function checkedBlocks(options: Options): readonly CheckedBlock[] {
  const blocks: CheckedBlock[] = [];
  const add = (name: string, tls: TlsOptions | undefined, peers: CheckedPeers) => {
    const peer = tls?.ocspPeer;
    if (peer?.verify === true) blocks.push({ name, peers, options: peer });
  };
  add(CLIENT_CONTEXT, options.tls, CLIENTS);
  if (hasWebSocket(options)) add(WEBSOCKET_CONTEXT, options.websocket.tls, CLIENTS);
  for (const { name, options: tls, roles } of linkContextPlans(options)) {
    if (!isLeafContext(name)) continue;
    const isDialled = roles.includes("client");
    const side = isDialled ? "server" : "client";
    add(name, tls, { kind: "Leafnode", side, isVerified: !(isDialled && tls.insecure) });
  }
  return blocks;
}
