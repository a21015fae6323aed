/** What the options of a config mean for a shard. */
import type { Options } from "../config/option_table.ts";
import type { Credentials, ShardOptions } from "../shard/shard_options.ts";

const AUTHENTICATION_TIMEOUT_MS = 2000;

export function shardOptions(options: Options): ShardOptions {
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
  };
}

function credentials({ authorization, noAuthUser }: Options): Credentials {
  if (authorization === undefined) return { kind: "none" };
  const timeoutMs = authorization.timeoutMs ?? AUTHENTICATION_TIMEOUT_MS;
  if (authorization.token !== undefined) return { kind: "token", token: authorization.token, timeoutMs };
  const users = [...(authorization.users ?? []), authorization].flatMap(({ user, password }) =>
    user === undefined ? [] : [{ user, password: password ?? "" }],
  );
  if (users.length === 0) return { kind: "none" };
  return { kind: "users", users, noAuthUser: noAuthUser ?? "", timeoutMs };
}
