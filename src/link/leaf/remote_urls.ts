/**
 * The URLs of one remote, tried in turn: those of the configuration and those its hub has told.
 * Source: leafnodes.md 10; nats-server leafnode.go, pickNextURL, doUpdateLNURLs.
 */
import { assert } from "../../base/assert.ts";
import { isAddress, type UrlUser } from "../core/url_parts.ts";
import { isTlsUrl, isWebSocketUrl, parseRemoteUrl, type RemoteUrl } from "./remote_url.ts";

export class RemoteUrls {
  /** Whether the URLs are WebSocket URLs; all of them are, or none is. */
  readonly isWebSocket: boolean;
  readonly #configured: readonly RemoteUrl[];
  #urls: RemoteUrl[];
  #current: RemoteUrl | null = null;
  #user: UrlUser | null = null;
  #serverName = "";

  /** `random` shuffles the URLs of the configuration; undefined keeps their order. */
  constructor(texts: readonly string[], random: (() => number) | undefined) {
    this.#configured = texts.map(parseRemoteUrl).filter((url) => url !== null);
    this.isWebSocket = this.#configured.some(isWebSocketUrl);
    this.#urls = random === undefined ? [...this.#configured] : shuffled(this.#configured, random);
    for (const url of this.#urls) {
      this.#user ??= url.user;
      this.#noteServerName(url);
    }
  }

  get isEmpty(): boolean {
    return this.#urls.length === 0;
  }

  /** Whether a URL of the configuration asks for TLS. */
  get wantsTls(): boolean {
    return this.#configured.some(isTlsUrl);
  }

  /** The first host name seen, which the hub's certificate must name if a URL has only an address; "" for none. */
  get serverName(): string {
    return this.#serverName;
  }

  /** The URL that was tried last. */
  get current(): RemoteUrl {
    assert(this.#current !== null, "a URL was tried");
    return this.#current;
  }

  /**
   * The user for the login at the current URL: the one that it names, else the first that any URL of the configuration
   * names.
   */
  get user(): UrlUser | null {
    return this.#current?.user ?? this.#user;
  }

  /** The URL to try now; the one tried before goes to the end of the list. The list must not be empty. */
  next(): RemoteUrl {
    if (this.#urls.length > 1 && this.#current === this.#urls[0]) this.#urls.push(this.#urls.shift()!);
    this.#current = this.#urls[0]!;
    return this.#current;
  }

  /** Takes the hub's list of its URLs, which replaces the previous one. They come before those of the configuration. */
  learn(hostPorts: readonly string[]): void {
    const scheme = this.isWebSocket ? (this.wantsTls ? "wss" : "ws") : "nats-leaf";
    const isConfigured = ({ host, port }: RemoteUrl) =>
      this.#configured.some((url) => url.host === host && url.port === port);
    const told = hostPorts
      .map((hostPort) => parseRemoteUrl(`${scheme}://${hostPort}`))
      .filter((url) => url !== null && !isConfigured(url)) as RemoteUrl[];
    for (const url of told) this.#noteServerName(url);
    const current = this.#current;
    this.#urls = [...told, ...this.#configured].map((url) =>
      current !== null && isSame(url, current) ? current : url,
    );
  }

  #noteServerName({ host }: RemoteUrl): void {
    if (this.#serverName === "" && !isAddress(host)) this.#serverName = host;
  }
}

function isSame(a: RemoteUrl, b: RemoteUrl): boolean {
  return a.scheme === b.scheme && a.host === b.host && a.port === b.port && a.path === b.path;
}

function shuffled<T>(list: readonly T[], random: () => number): T[] {
  const result = [...list];
  for (let i = result.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [result[i], result[j]] = [result[j]!, result[i]!];
  }
  return result;
}
