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

/** Of accounts beyond these that are not here, messages are dropped without a word. */
const REFUSED_ACCOUNTS_MAX = 1024;

/** Whose accepted connection it is. */
export interface InboundHost extends GatewayHost {
  readonly inboundTls: LinkTls | null;
  /** Whether connections of this cluster are refused, because only configured ones are taken. */
  isRejected(cluster: string): boolean;
  /** The peer's cluster is known, and where it can be dialled in turn. Returns INFO lines that tell it of others. */
  inboundRegistered(cluster: string, urls: readonly string[]): string;
  inboundEnded(link: InboundGateway): void;
}

/**
 * A connection that another cluster opened to this server:
 *
 * ```
 * expectsConnect ──CONNECT──▶ expectsInfo ──INFO──▶ registered
 * ```
 *
 * The peer sends messages; it is told what this cluster wants. From the start all interest is told, between commands 2
 * and 3 for each account: nothing is ever refused of an account that has been told. Source: nats-server
 * processGatewayConnect, processGatewayInfo, gatewaySwitchAccountToSendAllSubs.
 */
export class InboundGateway extends GatewayLink {
  readonly role = "inbound";
  readonly #host: InboundHost;
  /** Accounts whose interest has been told, and is since. */
  readonly #told = new Set<string>();
  /** Accounts that there are none of here. */
  readonly #refused = new Set<string>();
  /** What is announced while the peer is being registered. */
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

  /** An account has come into being: its interest is told from now on. Nothing if it is told already. */
  accountKnown(account: string): void {
    // Whatever was wanted of it before has made it known.
    if (this.isRegistered && !this.#told.has(account)) this.#tell(account, "");
  }

  /** What the cluster's servers say of where they are has changed. */
  sendInfo(): void {
    if (this.isRegistered) this.channel.send(this.#host.ownInfo());
  }

  /** Messages leave by the outbound connection to that cluster. */
  maySend(): boolean {
    return false;
  }

  /** None: see `maySend`. */
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

  /** It may connect: what remains to be seen is whether it is a gateway that may. */
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

  /** Tells the peer, once, that nobody wants messages of an account. */
  #refuseAccount(account: string): void {
    if (this.#refused.has(account) || this.#refused.size >= REFUSED_ACCOUNTS_MAX) return;
    this.#refused.add(account);
    this.channel.send(`A- ${account}\r\n`);
  }

  /** True if the cluster is refused: then the connection is closed. */
  #isRejected(cluster: string): boolean {
    if (!this.#host.isRejected(cluster)) return false;
    this.refuse({
      logText: `Rejecting connection from gateway ${quoted(cluster)}`,
      wireText: byteStringOfText(`Connection to gateway ${quoted(this.#host.settings.name)} rejected`),
      closeReason: CloseReason.WrongGateway,
    });
    return true;
  }

  /** All plain interest in an account: what there is now as lines, then each change. */
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

/** Interest collected as lines: groups of all accounts, and plain interest of each. */
class Burst {
  queues = "";
  readonly plain = new Map<string, string>();

  add(key: InterestKey): void {
    const line = interestLine(key, 1);
    if (key.queue !== "") this.queues += line;
    else this.plain.set(key.account, (this.plain.get(key.account) ?? "") + line);
  }
}

/** A group counts once for its cluster, however many members it has there. */
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
