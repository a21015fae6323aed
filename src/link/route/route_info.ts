import { byteStringOfText } from "../../subject/byte_string.ts";
import { linkPermission } from "../core/json_fields.ts";
import {
  connectLine,
  EMPTY_LINK_CONNECT,
  EMPTY_LINK_INFO,
  type LinkInfo,
  SERVER_PROTOCOL,
} from "../core/link_info.ts";
import type { ClusterName } from "./cluster_name.ts";
import type { RouteSettings } from "./route_settings.ts";
import { type RouteUrl, routeUrlOf } from "./route_url.ts";

/**
 * The INFO by which this server introduces itself to other members. If `takesClients`, it carries the URLs for clients,
 * unless the configuration forbids that. Source: nats-server `startRouteAcceptLoop`; clusters.md 3.4, 3.9.
 */
export function routeInfo(settings: RouteSettings, cluster: ClusterName, takesClients: boolean): LinkInfo {
  const { advertise, permissions, gatewayUrl, leafNodeUrl } = settings;
  const isAdvertised = takesClients && !settings.noAdvertise;
  const { host, port } = advertise ?? settings;
  const hasTls = settings.tlsTimeoutMs !== null;
  return {
    ...EMPTY_LINK_INFO,
    serverId: byteStringOfText(settings.serverId),
    serverName: byteStringOfText(settings.serverName),
    version: byteStringOfText(settings.version),
    protocol: SERVER_PROTOCOL,
    goVersion: byteStringOfText(settings.runtime),
    host: byteStringOfText(host),
    port,
    headers: settings.headers,
    authRequired: settings.credentials !== null,
    tlsRequired: hasTls,
    tlsVerify: hasTls,
    maxPayloadBytes: settings.maxPayloadBytes,
    ip: advertise === null ? "" : byteStringOfText(routeUrlOf(host, port).text),
    cluster: cluster.name,
    isClusterDynamic: cluster.wasGenerated,
    connectUrls: isAdvertised ? settings.connectUrls.map(byteStringOfText) : [],
    webSocketConnectUrls: isAdvertised ? settings.webSocketConnectUrls.map(byteStringOfText) : [],
    import: linkPermission(permissions?.import),
    export: linkPermission(permissions?.export),
    lnoc: true,
    lnocu: true,
    ln: true,
    routePoolSize: Math.max(settings.poolSize, 0),
    gatewayUrl: byteStringOfText(gatewayUrl),
    leafNodeUrls: leafNodeUrl === "" ? [] : [byteStringOfText(leafNodeUrl)],
  };
}

/** The CONNECT line, which this server sends first when it dials. */
export function routeConnectLine(settings: RouteSettings, cluster: ClusterName, url: RouteUrl): string {
  return connectLine("route", {
    ...EMPTY_LINK_CONNECT,
    echo: true,
    user: byteStringOfText(url.user),
    password: byteStringOfText(url.password),
    tlsRequired: settings.tlsTimeoutMs !== null,
    headers: settings.headers,
    name: byteStringOfText(settings.serverId),
    cluster: cluster.name,
    isClusterDynamic: cluster.wasGenerated,
    lnoc: true,
    ln: true,
  });
}
