/**
 * One remote of the configuration: dials its URLs in turn, for ever, and again when a connection is lost.
 * Source: leafnodes.md 10; nats-server leafnode.go, connectToRemoteLeafNode, reConnectToRemoteLeafNode.
 */
import {
  type CompressionSettings,
  compressionSettings,
  isSameCompression,
} from "../../config/compression.ts";
import type { LeafRemoteOptions } from "../../config/leaf_remotes.ts";
import { goQuoteText } from "../../protocol/go_quote.ts";
import { hostPortText } from "../../runtime/posix/socket_address.ts";
import { DialTries } from "../core/dial_tries.ts";
import type { DialTarget, LinkConnection, LinkDialer, LinkPeer } from "../core/link.ts";
import type { LeafContext } from "./leaf_context.ts";
import { proxyOf } from "./remote_proxy.ts";
import type { RemoteUrl } from "./remote_url.ts";
import { RemoteUrls } from "./remote_urls.ts";
import { type RemoteSide, SolicitedLeaf } from "./solicited_leaf.ts";

/**
 * ```
 * idle ── start ──▶ waiting ── time ──▶ dialling ── opened ──▶ connected
 *   ▲                  ▲  ▲                │ failed               │ lost
 *   └──── stop ────────┘  └────────────────┴──────────────────────┘
 * ```
 */
type State = "idle" | "waiting" | "dialling" | "connected";

export class LeafRemote implements RemoteSide {
  readonly urls: RemoteUrls;
  tlsContext = "";
  options: LeafRemoteOptions;
  needsTls: boolean;
  readonly #context: LeafContext;
  readonly #dialer: LinkDialer;
  #state: State = "idle";
  #isStopped = true;
  #peer: SolicitedLeaf | null = null;
  /** A delay that is added to the next pause. */
  #delayMs = 0;
  #tries = new DialTries(true);
  #cancelTimer = () => {};

  constructor(options: LeafRemoteOptions, context: LeafContext, dialer: LinkDialer) {
    const { urls, noRandomize } = options;
    this.options = options;
    this.urls = new RemoteUrls(urls, noRandomize ? undefined : () => context.clock.random());
    this.needsTls = this.urls.wantsTls;
    this.#context = context;
    this.#dialer = dialer;
  }

  get isWanted(): boolean {
    return !this.#isStopped;
  }

  get compression(): CompressionSettings {
    return compressionSettings(this.options.compression, "s2_auto");
  }

  /** Applies the current configuration. `tlsContext` names the certificates for its handshakes (`LinkTls.context`). */
  configure(options: LeafRemoteOptions, tlsContext: string): void {
    const before = this.compression;
    this.options = options;
    this.tlsContext = tlsContext;
    if (!isSameCompression(before, this.compression)) this.#peer?.compressionChanged();
    if (options.tls !== undefined) this.needsTls = true;
  }

  /** Begins to dial after `firstDelayMs`. */
  start(firstDelayMs = 0): void {
    if (!this.#isStopped || this.urls.isEmpty) return;
    this.#isStopped = false;
    this.#tries = new DialTries(true);
    if (this.#state !== "idle") return;
    if (firstDelayMs > 0) this.#wait(firstDelayMs);
    else this.#dial();
  }

  /** Stops dialling, and ends the connection. */
  stop(): void {
    this.stopDialling();
    this.#peer?.close();
  }

  /** Stops dialling; an existing connection stays. */
  stopDialling(): void {
    this.#isStopped = true;
    this.#cancelTimer();
    if (this.#state === "waiting") this.#state = "idle";
  }

  delayReconnect(ms: number): void {
    this.#delayMs = ms;
  }

  lost(): void {
    this.#peer = null;
    this.#wait(this.#context.options.reconnectIntervalMs + this.#delayMs);
    this.#delayMs = 0;
  }

  #dial(): void {
    this.#state = "dialling";
    const url = this.urls.next();
    this.#context.log(
      "debug",
      `Trying to connect as leafnode to remote server on ${goQuoteText(hostPortText(url.host, url.port))}`,
    );
    this.#dialer.dial(
      this.#targetOf(url),
      (connection) => this.#open(connection),
      (reason) => this.#fail(url, reason),
    );
  }

  #targetOf({ host, port }: RemoteUrl): DialTarget {
    const { dialTimeoutMs } = this.options;
    const timeoutMs = dialTimeoutMs > 0 ? dialTimeoutMs : this.#context.options.dialTimeoutMs;
    const target = { kind: "leaf", host, port, timeoutMs, isWebSocket: this.urls.isWebSocket } as const;
    const proxy = proxyOf(this.options, timeoutMs, this.tlsContext);
    return proxy === null ? target : { ...target, proxy };
  }

  #open(connection: LinkConnection): LinkPeer {
    this.#state = "connected";
    this.#tries = new DialTries(false);
    const peer = new SolicitedLeaf(connection, this, this.#context);
    this.#peer = peer;
    return peer;
  }

  #fail({ host, port }: RemoteUrl, reason: string): void {
    const { options } = this.#context;
    this.#tries.count++;
    const where = goQuoteText(hostPortText(host, port));
    this.#context.log(
      this.#tries.isReported(options) ? "error" : "debug",
      `Error trying to connect as leafnode to remote server ${where} (attempt ${this.#tries.count}): ${reason}`,
    );
    this.#wait(options.reconnectIntervalMs * (1 + this.#context.clock.random()));
  }

  #wait(ms: number): void {
    if (this.#isStopped) {
      this.#state = "idle";
      return;
    }
    this.#state = "waiting";
    this.#cancelTimer = this.#context.clock.after(ms, () => this.#dial());
  }
}
