/** Other servers that a test has misbehave, of every kind of link and on either side of it, as one thing. */
import type { Socket } from "node:net";
import { linkPort } from "./links.ts";
import type { Bytes, RawClient } from "./raw_client.ts";
import { gatewayConnect, gatewayInfo } from "./raw_gateway.ts";
import { hubInfo, leafConnect } from "./raw_leaf.ts";
import { RawLink } from "./raw_link.ts";
import { CLOSED_PORT, type RawListener } from "./raw_listener.ts";
import { type Fields, routeConnect, routeInfo } from "./raw_route.ts";
import type { ServerProcess } from "./server_process.ts";
import { DEFLATE_LINE, WebSocketPeer } from "./websocket_peer.ts";

export type HostileKind =
  | "route"
  | "gateway"
  | "leaf"
  | "leaf by WebSocket"
  | "dialled route"
  | "dialled gateway"
  | "hub";

export const HOSTILE_KINDS: readonly HostileKind[] = [
  "route",
  "gateway",
  "leaf",
  "leaf by WebSocket",
  "dialled route",
  "dialled gateway",
  "hub",
];

/** Those that the server under test accepts. */
export const ACCEPTED_KINDS = HOSTILE_KINDS.slice(0, 4);

/** User and password that a server with `hostileConfig` asks of its peers. */
const LOGIN = { user: "peer", pass: "p" };
const UP_MS = 10_000;

/** A server that takes every kind of peer, and dials the listener as the given kind, if that is one that is dialled. */
export function hostileConfig(kind: HostileKind, dialled: string): string {
  const authorization = `authorization { user: ${LOGIN.user}, password: ${LOGIN.pass}, timeout: 1 }`;
  const listen = `listen: "127.0.0.1:-1"`;
  const routes = kind === "dialled route" ? `routes: [ "nats-route://${dialled}" ]` : "";
  const gateway = kind === "dialled gateway" ? dialled : `127.0.0.1:${CLOSED_PORT}`;
  const remotes = kind === "hub" ? `remotes: [ { url: "nats-leaf://${dialled}" } ]` : "";
  return `
    server_name: N
    ping_interval: "500ms"
    ping_max: 2
    accounts { SYS {} }
    system_account: SYS
    cluster { name: C1, pool_size: -1, ${listen}, ${authorization}, ${routes} }
    gateway {
      name: C1, ${listen}, ${authorization}, reject_unknown_cluster: true
      gateways: [ { name: GX, url: "nats://${gateway}" } ]
    }
    leafnodes { ${listen}, ${authorization}, ${remotes} }
    websocket { ${listen}, no_tls: true, compression: true }
  `;
}

/** One connection of a misbehaving server. */
export class HostilePeer {
  readonly kind: HostileKind;
  /** What log lines about it begin with. */
  readonly address: string;
  readonly #client: RawClient;
  readonly #link: RawLink | null;
  readonly #webSocket: WebSocketPeer | null;
  readonly #listener: RawListener | null;

  private constructor(
    kind: HostileKind,
    over: { readonly link?: RawLink; readonly webSocket?: WebSocketPeer; readonly listener?: RawListener },
  ) {
    this.kind = kind;
    this.#link = over.link ?? null;
    this.#webSocket = over.webSocket ?? null;
    this.#listener = over.listener ?? null;
    this.#client = over.link?.client ?? over.webSocket!.client;
    const socket: Socket = this.#client.socket;
    this.address = `127.0.0.1:${socket.localPort}`;
  }

  /** Connects, or lets itself be dialled by way of the listener; nothing is said yet. */
  static async meet(server: ServerProcess, kind: HostileKind, listener: RawListener): Promise<HostilePeer> {
    switch (kind) {
      case "route":
      case "gateway":
      case "leaf": {
        const listeners = { route: "route", gateway: "gateways", leaf: "leafnode" } as const;
        const link = await RawLink.open(await linkPort(server, listeners[kind]));
        await link.readInfo();
        return new HostilePeer(kind, { link });
      }
      case "leaf by WebSocket": {
        const webSocket = await WebSocketPeer.upgrade(server, { path: "/leafnode", headers: [DEFLATE_LINE] });
        return new HostilePeer(kind, { webSocket });
      }
      default:
        return new HostilePeer(kind, { link: await listener.accept(UP_MS), listener });
    }
  }

  /** Says who it is; `cluster` and `password` are what a peer that is welcome has unless named. */
  introduce({ cluster, password = LOGIN.pass }: { cluster?: string; password?: string } = {}): void {
    const login = { user: LOGIN.user, pass: password };
    const info = (fields: Fields) => this.say(`INFO ${JSON.stringify(fields)}`);
    const connect = (fields: Fields) => this.say(`CONNECT ${JSON.stringify(fields)}`);
    const nowhere = `127.0.0.1:${CLOSED_PORT}`;
    switch (this.kind) {
      case "route":
        connect(routeConnect({ ...login, cluster: cluster ?? "C1" }));
        info(routeInfo({ cluster: cluster ?? "C1" }));
        break;
      case "gateway":
        connect(gatewayConnect(cluster ?? "GX", login));
        info(gatewayInfo(cluster ?? "GX", nowhere));
        break;
      case "leaf":
      case "leaf by WebSocket":
        connect(leafConnect({ ...login, cluster: cluster ?? "LC" }));
        break;
      case "dialled route":
        info(routeInfo({ cluster: cluster ?? "C1", port: this.#listener!.port }));
        break;
      case "dialled gateway":
        info(gatewayInfo(cluster ?? "GX", this.#listener!.address));
        break;
      case "hub":
        info(hubInfo(this.#listener!, { cluster: cluster ?? "HC" }));
        info({
          ...hubInfo(this.#listener!, { cluster: cluster ?? "HC" }),
          connect_info: true,
          remote_account: "$G",
        });
    }
  }

  say(...lines: string[]): void {
    this.bytes(lines.map((line) => `${line}\r\n`).join(""));
  }

  bytes(bytes: Bytes): void {
    if (this.#webSocket !== null) this.#webSocket.send(bytes);
    else this.#link!.sendBytes(bytes);
  }

  /** The frames below, where there are any. */
  get webSocket(): WebSocketPeer | null {
    return this.#webSocket;
  }

  get isClosed(): boolean {
    return this.#client.isClosed;
  }

  /** Takes nothing from its socket any more. */
  stopReading(): void {
    this.#client.pause();
  }

  startReading(): void {
    this.#client.resume();
  }

  destroy(): void {
    this.#client.destroy();
  }
}
