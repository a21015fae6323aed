import type { Link } from "../core/link.ts";

/** A link that nothing crosses. It stands for all links of its kind, or for the links shard itself. */
export function standIn(kind: Link["kind"], role: Link["role"]): Link {
  return {
    kind,
    role,
    connection: {
      id: 0,
      remoteIp: "",
      remotePort: 0,
      send() {},
      close() {},
      startTls() {},
      startWebSocket() {},
      compress() {},
    },
    account: null,
    remoteId: "",
    carries: () => false,
    cluster: "",
    isIsolated: false,
    takesHeaders: true,
    serverName: "",
    tracesMessages: false,
    rttMs: 0,
    announce() {},
    maySend: () => false,
    messagePrefix: () => "",
    sendMessage: () => false,
  };
}
