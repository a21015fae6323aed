import type { ClientInfo } from "../../account/client_info.ts";
import { textOf } from "../../subject/byte_string.ts";
import type { LinkConnection } from "../core/link.ts";
import type { LeafReport } from "../leaf/leaf_report.ts";

/** The description of a leaf link in events of its account. */
export function leafInfoOf(report: LeafReport, startedAtMs: number, nameTag: string): ClientInfo {
  const rttNs = Math.round(report.rttMs * 1e6);
  return { ...identityOf(report, startedAtMs), ...connectOf(report), rttNs, nameTag };
}

/**
 * The description of a leaf link for services, without its round trip: a leaf node counts as being on the server at its
 * other end.
 * Source: nats-server getClientInfo, addServerAndClusterInfo.
 */
export function requestorOf(report: LeafReport, startedAtMs: number): ClientInfo {
  const { login, serverName } = report;
  return {
    ...identityOf(report, startedAtMs),
    ...connectOf(report),
    server: textOf(serverName),
    jwt: login?.jwt ?? "",
    issuerKey: login?.issuerKey ?? "",
    nameTag: login?.nameTag ?? "",
    tags: login?.tags ?? [],
  };
}

/** Name and version come with CONNECT, so they are known only of a server that dialled this one. */
function connectOf({ isSolicited, serverName, version }: LeafReport): Partial<ClientInfo> {
  return isSolicited ? {} : { name: textOf(serverName), version: textOf(version) };
}

function identityOf({ id, ip, account, login }: LeafReport, startedAtMs: number): ClientInfo {
  return {
    startedAtMs,
    clientId: id,
    host: ip,
    account: textOf(account),
    user: login?.user ?? "",
    kind: "Leafnode",
  };
}

/**
 * The description of a peer that could not log in. It is in no account, which nats-server writes as "N/A". Names are
 * byte strings as the peer sent them.
 */
export function refusedInfo(
  { id, remoteIp }: LinkConnection,
  known: {
    readonly user: string;
    readonly name: string;
    readonly version: string;
    readonly startedAtMs: number;
  },
): ClientInfo {
  const { user, name, version, startedAtMs } = known;
  return {
    startedAtMs,
    clientId: id,
    host: remoteIp,
    account: "N/A",
    user,
    name: textOf(name),
    version: textOf(version),
    kind: "Leafnode",
  };
}
