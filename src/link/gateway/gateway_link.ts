import { CloseReason } from "../../protocol/close_reason.ts";
import { textOf } from "../../subject/byte_string.ts";
import { Heartbeat, linkPingIntervalMs } from "../core/heartbeat.ts";
import type { InterestKey, Link, LinkConnection, LinkMessage, LinkPeer, LinkTls } from "../core/link.ts";
import { LinkChannel } from "../core/link_channel.ts";
import { type LinkFault, violation } from "../core/link_fault.ts";
import { decodeLinkInfo, type LinkInfo, TRACE_PROTOCOL } from "../core/link_info.ts";
import type { LinkOperation } from "../core/operation.ts";
import type { OperationRules } from "../core/operation_parser.ts";
import { quoted } from "../core/quoted.ts";
import type { GatewayHooks, GatewaySettings } from "./gateway_settings.ts";
import type { GatewayAccountStatus, GatewayLinkStatus, GatewayStatusQuery } from "./gateway_status.ts";

/** The owner of the connection. */
export interface GatewayHost {
  readonly settings: GatewaySettings;
  readonly hooks: Pick<GatewayHooks, "clock" | "log" | "events" | "judge">;
  /** The accounts of this server. */
  readonly accounts: ReadonlySet<string>;
  /** This server's INFO, with the current gateways of its cluster. */
  ownInfo(): string;
  /** Whether this server or a member of its cluster has that name. */
  isDuplicateName(serverName: string): boolean;
}

/**
 * A connection to a server of another cluster, from its first byte. Messages go from the side that dialled to the side
 * that accepted, interest in the opposite direction: see `InboundGateway` and `OutboundGateway`.
 */
export abstract class GatewayLink implements LinkPeer, Link {
  readonly kind = "gateway";
  readonly account = null;
  readonly isIsolated = false;
  abstract readonly role: "inbound" | "outbound";
  readonly connection: LinkConnection;
  /** The other cluster; "" before it is known. */
  cluster = "";
  remoteId = "";
  takesHeaders = false;
  tracesMessages = false;
  protected readonly channel: LinkChannel;
  protected readonly heartbeat: Heartbeat;
  protected isRegistered = false;
  readonly #host: GatewayHost;
  readonly #tls: LinkTls | null;
  readonly #startedMs: number;
  #rules: OperationRules | null = null;

  constructor(host: GatewayHost, connection: LinkConnection, tls: LinkTls | null) {
    this.#host = host;
    this.connection = connection;
    this.#tls = tls;
    this.#startedMs = host.hooks.clock.nowMs();
    const settings = () => ({
      intervalMs: linkPingIntervalMs("gateway", host.settings.pingIntervalMs),
      pingsOutMax: host.settings.pingsOutMax,
    });
    const { clock, log } = host.hooks;
    this.channel = new LinkChannel("gateway", connection, log, () => this.heartbeat.stop());
    this.heartbeat = new Heartbeat(this.channel, clock, settings, (fault) => this.refuse(fault));
  }

  get serverName(): string {
    return this.channel.serverName;
  }

  get rttMs(): number {
    return this.heartbeat.rttMs;
  }

  /** The host asks for these with every operation. */
  get rules(): OperationRules {
    const { firstLetters } = this;
    if (this.#rules?.firstLetters !== firstLetters) {
      const { controlLineBytesMax } = this.#host.settings;
      const same = { kind: "gateway", payloadBytesMax: null, unsubscribeHasOrigin: false } as const;
      this.#rules = { ...same, controlLineBytesMax, firstLetters };
    }
    return this.#rules;
  }

  begin(): void {
    if (this.channel.isClosed) return;
    this.logCreation();
    if (this.#tls === null) this.start();
    else this.connection.startTls(this.#tls, () => this.start());
  }

  /** A round trip was measured. */
  protected measured(): void {}

  take(operation: LinkOperation): void {
    if (this.channel.isClosed) return;
    switch (operation.kind) {
      case "ping":
        this.channel.send("PONG\r\n");
        break;
      case "pong":
        this.heartbeat.pong();
        this.measured();
        break;
      case "ok":
        break;
      case "error":
        this.channel.say("error", `Gateway Error '${textOf(operation.text)}'`);
        this.channel.close(CloseReason.ParseError);
        break;
      case "info": {
        const read = decodeLinkInfo(operation.json);
        if (read.ok) this.takeInfo(read.values);
        else this.refuse(violation(read.problem));
        break;
      }
      case "connect":
        this.takeConnect(operation.json);
        break;
      case "subscribe":
      case "unsubscribe":
      case "account":
        this.takeInterest(operation);
        break;
      case "message":
        if (this.isRegistered) this.takeMessage(operation);
    }
  }

  refuse(fault: LinkFault): void {
    this.channel.refuse(fault);
  }

  ended(reason: CloseReason): void {
    this.channel.ended(reason);
    if (this.isRegistered) this.#host.hooks.events.left(this);
    this.isRegistered = false;
  }

  close(reason: CloseReason): void {
    this.channel.close(reason);
  }

  /** What /gatewayz shows. */
  status(
    isConfigured: boolean,
    { listsAccounts, listsSubscriptions }: GatewayStatusQuery,
  ): GatewayLinkStatus {
    const { id, remoteIp: ip, remotePort: port } = this.connection;
    return {
      name: textOf(this.cluster),
      isConfigured,
      id,
      remoteId: textOf(this.remoteId),
      ip,
      port,
      ageMs: this.#host.hooks.clock.nowMs() - this.#startedMs,
      roundTripNs: Math.round(this.rttMs * 1e6),
      subscriptionCount: this.subscriptionCount,
      accounts: listsAccounts ? this.accountStatus(listsSubscriptions) : [],
    };
  }

  carries(): boolean {
    return true;
  }

  abstract announce(key: InterestKey, weight: number): void;
  abstract maySend(account: string, subject: string): boolean;
  abstract sendMessage(message: LinkMessage, queues: readonly string[]): boolean;

  messagePrefix(account: string, subject: string): string {
    return `RMSG ${account} ${subject} `;
  }

  /** The number of subscriptions that the peer has told, in all accounts. */
  protected abstract readonly subscriptionCount: number;
  protected abstract accountStatus(listsSubscriptions: boolean): GatewayAccountStatus[];
  /** See `OperationRules`. */
  protected abstract readonly firstLetters: string;
  protected abstract logCreation(): void;
  /** The connection is ready, encrypted if TLS is configured. */
  protected abstract start(): void;
  protected abstract takeConnect(json: string): void;
  protected abstract takeInfo(info: LinkInfo): void;
  protected abstract takeInterest(
    operation: Extract<LinkOperation, { kind: "subscribe" | "unsubscribe" | "account" }>,
  ): void;

  protected takeMessage(operation: Extract<LinkOperation, { kind: "message" }>): void {
    const { account, origin, subject, reply, queues, content } = operation;
    this.#host.hooks.events.message(this, { account, origin, subject, reply, content }, queues);
  }

  /**
   * Takes the peer's identity from its first INFO. Returns false, and closes the connection, if its name is a
   * duplicate.
   */
  protected identify(info: LinkInfo): boolean {
    if (info.serverName !== "" && this.#host.isDuplicateName(info.serverName)) {
      this.channel.say("error", `Remote server has a duplicate name: ${quoted(info.serverName)}`);
      this.channel.close(CloseReason.DuplicateServerName);
      return false;
    }
    this.remoteId = info.serverId;
    this.channel.serverName = info.serverName;
    this.takesHeaders = info.headers;
    this.tracesMessages = info.protocol >= TRACE_PROTOCOL;
    return true;
  }
}
