import type { SubjectPermission } from "../../config/permissions.ts";
import { hostPortText } from "../../runtime/posix/socket_address.ts";
import { textOf } from "../../subject/byte_string.ts";
import { EMPTY_LINK_INFO, type LinkInfo, type LinkPermission } from "../core/link_info.ts";
import type { LeafContext } from "./leaf_context.ts";

/** The level of JetStream's API, which tools look at even without JetStream. */
const JETSTREAM_API_LEVEL = 5;

/** The INFO of this server's leaf listener, which every leaf node is sent again when something in it changes. */
export function leafInfo({ options, clusterName, leafUrls, webSocketUrls }: LeafContext): LinkInfo {
  return {
    ...EMPTY_LINK_INFO,
    serverId: options.serverId,
    serverName: options.serverName,
    version: options.version,
    protocol: options.protocol,
    gitCommit: options.gitCommit,
    goVersion: options.goVersion,
    host: options.host,
    port: options.port,
    headers: options.hasHeaders,
    authRequired: true,
    tlsRequired: options.tls !== null,
    tlsVerify: options.tls?.verifies ?? false,
    maxPayloadBytes: options.payloadBytesMax,
    ip: hostPortText(options.host, options.port),
    cluster: clusterName(),
    webSocketConnectUrls: webSocketUrls(),
    jetStreamApiLevel: JETSTREAM_API_LEVEL,
    infoOnConnect: true,
    leafNodeUrls: leafUrls(),
  };
}

/** Converts a permission from INFO. Go leaves out empty lists, so they mean nothing. */
export function fromLinkPermission(permission: LinkPermission | null): SubjectPermission | undefined {
  if (permission === null) return undefined;
  const { allow, deny } = permission;
  return {
    allow: allow.length > 0 ? allow.map(textOf) : undefined,
    deny: deny.length > 0 ? deny.map(textOf) : undefined,
  };
}
