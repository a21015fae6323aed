/**
 * The dialling side of a leaf connection until the link is up: INFO, TLS, CONNECT, INFO again.
 * Source: leafnodes.md 2; nats-server leafnode.go, processLeafnodeInfo, leafNodeFinishConnectProcess.
 */
import type { CompressionSettings } from "../../config/compression.ts";
import type { LeafRemoteOptions } from "../../config/leaf_remotes.ts";
import { CloseReason } from "../../protocol/close_reason.ts";
import { goQuoteText } from "../../protocol/go_quote.ts";
import { hostPortText } from "../../runtime/posix/socket_address.ts";
import { byteStringOfText, textOf } from "../../subject/byte_string.ts";
import { LinkCompression, OFF } from "../core/compression.ts";
import type { LinkConnection, LinkPeer } from "../core/link.ts";
import type { LinkFault } from "../core/link_fault.ts";
import {
  connectLine,
  decodeLinkInfo,
  EMPTY_LINK_CONNECT,
  type LinkConnect,
  type LinkInfo,
  ownInfoLine,
} from "../core/link_info.ts";
import type { LinkOperation } from "../core/operation.ts";
import type { OperationRules } from "../core/operation_parser.ts";
import { EarlyOperations } from "./early_operations.ts";
import { LeafChannel } from "./leaf_channel.ts";
import { findHubFault, findPortFault } from "./leaf_checks.ts";
import type { LeafAccount, LeafContext } from "./leaf_context.ts";
import { fromLinkPermission, leafInfo } from "./leaf_info.ts";
import { leafLimits } from "./leaf_limits.ts";
import { LeafLink } from "./leaf_link.ts";
import { type LeafGrants, spokeGrants } from "./leaf_permissions.ts";
import { announceJetStream, deniesOf } from "./leaf_terms.ts";
import { failWithLoop, takePeerError } from "./peer_errors.ts";
import { remoteLogin } from "./remote_login.ts";
import type { RemoteUrls } from "./remote_urls.ts";

/** The time that the hub has to answer CONNECT with its second INFO. */
const SECOND_INFO_TIMEOUT_MS = 2000;
const TLS_TIMEOUT_MS_DEFAULT = 2000;
const PROXY_WITHOUT_TLS =
  "TLS configuration mismatch: Hub requires TLS but leafnode remote is not configured for TLS. When using a proxy, ensure TLS leafnode configuration matches the Hub requirements.";

/** The remote that a connection was dialled for. */
export interface RemoteSide {
  readonly options: LeafRemoteOptions;
  readonly compression: CompressionSettings;
  readonly urls: RemoteUrls;
  /** The certificates for a handshake (`LinkTls.context`). */
  readonly tlsContext: string;
  /** Whether the connection needs TLS, by the configuration, a URL, or what a hub once told. */
  needsTls: boolean;
  /** False once the remote was removed or disabled. */
  readonly isWanted: boolean;
  /** Makes the remote wait this long, in addition to the ordinary pause, before it dials again. */
  delayReconnect(ms: number): void;
  /** The connection has ended. */
  lost(): void;
}

/**
 * ```
 * (TLS and upgrade, by WebSocket ──▶) info ── first INFO ──▶ tls ── encrypted, or no need ──▶ connecting ── second INFO ──▶ up
 *                                                                └─ both compress ─▶ compressing ─ the same, in S2 ─▲
 * ```
 */
type State = "info" | "tls" | "compressing" | "connecting" | "up";

export class SolicitedLeaf implements LinkPeer {
  readonly #channel: LeafChannel;
  readonly #remote: RemoteSide;
  readonly #context: LeafContext;
  readonly #early = new EarlyOperations();
  readonly #compression: LinkCompression;
  #state: State = "info";
  #link: LeafLink | null = null;
  /** The hub's first INFO. */
  #hub: LinkInfo | null = null;
  #isEncrypted = false;
  #hasCompressedFrames = false;
  #cancelTimer = () => {};

