/** Derives the settings of each kind of link from the setup of the links shard. */
import { assert } from "../../base/assert.ts";
import { authorizationTimeoutMs } from "../../config/authorization.ts";
import { compressionSettings } from "../../config/compression.ts";
import { splitHostPort } from "../../config/readers.ts";
import type { TlsOptions } from "../../config/tls.ts";
import { READ_BYTES, RECEIVE_BYTES, SCRATCH_BYTES } from "../../memory/map.ts";
import { hostPortText, isEveryAddress } from "../../runtime/posix/socket_address.ts";
import type { LinksSetup } from "../../shard/links/links_setup.ts";
import { byteStringOfText } from "../../subject/byte_string.ts";
import type { LinkTls } from "../core/link.ts";
import { SERVER_PROTOCOL } from "../core/link_info.ts";
import type { GatewaySettings } from "../gateway/gateway_settings.ts";
import type { LeafOptions } from "../leaf/leaf_context.ts";
import type { RouteSettings } from "../route/route_settings.ts";

/** Lines of other servers may be this many times longer than clients' lines. */
const CONTROL_LINE_FACTOR = 16;
/** The upper limit, so that an unfinished line with its leading blanks fits before what is read next. */
const CONTROL_LINE_BYTES_MAX = READ_BYTES;
// `parseOperation` limits blanks and words separately; subjects are hashed in the scratch.
assert(2 * CONTROL_LINE_BYTES_MAX + 64 + READ_BYTES <= RECEIVE_BYTES, "a line is read to its end");
assert(CONTROL_LINE_BYTES_MAX <= SCRATCH_BYTES, "a subject fits the scratch");
const DIAL_TIMEOUT_MS = 1000;

export function routeSettings(
  setup: LinksSetup,
  { options, port }: NonNullable<LinksSetup["cluster"]>,
): RouteSettings {
  const { authorization, tls } = options;
  const advertised = options.advertise ? addressOf(options.advertise, port) : null;
  return {
    serverId: setup.serverId,
    serverName: setup.serverName,
    version: setup.version,
    runtime: setup.goVersion,
    headers: setup.supportsHeaders,
    maxPayloadBytes: setup.maxPayloadBytes,
    clusterName: options.name ?? setup.gateway?.options.name ?? "",
    host: options.host,
    port,
    advertise: advertised,
    noAdvertise: options.noAdvertise,
    credentials: authorization?.user
      ? {
          user: authorization.user,
          password: authorization.password ?? "",
          timeoutMs: authorizationTimeoutMs(authorization.timeoutMs, tls),
        }
      : null,
    tlsTimeoutMs: tls?.timeoutMs ?? null,
    poolSize: options.poolSize,
    pinnedAccounts: pinnedAccounts(options, setup.systemAccount),
    compression: compressionSettings(options.compression, "s2_fast"),
    permissions: options.permissions ?? null,
    routes: options.routes,
    connectRetries: options.connectRetries,
    connectBackoff: options.connectBackoff,
    connectErrorReports: setup.connectErrorReports,
    reconnectErrorReports: setup.reconnectErrorReports,
    heartbeat: {
      intervalMs: positive(options.pingIntervalMs) ?? setup.pingIntervalMs,
      pingsOutMax: positive(options.maxPingsOut) ?? setup.pingsOutMax,
    },
    controlLineBytesMax: controlLineBytesMax(setup),
    connectUrls: setup.connectUrls,
    webSocketConnectUrls: setup.webSocketUrls,
    gatewayUrl: setup.gateway === null ? "" : urlOf(gatewayAddress(setup, setup.gateway)),
    leafNodeUrl: leafUrl(setup),
  };
}

export function gatewaySettings(
  setup: LinksSetup,
  gateway: NonNullable<LinksSetup["gateway"]>,
): GatewaySettings {
  const { options } = gateway;
  const { authorization, tls } = options;
  const text = byteStringOfText;
  return {
    ...gatewayAddress(setup, gateway),
    name: text(options.name ?? ""),
    serverId: text(setup.serverId),
    serverName: text(setup.serverName),
    version: text(setup.version),
    headers: setup.supportsHeaders,
    maxPayloadBytes: setup.maxPayloadBytes,
    isAdvertised: Boolean(options.advertise),
    credentials: authorization?.user
      ? { user: text(authorization.user), password: text(authorization.password ?? "") }
      : null,
    authTimeoutMs: authorizationTimeoutMs(authorization?.timeoutMs, tls),
    tls: linkTls(tls, "gateway"),
    remotes: options.gateways.map((remote) => ({
      name: text(remote.name ?? ""),
      urls: remote.urls.map(text),
      tls: linkTls(remote.tls, `gateway:${remote.name}`) ?? linkTls(tls, "gateway"),
    })),
    rejectsUnknown: options.rejectUnknownCluster,
    controlLineBytesMax: controlLineBytesMax(setup),
    pingIntervalMs: setup.pingIntervalMs,
    pingsOutMax: setup.pingsOutMax,
    connectRetries: options.connectRetries,
    connectBackoff: options.connectBackoff,
    connectErrorReports: setup.connectErrorReports,
    reconnectErrorReports: setup.reconnectErrorReports,
  };
}

