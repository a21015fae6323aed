/** What clients are told of this server and its cluster at the moment. */
import type { Options } from "../config/option_table.ts";
import type { ClientListenerKind } from "../fabric/listeners.ts";
import type { ServerInfo } from "../protocol/info.ts";
import type { ServerIdentity } from "../protocol/server_object.ts";
import { announcedAddress, type InfoIdentity, serverIdentity, serverInfo } from "./server_info.ts";
import { clientUrls, webSocketUrls } from "./settings/links_setup.ts";
import type { Ports } from "./threads/listening.ts";

export class AnnouncedInfo {
  readonly #server: InfoIdentity;
  #options: Options;
  #ports: Ports = new Map();
  /** What other members of the cluster have added to INFO. */
  #fromCluster: Partial<ServerInfo> = {};
  #info: ServerInfo;

  /** Made before any port is known. `isAuthRequired`: clients of the client port have to log in. */
  constructor(server: InfoIdentity, options: Options, isAuthRequired: boolean) {
    this.#server = server;
    this.#options = options;
    this.#info = serverInfo(options, server, options, isAuthRequired);
  }

  get info(): ServerInfo {
    return this.#info;
  }

  /** The server as its events name it. */
  get identity(): ServerIdentity {
    return serverIdentity(this.#options, this.#server.id, this.#fromCluster.cluster);
  }

  /** The ports are known, or the options have changed. Throws where `client_advertise` is no address. */
  renew(options: Options, isAuthRequired: boolean, ports: Ports): ServerInfo {
    const address = announcedAddress(options, portOf(ports, "client"));
    if (!address.ok) {
      const value = options.clientAdvertise;
      throw new Error(
        `Error setting server INFO with ClientAdvertise value of ${value}, err=${address.reason}`,
      );
    }
    this.#options = options;
    this.#ports = ports;
    this.#info = { ...serverInfo(options, this.#server, address, isAuthRequired), ...this.#fromCluster };
    return this.#info;
  }

  /** Takes the URLs at which clients of such a port reach the other members of the cluster. */
  takeClientUrls(listener: ClientListenerKind, urls: readonly string[]): void {
    if (listener === "client") this.#takeFromCluster({ connectUrls: [...this.#clientUrls, ...urls] });
    else this.#takeFromCluster({ webSocketConnectUrls: [...this.#webSocketUrls, ...urls] });
  }

  takeClusterName(cluster: string): void {
    this.#takeFromCluster({ cluster });
  }

  /** INFO in lame duck mode, which names only the other servers. */
  get inLameDuckMode(): ServerInfo {
    const own = new Set([...this.#clientUrls, ...this.#webSocketUrls]);
    const { connectUrls = [], webSocketConnectUrls = [] } = this.#info;
    return {
      ...this.#info,
      connectUrls: connectUrls.filter((url) => !own.has(url)),
      webSocketConnectUrls: webSocketConnectUrls.filter((url) => !own.has(url)),
      lameDuckMode: true,
    };
  }

  #takeFromCluster(news: Partial<ServerInfo>): void {
    this.#fromCluster = { ...this.#fromCluster, ...news };
    this.#info = { ...this.#info, ...this.#fromCluster };
  }

  get #clientUrls(): readonly string[] {
    return clientUrls(this.#options, portOf(this.#ports, "client"));
  }

  get #webSocketUrls(): readonly string[] {
    return webSocketUrls(this.#options, portOf(this.#ports, "websocket"));
  }
}

function portOf(ports: Ports, kind: ClientListenerKind): number {
  return ports.get(kind) ?? 0;
}
