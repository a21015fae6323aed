/** What the options mean for a shard, and for the logins thread. */
import type { AccountDefinition } from "../../account/definition.ts";
import type { Export } from "../../account/exports.ts";
import type { LoginRules } from "../../auth/login_rules.ts";
import { authorizationTimeoutMs } from "../../config/authorization.ts";
import type { Options } from "../../config/option_table.ts";
import type { CalloutAccounts } from "../../logins/callouts.ts";
import type { LoginsSettings } from "../../logins/logins.ts";
import type { TlsContext } from "../../runtime/tls.ts";
import type { ShardOptions, ShardTls } from "../../shard/shard_options.ts";
import type { ServerContexts } from "./tls_contexts.ts";
import { hasWebSocket, webSocketSettings } from "./websocket_settings.ts";

/** What has been worked out from the options, once for all threads that need it. */
export interface ResolvedOptions {
  readonly rules: LoginRules;
  readonly accounts: readonly AccountDefinition[];
  /** What they offer each other, by the account's name. */
  readonly exports: ReadonlyMap<string, readonly Export[]>;
  /** Null without an auth callout. */
  readonly calloutAccounts: CalloutAccounts | null;
  readonly replySecret: readonly number[];
  readonly serverHash: string;
}

/** `webSocketPort` is the one that is listened on, 0 before that is known. */
export function shardOptions(
  options: Options,
  { rules, calloutAccounts, accounts, replySecret, serverHash }: ResolvedOptions,
  contexts: Pick<ServerContexts, "client" | "webSocket">,
  clusterName: string | undefined,
  webSocketPort: number,
): ShardOptions {
  const loginTimeoutMs = authenticationTimeoutMs(options);
  return {
    maxConnections: options.maxConnections,
    maxPayloadBytes: options.maxPayloadBytes,
    maxControlLineBytes: options.maxControlLineBytes,
    maxPendingBytes: options.maxPendingBytes,
    maxSubscriptions: options.maxSubscriptions,
    maxSubscriptionTokens: options.maxSubscriptionTokens,
    pingIntervalMs: options.pingIntervalMs,
    pingMax: options.maxPingsOut,
    writeDeadlineMs: options.writeDeadlineMs,
    retriesWrites: options.writeTimeout === "retry",
    dropsInsteadOfStalling: options.noFastProducerStall,
    supportsHeaders: !options.noHeaderSupport,
    takesProxyHeaders: options.proxyProtocol,
    logsDebug: options.debug,
    logsTrace: options.trace,
    tracesHeadersOnly: options.traceHeaders,
    maxTracedBytes: options.maxTracedMessageBytes,
    login: { rules, timeoutMs: loginTimeoutMs, calloutTargets: [...(calloutAccounts?.targets ?? [])] },
    accounts,
    replySecret,
    serverHash,
    clusterName,
    tls: shardTls(options, contexts.client),
    webSocket: webSocketSettings(options, loginTimeoutMs, contexts.webSocket, webSocketPort),
  };
}

/** How long clients have to say who they are. */
export function authenticationTimeoutMs({ authorization, tls }: Options): number {
  return authorizationTimeoutMs(authorization?.timeoutMs, tls);
}

function shardTls({ tls, allowNonTls }: Options, context: TlsContext | null): ShardTls | null {
  if (tls === undefined || context === null) return null;
  return {
    context,
    allowsPlain: allowNonTls,
    isFirst: tls.handshakeFirst.enabled,
    fallbackDelayMs: tls.handshakeFirst.fallbackDelayMs,
    timeoutMs: tls.timeoutMs,
    pinnedCerts: tls.pinnedCerts,
    connectionRateLimit: tls.connectionRateLimit,
    checksPeers: tls.ocspPeer?.verify ?? false,
  };
}

export function loginsSettings(
  options: Options,
  { rules, calloutAccounts }: ResolvedOptions,
): LoginsSettings {
  const webSocketMs = hasWebSocket(options) ? (options.websocket.authorization?.timeoutMs ?? 0) : 0;
  return { rules, timeoutMs: Math.max(authenticationTimeoutMs(options), webSocketMs), calloutAccounts };
}
