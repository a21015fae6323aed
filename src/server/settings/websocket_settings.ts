/** What the `websocket` block means for a shard, and how its port is told. */
import type { Options } from "../../config/option_table.ts";
import { parseOrigin } from "../../protocol/websocket/origin.ts";
import type { UpgradeRules } from "../../protocol/websocket/upgrade.ts";
import type { TlsContext } from "../../runtime/tls.ts";
import type { ShardWebSocket } from "../../shard/shard_options.ts";

/** Null without a WebSocket port; `port` is the one that is listened on. */
export function webSocketSettings(
  options: Options,
  loginTimeoutMs: number,
  tlsContext: TlsContext | null,
  port: number,
): ShardWebSocket | null {
  const { websocket } = options;
  if (!hasWebSocket(options)) return null;
  const isSecure = websocket.tls !== undefined;
  return {
    rules: upgradeRules(options),
    tls: tlsContext && {
      context: tlsContext,
      pinnedCerts: websocket.tls?.pinnedCerts ?? [],
      checksPeers: websocket.tls?.ocspPeer?.verify ?? false,
    },
    handshakeTimeoutMs: websocket.handshakeTimeoutMs,
    takesLeafs: options.leafnodes.port !== 0,
    pingIntervalMs: webSocketPingIntervalMs(options),
    loginTimeoutMs: websocket.authorization?.timeoutMs || loginTimeoutMs,
    info: {
      host: websocket.host,
      port,
      tlsRequired: isSecure,
      tlsAvailable: isSecure,
    },
  };
}

export function hasWebSocket({ websocket }: Options): boolean {
  return websocket.port !== 0;
}

/** The scheme of the port's URLs. With both `tls` and `no_tls` there is TLS. */
export function webSocketScheme({ websocket }: Options): "ws" | "wss" {
  return websocket.tls === undefined ? "ws" : "wss";
}

/** The ping interval of WebSockets, of clients and of leaf nodes. */
export function webSocketPingIntervalMs({ websocket, pingIntervalMs }: Options): number {
  return websocket.pingIntervalMs || pingIntervalMs;
}

function upgradeRules({ websocket }: Options): UpgradeRules {
  return {
    isSecure: websocket.tls !== undefined,
    origins: {
      isSameRequired: websocket.sameOrigin,
      // Each was found to be one when the options were checked.
      allowed: websocket.allowedOrigins.flatMap((text) => parseOrigin(text) ?? []),
    },
    allowsCompression: websocket.compression,
    headers: [...websocket.headers],
    cookieNames: {
      jwt: websocket.jwtCookie ?? "",
      user: websocket.userCookie ?? "",
      password: websocket.passCookie ?? "",
      token: websocket.tokenCookie ?? "",
    },
  };
}
