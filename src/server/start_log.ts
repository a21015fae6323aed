/** What the log says when a server starts, in nats-server's words. */
import { findLoginWarnings, type LoginRules } from "../auth/login_rules.ts";
import type { Options } from "../config/option_table.ts";
import type { ListenerKind } from "../fabric/listeners.ts";
import type { Logger } from "../log/logger.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { ConfigOrigin } from "./server_settings.ts";
import type { MonitoredOperator } from "./settings/operator_setup.ts";
import { webSocketScheme } from "./settings/websocket_settings.ts";
import { listenersOf, listeningText } from "./threads/listeners.ts";
import type { Ports } from "./threads/listening.ts";
import { MIDGE_VERSION, NATS_VERSION } from "./version.ts";

const PAYLOAD_BYTES_ADVISED_MAX = 8 * 1024 * 1024;

export interface StartingServer {
  readonly id: string;
  readonly name: string;
  readonly shardCount: number;
  readonly transport: "epoll" | "runtime";
  readonly rules: LoginRules;
  /** The trusted ones in operator mode. */
  readonly operators: readonly MonitoredOperator[];
  /** "" for none. */
  readonly systemAccount: string;
}

/** The first lines of a start. */
export function logStart(
  log: Logger,
  options: Options,
  config: ConfigOrigin | null,
  runtime: Runtime,
  { id, name, shardCount, transport, rules, operators, systemAccount }: StartingServer,
): void {
  const shards = shardCount === 1 ? "1 shard" : `${shardCount} shards`;
  log.info("Starting nats-server");
  log.info(`  Version:  ${NATS_VERSION}`);
  log.info("  Git:      [not set]");
  log.info(`  Midge:    ${MIDGE_VERSION} on ${runtime.name} ${runtime.version}, ${shards}, ${transport}`);
  const cluster = options.cluster.name ?? options.gateway.name;
  if (cluster !== undefined) log.info(`  Cluster:  ${cluster}`);
  log.info(`  Name:     ${name}`);
  log.info(`  ID:       ${id}`);
  logFeatureFlags(log, options.featureFlags);
  for (const text of findLoginWarnings(rules)) log.warn(text);
  if (config !== null) log.info(`Using configuration file: ${config.file} (${config.digest})`);
  logOperators(log, operators);
  if (operators.length > 0 && systemAccount === "") {
    log.warn("Trusted Operators should utilize a System Account");
  }
  warnOfPayload(log, options);
}

function logOperators(log: Logger, operators: readonly MonitoredOperator[]): void {
  if (operators.length > 0) log.info("Trusted Operators");
  for (const { standard } of operators) {
    const { audience, name, issuedAtSeconds, expiresAtSeconds } = standard;
    log.info(`  System  : ${JSON.stringify(audience)}`);
    log.info(`  Operator: ${JSON.stringify(name)}`);
    log.info(`  Issued  : ${timeText(issuedAtSeconds)}`);
    log.info(`  Expires : ${expiresAtSeconds === 0 ? "Never" : timeText(expiresAtSeconds)}`);
  }
}

/** As Go writes times, always in UTC. */
function timeText(seconds: number): string {
  return `${new Date(seconds * 1000).toISOString().replace("T", " ").slice(0, 19)} +0000 UTC`;
}

function warnOfPayload(log: Logger, { maxPayloadBytes }: Options): void {
  if (maxPayloadBytes <= PAYLOAD_BYTES_ADVISED_MAX) return;
  log.warn("Maximum payloads over 8.00 MB are generally discouraged and could lead to poor performance");
}

/** Logs the ports that are open, except that of routes, and the TLS that clients meet there. */
export function logListening(log: Logger, options: Options, ports: Ports): void {
  for (const kind of ["gateway", "websocket", "leafnodes", "client"] as const)
    logListener(log, options, ports, kind);
  const { tls, allowNonTls, proxyProtocol } = options;
  if (proxyProtocol) log.info("PROXY protocol enabled for client connections");
  if (tls === undefined) return;
  log.info(`TLS ${allowNonTls ? "available" : "required"} for client connections`);
  const { enabled, fallbackDelayMs } = tls.handshakeFirst;
  if (enabled && fallbackDelayMs === 0) {
    log.warn('Clients that are not using "TLS Handshake First" option will fail to connect');
  }
}

/** One port, where it is open. */
export function logListener(log: Logger, options: Options, ports: Ports, kind: ListenerKind): void {
  const port = ports.get(kind);
  const listener = listenersOf(options).find((each) => each.kind === kind);
  if (port === undefined || listener === undefined) return;
  log.info(listeningText({ ...listener, port }, options));
  if (kind === "websocket" && webSocketScheme(options) === "ws") {
    log.warn("Websocket not configured with TLS. DO NOT USE IN PRODUCTION!");
  }
  if (kind === "client" || kind === "websocket" || !options[kind].tls?.insecure) return;
  const what = `TLS certificate chain and hostname of solicited ${DIALLED[kind]}`;
  log.warn(`${what} will not be verified. DO NOT USE IN PRODUCTION!`);
}

/** What the warning about `insecure` in a block's `tls` names. */
const DIALLED = { cluster: "routes", gateway: "gateways", leafnodes: "leafnodes" } as const;

function logFeatureFlags(log: Logger, flags: ReadonlyMap<string, boolean>): void {
  if (flags.size === 0) return;
  log.info("  Feature flags:");
  log.info(`    Unsupported:   ${[...flags.keys()].sort().join(", ")}`);
}
