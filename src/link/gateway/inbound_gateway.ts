import { CloseReason } from "../../protocol/close_reason.ts";
import { byteStringOfText, textOf } from "../../subject/byte_string.ts";
import type { InterestKey, LinkConnection, LinkTls } from "../core/link.ts";
import { AUTHENTICATION_TIMEOUT, authorizationFault, violation } from "../core/link_fault.ts";
import { decodeLinkConnect, type LinkInfo } from "../core/link_info.ts";
import type { LinkOperation } from "../core/operation.ts";
import { quoted } from "../core/quoted.ts";
import { accountCommand, GATEWAY_COMMAND } from "./gateway_info.ts";
import { type GatewayHost, GatewayLink } from "./gateway_link.ts";
import type { GatewayAccountStatus } from "./gateway_status.ts";

/** The most unknown accounts that a peer is told of; messages of further ones are dropped silently. */
const REFUSED_ACCOUNTS_MAX = 1024;

/** The owner of an accepted connection. */
export interface InboundHost extends GatewayHost {
  readonly inboundTls: LinkTls | null;
  /** Whether connections of this cluster are refused because only configured clusters may connect. */
  isRejected(cluster: string): boolean;
  /** The peer's cluster and its URLs are known. Returns INFO lines that tell the peer of other clusters. */
  inboundRegistered(cluster: string, urls: readonly string[]): string;
  inboundEnded(link: InboundGateway): void;
}

/**
 * A connection that another cluster opened to this server:
 *
 * ``` expectsConnect ──CONNECT──▶ expectsInfo ──INFO──▶ registered ```
 *
 * The peer sends messages, and is told what this cluster wants. All interest is told from the start, between commands 2
 * and 3 for each account. So subjects of an account that has been told are never refused. Source: nats-server
 * processGatewayConnect, processGatewayInfo, gatewaySwitchAccountToSendAllSubs.
 */
export class InboundGateway extends GatewayLink {
  readonly role = "inbound";
  readonly #host: InboundHost;
  /** Accounts whose interest has been told, and whose changes are told since. */
  readonly #told = new Set<string>();
  /** Accounts that this server does not have, as the peer was told. */
  readonly #refused = new Set<string>();
  /** Collects what is announced while the peer is being registered; null otherwise. */
  #burst: Burst | null = null;
  #state: "expectsConnect" | "expectsInfo" | "registered" = "expectsConnect";
  #connectCluster = "";
  #stopAuthTimer = () => {};

  constructor(host: InboundHost, connection: LinkConnection) {
    super(host, connection, host.inboundTls);
    this.#host = host;
  }

  override ended(reason: CloseReason): void {
    this.#stopAuthTimer();
    super.ended(reason);
    this.#host.inboundEnded(this);
  }

  announce(key: InterestKey, weight: number): void {
    if (this.#burst !== null) this.#burst.add(key);
    else if (key.queue !== "" || this.#told.has(key.account)) this.channel.send(interestLine(key, weight));
    else if (weight > 0) this.#tell(key.account, interestLine(key, weight));
  }

  /** This server has a new account: its interest is told from now on. Does nothing if it is told already. */
  accountKnown(account: string): void {
    // Interest in it before now would have caused it to be told.
    if (this.isRegistered && !this.#told.has(account)) this.#tell(account, "");
  }

  /** Sends this server's INFO because the cluster's gateway URLs have changed. */
  sendInfo(): void {
    if (this.isRegistered) this.channel.send(this.#host.ownInfo());
  }

  /** Messages leave by the outbound connection to that cluster. */
  maySend(): boolean {
    return false;
  }

  /** Sends nothing: see `maySend`. */
  sendMessage(): boolean {
    return false;
  }

  protected readonly subscriptionCount = 0;

  protected accountStatus(): GatewayAccountStatus[] {
    return Array.from(this.#told, (name) => ({
      name: textOf(name),
      interestMode: "Interest-Only",
      noInterestCount: 0,
      subscriptionCount: 0,
      queueSubscriptionCount: 0,
      subscriptions: [],
    }));
  }

  protected get firstLetters(): string {
    return this.#state === "expectsConnect" ? "c" : "";
  }

  protected logCreation(): void {
    this.channel.say("info", "Processing inbound gateway connection");
  }

  protected start(): void {
    const { hooks, settings } = this.#host;
    this.channel.send(this.#host.ownInfo());
    this.#stopAuthTimer = hooks.clock.after(settings.authTimeoutMs, () => {
      this.refuse(AUTHENTICATION_TIMEOUT);
    });
  }

  protected takeConnect(json: string): void {
    if (this.#state !== "expectsConnect") return;
    const read = decodeLinkConnect(json);
    if (!read.ok) {
      this.refuse(violation(read.problem));
      return;
    }
    this.#stopAuthTimer();
    this.#host.hooks.judge(this.connection, read.values, false, ({ isAuthorized, log }) => {
      if (this.channel.isClosed) return;
      if (log !== null) this.channel.say(log.level, log.text);
      if (isAuthorized) this.#welcome(read.values.gateway);
      else this.refuse(authorizationFault(read.values.user));
    });
  }

