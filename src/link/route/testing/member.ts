import { byteStringOf, textOf } from "../../../subject/byte_string.ts";
import type { InterestKey, Link, LinkClock, LinkMessage } from "../../core/link.ts";
import type { CertificateVerdict } from "../../core/link_certificate.ts";
import type { LinkInfo } from "../../core/link_info.ts";
import type { ServerLogin, ServerVerdict } from "../../core/server_login.ts";
import type { FakeNetwork } from "../../core/testing/fake_network.ts";
import { NotedWishes } from "../../core/testing/noted_wishes.ts";
import { RouteMesh } from "../route_mesh.ts";
import type { RouteSettings } from "../route_settings.ts";

/** A server of a cluster with nothing but its routes, which notes what they tell it. It listens on 127.0.0.1. */
export class Member {
  readonly mesh: RouteMesh;
  readonly port: number;
  readonly log: string[] = [];
  /** `<account> <subject>[ <queue>][ @<origin>] <weight>` for each change of what peers want. */
  readonly interest: string[] = [];
  readonly messages: { readonly message: LinkMessage; readonly queues: readonly string[] }[] = [];
  readonly renamed: string[] = [];
  readonly gateways: LinkInfo[] = [];
  /** Its verdict about every certificate. */
  certificateVerdict: CertificateVerdict | null = null;
  /** Verdicts wait until the test lets them go. */
  holdsVerdicts = false;
  readonly held: (() => void)[] = [];
  clientUrls: readonly string[] = [];
  webSocketUrls: readonly string[] = [];
  gatewayUrls: readonly string[] = [];
  leafNodeUrls: readonly string[] = [];
  readonly #wishes = new Map<string, { readonly key: InterestKey; readonly weight: number }>();
  readonly #links = new Set<Link>();
  /** What each peer wants. */
  readonly #wanted = new NotedWishes();

