/**
 * The leaf nodes of this server and the hubs it is a leaf node of: the door through which the host of links, reloads,
 * monitoring and lame duck reach them.
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

/** A server among others that shares its system account with a hub learns of its own neighbours first. */
const SHARED_SYSTEM_DELAY_MS = 250;

export class LeafNodes {
  readonly #context: LeafContext;
  readonly #dialer: LinkDialer;
  readonly #links: LeafLinks;
  /** By what makes a remote the same one over reloads. */
  #remotes = new Map<string, LeafRemote>();
  #isLameDuck = false;

  constructor(context: Omit<LeafContext, "register">, dialer: LinkDialer) {
    this.#links = new LeafLinks(context.clock);
    this.#context = { ...context, register: this.#links };
    this.#dialer = dialer;
  }

  /** Links that are up. */
  get count(): number {
    return this.#links.count;
  }

  /** The protocol of a connection to the leaf listener, or of a leaf's to the WebSocket listener. */
  accept(connection: LinkConnection, webSocket: LeafWebSocket | null): LinkPeer {
    return new AcceptedLeaf(connection, webSocket, this.#context);
  }

  /** Dials the remotes of the configuration, at start and after a reload: what is no longer there is closed. */
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

  /** A reload has changed the server's options: what comes up from now on goes by them. */
  setOptions(options: LeafOptions): void {
    const before = this.#context.options.compression;
    this.#context.options = options;
    if (isSameCompression(before, options.compression)) return;
    for (const link of this.#links.of()) if (!link.facts.isSolicited) link.compressionChanged();
  }

  /** The leaf listeners of the cluster have changed: every leaf and every hub is told. */
  tellUrls(): void {
    const line = ownInfoLine(leafInfo(this.#context));
    for (const link of this.#links.of()) link.sendInfo(line);
  }

  /** What an account wants beside subscriptions has changed. */
  refreshAccount(account: string): void {
    for (const link of this.#links.of(account)) link.refreshAlwaysWanted();
  }

  /** An account is gone, and so are its leaf links. */
  expel(account: string): void {
    for (const link of this.#links.of(account)) link.close(CloseReason.AuthenticationExpired);
  }

  /** Closes the links that an account has too many, the newest first: it may have some on other servers, too. */
  limit(name: string): void {
    const account = this.#context.account(name);
    if (account === undefined || account.leafsMax < 0) return;
    const links = this.#links.of(name);
    const surplus = links.length + account.leafsElsewhere - account.leafsMax;
    if (surplus > 0) for (const link of links.slice(-surplus)) link.closeAsSurplus();
  }

  /** Accounts of operator mode have changed: some who are logged in are out. */
  applyTerms(terms: readonly AccountTerms[]): void {
    for (const each of terms) {
      for (const link of this.#links.of(byteStringOfText(each.account))) link.applyTerms(each);
    }
  }

  /** An account has too many connections, clients among them: closes this one. */
  endSurplus(id: number): void {
    this.#links.byId(id)?.closeAsSurplus();
  }

  /** Closes one connection without a word; false if there is no such link. */
  kick(id: number): boolean {
    const link = this.#links.byId(id);
    link?.close(CloseReason.Kicked);
    return link !== undefined;
  }

  /** This server's cluster is called otherwise: hubs are to hear of it from the first word on. */
  reconnectRemotes(): void {
    for (const link of this.#links.of()) {
      if (link.facts.isSolicited) link.close(CloseReason.ClusterNameConflict);
    }
  }

  /** Nothing is dialled any more; links stay until `closeAll`. */
  enterLameDuck(): void {
    this.#isLameDuck = true;
    for (const remote of this.#remotes.values()) remote.stopDialling();
  }

  closeAll(): void {
    this.#isLameDuck = true;
    for (const link of this.#links.of()) link.close(CloseReason.ServerShutdown);
    for (const remote of this.#remotes.values()) remote.stop();
  }

  /** For /leafz and accounts. */
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