  /** The login is accepted. Checks whether the peer is a gateway, and of a cluster that may connect. */
  #welcome(gateway: string): void {
    if (gateway === "") {
      this.channel.fail("attempted to connect to gateway port", CloseReason.IncorrectPort);
    } else if (!this.#isRejected(gateway)) {
      this.#connectCluster = gateway;
      this.#state = "expectsInfo";
      this.heartbeat.start();
    }
  }

  protected takeInfo(info: LinkInfo): void {
    if (this.#state !== "expectsInfo") return;
    const cluster = info.gateway === "" ? this.#connectCluster : info.gateway;
    if (this.#isRejected(cluster) || !this.identify(info)) return;
    this.cluster = cluster;
    this.#state = "registered";
    this.isRegistered = true;
    this.channel.say(
      "info",
      `Inbound gateway connection from ${quoted(cluster)} (${this.remoteId}) registered`,
    );
    const burst = new Burst();
    this.#burst = burst;
    this.#host.hooks.events.joined(this);
    this.#burst = null;
    this.channel.send(burst.queues);
    this.channel.send(this.#host.inboundRegistered(cluster, info.gatewayUrls));
    for (const account of new Set([...this.#host.accounts, ...burst.plain.keys()]))
      this.#tell(account, burst.plain.get(account) ?? "");
  }

  protected takeInterest(
    operation: Extract<LinkOperation, { kind: "subscribe" | "unsubscribe" | "account" }>,
  ): void {
    this.refuse(violation(`Received ${verbOf(operation)} from gateway on inbound connection`));
  }

  protected override takeMessage(operation: Extract<LinkOperation, { kind: "message" }>): void {
    const { account } = operation;
    if (!this.#host.accounts.has(account) && !this.#told.has(account)) this.#refuseAccount(account);
    super.takeMessage(operation);
  }

  /** Tells the peer, once, that nobody here wants messages of an account. */
  #refuseAccount(account: string): void {
    if (this.#refused.has(account) || this.#refused.size >= REFUSED_ACCOUNTS_MAX) return;
    this.#refused.add(account);
    this.channel.send(`A- ${account}\r\n`);
  }

  /** Returns true, and closes the connection, if the cluster is refused. */
  #isRejected(cluster: string): boolean {
    if (!this.#host.isRejected(cluster)) return false;
    this.refuse({
      logText: `Rejecting connection from gateway ${quoted(cluster)}`,
      wireText: byteStringOfText(`Connection to gateway ${quoted(this.#host.settings.name)} rejected`),
      closeReason: CloseReason.WrongGateway,
    });
    return true;
  }

  /** Tells all plain interest in an account: `lines` is what there is now. Every later change is announced. */
  #tell(account: string, lines: string): void {
    this.#told.add(account);
    this.#refused.delete(account);
    const { name } = this.#host.settings;
    const switching = `Gateway ${quoted(this.cluster)}: switching account ${quoted(account)} to Interest-Only mode`;
    this.channel.say("debug", switching);
    const start = accountCommand(name, GATEWAY_COMMAND.allStart, account);
    this.channel.send(start + lines + accountCommand(name, GATEWAY_COMMAND.allComplete, account));
    this.channel.say("debug", `${switching} complete`);
  }
}

/** Interest collected as lines: the groups of all accounts together, and plain interest by account. */
class Burst {
  queues = "";
  readonly plain = new Map<string, string>();

  add(key: InterestKey): void {
    const line = interestLine(key, 1);
    if (key.queue !== "") this.queues += line;
    else this.plain.set(key.account, (this.plain.get(key.account) ?? "") + line);
  }
}

/** The line for interest. A group has weight 1 for its cluster, however many members it has there. */
function interestLine({ account, subject, queue }: InterestKey, weight: number): string {
  const group = queue === "" ? "" : ` ${queue}`;
  if (weight === 0) return `RS- ${account} ${subject}${group}\r\n`;
  return `RS+ ${account} ${subject}${group}${queue === "" ? "" : " 1"}\r\n`;
}

function verbOf(
  operation: Extract<LinkOperation, { kind: "subscribe" | "unsubscribe" | "account" }>,
): string {
  if (operation.kind === "account") return operation.hasInterest ? "A+" : "A-";
  return operation.kind === "subscribe" ? "RS+" : "RS-";
}
