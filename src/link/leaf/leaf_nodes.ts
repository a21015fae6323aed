/**
 * The leaf nodes of this server and the hubs that it is a leaf node of. The host of links, reloads, monitoring and lame
 * duck mode reach them here.
 */
import type { AccountTerms } from "../../auth/account_terms.ts";
import { isSameCompression } from "../../config/compression.ts";
import { type LeafRemoteOptions, remoteId } from "../../config/leaf_remotes.ts";
import { CloseReason } from "../../protocol/close_reason.ts";
import { leafRemoteContext } from "../../shard/links/links_setup.ts";
import { byteStringOfText } from "../../subject/byte_string.ts";
import type { LinkConnection, LinkDialer, LinkPeer } from "../core/link.ts";
import { ownInfoLine } from "../core/link_info.ts";
import { AcceptedLeaf } from "./accepted_leaf.ts";
import type { LeafWebSocket } from "./leaf_channel.ts";
import type { LeafContext, LeafOptions } from "./leaf_context.ts";
import { leafInfo } from "./leaf_info.ts";
import { LeafLinks } from "./leaf_register.ts";
import { LeafRemote } from "./leaf_remote.ts";
import type { LeafReport } from "./leaf_report.ts";
import { checkRemoteLogin } from "./remote_login.ts";

/**
 * The delay before a remote of the system account is dialled, if this server has a cluster, gateways or a leaf
 * listener. It lets the server learn of its own neighbours first.
 */
const SHARED_SYSTEM_DELAY_MS = 250;

export class LeafNodes {
  readonly #context: LeafContext;
  readonly #dialer: LinkDialer;
  readonly #links: LeafLinks;
  /** By `remoteId`, which identifies a remote across reloads. */
  #remotes = new Map<string, LeafRemote>();
  #isLameDuck = false;

  constructor(context: Omit<LeafContext, "register">, dialer: LinkDialer) {
    this.#links = new LeafLinks(context.clock);
    this.#context = { ...context, register: this.#links };
    this.#dialer = dialer;
  }

  /** The number of links that are up. */
  get count(): number {
    return this.#links.count;
  }

  /** The protocol for a connection to the leaf listener, or for a leaf node's to the WebSocket listener. */
  accept(connection: LinkConnection, webSocket: LeafWebSocket | null): LinkPeer {
    return new AcceptedLeaf(connection, webSocket, this.#context);
  }

  /**
   * Dials the remotes of the configuration, at start and after a reload. Remotes that are no longer in it are stopped.
   */
  setRemotes(configured: readonly LeafRemoteOptions[]): void {
    const before = this.#remotes;
    this.#remotes = new Map();
    for (const [index, options] of configured.entries()) {
      const id = remoteId(options);
      const remote = before.get(id) ?? this.#newRemote(options);
      before.delete(id);
      this.#remotes.set(id, remote);
      remote.configure(options, leafRemoteContext(index));
      if (options.disabled) remote.stop();
      else if (!this.#isLameDuck) remote.start(this.#firstDelayMs(options));
    }
    for (const remote of before.values()) remote.stop();
  }

  /**
   * Applies changed options of the server. New links use them; if compression has changed, accepted links may be
   * closed.
   */
  setOptions(options: LeafOptions): void {
    const before = this.#context.options.compression;
    this.#context.options = options;
    if (isSameCompression(before, options.compression)) return;
    for (const link of this.#links.of()) if (!link.facts.isSolicited) link.compressionChanged();
  }

  /** The cluster's leaf listeners have changed. Tells every leaf node and every hub. */
  tellUrls(): void {
    const line = ownInfoLine(leafInfo(this.#context));
    for (const link of this.#links.of()) link.sendInfo(line);
  }

  /** An account's interest that is not from subscriptions has changed. */
  refreshAccount(account: string): void {
    for (const link of this.#links.of(account)) link.refreshAlwaysWanted();
  }

  /** An account is gone. Closes its leaf links. */
  expel(account: string): void {
    for (const link of this.#links.of(account)) link.close(CloseReason.AuthenticationExpired);
  }

  /** Closes the links beyond an account's limit, the newest first. Links on other servers count as well. */
  limit(name: string): void {
    const account = this.#context.account(name);
    if (account === undefined || account.leafsMax < 0) return;
    const links = this.#links.of(name);
    const surplus = links.length + account.leafsElsewhere - account.leafsMax;
    if (surplus > 0) for (const link of links.slice(-surplus)) link.closeAsSurplus();
  }

  /** Accounts of operator mode have changed. Ends or adapts the links of logins to match. */
  applyTerms(terms: readonly AccountTerms[]): void {
    for (const each of terms) {
      for (const link of this.#links.of(byteStringOfText(each.account))) link.applyTerms(each);
    }
  }

  /** Closes one connection because its account has too many, counting clients too. */
  endSurplus(id: number): void {
    this.#links.byId(id)?.closeAsSurplus();
  }

  /** Closes one connection without a word; false if there is no such link. */
  kick(id: number): boolean {
    const link = this.#links.byId(id);
    link?.close(CloseReason.Kicked);
    return link !== undefined;
  }

  /**
   * This server's cluster has another name. Closes the connections to hubs, so that new ones tell it from the start.
   */
  reconnectRemotes(): void {
    for (const link of this.#links.of()) {
      if (link.facts.isSolicited) link.close(CloseReason.ClusterNameConflict);
    }
  }

  /** Stops dialling; links stay until `closeAll`. */
  enterLameDuck(): void {
    this.#isLameDuck = true;
    for (const remote of this.#remotes.values()) remote.stopDialling();
  }

  closeAll(): void {
    this.#isLameDuck = true;
    for (const link of this.#links.of()) link.close(CloseReason.ServerShutdown);
    for (const remote of this.#remotes.values()) remote.stop();
  }

  /** The reports for /leafz and for accounts. */
  reports(): readonly LeafReport[] {
    return this.#links.of().map((link) => link.report());
  }

  #newRemote(options: LeafRemoteOptions): LeafRemote {
    const { log, readFile } = this.#context;
    checkRemoteLogin(options, this.#isSystem(options), readFile, log);
    return new LeafRemote(options, this.#context, this.#dialer);
  }

  #firstDelayMs(options: LeafRemoteOptions): number {
    const isShared = this.#isSystem(options) && !this.#context.options.isStandAlone;
    return isShared ? SHARED_SYSTEM_DELAY_MS : 0;
  }

  #isSystem({ account }: LeafRemoteOptions): boolean {
    return this.#context.account(byteStringOfText(account))?.isSystem ?? false;
  }
}
