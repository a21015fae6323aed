import type { ClientInfo } from "../../account/client_info.ts";
import { textOf } from "../../subject/byte_string.ts";
import type { LeafReport } from "../leaf/leaf_report.ts";

/** A leaf link as events of its account tell of it. */
export function leafInfoOf({ id, ip, account, user, serverName, version, rttMs }: LeafReport): ClientInfo {
  return {
    clientId: id,
    host: ip,
    account: textOf(account),
    user: textOf(user),
    name: textOf(serverName),
    version: textOf(version),
    rttNs: Math.round(rttMs * 1e6),
    kind: "Leafnode",
  };
}
