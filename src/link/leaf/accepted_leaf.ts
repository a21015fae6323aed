/**
 * The accepting side of a leaf connection until the link is up: INFO, TLS, CONNECT, login, checks, INFO again.
 * Source: leafnodes.md 2 and 3; nats-server leafnode.go, createLeafNode, processLeafNodeConnect.
 */
import { refusalLogText } from "../../auth/identity.ts";
import { isServersOwn, type Login, type LoginRefusal } from "../../auth/login.ts";
import { accountInLogs, identityInLogs } from "../../auth/login_in_logs.ts";
import { CloseReason } from "../../protocol/close_reason.ts";
import * as errors from "../../protocol/errors.ts";
import { goQuoteText } from "../../protocol/go_quote.ts";
import { byteStringOfText, textOf } from "../../subject/byte_string.ts";
import { LinkCompression, NOT_COMPRESSED, OFF } from "../core/compression.ts";
import { linkPermission } from "../core/json_fields.ts";
import type { LinkConnection, LinkPeer } from "../core/link.ts";
import { AUTHENTICATION_TIMEOUT, type LinkFault } from "../core/link_fault.ts";
import {
  decodeLinkConnect,
  decodeLinkInfo,
  type LinkConnect,
  type LinkInfo,
  ownInfoLine,
} from "../core/link_info.ts";
import type { LinkOperation } from "../core/operation.ts";
import type { OperationRules } from "../core/operation_parser.ts";
import { EarlyOperations } from "./early_operations.ts";
import { LeafChannel, type LeafWebSocket } from "./leaf_channel.ts";
import { findLeafFault, findVersionFault } from "./leaf_checks.ts";
import type { LeafAccount, LeafContext } from "./leaf_context.ts";
import { leafInfo } from "./leaf_info.ts";
import { leafLimits } from "./leaf_limits.ts";
import { LeafLink } from "./leaf_link.ts";
import { hubGrants } from "./leaf_permissions.ts";
import type { FailedLeaf } from "./leaf_report.ts";
import { announceJetStream, deniesOf } from "./leaf_terms.ts";
import { failWith } from "./login_end.ts";
import { takePeerError } from "./peer_errors.ts";

/**
 * ```
 * new ── CONNECT ──▶ judging ── let in ──▶ up
 *                       └────── refused ──▶ (closed)
 * ```
 */
type State = "new" | "judging" | "up";

/** How often a peer may send INFO before CONNECT. Servers send it once, and each one has to be decoded. */
const INFOS_BEFORE_CONNECT_MAX = 8;

const REFUSALS: Readonly<Record<LoginRefusal["reason"], number>> = {
  "authorization violation": errors.ERROR_AUTHORIZATION_VIOLATION,
  "authentication timeout": errors.ERROR_AUTHENTICATION_TIMEOUT,
  "account connections": errors.ERROR_MAXIMUM_ACCOUNT_CONNECTIONS,
  "proxy not trusted": errors.ERROR_PROXY_NOT_TRUSTED,
  "proxy required": errors.ERROR_PROXY_REQUIRED,
};

export class AcceptedLeaf implements LinkPeer {
  readonly #channel: LeafChannel;
  readonly #webSocket: LeafWebSocket | null;
  readonly #context: LeafContext;
  readonly #nonce: string;
  readonly #compression: LinkCompression;
  readonly #early = new EarlyOperations();
  #state: State = "new";
  #infosBeforeConnect = 0;
  /** CONNECT and the verdict about it; null before. */
  #said: LinkConnect | null = null;
  #verdict: Login | LoginRefusal | null = null;
  #link: LeafLink | null = null;
  #cancelTimer = () => {};

  /**
   * `webSocket` is for a connection that came in by the WebSocket listener, which does its own TLS; null for others.
   */
  constructor(connection: LinkConnection, webSocket: LeafWebSocket | null, context: LeafContext) {
    this.#channel = new LeafChannel(connection, webSocket !== null, context.log, webSocket?.forwardedFor);
    this.#webSocket = webSocket;
    this.#context = context;
    this.#nonce = context.newNonce();
    this.#compression = new LinkCompression(connection, context.clock, () => context.options.compression);
  }

  get rules(): OperationRules {
    const { controlLineBytesMax, payloadBytesMax } = this.#context.options;
    return {
      kind: "leaf",
      controlLineBytesMax,
      payloadBytesMax: this.#link?.limits.payloadBytesMax ?? payloadBytesMax,
      unsubscribeHasOrigin: false,
      firstLetters: this.#state === "new" ? (this.#compression.isWanted ? "ci" : "c") : "",
    };
  }

