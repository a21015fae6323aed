import { CloseReason } from "../../protocol/close_reason.ts";
import { byteStringOfText } from "../../subject/byte_string.ts";
import { isValidSubscriptionText } from "../../subject/text.ts";
import { frameMessage } from "../core/frame_message.ts";
import { linkPingIntervalMs } from "../core/heartbeat.ts";
import type { LinkConnection, LinkMessage } from "../core/link.ts";
import { STALE_CONNECTION } from "../core/link_fault.ts";
import { connectLine, EMPTY_LINK_CONNECT, type LinkInfo } from "../core/link_info.ts";
import type { LinkOperation } from "../core/operation.ts";
import { quoted } from "../core/quoted.ts";
import { GATEWAY_COMMAND } from "./gateway_info.ts";
import { GatewayInterest } from "./gateway_interest.ts";
import { type GatewayHost, GatewayLink } from "./gateway_link.ts";
import type { GatewayAccountStatus } from "./gateway_status.ts";
import type { GatewayUrl } from "./gateway_url.ts";
import type { RemoteGateway } from "./remote_gateway.ts";

/** The owner of a dialled connection. */
export interface OutboundHost extends GatewayHost {
  /**
   * The peer belongs to the dialled cluster. Returns false if there is a connection to that cluster already; then this
   * one is closed.
   */
  outboundRegistered(link: OutboundGateway): boolean;
  /** The peer has told its cluster's URLs: first at the start, then whenever they change. */
  remoteInfo(link: OutboundGateway, urls: readonly string[]): void;
  /** The peer tells of another cluster. */
  gossiped(cluster: string, urls: readonly string[]): void;
  outboundEnded(link: OutboundGateway): void;
  /** The link's round trip was measured. */
  outboundMeasured(): void;
}

/**
 * A connection that this server opened to another cluster:
 *
 * ``` expectsInfo ──INFO: CONNECT and INFO are sent──▶ registered ```
 *
 * It carries messages that the cluster wants. Source: nats-server processGatewayInfo, sendGatewayConnect,
 * sendMsgToGateways.
 */
export class OutboundGateway extends GatewayLink {
  readonly role = "outbound";
  /** The cluster that is dialled. */
  readonly remote: RemoteGateway;
  readonly #url: GatewayUrl;
  readonly #host: OutboundHost;
  readonly #isTls: boolean;
  #interest: GatewayInterest | null = null;
  #redials = true;
  #stopWatchdog = () => {};

  constructor(host: OutboundHost, connection: LinkConnection, remote: RemoteGateway, url: GatewayUrl) {
    const tls = remote.tlsFor(url);
    super(host, connection, tls);
    this.#host = host;
    this.remote = remote;
    this.#url = url;
    this.#isTls = tls !== null;
  }

  protected override measured(): void {
    this.#host.outboundMeasured();
  }

