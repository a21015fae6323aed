import type { LinkInfo } from "../core/link_info.ts";
import { UrlCounts } from "./url_counts.ts";

/** Whom the members' URLs concern. Byte strings, without this server's own; called when the set has changed. */
export interface MemberUrlsSink {
  clientUrlsChanged(connectUrls: readonly string[]): void;
  webSocketUrlsChanged(connectUrls: readonly string[]): void;
  gatewayUrlsChanged(urls: readonly string[]): void;
  leafNodeUrlsChanged(urls: readonly string[]): void;
}

interface Announced {
  connectUrls: readonly string[];
  webSocketConnectUrls: readonly string[];
  readonly gatewayUrls: readonly string[];
  readonly leafNodeUrls: readonly string[];
}

/** Where clients, other clusters and leaf nodes find the other members. Source: clusters.md 3.4, 3.8. */
export class MemberUrls {
  readonly #sink: MemberUrlsSink;
  readonly #clients = new UrlCounts();
  readonly #webSockets = new UrlCounts();
  readonly #gateways = new UrlCounts();
  readonly #leafNodes = new UrlCounts();
  /** By member. */
  readonly #announced = new Map<string, Announced>();

  constructor(sink: MemberUrlsSink) {
    this.#sink = sink;
  }

  /** Takes what a member announced, by its id; URLs for clients only where members advertise each other's. */
  add(member: string, info: LinkInfo, advertises: boolean): void {
    const announced: Announced = {
      connectUrls: advertises ? info.connectUrls : [],
      webSocketConnectUrls: advertises ? info.webSocketConnectUrls : [],
      gatewayUrls: info.gatewayUrl === "" ? [] : [info.gatewayUrl],
      // A route has one; whatever else a list may be is not for members.
      leafNodeUrls: info.leafNodeUrls.length === 1 ? info.leafNodeUrls : [],
    };
    this.#announced.set(member, announced);
    if (this.#clients.add(announced.connectUrls)) this.#sink.clientUrlsChanged(this.#clients.urls);
    if (this.#webSockets.add(announced.webSocketConnectUrls)) {
      this.#sink.webSocketUrlsChanged(this.#webSockets.urls);
    }
    if (this.#gateways.add(announced.gatewayUrls)) this.#sink.gatewayUrlsChanged(this.#gateways.urls);
    if (this.#leafNodes.add(announced.leafNodeUrls)) this.#sink.leafNodeUrlsChanged(this.#leafNodes.urls);
  }

  /** The peer is in lame duck mode: no client is to go there. */
  forgetClients(member: string): void {
    const announced = this.#announced.get(member);
    if (announced === undefined) return;
    if (this.#clients.remove(announced.connectUrls)) this.#sink.clientUrlsChanged(this.#clients.urls);
    if (this.#webSockets.remove(announced.webSocketConnectUrls)) {
      this.#sink.webSocketUrlsChanged(this.#webSockets.urls);
    }
    announced.connectUrls = [];
    announced.webSocketConnectUrls = [];
  }

  remove(member: string): void {
    const announced = this.#announced.get(member);
    if (announced === undefined) return;
    this.forgetClients(member);
    this.#announced.delete(member);
    if (this.#gateways.remove(announced.gatewayUrls)) this.#sink.gatewayUrlsChanged(this.#gateways.urls);
    if (this.#leafNodes.remove(announced.leafNodeUrls)) this.#sink.leafNodeUrlsChanged(this.#leafNodes.urls);
  }
}
