import type { Link } from "../core/link.ts";

/**
 * Wants the replies to requests of other clusters, so that they come to the links shard whoever else wants them. It is no
 * link: nothing crosses it.
 */
export const REPLIES: Link = {
  kind: "gateway",
  connection: {
    id: 0,
    remoteIp: "",
    remotePort: 0,
    send() {},
    close() {},
    startTls() {},
  },
  account: null,
  cluster: "",
  role: "inbound",
  isIsolated: false,
  takesHeaders: true,
  rttMs: 0,
  announce() {},
  maySend: () => false,
  messagePrefix: () => "",
  sendMessage() {},
};
