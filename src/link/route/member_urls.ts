import type { LinkInfo } from "../core/link_info.ts";
import { UrlCounts } from "./url_counts.ts";

/**
 * Who is told of the members' URLs whenever the set of one kind changes. Byte strings, without this server's own URLs.
 */
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

/** The URLs at which clients, other clusters and leaf nodes reach the other members. Source: clusters.md 3.4, 3.8. */
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

  /** Takes what a member, named by its id, announced. URLs for clients count only if members advertise each other's. */
  add(member: string, info: LinkInfo, advertises: boolean): void {
    const announced: Announced = {
      connectUrls: advertises ? info.connectUrls : [],
      webSocketConnectUrls: advertises ? info.webSocketConnectUrls : [],
      gatewayUrls: info.gatewayUrl === "" ? [] : [info.gatewayUrl],
      // A member announces exactly one; any other list is ignored.
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

  /** Forgets a member's URLs for clients, because it is in lame duck mode. */
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
