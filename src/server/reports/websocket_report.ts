/** The WebSocket port as monitoring shows it. */
import type { Options } from "../../config/option_table.ts";
import type { WebSocketOptions } from "../../monitor/snapshots/options.ts";
import { certificateEndMs } from "../../runtime/tls_files.ts";
import { hasWebSocket } from "../settings/websocket_settings.ts";

/** Empty without such a port; `port` is the one that is listened on. */
export function webSocketReport(options: Options, port: number): WebSocketOptions {
  const { websocket } = options;
  if (!hasWebSocket(options)) return {};
  return {
    host: websocket.host,
    port,
    ...(websocket.advertise === undefined ? {} : { advertise: websocket.advertise }),
    ...(websocket.noAuthUser === undefined ? {} : { noAuthUser: websocket.noAuthUser }),
    ...(websocket.jwtCookie === undefined ? {} : { jwtCookie: websocket.jwtCookie }),
    handshakeTimeoutMs: websocket.handshakeTimeoutMs,
    authTimeoutMs: websocket.authorization?.timeoutMs ?? 0,
    // As configured, even where TLS is used all the same.
    isTlsDisabled: websocket.noTls,
    mapsTlsIdentity: websocket.tls?.verifyAndMap ?? false,
    tlsPinnedCerts: websocket.tls?.pinnedCerts ?? [],
    isSameOrigin: websocket.sameOrigin,
    allowedOrigins: websocket.allowedOrigins,
    isCompressed: websocket.compression,
    tlsCertNotAfterMs: websocket.tls === undefined ? null : certificateEndMs(websocket.tls),
  };
}