  override ended(reason: CloseReason): void {
    this.#stopWatchdog();
    super.ended(reason);
    this.#host.outboundEnded(this);
    if (this.#redials) this.remote.lost();
  }

  accountKnown(account: string): void {
    this.#interest?.accountKnown(account);
  }

  accountGone(account: string): void {
    this.#interest?.accountGone(account);
  }

  /** Does nothing: interest is told over the inbound connection, which the other cluster opened. */
  announce(): void {}

  maySend(account: string, subject: string): boolean {
    const interest = this.#interest;
    if (interest === null) return false;
    if (interest.isExact(account)) return true;
    const { plain, queues } = interest.wants(account, subject);
    return plain || queues.size > 0;
  }

  /** Leaves out a message that nobody there wants: its subject is refused and no group is to be served. */
  sendMessage(message: LinkMessage, queues: readonly string[]): boolean {
    const interest = this.#interest;
    if (interest === null) return false;
    const { account, subject } = message;
    const isWanted = queues.length > 0 || interest.isExact(account) || interest.wants(account, subject).plain;
    if (!isWanted) return false;
    const form = { hasOrigin: false, takesHeaders: this.takesHeaders };
    this.channel.send(frameMessage(this.messagePrefix(account, subject), message, queues, form));
    this.connection.countSent?.(account, message.content.bytes.length);
    return true;
  }

  protected get subscriptionCount(): number {
    return this.#interest?.subscriptionCount ?? 0;
  }

  protected accountStatus(listsSubscriptions: boolean): GatewayAccountStatus[] {
    return this.#interest?.status(listsSubscriptions) ?? [];
  }

  protected readonly firstLetters = "";

  protected logCreation(): void {
    this.channel.say("info", `Creating outbound gateway connection to ${quoted(this.remote.name)}`);
  }

  /**
   * Waits for the peer, which speaks first. It is not pinged before that, because it expects CONNECT as the first
   * operation.
   */
  protected start(): void {
    const { pingIntervalMs, pingsOutMax } = this.#host.settings;
    const waitMs = linkPingIntervalMs("gateway", pingIntervalMs) * (pingsOutMax + 1);
    this.#stopWatchdog = this.#host.hooks.clock.after(waitMs, () => this.refuse(STALE_CONNECTION));
  }

  protected takeConnect(): void {}

  protected takeInfo(info: LinkInfo): void {
    const isFirst = this.#interest === null;
    const { gateway, gatewayCommand } = info;
    if (gateway === "") {
      const text = `Attempt to connect to gateway ${quoted(this.remote.name)} using wrong port`;
      this.channel.fail(text, CloseReason.IncorrectPort, { isLimited: true });
    } else if (gateway !== this.remote.name) {
      if (!isFirst && gatewayCommand === GATEWAY_COMMAND.gossip)
        this.#host.gossiped(gateway, info.gatewayUrls);
      else this.#refuseCluster(gateway);
    } else if (isFirst) {
      this.#register(info);
    } else if (gatewayCommand !== 0) {
      this.#takeCommand(info);
    } else {
      this.#host.remoteInfo(this, info.gatewayUrls);
    }
  }

  protected takeInterest(
    operation: Extract<LinkOperation, { kind: "subscribe" | "unsubscribe" | "account" }>,
  ): void {
    const interest = this.#interest;
    if (interest === null) return;
    const { account } = operation;
    if (operation.kind === "account") interest.account(account, operation.hasInterest);
    else if (operation.kind === "subscribe" && !isValidSubscriptionText(operation.subject))
      this.channel.say(
        "error",
        `Could not insert subscription for account ${quoted(account)}: invalid subject`,
      );
    else if (operation.kind === "subscribe") interest.subscribe(account, operation.subject, operation.queue);
    else interest.unsubscribe(account, operation.subject, operation.queue);
  }

  #register(info: LinkInfo): void {
    if (!this.identify(info)) return;
    this.#stopWatchdog();
    this.cluster = this.remote.name;
    this.channel.send(this.#connectLine() + this.#host.ownInfo());
    this.channel.say("debug", `Gateway connect protocol sent to ${quoted(this.remote.name)}`);
    if (!this.#host.outboundRegistered(this)) {
      this.#redials = false;
      this.close(CloseReason.WrongGateway);
      return;
    }
    this.channel.say(
      "info",
      `Outbound gateway connection to ${quoted(this.remote.name)} (${this.remoteId}) registered`,
    );
    this.heartbeat.start();
    // The distance of the cluster decides who serves a queue group, so it is measured at once.
    this.heartbeat.ping();
    this.isRegistered = true;
    const { events } = this.#host.hooks;
    const interest = new GatewayInterest(info.gatewayIom, {
      interest: (key, weight) => events.interest(this, key, weight),
      changed: () => events.changed(this),
    });
    this.#interest = interest;
    events.joined(this);
    for (const account of this.#host.accounts) interest.accountKnown(account);
    this.#host.remoteInfo(this, info.gatewayUrls);
  }

  #connectLine(): string {
    const { serverId, name, credentials } = this.#host.settings;
    return connectLine("gateway", {
      ...EMPTY_LINK_CONNECT,
      ...(this.#url.credentials ?? credentials),
      tlsRequired: this.#isTls,
      name: serverId,
      gateway: name,
    });
  }

  #refuseCluster(gateway: string): void {
    const own = quoted(this.#host.settings.name);
    const target = quoted(this.remote.name);
    const other = quoted(gateway);
    this.refuse({
      logText: `Failing connection to gateway ${target}, remote gateway name is ${other}`,
      wireText: byteStringOfText(
        `Connection from ${own} rejected, wanted to connect to ${target}, this is ${other}`,
      ),
      closeReason: CloseReason.WrongGateway,
    });
  }

  #takeCommand({ gatewayCommand, gatewayCommandPayload: account }: LinkInfo): void {
    const isStart = gatewayCommand === GATEWAY_COMMAND.allStart;
    if (!isStart && gatewayCommand !== GATEWAY_COMMAND.allComplete) {
      const text = `Received unknown command ${gatewayCommand} from gateway ${quoted(this.remote.name)}`;
      this.#host.hooks.log("warning", text);
    } else if (account === "") {
      const which = isStart ? "start" : "complete";
      const text = `Account absent from receive-all-subscriptions-${which} command`;
      this.channel.fail(text, CloseReason.ProtocolViolation, { isLimited: true });
    } else {
      const done = isStart ? "" : " complete";
      const switching = `switching account ${quoted(account)} to Interest-Only mode${done}`;
      this.channel.say("debug", `Gateway ${quoted(this.remote.name)}: ${switching}`);
      if (isStart) this.#interest?.startAll(account);
      else this.#interest?.completeAll(account);
    }
  }
}
