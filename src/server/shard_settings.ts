/** What the options of a config mean for a shard. */
import type { Options } from "../config/option_table.ts";
import type { TlsContext } from "../runtime/tls.ts";
import type { Credentials, ShardOptions, ShardTls } from "../shard/shard_options.ts";

const AUTHENTICATION_TIMEOUT_MS = 2000;
/** With TLS clients have as long as the handshake may take, and a second. */
const AUTHENTICATION_AFTER_TLS_MS = 1000;

/** `tlsContext` is what handshakes are made with, null on a server without TLS. */
export function shardOptions(options: Options, tlsContext: TlsContext | null): ShardOptions {
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
    logsDebug: options.debug,
    logsTrace: options.trace,
    tracesHeadersOnly: options.traceHeaders,
    maxTracedBytes: options.maxTracedMessageBytes,
    credentials: credentials(options),
    tls: shardTls(options, tlsContext),
  };
}

/** How long clients have to say who they are. */
export function authenticationTimeoutMs({ authorization, tls }: Options): number {
  const defaultMs =
    tls === undefined ? AUTHENTICATION_TIMEOUT_MS : tls.timeoutMs + AUTHENTICATION_AFTER_TLS_MS;
  return authorization?.timeoutMs ?? defaultMs;
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
  };
}

function credentials(options: Options): Credentials {
  const { authorization, noAuthUser } = options;
  if (authorization === undefined) return { kind: "none" };
  const timeoutMs = authenticationTimeoutMs(options);
  if (authorization.token !== undefined) return { kind: "token", token: authorization.token, timeoutMs };
  const users = [...(authorization.users ?? []), authorization].flatMap(({ user, password }) =>
    user === undefined ? [] : [{ user, password: password ?? "" }],
  );
  if (users.length === 0) return { kind: "none" };
  return { kind: "users", users, noAuthUser: noAuthUser ?? "", timeoutMs };
}
