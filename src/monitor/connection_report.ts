import { formatRoundTrip, formatTime, formatUptime, omitEmpty } from "./go_json.ts";
import type { SubscriptionListing } from "./parameters.ts";
import { GLOBAL_ACCOUNT } from "./select_connections.ts";
import type { ConnectionSnapshot } from "./snapshots/connections.ts";
import type { SubscriptionSnapshot } from "./snapshots/subscriptions.ts";
import { subscriptionReport } from "./subscription_report.ts";

export interface ConnectionReportOptions {
  readonly nowMs: number;
  readonly showsCredentials: boolean;
  readonly subscriptions: SubscriptionListing;
}

/**
 * One connection as /connz and /gatewayz show it. Closed connections show their age at the moment they closed, and the
 * credentials of their user even if the request did not ask for them.
 * Source: nats-server `ConnInfo`, `ConnInfo.fill`, `Connz`.
 */
export function connectionReport(connection: ConnectionSnapshot, options: ConnectionReportOptions) {
  const { stop, tls } = connection;
  const untilMs = stop?.atMs ?? options.nowMs;
  const isClosed = stop !== null;
  const { showsCredentials } = options;
  const showsUser = showsCredentials || isClosed;
  return {
    cid: connection.id,
    kind: connection.kind,
    type: omitEmpty(connection.type),
    ip: connection.ip,
    port: connection.port,
    start: formatTime(connection.startMs),
    last_activity: formatTime(connection.lastActivityMs),
    stop: stop === null ? undefined : formatTime(stop.atMs),
    reason: omitEmpty(stop?.reason),
    rtt: formatRoundTrip(connection.roundTripNs),
    uptime: formatUptime(untilMs - connection.startMs),
    idle: formatUptime(untilMs - connection.lastActivityMs),
    pending_bytes: connection.pendingBytes,
    in_msgs: connection.inMessages,
    out_msgs: connection.outMessages,
    in_bytes: connection.inBytes,
    out_bytes: connection.outBytes,
    stalls: omitEmpty(connection.stalls),
    subscriptions: connection.subscriptionCount,
    name: omitEmpty(connection.name),
    lang: omitEmpty(connection.language),
    version: omitEmpty(connection.version),
    tls_version: omitEmpty(tls?.version),
    tls_cipher_suite: omitEmpty(tls?.cipherSuite),
    tls_peer_certs:
      showsCredentials && !isClosed && tls !== null
        ? omitEmpty(
            tls.peerCertificates.map((certificate) => ({
              subject: omitEmpty(certificate.subject),
              spki_sha256: omitEmpty(certificate.publicKeySha256Hex),
              cert_sha256: omitEmpty(certificate.certificateSha256Hex),
            })),
          )
        : undefined,
    tls_first: omitEmpty(tls?.isFirst),
    authorized_user: showsCredentials ? omitEmpty(connection.user) : undefined,
    account:
      showsCredentials && connection.account !== GLOBAL_ACCOUNT ? omitEmpty(connection.account) : undefined,
    ...subscriptionLists(connection.subscriptions, options.subscriptions, isClosed),
    jwt: showsUser ? omitEmpty(connection.jwt) : undefined,
    issuer_key: showsUser ? omitEmpty(connection.issuerKey) : undefined,
    name_tag: omitEmpty(nameTag(connection, showsCredentials)),
    tags: showsUser ? omitEmpty(connection.tags) : undefined,
    mqtt_client: omitEmpty(connection.mqttClient),
    proxy: connection.proxyKey === "" ? undefined : { key: connection.proxyKey },
  };
}

/**
 * The two subscription lists of a connection or link; the one that was not asked for is left out. Those of a closed
 * connection name their account, and have lost their maximum.
 */
export function subscriptionLists(
  subscriptions: readonly SubscriptionSnapshot[],
  listing: SubscriptionListing,
  isClosed: boolean,
) {
  const detail = (subscription: SubscriptionSnapshot) =>
    subscriptionReport(isClosed ? { ...subscription, deliveriesMax: 0 } : subscription, isClosed);
  return {
    subscriptions_list:
      listing === "subjects" ? omitEmpty(subscriptions.map(({ subject }) => subject)) : undefined,
    subscriptions_list_detail: listing === "detail" ? omitEmpty(subscriptions.map(detail)) : undefined,
  };
}

/** The account's tag where credentials were asked for; a closed connection falls back to its user's. */
function nameTag(connection: ConnectionSnapshot, showsCredentials: boolean): string {
  if (connection.stop === null) return showsCredentials ? connection.accountNameTag : "";
  const knowsAccount = connection.account !== "" && connection.account !== GLOBAL_ACCOUNT;
  return showsCredentials && knowsAccount ? connection.accountNameTag : connection.userNameTag;
}
