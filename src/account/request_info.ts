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
 * What a request carries after its first import. `client` is all that is known of the requestor; without `share` only
 * its account and round trip are told, to the system account its server as well.
 *
 * Source: nats-server processServiceImport, getClientInfo.
 */
export function firstHop(client: ClientInfo, place: ServerPlace, hop: Hop): RequestInfo {
  if (hop.share) return { client: { ...client, ...place }, isShared: true };
  const { account, rttNs } = client;
  const told: ClientInfo = rttNs === undefined ? { account } : { account, rttNs };
  return { client: hop.isSystemExport ? { ...told, ...place } : told, isShared: false };
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

/** The value of the header. */
export function encodeRequestInfo({ client }: RequestInfo): string {
  return encodeGoJson(clientInfoMembers(client), 0);
}
