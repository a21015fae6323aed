import type { ClientInfo } from "../../account/client_info.ts";
import { textOf } from "../../subject/byte_string.ts";
import type { LinkConnection } from "../core/link.ts";
import type { LeafReport } from "../leaf/leaf_report.ts";

/** A leaf link as events of its account tell of it. */
export function leafInfoOf(
  { id, ip, account, user, serverName, version, rttMs }: LeafReport,
  startedAtMs: number,
  nameTag: string,
): ClientInfo {
  return {
    startedAtMs,
    clientId: id,
    host: ip,
    account: textOf(account),
    user: textOf(user),
    name: textOf(serverName),
    version: textOf(version),
    rttNs: Math.round(rttMs * 1e6),
    nameTag,
    kind: "Leafnode",
  };
}

/** One that could not log in is in no account, which nats-server says so. Names are byte strings as the peer sent them. */
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
