import { textOf } from "../../subject/byte_string.ts";
import type { InterestKey } from "../core/link.ts";
import { AccountInterest } from "./account_interest.ts";
import type { GatewayAccountStatus } from "./gateway_status.ts";

/** Where changes go. */
export interface InterestSink {
  /** 1: the remote cluster wants this from now on; 0: no more. */
  interest(key: InterestKey, weight: number): void;
  /** Other subjects than before are refused. */
  changed(): void;
}

/** What goes over a gateway of a message: to plain subscriptions there, and to these groups. */
export interface GatewayWants {
  readonly plain: boolean;
  readonly queues: ReadonlySet<string>;
}

const NOTHING: GatewayWants = { plain: false, queues: new Set() };
const EVERYTHING = ">";

/**
 * What the cluster behind an outbound gateway wants, account by account, as the other side tells it: table 4.7.
 * Source: nats-server gatewayInterest, processGatewayRSub, processGatewayRUnsub, processGatewayAccountSub.
 *
 * A gateway without `gateway_iom` is sent whatever it has not refused: interest in `>`, from which refusals are left
 * out by `wants`. So is one with it for an account of which it has sent `A-` or `A+`: then it has forgotten that it
 * had told its interest, and will not tell more until it starts anew. (nats-server sends such an account nothing ever
 * after.)
 *
 * The sink hears of known accounts only: those that messages may come from here.
 */
export class GatewayInterest {
  readonly #sink: InterestSink;
  readonly #tellsInterest: boolean;
  readonly #accounts = new Map<string, AccountInterest>();
  readonly #known = new Set<string>();
  /** Accounts of which `>` is reported although nobody subscribed to it. */
  readonly #assumed = new Set<string>();
  /** Accounts that a gateway with `gateway_iom` has fallen back to refusing in. */
  readonly #lapsed = new Set<string>();

  /** `tellsInterest`: the other side's INFO had `gateway_iom`. */
  constructor(tellsInterest: boolean, sink: InterestSink) {
    this.#tellsInterest = tellsInterest;
    this.#sink = sink;
  }

  /** This server has the account: what is wanted of it is reported. */
  accountKnown(account: string): void {
    if (this.#known.has(account)) return;
    this.#known.add(account);
    this.#reportAll(account, 1);
    this.#settle(account);
  }

  /** It has it no more. */
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

  /** Command 2: all plain interest in the account follows. */
  startAll(account: string): void {
    this.#lapsed.delete(account);
    const entry = this.#accounts.get(account);
    if (entry === undefined || entry.mode === "none")
      this.#accounts.set(account, new AccountInterest("transitioning"));
    else entry.mode = "transitioning";
    this.#settle(account);
  }

  /** Command 3: that was all of it. */
  completeAll(account: string): void {
    const entry = this.#accounts.get(account);
    if (entry === undefined || entry.mode === "none") return;
    entry.mode = "interest-only";
    this.#replaceRefused(entry, null);
    this.#settle(account);
  }

  /** What a message on `subject`, a literal, is sent for. */
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

  /** Whether everything that was reported as interest is wanted; if not, `wants` has the last word. */
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

  /** The account's entry, a new one if there is none or only that of an account without interest. */
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

  /** Whether the gateway is sent what it has not asked for. */
  #assumes(account: string): boolean {
    return !this.#tellsInterest || this.#lapsed.has(account);
  }

  /** Reports or takes back interest in everything, as the account's state has it now. */
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

/** An account without interest shows as one of which nothing is known. */
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