  constructor(connection: LinkConnection, remote: RemoteSide, context: LeafContext) {
    this.#channel = new LeafChannel(connection, remote.urls.isWebSocket, context.log);
    this.#remote = remote;
    this.#context = context;
    this.#compression = new LinkCompression(connection, context.clock, () => remote.compression);
  }

  get rules(): OperationRules {
    const { controlLineBytesMax, payloadBytesMax } = this.#context.options;
    return {
      kind: "leaf",
      controlLineBytesMax,
      payloadBytesMax: this.#link?.limits.payloadBytesMax ?? payloadBytesMax,
      unsubscribeHasOrigin: false,
      firstLetters: "",
    };
  }

  begin(): void {
    const { options, isWanted } = this.#remote;
    if (!isWanted) {
      this.close();
      return;
    }
    const account = this.#localAccount();
    if (account === undefined) {
      const text = `Unable to lookup account ${options.account} for solicited leafnode connection: account missing`;
      this.#context.log("error", text);
      this.#channel.close(CloseReason.MissingAccount);
      return;
    }
    this.#channel.say("info", `Leafnode connection created for account: ${account.label} `);
    const next = this.#channel.isWebSocket ? () => this.#upgrade() : () => this.#awaitInfo();
    const isTlsFirst = this.#channel.isWebSocket || (options.tls?.handshakeFirst.enabled ?? false);
    if (isTlsFirst && this.#remote.needsTls) this.#startTls(next);
    else next();
  }

  take(operation: LinkOperation): void {
    if (this.#channel.isClosed) return;
    switch (operation.kind) {
      case "info":
        this.#takeInfo(operation.json);
        return;
      case "error":
        takePeerError(this.#channel, this.#accountName, operation.text, (ms) =>
          this.#remote.delayReconnect(ms),
        );
        return;
    }
    if (this.#link !== null) this.#link.take(operation);
    else if (operation.kind === "ping") this.#channel.send("PONG\r\n");
    else if (this.#state === "connecting" && !this.#early.add(operation)) {
      this.#channel.say("error", "Too much was sent before the second INFO");
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
    else {
      this.#context.notices.failed(
        {
          id: this.#channel.connection.id,
          serverName: "",
          version: "",
          isSolicited: true,
          account: this.#accountName,
          isWebSocket: this.#channel.isWebSocket,
          verdict: null,
        },
        reason,
      );
    }
    this.#remote.lost();
  }

  /** The remote's compression settings have changed. */
  compressionChanged(): void {
    this.#link?.compressionChanged();
  }

  /** Ends the connection because its remote is no longer wanted. */
  close(): void {
    this.#channel.close(CloseReason.ClientClosed);
  }

  get #accountName(): string {
    return byteStringOfText(this.#remote.options.account);
  }

  #localAccount(): LeafAccount | undefined {
    return this.#context.account(this.#accountName);
  }

  #startTls(then: () => void): void {
    const { options, urls, tlsContext } = this.#remote;
    const timeoutMs = options.tls?.timeoutMs ?? TLS_TIMEOUT_MS_DEFAULT;
    // With a proxy, the connection's other end is not the server that is verified.
    const tls = { context: tlsContext, timeoutMs, serverName: urls.serverName || urls.current.host };
    this.#channel.connection.startTls(tls, () => {
      this.#isEncrypted = true;
      then();
    });
  }

  /** Asks the hub to speak WebSocket. */
  #upgrade(): void {
    const { options, urls } = this.#remote;
    const { host, port, path } = urls.current;
    const asked = {
      host: hostPortText(host, port),
      path,
      wantsCompression: options.webSocketCompression,
      wantsNoMasking: options.webSocketNoMasking,
      timeoutMs: options.firstInfoTimeoutMs,
    };
    this.#channel.connection.startWebSocket(asked, (outcome) => {
      if (outcome.ok) {
        const { isCompressed, isMasked } = outcome;
        this.#hasCompressedFrames = isCompressed;
        this.#channel.say("debug", `Leafnode compression=${isCompressed} masking=${isMasked}`);
        this.#awaitInfo();
      } else {
        this.#channel.say("error", `Error soliciting websocket connection: ${outcome.problem}`);
        this.#channel.close(CloseReason.ReadError);
      }
    });
  }

  #awaitInfo(): void {
    const { firstInfoTimeoutMs } = this.#remote.options;
    this.#cancelTimer = this.#context.clock.after(firstInfoTimeoutMs, () => {
      this.#channel.close(CloseReason.ReadError);
    });
  }

  #takeInfo(json: string): void {
    const read = decodeLinkInfo(json);
    if (!read.ok) {
      this.#channel.say("error", read.problem);
      this.#channel.close(CloseReason.ProtocolViolation);
      return;
    }
    const info = read.values;
    if (this.#state === "info") this.#takeFirstInfo(info);
    else if (this.#state === "compressing") this.#connect(info);
    else if (this.#state !== "tls") this.#takeLaterInfo(info);
  }

  #takeFirstInfo(info: LinkInfo): void {
    this.#cancelTimer();
    this.#state = "tls";
    // On WebSocket connections, the TLS in INFO is that of another listener.
    const { isWebSocket } = this.#channel;
    const { options } = this.#remote;
    if (info.tlsRequired && !isWebSocket) {
      if (options.proxy?.url && !this.#remote.needsTls) {
        this.#channel.say("error", PROXY_WITHOUT_TLS);
        this.#channel.close(CloseReason.TlsHandshakeFailure);
        return;
      }
      this.#remote.needsTls = true;
    }
    if (this.#remote.needsTls && !this.#isEncrypted && !isWebSocket)
      this.#startTls(() => this.#settleCompression(info));
    else this.#settleCompression(info);
  }

  /** Connects at once, or after the hub has sent its INFO in S2. */
  #settleCompression(info: LinkInfo): void {
    const fault = findPortFault(info);
    if (fault !== null) {
      this.#channel.refuse(fault);
      return;
    }
    if (this.#hasCompressedFrames && this.#compression.isWanted) {
      this.#compression.leaveAt(OFF);
      this.#connect(info);
      return;
    }
    const outcome = this.#compression.settle(info.compression, true, () => this.#sendInfo());
    switch (outcome.kind) {
      case "clear":
        this.#connect(info);
        break;
      case "compressed":
        this.#state = "compressing";
        this.#awaitInfo();
        break;
      case "refused":
        this.#channel.refuse(outcome.fault);
    }
  }

  #sendInfo(): void {
    const clientId = this.#channel.connection.id;
    const compression = this.#compression.modeInInfo;
    this.#channel.send(ownInfoLine({ ...leafInfo(this.#context), clientId, compression }));
  }

  /** Sends CONNECT if the peer can be our hub. */
  #connect(info: LinkInfo): void {
    const { options, urls } = this.#remote;
    this.#cancelTimer();
    this.#hub = info;
    const fault = findHubFault(info);
    if (fault !== null) {
      this.#channel.refuse(fault);
      return;
    }
    this.#learnUrls(info);
    if (options.credentials !== undefined) {
      this.#channel.say("debug", `Authenticating with credentials file ${goQuoteText(options.credentials)}`);
    }
    const login = remoteLogin(options, urls.user, info.nonce, this.#context.readFile);
    if (!login.ok) {
      this.#channel.say("error", login.problem);
      this.#channel.close(CloseReason.WriteError);
      return;
    }
    this.#channel.serverName = info.serverName === "" ? info.serverId : info.serverName;
    this.#channel.send(connectLine("leaf", { ...this.#connectFields(info), ...login.login }));
    this.#channel.say("debug", "Remote leafnode connect msg sent");
    this.#state = "connecting";
    // Hubs older than 2.4 answer only with their interest.
    if (!info.infoOnConnect || info.connectInfo) {
      this.#join(info);
      return;
    }
    this.#cancelTimer = this.#context.clock.after(SECOND_INFO_TIMEOUT_MS, () => {
      this.#channel.fail("Stale Leaf Node Connection - Closing", CloseReason.StaleConnection, {
        logLevel: "debug",
        isLimited: true,
      });
    });
  }

  #connectFields(info: LinkInfo): LinkConnect {
    const { options } = this.#context;
    const { hub, denyImports, requestIsolation } = this.#remote.options;
    return {
      ...EMPTY_LINK_CONNECT,
      version: options.version,
      serverId: options.serverId,
      name: options.serverName,
      isHub: hub,
      cluster: this.#context.clusterName(),
      headers: options.hasHeaders && info.headers,
      denyPublish: denyImports.map(byteStringOfText),
      isolate: requestIsolation,
      compressMode: this.#compression.mode,
      remoteAccount: this.#accountName,
      protocol: options.protocol,
    };
  }

  #takeLaterInfo(info: LinkInfo): void {
    this.#learnUrls(info);
    if (this.#link === null) {
      if (info.connectInfo) this.#join(info);
    } else if (info.import !== null || info.export !== null) {
      this.#link.changeGrants(this.#grantsOf(info));
    }
  }

  #learnUrls({ leafNodeUrls, webSocketConnectUrls }: LinkInfo): void {
    const { options, urls } = this.#remote;
    if (options.ignoreDiscoveredServers) return;
    if (leafNodeUrls.length === 0 && webSocketConnectUrls.length === 0) return;
    urls.learn((urls.isWebSocket ? webSocketConnectUrls : leafNodeUrls).map(textOf));
  }

  #grantsOf(info: LinkInfo): LeafGrants {
    const told = { import: fromLinkPermission(info.import), export: fromLinkPermission(info.export) };
    const account = this.#localAccount();
    return spokeGrants(told, this.#remote.options, account === undefined ? [] : deniesOf(account));
  }

  #join(info: LinkInfo): void {
    this.#cancelTimer();
    const { options, register, notices } = this.#context;
    const { options: remote } = this.#remote;
    const channel = this.#channel;
    const account = this.#localAccount();
    const cluster = this.#hub?.cluster ?? "";
    if (account === undefined) {
      channel.fail("Authorization Violation", CloseReason.ProtocolViolation);
      return;
    }
    if (info.remoteAccount !== "") register.noteRemoteAccount(this.#accountName, info.remoteAccount);
    const delayReconnect = (ms: number) => this.#remote.delayReconnect(ms);
    if (cluster !== "" && register.hasSpokeOf(this.#accountName, cluster)) {
      failWithLoop(channel, this.#accountName, delayReconnect);
      return;
    }
    const { leafsMax, leafsElsewhere } = account;
    if (leafsMax >= 0 && register.countOf(this.#accountName) + leafsElsewhere >= leafsMax) {
      const text = "maximum account active connections exceeded";
      channel.fail(text, CloseReason.MaximumAccountConnectionsExceeded);
      return;
    }
    if (!this.#remote.isWanted) {
      this.close();
      return;
    }
    announceJetStream(channel, account, channel.serverName, cluster, this.#hub?.domain ?? "");
    const link = new LeafLink(
      channel,
      this.#context,
      {
        account: this.#accountName,
        remoteAccount: info.remoteAccount,
        serverName: channel.serverName,
        version: this.#hub?.version ?? "",
        protocol: this.#hub?.protocol ?? 0,
        cluster,
        isSpoke: !remote.hub,
        isSolicited: true,
        isIsolated: options.isolatesInterest || remote.isolateLeafnodeInterest,
        takesHeaders: options.hasHeaders && (this.#hub?.headers ?? false),
        compression: this.#compression,
        grants: this.#grantsOf(info),
        denyPublish: [],
        login: null,
      },
      leafLimits(options, account, null),
      delayReconnect,
    );
    this.#link = link;
    this.#state = "up";
    link.join();
    if (remote.hub && options.hasGateways) notices.accountConnected(this.#accountName);
    for (const operation of this.#early.takeAll()) this.take(operation);
  }
}
