/** What the options of a config mean for a shard. */
import type { AccountDefinition } from "../account/definition.ts";
import type { Export } from "../account/exports.ts";
import type { LoginRules } from "../auth/login_rules.ts";
import type { Options } from "../config/option_table.ts";
import type { ShardOptions } from "../shard/shard_options.ts";

const AUTHENTICATION_TIMEOUT_MS = 2000;

/** What is not in the options themselves, or made from them once for all who need it. */
export interface ResolvedOptions {
  readonly rules: LoginRules;
  readonly accounts: readonly AccountDefinition[];
  /** What they offer each other, by the account's name. */
  readonly exports: ReadonlyMap<string, readonly Export[]>;
  readonly replySecret: readonly number[];
  readonly serverHash: string;
}

export function shardOptions(
  options: Options,
  { rules, accounts, replySecret, serverHash }: ResolvedOptions,
): ShardOptions {
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
    login: { rules, timeoutMs: options.authorization?.timeoutMs ?? AUTHENTICATION_TIMEOUT_MS },
    accounts,
    replySecret,
    serverHash,
    clusterName: options.cluster.name,
  };
}
