import { encodeGoJson } from "../protocol/go_json.ts";
import { type ClientInfo, clientInfoMembers, type ServerPlace } from "./client_info.ts";
import type { ServiceImport } from "./definition.ts";

/** The header by which a service learns who asks. */
export const REQUEST_INFO_HEADER = "Nats-Request-Info";

/** What a service is told of a request, and whether the last import it went through shares everything. */
export interface RequestInfo {
  readonly client: ClientInfo;
  readonly isShared: boolean;
}

type Hop = Pick<ServiceImport, "share" | "isSystemExport">;

/**
 * What the exporter may know of a requestor. If the import shares, everything, and the server that it is on; otherwise
 * only its account and round trip. `client` is all that is known of it. A leaf node counts as being on the remote
 * server.
 *
 * Source: nats-server getClientInfo.
 */
export function disclosed(client: ClientInfo, place: ServerPlace, isShared: boolean): ClientInfo {
  if (isShared) return { ...client, ...place };
  const { account, rttNs } = client;
  return rttNs === undefined ? { account } : { account, rttNs };
}

/**
 * What a request carries after its first import. The system account is always told the server.
 * Source: nats-server processServiceImport.
 */
export function firstHop(client: ClientInfo, place: ServerPlace, hop: Hop): RequestInfo {
  const told = disclosed(client, place, hop.share);
  return { client: hop.isSystemExport ? { ...told, ...place } : told, isShared: hop.share };
}

/**
 * What a request carries after a further import; `middle` is the account that it was delivered in before. What the
 * first import told stays; an import that shares, or leads to the system account, adds the server.
 */
export function nextHop(before: RequestInfo, middle: string, place: ServerPlace, hop: Hop): RequestInfo {
  const addsPlace = !before.isShared && (hop.share || hop.isSystemExport);
  const client = { ...before.client, serviceAccount: middle, ...(addsPlace ? place : {}) };
  return { client, isShared: hop.share };
}

/**
 * The same for a request that came over a leaf link. What it carries is not trusted, even if this server wrote it: the
 * requestor is told again, as far as the import before allowed.
 */
export function nextHopOfLeaf(
  before: RequestInfo,
  leaf: ClientInfo,
  middle: string,
  place: ServerPlace,
  hop: Hop,
): RequestInfo {
  return nextHop({ ...before, client: disclosed(leaf, place, before.isShared) }, middle, place, hop);
}

/** The value of the header. */
export function encodeRequestInfo({ client }: RequestInfo): string {
  return encodeGoJson(clientInfoMembers(client), 0);
}