  begin(): void {
    this.#channel.say("info", "Leafnode connection created ");
    const { tls } = this.#context.options;
    if (this.#webSocket !== null) {
      this.#channel.say("debug", `Leafnode compression=${this.#webSocket.isCompressed}`);
    }
    if (tls === null || this.#webSocket !== null) {
      this.#sendInfo();
      this.#awaitConnect();
      return;
    }
    let isInfoSent = !tls.isFirst;
    const sendInfo = () => {
      isInfoSent = true;
      this.#sendInfo();
    };
    if (isInfoSent) this.#sendInfo();
    const fallback =
      tls.isFirst && tls.fallbackMs > 0 ? { afterMs: tls.fallbackMs, send: sendInfo } : undefined;
    const options = { context: "leafnodes", timeoutMs: tls.timeoutMs };
    this.#channel.connection.startTls(fallback === undefined ? options : { ...options, fallback }, () => {
      if (!isInfoSent) this.#sendInfo();
      this.#awaitConnect();
    });
  }

  take(operation: LinkOperation): void {
    if (this.#channel.isClosed) return;
    if (this.#link !== null) this.#takeUp(this.#link, operation);
    else if (operation.kind === "connect" && this.#state === "new") this.#connect(operation.json);
    else if (operation.kind === "info" && this.#state === "new") this.#settleCompression(operation.json);
    else if (this.#state === "judging" && !this.#early.add(operation)) {
      this.#channel.say("error", "Too much was sent before the login was decided");
      this.#channel.close(CloseReason.ProtocolViolation);
    }
  }

  heard(): void {
    this.#link?.heard();
  }

  refuse(fault: LinkFault): void {
    this.#channel.refuse(fault);
  }

  ended(reason: CloseReason): void {
    this.#cancelTimer();
    this.#channel.ended(reason);
    if (this.#link !== null) this.#link.leave(reason);
    else this.#context.notices.failed(this.#failed(), reason);
  }

  #failed(): FailedLeaf {
    const { connection, isWebSocket } = this.#channel;
    const verdict = this.#verdict;
    return {
      id: connection.id,
      serverName: this.#said?.name ?? "",
      version: this.#said?.version ?? "",
      isSolicited: false,
      account: verdict?.kind === "login" ? byteStringOfText(verdict.account) : "",
      isWebSocket,
      verdict,
    };
  }

  #sendInfo(): void {
    const { modeInInfo } = this.#compression;
    // If WebSocket frames are compressed, S2 would compress them again.
    const isSilent = modeInInfo === NOT_COMPRESSED || this.#webSocket?.isCompressed;
    const info = {
      ...leafInfo(this.#context),
      clientId: this.#channel.connection.id,
      nonce: this.#nonce,
      compression: isSilent ? "" : modeInInfo,
    };
    this.#channel.send(ownInfoLine(info));
  }

  /** Takes the INFO with which a leaf node that may compress begins. */
  #settleCompression(json: string): void {
    if (++this.#infosBeforeConnect > INFOS_BEFORE_CONNECT_MAX) {
      this.#channel.say("error", "Too much was sent before CONNECT");
      this.#channel.close(CloseReason.ProtocolViolation);
      return;
    }
    const info = this.#readInfo(json);
    if (info === null || this.#compression.isSettled) return;
    if (this.#webSocket?.isCompressed) {
      this.#compression.leaveAt(OFF);
      return;
    }
    const outcome = this.#compression.settle(info.compression, false, () => this.#sendInfo());
    if (outcome.kind === "refused") this.refuse(outcome.fault);
  }

  #awaitConnect(): void {
    this.#cancelTimer = this.#context.clock.after(this.#context.options.authTimeoutMs, () => {
      this.#channel.refuse(AUTHENTICATION_TIMEOUT);
    });
  }

  #connect(json: string): void {
    const read = decodeLinkConnect(json);
    if (!read.ok) {
      this.#channel.say("error", read.problem);
      this.#channel.close(CloseReason.ProtocolViolation);
      return;
    }
    this.#state = "judging";
    const connect = read.values;
    this.#said = connect;
    this.#context.logins.judge(
      this.#channel.connection,
      {
        connectionType: this.#channel.isWebSocket ? "LEAFNODE_WS" : "LEAFNODE",
        nonce: this.#nonce,
        connect: loginFieldsOf(connect),
        isImplicit: false,
      },
      (verdict) => this.#conclude(connect, verdict),
    );
  }

  #conclude(connect: LinkConnect, verdict: Login | LoginRefusal): void {
    if (this.#channel.isClosed) return;
    this.#cancelTimer();
    this.#verdict = verdict;
    for (const log of verdict.logs) if (!isServersOwn(log)) this.#channel.say(log.level, log.text);
    if (verdict.kind === "refusal") {
      this.#refuseLogin(verdict, connect);
      return;
    }
    const name = byteStringOfText(verdict.account);
    const account = this.#context.account(name);
    if (account === undefined) {
      this.#channel.say(
        "error",
        `authentication of user ${goQuoteText(verdict.user)} failed, unable to lookup account ${goQuoteText(verdict.account)}: account missing`,
      );
      failWith(this.#channel, errors.ERROR_AUTHORIZATION_VIOLATION);
      return;
    }
    if (!this.#hasRoom(account, name)) return;
    this.#channel.loggedIn(accountInLogs(account.label, verdict.accountNameTag), identityInLogs(verdict));
    if (!this.#isWelcome(connect, verdict, account)) return;
    this.#join(connect, verdict, account);
  }

  #refuseLogin(refusal: LoginRefusal, { name, version }: LinkConnect): void {
    this.#channel.say("error", refusalLogText(refusal));
    failWith(this.#channel, REFUSALS[refusal.reason]);
    this.#context.notices.refused(this.#channel.connection, refusal, { name, version });
  }

  #hasRoom({ leafsMax, leafsElsewhere }: LeafAccount, name: string): boolean {
    const { register, options } = this.#context;
    if (leafsMax < 0 || register.countOf(name) + leafsElsewhere < leafsMax) return true;
    failWith(
      this.#channel,
      options.hasOwnCredentials
        ? errors.ERROR_AUTHORIZATION_VIOLATION
        : errors.ERROR_MAXIMUM_ACCOUNT_CONNECTIONS,
    );
    return false;
  }

  /** Whether the peer is a leaf node, belongs to another cluster, and is new enough. */
  #isWelcome(connect: LinkConnect, login: Login, account: LeafAccount): boolean {
    const ofVersion = findVersionFault(connect, this.#context.options.versionMin);
    const fault = findLeafFault(connect, this.#context.clusterName()) ?? ofVersion;
    if (fault === null) return true;
    // With the INFO before it, newer servers recognize the rejection.
    if (fault === ofVersion) this.#sendSecondInfo(login, account);
    this.#channel.refuse(fault);
    return false;
  }

  #join(connect: LinkConnect, login: Login, account: LeafAccount): void {
    const { options, register, notices } = this.#context;
    const channel = this.#channel;
    const { name, cluster, remoteAccount, isHub } = connect;
    const accountName = byteStringOfText(login.account);
    channel.serverName = name;
    this.#compression.leaveAt(connect.compressMode === "" ? NOT_COMPRESSED : textOf(connect.compressMode));
    const duplicate = name === "" ? null : register.findDuplicate(name, cluster, accountName, remoteAccount);
    const denyPublish = connect.denyPublish.map(textOf);
    const grants = hubGrants(login.permissions, denyPublish, deniesOf(account));
    const link = new LeafLink(
      channel,
      this.#context,
      {
        account: accountName,
        remoteAccount,
        serverName: name,
        version: connect.version,
        protocol: connect.protocol,
        cluster,
        isSpoke: isHub,
        isSolicited: false,
        isIsolated: options.isolatesInterest || connect.isolate,
        takesHeaders: options.hasHeaders && connect.headers,
        compression: this.#compression,
        grants,
        denyPublish,
        login,
      },
      leafLimits(options, account, login),
      () => {},
    );
    this.#link = link;
    this.#state = "up";
    if (duplicate !== null) {
      duplicate.closeAsDuplicate();
      channel.say("warning", "Replacing connection from same server");
    }
    announceJetStream(channel, account, name, cluster, connect.domain);
    this.#sendSecondInfo(login, account);
    link.join();
    if (options.hasGateways) notices.accountConnected(accountName);
    for (const operation of this.#early.takeAll()) this.take(operation);
  }

  #sendSecondInfo({ account, permissions }: Login, { isSystem }: LeafAccount): void {
    const info = {
      ...leafInfo(this.#context),
      clientId: this.#channel.connection.id,
      connectInfo: true,
      remoteAccount: byteStringOfText(account),
      accountIsSystem: isSystem,
      import: linkPermission(permissions?.subscribe),
      export: linkPermission(permissions?.publish),
    };
    this.#channel.send(ownInfoLine(info));
  }

  #takeUp(link: LeafLink, operation: LinkOperation): void {
    if (operation.kind === "error") takePeerError(this.#channel, link.account, operation.text, () => {});
    else if (operation.kind === "info") this.#readInfo(operation.json);
    else link.take(operation);
  }

  /** Reads an INFO. Nothing in a leaf node's INFO but the compression matters here, but it must be valid. */
  #readInfo(json: string): LinkInfo | null {
    const read = decodeLinkInfo(json);
    if (read.ok) return read.values;
    this.#channel.say("error", read.problem);
    this.#channel.close(CloseReason.ProtocolViolation);
    return null;
  }
}

function loginFieldsOf(connect: LinkConnect) {
  return {
    user: textOf(connect.user),
    password: textOf(connect.password),
    authToken: textOf(connect.authToken),
    nkey: textOf(connect.nkey),
    signature: textOf(connect.signature),
    jwt: textOf(connect.jwt),
    proxySignature: textOf(connect.proxySignature),
    name: textOf(connect.name),
    lang: textOf(connect.lang),
    version: textOf(connect.version),
    protocol: connect.protocol,
    account: textOf(connect.account),
    isNewAccount: connect.isNewAccount,
  };
}
