import { formatRoundTrip, formatTime, omitEmpty } from "./go_json.ts";
import type { LeafnodeSnapshot } from "./snapshots/links.ts";
import type { ServerSnapshot } from "./snapshots/server.ts";

export type Leafz = ReturnType<typeof leafz>;

/** Leafnode connections, accepted and solicited. Source: nats-server `Leafz`. */
export function leafz(
  { identity, nowMs }: ServerSnapshot,
  leafnodes: readonly LeafnodeSnapshot[],
  listsSubscriptions: boolean,
) {
  return {
    server_id: identity.id,
    now: formatTime(nowMs),
    leafnodes: leafnodes.length,
    leafs: leafnodes.map((leafnode) => leafnodeReport(leafnode, listsSubscriptions)),
  };
}

function leafnodeReport(leafnode: LeafnodeSnapshot, listsSubscriptions: boolean) {
  return {
    id: leafnode.id,
    name: leafnode.name,
    is_spoke: leafnode.isSpoke,
    is_isolated: omitEmpty(leafnode.isIsolated),
    account: leafnode.account,
    ip: leafnode.ip,
    port: leafnode.port,
    rtt: formatRoundTrip(leafnode.roundTripNs),
    in_msgs: leafnode.inMessages,
    out_msgs: leafnode.outMessages,
    in_bytes: leafnode.inBytes,
    out_bytes: leafnode.outBytes,
    subscriptions: leafnode.subscriptionCount,
    subscriptions_list: listsSubscriptions
      ? omitEmpty(leafnode.subscriptions.map(({ subject }) => subject))
      : undefined,
    compression: omitEmpty(leafnode.compression),
    websocket: omitEmpty(leafnode.isWebSocket),
    proxy: leafnode.proxyKey === "" ? undefined : { key: leafnode.proxyKey },
  };
}
