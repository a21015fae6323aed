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
 * What may be known of a requestor: everything and the server it is on where that is shared, else just its account and
 * round trip. `client` is all that is known of it. A leaf is on the remote server.
 *
 * Source: nats-server getClientInfo.
 */
export function disclosed(client: ClientInfo, place: ServerPlace, isShared: boolean): ClientInfo {
  if (isShared) return { ...client, ...place };
  const { account, rttNs } = client;
  return rttNs === undefined ? { account } : { account, rttNs };
}

/**
 * What a request carries after its first import. The system account is told the server in any case.
 * Source: nats-server processServiceImport.
 */
export function firstHop(client: ClientInfo, place: ServerPlace, hop: Hop): RequestInfo {
  const told = disclosed(client, place, hop.share);
  return { client: hop.isSystemExport ? { ...told, ...place } : told, isShared: hop.share };
}

/**
 * What a request carries after a further import, by `middle`, the account it was delivered in before. It goes on
 * telling what the first one told; a hop that shares, or leads to the system account, adds the server.
 */
export function nextHop(before: RequestInfo, middle: string, place: ServerPlace, hop: Hop): RequestInfo {
  const addsPlace = !before.isShared && (hop.share || hop.isSystemExport);
  const client = { ...before.client, serviceAccount: middle, ...(addsPlace ? place : {}) };
  return { client, isShared: hop.share };
}

/**
 * The same of a request that came over a leaf link. What it carries is not taken for true, also where this server wrote it: who
 * asks is told anew, as far as the import before let it be known.
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
