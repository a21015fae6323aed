/** Details of a client: for the services it asks, and for events of the system account. Cold. */
import type { ClientInfo } from "../../account/client_info.ts";
import type { Connection } from "../connection.ts";

const NS_PER_US = 1000;
const NS_PER_MS = 1e6;

/** Everything that a service may be told. */
export function detailsForServices(connection: Connection, serverName: string): ClientInfo {
  const { login, rttMs, leafDetails } = connection;
  const rttNs = Math.round(rttMs * NS_PER_MS);
  if (leafDetails !== null) return { ...leafDetails, rttNs };
  return {
    ...identityOf(connection),
    rttNs,
    server: serverName,
    jwt: login?.jwt ?? "",
    nameTag: login?.nameTag ?? "",
  };
}

/**
 * For the event of a client that connected, or was refused. A JWT is shown as it was presented, unless an auth callout
 * has let the client in.
 */
export function detailsForEvents(connection: Connection): ClientInfo {
  const { account, options, login } = connection;
  // Only a callout gives a login the key of a user JWT, but none that the client has.
  const isByCallout = login !== null && login.publicKey !== "" && login.jwt === "";
  return {
    ...identityOf(connection),
    jwt: isByCallout ? "" : options.jwt,
    nameTag: account.definition.nameTag ?? account.name,
  };
}

/** For the event of a client that disconnected. */
export function detailsAtEnd(connection: Connection, stoppedAtMs: number): ClientInfo {
  const { rttMs } = connection;
  const rttNs = Math.round(rttMs * NS_PER_MS);
  return {
    ...detailsForEvents(connection),
    // In whole microseconds below a millisecond. Source: nats-server getRTT.
    rttNs: rttNs > NS_PER_US && rttNs < NS_PER_MS ? rttNs - (rttNs % NS_PER_US) : rttNs,
    stoppedAtMs,
  };
}

function identityOf(connection: Connection) {
  const { account, login, user, options, ip, clientId, startMs, webSocket } = connection;
  return {
    startedAtMs: startMs,
    host: ip,
    clientId,
    account: account.name,
    user,
    name: options.name,
    language: options.lang,
    version: options.version,
    issuerKey: login?.issuerKey ?? "",
    tags: login?.tags ?? [],
    kind: "Client",
    clientType: webSocket === null ? "nats" : "websocket",
  };
}
