import { textOf } from "../../subject/byte_string.ts";
import type { InterestKey } from "../core/link.ts";
import { AccountInterest } from "./account_interest.ts";
import type { GatewayAccountStatus } from "./gateway_status.ts";

/** Receives the changes. */
export interface InterestSink {
  /** `weight` 1: the remote cluster wants this from now on; 0: no longer. */
  interest(key: InterestKey, weight: number): void;
  /** The set of refused subjects has changed. */
  changed(): void;
}

/** Which subscriptions beyond a gateway get a message: plain ones, and these groups. */
export interface GatewayWants {
  readonly plain: boolean;
  readonly queues: ReadonlySet<string>;
}

const NOTHING: GatewayWants = { plain: false, queues: new Set() };
const EVERYTHING = ">";

/**
 * What the cluster behind an outbound gateway wants, account by account, as the other side tells it: the table in
 * clusters.md 4.7.
 * Source: nats-server gatewayInterest, processGatewayRSub, processGatewayRUnsub, processGatewayAccountSub.
 *
 * A gateway without `gateway_iom` is sent whatever it has not refused: it counts as interested in `>`, and `wants`
 * leaves out what is refused. The same holds for an account of which a gateway with `gateway_iom` has sent `A-` or
 * `A+`. Such a gateway has forgotten that it had told its interest, and will not tell more until it starts over.
 * (nats-server never sends it messages of that account again.)
 *
 * The sink is told only of known accounts, those that this server has.
 */
export class GatewayInterest {
  readonly #sink: InterestSink;
  readonly #tellsInterest: boolean;
  readonly #accounts = new Map<string, AccountInterest>();
  readonly #known = new Set<string>();
  /** Accounts for which `>` is reported although it was not told. */
  readonly #assumed = new Set<string>();
  /** Accounts for which a gateway with `gateway_iom` has fallen back to refusals. */
  readonly #lapsed = new Set<string>();

  /** `tellsInterest` says that the other side's INFO had `gateway_iom`. */
  constructor(tellsInterest: boolean, sink: InterestSink) {
    this.#tellsInterest = tellsInterest;
    this.#sink = sink;
  }

  /** This server has the account: interest in it is reported from now on. */
  accountKnown(account: string): void {
    if (this.#known.has(account)) return;
    this.#known.add(account);
    this.#reportAll(account, 1);
    this.#settle(account);
  }

  /** This server no longer has the account. */
  accountGone(account: string): void {
    this.#settleAs(account, false);
    this.#reportAll(account, 0);
    this.#known.delete(account);
  }

  /** `A+` and `A-`. */
  account(account: string, hasInterest: boolean): void {
    if (this.#tellsInterest) this.#lapsed.add(account);
    const entry = this.#accounts.get(account);
    if (entry !== undefined && entry.queueCount > 0) {
      if (!hasInterest) this.#replaceRefused(entry, new Set());
    } else if (hasInterest) {
      this.#forget(account);
    } else if (entry?.mode !== "none") {
      this.#forget(account);
      this.#accounts.set(account, new AccountInterest("none"));
    }
    this.#settle(account);
  }

  /** `RS+` */
  subscribe(account: string, subject: string, queue: string): void {
    const entry = this.#accounts.get(account);
    if (queue !== "") {
      if (this.#entryFor(account).addQueue(subject, queue)) this.#report(account, subject, queue, 1);
    } else if (entry?.mode === "optimistic") {
      if (entry.unrefuse(subject)) this.#sink.changed();
    } else if (entry !== undefined && entry.mode !== "none") {
      if (entry.addPlain(subject)) this.#report(account, subject, "", 1);
      return;
    }
    this.#settle(account);
  }

  /** `RS-` */
  unsubscribe(account: string, subject: string, queue: string): void {
    const entry = this.#accounts.get(account);
    if (queue !== "") {
      if (entry?.removeQueue(subject, queue)) this.#report(account, subject, queue, 0);
      if (entry?.mode === "optimistic" && entry.queueCount === 0 && entry.refused?.size === 0)
        this.#accounts.delete(account);
    } else if (entry === undefined || entry.mode === "none" || entry.mode === "optimistic") {
      const refused = this.#entryFor(account).refused;
      if (refused !== null && !refused.has(subject)) {
        refused.add(subject);
        this.#sink.changed();
      }
    } else {
      if (entry.removePlain(subject)) this.#report(account, subject, "", 0);
      return;
    }
    this.#settle(account);
  }

  /** Takes command 2: all plain interest in the account follows. */
  startAll(account: string): void {
    this.#lapsed.delete(account);
    const entry = this.#accounts.get(account);
    if (entry === undefined || entry.mode === "none")
      this.#accounts.set(account, new AccountInterest("transitioning"));
    else entry.mode = "transitioning";
    this.#settle(account);
  }

  /** Takes command 3: all plain interest has been told. */
  completeAll(account: string): void {
    const entry = this.#accounts.get(account);
    if (entry === undefined || entry.mode === "none") return;
    entry.mode = "interest-only";
    this.#replaceRefused(entry, null);
    this.#settle(account);
  }

  /** The subscriptions that a message on `subject`, a literal, is sent for. */
  wants(account: string, subject: string): GatewayWants {
    const entry = this.#accounts.get(account);
    if (entry === undefined)
      return this.#assumes(account) ? { plain: true, queues: NOTHING.queues } : NOTHING;
    if (entry.mode === "none") return NOTHING;
    const isAssumed = entry.refused !== null && this.#assumes(account) && !entry.refused.has(subject);
    return {
      plain: isAssumed || entry.matchesPlain(subject),
      queues: entry.queueCount === 0 ? NOTHING.queues : entry.matchingQueues(subject),
    };
  }

  /** Whether everything reported as interest is really wanted. If not, `wants` decides. */
  isExact(account: string): boolean {
    return !this.#assumed.has(account);
  }

  get subscriptionCount(): number {
    let count = 0;
    for (const { plainCount, queueCount } of this.#accounts.values()) count += plainCount + queueCount;
    return count;
  }

  status(listsSubscriptions: boolean): GatewayAccountStatus[] {
    return Array.from(this.#accounts, ([name, entry]) => ({
      name: textOf(name),
      interestMode: modeText(entry),
      noInterestCount: entry.refused?.size ?? 0,
      subscriptionCount: entry.plainCount + entry.queueCount,
      queueSubscriptionCount: entry.queueCount,
      subscriptions: listsSubscriptions ? subscriptionsOf(entry) : [],
    }));
  }

  /** The account's entry. Makes a new one if there is none or if the account is refused as a whole. */
  #entryFor(account: string): AccountInterest {
    const entry = this.#accounts.get(account);
    if (entry !== undefined && entry.mode !== "none") return entry;
    const made = new AccountInterest("optimistic");
    this.#accounts.set(account, made);
    return made;
  }

  #forget(account: string): void {
    const entry = this.#accounts.get(account);
    if (entry === undefined) return;
    this.#reportAll(account, 0);
    this.#accounts.delete(account);
    if (entry.refused !== null && entry.refused.size > 0) this.#sink.changed();
  }

