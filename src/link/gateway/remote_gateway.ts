import { DialTries } from "../core/dial_tries.ts";
import type { LinkClock, LinkConnection, LinkDialer, LinkLog, LinkPeer, LinkTls } from "../core/link.ts";
import { quoted } from "../core/quoted.ts";
import type { DialPolicy } from "./gateway_settings.ts";
import { type GatewayUrl, isHostName, parseGatewayUrl } from "./gateway_url.ts";
import { nameHash } from "./name_hash.ts";

const DIAL_TIMEOUT_MS = 1000;
const RECONNECT_DELAY_MS = 1000;
const RECONNECT_SPREAD_MS = 100;

/** The owner of the remote. */
export interface RemoteGatewayHost {
  readonly settings: DialPolicy;
  readonly hooks: { readonly clock: LinkClock; readonly dialer: LinkDialer; readonly log: LinkLog };
  /** The protocol for a connection that was opened to `url`. */
  connected(remote: RemoteGateway, url: GatewayUrl, connection: LinkConnection): LinkPeer;
  /** Whether this cluster has a connection to us, which proves that it is there. */
  hasInbound(name: string): boolean;
  /** An implicit remote could not be reached, and is to be forgotten. */
  gaveUp(remote: RemoteGateway): void;
}

/**
 * A cluster that this server keeps one outbound connection to: `idle ─▶ dialling ─▶ connected ─▶ waiting ─▶ dialling
 * …`. Each round dials its URLs one after the other, in random order. Source: nats-server gatewayCfg, solicitGateway,
 * reconnectGateway.
 */
export class RemoteGateway {
  readonly name: string;
  readonly hash: string;
  /** Whether the cluster was learned from others, not configured. */
  readonly isImplicit: boolean;
  tls: LinkTls | null;
  readonly #configured: readonly GatewayUrl[];
  readonly #host: RemoteGatewayHost;
  /** By address. */
  #urls = new Map<string, GatewayUrl>();
  /** The first host name seen, which a certificate must name if a URL has only an address; "" for none. */
  #certificateName = "";
  #state: "idle" | "dialling" | "connected" | "waiting" | "stopped" = "idle";
  /** Counts the rounds until there is a connection. */
  #tries = new DialTries(true);
  #connectedMs = 0;
  #cancel = () => {};

  constructor(
    remote: { name: string; urls: readonly string[]; tls: LinkTls | null; isImplicit: boolean },
    host: RemoteGatewayHost,
  ) {
    this.name = remote.name;
    this.hash = nameHash(remote.name);
    this.isImplicit = remote.isImplicit;
    this.tls = remote.tls;
    this.#host = host;
    this.#configured = remote.isImplicit ? [] : readUrls(remote.urls);
    this.#addAll(readUrls(remote.urls));
  }

  /** The `host:port` of each known address. */
  get addresses(): readonly string[] {
    return [...this.#urls.keys()];
  }

  /** Adds URLs learned by gossip. */
  addUrls(urls: readonly string[]): void {
    this.#addAll(readUrls(urls));
  }

  /** Replaces all URLs by those that the cluster itself has told; configured ones stay. */
  replaceUrls(urls: readonly string[]): void {
    this.#urls = new Map();
    this.#addAll([...this.#configured, ...readUrls(urls)]);
  }

  /** Dials for the first time; does nothing if that has begun. */
  solicit(): void {
    if (this.#state === "idle") this.#startRounds(true);
  }

  /**
   * The connection is gone. Dials again, after a second unless the remote is implicit and the connection lasted that
   * long; nats-server dials an implicit gateway that refuses it ten times a second.
   */
  lost(): void {
    if (this.#state !== "connected") return;
    this.#host.hooks.log("debug", `Attempting reconnect for gateway ${quoted(this.name)}`);
    const hasLasted = this.#host.hooks.clock.nowMs() - this.#connectedMs >= RECONNECT_DELAY_MS;
    const spreadMs = Math.floor(this.#host.hooks.clock.random() * RECONNECT_SPREAD_MS);
    this.#wait((this.isImplicit && hasLasted ? 0 : RECONNECT_DELAY_MS) + spreadMs, () =>
      this.#startRounds(false),
    );
  }

  stop(): void {
    this.#cancel();
    this.#state = "stopped";
  }

  /** The TLS settings for a connection to `url`. The other side's certificate must name a host name if any is known. */
  tlsFor(url: GatewayUrl): LinkTls | null {
    if (this.tls === null) return null;
    const isNamed = isHostName(url) || this.#certificateName === "";
    return { ...this.tls, serverName: isNamed ? url.host : this.#certificateName };
  }

  #addAll(urls: readonly GatewayUrl[]): void {
    for (const url of urls) {
      if (this.#urls.has(url.address)) continue;
      this.#urls.set(url.address, url);
      if (this.#certificateName === "" && isHostName(url)) this.#certificateName = url.host;
    }
  }

  #startRounds(isFirst: boolean): void {
    this.#tries = new DialTries(isFirst);
    this.#startRound();
  }

  #startRound(): void {
    this.#state = "dialling";
    this.#tries.count++;
    this.#dialNext(shuffled([...this.#urls.values()], this.#host.hooks.clock));
  }

  #dialNext(urls: readonly GatewayUrl[]): void {
    const [url, ...others] = urls;
    if (url === undefined) {
      this.#roundFailed();
      return;
    }
    const { host, port, address } = url;
    this.#report("Connecting to", address, "");
    this.#host.hooks.dialer.dial(
      { kind: "gateway", host, port, timeoutMs: DIAL_TIMEOUT_MS },
      (connection) => {
        if (this.#state === "dialling") this.#state = "connected";
        this.#connectedMs = this.#host.hooks.clock.nowMs();
        return this.#host.connected(this, url, connection);
      },
      (reason, isSelf) => {
        if (this.#state !== "dialling") return;
        if (!isSelf) this.#report("Error connecting to", address, `: ${reason}`);
        this.#dialNext(others);
      },
    );
  }

  #roundFailed(): void {
    const isOver = this.isImplicit && this.#tries.count > this.#host.settings.connectRetries;
    if (isOver && !this.#host.hasInbound(this.name)) {
      this.stop();
      this.#host.gaveUp(this);
      return;
    }
    this.#wait(this.#tries.pauseMs(this.#host.settings.connectBackoff), () => this.#startRound());
  }

  #wait(ms: number, then: () => void): void {
    this.#state = "waiting";
    this.#cancel = this.#host.hooks.clock.after(ms, then);
  }

  #report(what: string, address: string, end: string): void {
    const isReported = this.#tries.isReported(this.#host.settings);
    const level = isReported ? (end === "" ? "info" : "error") : "debug";
    const type = this.isImplicit ? "implicit" : "explicit";
    const whom = `${type} gateway ${quoted(this.name)} (${address}) at ${address}`;
    this.#host.hooks.log(level, `${what} ${whom} (attempt ${this.#tries.count})${end}`);
  }
}

function readUrls(urls: readonly string[]): GatewayUrl[] {
  return urls.map(parseGatewayUrl).filter((url) => url !== null);
}

/** Shuffles in place, by Fisher and Yates. */
function shuffled<T>(items: T[], clock: LinkClock): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = Math.floor(clock.random() * (i + 1));
    [items[i], items[j]] = [items[j]!, items[i]!];
  }
  return items;
}