  constructor(
    network: FakeNetwork,
    clock: LinkClock,
    name: string,
    port: number,
    changes: Partial<RouteSettings> = {},
  ) {
    this.port = port;
    this.mesh = new RouteMesh(settingsOf(name, port, changes), "GENERATED", {
      clock,
      dialer: network.dialer,
      log: (level, text) => this.log.push(`${level} ${text}`),
      judge: (_connection, login, _isAgain, answer) => {
        const give = () => answer(this.certificateVerdict ?? this.#judge(login));
        if (this.holdsVerdicts) this.held.push(give);
        else give();
      },
      hasAccount: (account) => account !== "NOPE",
      announced: () => this.#wishes.values(),
      wanted: (link) => this.#wanted.list(link).map(({ key }) => key),
      wantedCount: (link) => this.#wanted.list(link).length,
      reassigned: (link, account) => this.#reassign(link, account),
      clusterRenamed: (cluster) => this.renamed.push(cluster),
      gatewayLines: () => "",
      gatewayGossip: (info) => {
        this.gateways.push(info);
        return info.gateway !== "unknown";
      },
      webSocketUrlsChanged: (urls) => {
        this.webSocketUrls = urls;
      },
      clientUrlsChanged: (urls) => {
        this.clientUrls = urls;
      },
      gatewayUrlsChanged: (urls) => {
        this.gatewayUrls = urls;
      },
      leafNodeUrlsChanged: (urls) => {
        this.leafNodeUrls = urls;
      },
      events: {
        joined: (link) => {
          this.#links.add(link);
          for (const account of new Set([...this.#wishes.values()].map(({ key }) => key.account))) {
            this.#reassign(link, account);
          }
        },
        left: (link) => {
          this.#links.delete(link);
          this.#wanted.forget(link);
        },
        interest: (link, key, weight) => {
          this.interest.push(shown(key, weight));
          this.#wanted.set(link, key, weight);
        },
        message: (_link, message, queues) => this.messages.push({ message, queues }),
        changed: () => {},
      },
    });
    network.listen(port, (connection) => this.mesh.accept(connection));
  }

  /** Names of the peers, sorted. */
  get peers(): string[] {
    return this.mesh.members.map(({ info }) => textOf(info.serverName)).sort();
  }

  /** This server wants a subject, with `weight` members of the queue group; 0 takes it back. */
  want(subject: string, weight = 1, queue = "", origin = "", account = "$G"): void {
    const key = { account, subject, queue, origin };
    const name = shown(key, 0);
    if (weight === 0) this.#wishes.delete(name);
    else this.#wishes.set(name, { key, weight });
    for (const link of this.#links) if (link.carries(account)) link.announce(key, weight);
  }

  send(
    subject: string,
    text: string,
    parts: Partial<LinkMessage> = {},
    queues: readonly string[] = [],
  ): void {
    const content = { bytes: new TextEncoder().encode(text), headerBytes: 0 };
    for (const link of this.#links) {
      if (!link.carries(parts.account ?? "$G")) continue;
      link.sendMessage({ account: "$G", origin: "", subject, reply: "", content, ...parts }, queues);
    }
  }

  /** What peers want of this server's messages now, sorted: `<peer>: <account> <subject>… <weight>`. */
  wanted(): string[] {
    return this.mesh.connections
      .flatMap((route) => {
        const name = textOf(route.info.serverName);
        return this.#wanted.list(route).map(({ key, weight }) => `${name}: ${shown(key, weight)}`);
      })
      .sort();
  }

  #judge({ user, password }: ServerLogin): ServerVerdict {
    const { credentials } = this.mesh.settings;
    const isAuthorized =
      credentials === null || (user === credentials.user && password === credentials.password);
    return { isAuthorized, log: null };
  }

  /** By account: how many connections it is told over, one for each peer. */
  carriersOf(accounts: readonly string[]): number[] {
    return accounts.map((account) => this.mesh.connections.filter((route) => route.carries(account)).length);
  }

  /** The interest of this server, as a peer should know it. */
  wishes(name: string): string[] {
    return [...this.#wishes.values()].map(({ key, weight }) => `${name}: ${shown(key, weight)}`);
  }

  #reassign(link: Link, account: string): void {
    if (!link.carries(account)) return;
    for (const { key, weight } of this.#wishes.values()) {
      if (key.account === account) link.announce(key, weight);
    }
  }

  /** Messages since the last call: `<account> <subject> <payload>`. */
  received(): string[] {
    return this.messages
      .splice(0)
      .map(({ message }) => `${message.account} ${message.subject} ${byteStringOf(message.content.bytes)}`);
  }

  logged(part: string): string[] {
    return this.log.filter((line) => line.includes(part));
  }
}

export function settingsOf(name: string, port: number, changes: Partial<RouteSettings> = {}): RouteSettings {
  return {
    serverId: `N${name}`,
    serverName: name,
    version: "2.15.2",
    runtime: "test",
    headers: true,
    maxPayloadBytes: 1024,
    clusterName: "C1",
    host: "127.0.0.1",
    port,
    advertise: null,
    noAdvertise: false,
    credentials: null,
    tlsTimeoutMs: null,
    poolSize: -1,
    pinnedAccounts: [],
    compression: { mode: "off", rttThresholdsMs: [] },
    permissions: null,
    routes: [],
    connectRetries: 0,
    connectBackoff: false,
    connectErrorReports: 3600,
    reconnectErrorReports: 1,
    heartbeat: { intervalMs: 120_000, pingsOutMax: 2 },
    controlLineBytesMax: 65_536,
    connectUrls: [`${name}:4222`],
    webSocketConnectUrls: [],
    gatewayUrl: "",
    leafNodeUrl: "",
    ...changes,
  };
}

/** The URL of a member's route port. */
export function routeTo(port: number): string {
  return `nats-route://127.0.0.1:${port}`;
}

function shown({ account, subject, queue, origin }: InterestKey, weight: number): string {
  const words = [account, subject, queue, origin === "" ? "" : `@${origin}`, `${weight}`];
  return words.filter((word) => word !== "").join(" ");
}