  #replaceRefused(entry: AccountInterest, refused: Set<string> | null): void {
    const hadRefused = (entry.refused?.size ?? 0) > 0;
    entry.refused = refused;
    if (hadRefused) this.#sink.changed();
  }

  /** Whether the gateway is sent what it has not refused, without asking for it. */
  #assumes(account: string): boolean {
    return !this.#tellsInterest || this.#lapsed.has(account);
  }

  /** Reports or takes back interest in everything, according to the account's state. */
  #settle(account: string): void {
    if (!this.#known.has(account)) return;
    const entry = this.#accounts.get(account);
    const mayRefuse = entry === undefined || (entry.mode !== "none" && entry.refused !== null);
    this.#settleAs(account, mayRefuse && this.#assumes(account));
  }

  #settleAs(account: string, isAssumed: boolean): void {
    if (isAssumed === this.#assumed.has(account)) return;
    if (isAssumed) this.#assumed.add(account);
    else this.#assumed.delete(account);
    const isSubscribed = this.#accounts.get(account)?.hasPlain(EVERYTHING) ?? false;
    if (!isSubscribed) this.#sink.interest(interestKey(account, EVERYTHING, ""), isAssumed ? 1 : 0);
  }

  #reportAll(account: string, weight: number): void {
    const entry = this.#accounts.get(account);
    if (entry === undefined) return;
    for (const subject of entry.plain()) this.#report(account, subject, "", weight);
    for (const { subject, queue } of entry.queues()) this.#report(account, subject, queue, weight);
  }

  #report(account: string, subject: string, queue: string, weight: number): void {
    if (!this.#known.has(account)) return;
    if (subject === EVERYTHING && queue === "" && this.#assumed.has(account)) return;
    this.#sink.interest(interestKey(account, subject, queue), weight);
  }
}

function interestKey(account: string, subject: string, queue: string): InterestKey {
  return { account, subject, queue, origin: "" };
}

/**
 * The mode as monitoring shows it. An account that is refused as a whole is shown like one that was never mentioned.
 */
function modeText({ mode }: AccountInterest): GatewayAccountStatus["interestMode"] {
  if (mode === "interest-only") return "Interest-Only";
  return mode === "transitioning" ? "Transitioning" : "Optimistic";
}

function subscriptionsOf(entry: AccountInterest): GatewayAccountStatus["subscriptions"] {
  const plain = Array.from(entry.plain(), (subject) => ({ subject, queue: "" }));
  return [...plain, ...entry.queues()].map(({ subject, queue }) => ({
    subject: textOf(subject),
    queue: textOf(queue),
  }));
}