export function leafOptions(
  setup: LinksSetup,
  { options, port }: NonNullable<LinksSetup["leafnodes"]>,
): LeafOptions {
  const { tls, authorization } = options;
  const text = byteStringOfText;
  const address = options.advertise
    ? addressOf(options.advertise, port)
    : { host: reachableHost(options.host, setup.ownAddresses), port };
  const { user, nkey, users } = authorization ?? {};
  return {
    serverId: text(setup.serverId),
    serverName: text(setup.serverName),
    version: text(setup.version),
    goVersion: text(setup.goVersion),
    gitCommit: text(setup.gitCommit),
    protocol: SERVER_PROTOCOL,
    hasHeaders: setup.supportsHeaders,
    payloadBytesMax: setup.maxPayloadBytes,
    subscriptionsMax: setup.maxSubscriptions,
    controlLineBytesMax: controlLineBytesMax(setup),
    pingIntervalMs: setup.pingIntervalMs,
    webSocketPingIntervalMs: setup.webSocketPingIntervalMs,
    pingsOutMax: setup.pingsOutMax,
    hasGateways: setup.gateway !== null,
    isStandAlone: setup.cluster === null && setup.gateway === null && port === 0,
    connectErrorReports: setup.connectErrorReports,
    reconnectErrorReports: setup.reconnectErrorReports,
    ...address,
    tls:
      tls === undefined
        ? null
        : {
            verifies: tls.verify,
            timeoutMs: tls.timeoutMs,
            isFirst: tls.handshakeFirst.enabled,
            fallbackMs: tls.handshakeFirst.fallbackDelayMs,
          },
    authTimeoutMs: authorizationTimeoutMs(authorization?.timeoutMs, tls),
    hasOwnCredentials: Boolean(user) || nkey !== undefined || (users?.length ?? 0) > 0,
    versionMin: options.minVersion ?? null,
    compression: compressionSettings(options.compression, "s2_auto"),
    isolatesInterest: options.isolateLeafnodeInterest,
    reconnectIntervalMs: options.reconnectIntervalMs,
    dialTimeoutMs: positive(options.dialTimeoutMs) ?? DIAL_TIMEOUT_MS,
  };
}

/** The `host:port` at which leaf nodes reach this server; "" if it does not listen for them or does not tell. */
export function leafUrl({ leafnodes, ownAddresses }: LinksSetup): string {
  if (leafnodes === null || leafnodes.port === 0 || leafnodes.options.noAdvertise) return "";
  const { options, port } = leafnodes;
  if (options.advertise) return urlOf(addressOf(options.advertise, port));
  return urlOf({ host: reachableHost(options.host, ownAddresses), port });
}

/** The accounts with routes of their own: those of the configuration and, unless pooling is off, the system account. */
function pinnedAccounts(
  { accounts, poolSize }: { readonly accounts: readonly string[]; readonly poolSize: number },
  systemAccount: string,
): readonly string[] {
  if (poolSize < 0 || systemAccount === "" || accounts.includes(systemAccount)) return accounts;
  return [...accounts, systemAccount];
}

/** The longest line that another server may send. */
export function controlLineBytesMax({
  maxControlLineBytes,
}: Pick<LinksSetup, "maxControlLineBytes">): number {
  return Math.min(maxControlLineBytes * CONTROL_LINE_FACTOR, CONTROL_LINE_BYTES_MAX);
}

function gatewayAddress(
  { ownAddresses }: LinksSetup,
  { options, port }: NonNullable<LinksSetup["gateway"]>,
): { host: string; port: number } {
  if (options.advertise) return addressOf(options.advertise, port);
  return { host: reachableHost(options.host, ownAddresses), port };
}

/** Replaces a host that stands for every address by one that others can dial. */
function reachableHost(host: string, ownAddresses: readonly string[]): string {
  if (!isEveryAddress(host)) return host;
  return ownAddresses.find((ip) => !ip.startsWith("127.") && ip !== "::1") ?? "127.0.0.1";
}

/** The value of an option that only counts if it is above 0. */
function positive(value: number | undefined): number | undefined {
  return value !== undefined && value > 0 ? value : undefined;
}

function addressOf(advertised: string, port: number): { host: string; port: number } {
  const parts = splitHostPort(advertised) ?? { host: advertised, port: "0" };
  return { host: parts.host, port: Number(parts.port) <= 0 ? port : Number(parts.port) };
}

function urlOf({ host, port }: { readonly host: string; readonly port: number }): string {
  return hostPortText(host, port);
}

function linkTls(tls: TlsOptions | undefined, context: string): LinkTls | null {
  return tls === undefined ? null : { context, timeoutMs: tls.timeoutMs };
}
