import { formatRoundTrip, formatTime, omitEmpty } from "./go_json.ts";
import type { LeafnodeSnapshot } from "./snapshots/links.ts";
import type { ServerSnapshot } from "./snapshots/server.ts";
import type { MonitorSource } from "./source.ts";

export interface LeafzOptions {
  /** Only those of this account; empty: all. */
  readonly account: string;
  readonly listsSubscriptions: boolean;
}

export type Leafz = ReturnType<typeof leafzReport>;

/** Leafnode connections, accepted and solicited. Source: nats-server `Leafz`. */
export async function leafz(
  source: MonitorSource,
  { account = "", listsSubscriptions = false }: Partial<LeafzOptions> = {},
): Promise<Leafz> {
  const leafnodes = await source.leafnodes({ account, listsSubscriptions });
  return leafzReport(await source.server(), leafnodes, listsSubscriptions);
}

export function leafzReport(
  { identity, nowMs }: ServerSnapshot,
  leafnodes: readonly LeafnodeSnapshot[],
  listsSubscriptions = false,
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
