import { hostPortText } from "../../runtime/posix/socket_address.ts";
import { DialTries } from "../core/dial_tries.ts";
import type { LinkClock, LinkConnection, LinkDialer, LinkLog, LinkPeer } from "../core/link.ts";
import { quoted } from "../core/quoted.ts";
import { isAddress } from "../core/url_parts.ts";
import type { AccountRoutes } from "./account_routes.ts";
import type { RouteSettings } from "./route_settings.ts";
import { type RouteUrl, redacted } from "./route_url.ts";

const DIAL_TIMEOUT_MS = 1000;
const RETRY_MS = 1000;
/**
 * A lost route is dialled again after up to this additional time, so that two servers do not drop each other's attempts
 * for ever.
 */
const RECONNECT_SPREAD_MS = 100;

export interface RouteTarget {
  readonly url: RouteUrl;
  /**
   * Whether the URL is configured, and so is dialled until it answers. One learned by gossip is given up after
   * `connect_retries` unless there are connections to that member.
   */
  readonly isExplicit: boolean;
  /** The account that the connection is for; null for a place in the pool. */
  readonly account: string | null;
  /** The id of the member to which this is a further connection; "" for a member not met yet. */
  readonly member: string;
}

/** What the dialler needs from its owner. */
export interface RouteDiallerOwner {
  readonly settings: RouteSettings;
  readonly accounts: AccountRoutes;
  /** Whether there is a connection to this member. */
  isMember(id: string): boolean;
  /** A connection was opened. `isWanted` is false if the configuration no longer wants it. */
  dialled(connection: LinkConnection, target: RouteTarget, isWanted: boolean): LinkPeer;
}

/** Opens the connections that the mesh wants, and tries again. Source: nats-server `connectToRoute`; clusters.md 3.7.3. */
export class RouteDialler {
  readonly #clock: LinkClock;
  readonly #dialer: LinkDialer;
  readonly #log: LinkLog;
  readonly #owner: RouteDiallerOwner;
  /** The attempts that are under way. */
  readonly #attempts = new Set<RouteAttempt>();
  #isStopped = false;

  constructor(clock: LinkClock, dialer: LinkDialer, log: LinkLog, owner: RouteDiallerOwner) {
    this.#clock = clock;
    this.#dialer = dialer;
    this.#log = log;
    this.#owner = owner;
  }

  /** Dials now. */
  connect(target: RouteTarget): void {
    if (this.#isStopped || this.isUnderWay(target)) return;
    this.#try(this.#started(target, true));
  }

  /** Dials again after a connection was lost: almost at once if `isHasty`, else after a pause. */
  reconnect(target: RouteTarget, isHasty: boolean): void {
    if (this.#isStopped || this.isUnderWay(target)) return;
    const attempt = this.#started(target, false);
    const spreadMs = Math.floor(this.#clock.random() * RECONNECT_SPREAD_MS);
    this.#later(attempt, isHasty ? spreadMs : RETRY_MS + spreadMs);
  }

  isConfigured({ text }: RouteUrl): boolean {
    return this.#owner.settings.routes.includes(text);
  }

  stop(): void {
    this.#isStopped = true;
    for (const attempt of this.#attempts) attempt.cancel();
    this.#attempts.clear();
  }

  isUnderWay(target: RouteTarget): boolean {
    return [...this.#attempts].some((attempt) => isSameTarget(attempt.target, target));
  }

  #started(target: RouteTarget, isFirst: boolean): RouteAttempt {
    const attempt = { target, tries: new DialTries(isFirst), cancel: () => {} };
    this.#attempts.add(attempt);
    return attempt;
  }

  #later(attempt: RouteAttempt, ms: number): void {
    attempt.cancel = this.#clock.after(ms, () => this.#try(attempt));
  }

  #try(attempt: RouteAttempt): void {
    const { target } = attempt;
    const { url } = target;
    const problem = this.#problemOf(target);
    if (problem !== null) {
      this.#attempts.delete(attempt);
      this.#log("debug", `Not attempting to connect to ${problem}`);
      return;
    }
    const address = hostPortText(url.host, url.port);
    const resolved = isAddress(url.host) ? ` (${address})` : "";
    this.#log("debug", `Trying to connect to route on ${address}${resolved}`);
    this.#dialer.dial(
      { kind: "route", host: url.host, port: url.port, timeoutMs: DIAL_TIMEOUT_MS },
      (connection) => {
        this.#attempts.delete(attempt);
        const isWanted = !this.#isStopped && this.#problemOf(target) === null;
        return this.#owner.dialled(connection, target, isWanted);
      },
      (reason, isSelf) => {
        if (isSelf || this.#isStopped) this.#attempts.delete(attempt);
        else this.#failed(attempt, reason);
      },
    );
  }

  /** Why the configuration no longer allows an attempt; null if it does. */
  #problemOf({ url, isExplicit, account }: RouteTarget): string | null {
    const name = JSON.stringify(redacted(url));
    if (isExplicit && !this.isConfigured(url)) {
      return `explicit route ${name}, no longer part of configured routes`;
    }
    if (account !== null && !this.#owner.accounts.pinned.has(account)) {
      return `route ${name} for account ${quoted(account)}, no longer a per-account route`;
    }
    return null;
  }

  #failed(attempt: RouteAttempt, reason: string): void {
    const { tries, target } = attempt;
    const { settings } = this.#owner;
    tries.count++;
    const text = `Error trying to connect to route (attempt ${tries.count}): ${reason}`;
    this.#log(tries.isReported(settings) ? "error" : "debug", text);
    const isKept = target.isExplicit || this.#owner.isMember(target.member);
    if (!isKept && tries.count > Math.max(settings.connectRetries, 0)) this.#attempts.delete(attempt);
    else this.#later(attempt, tries.pauseMs(settings.connectBackoff));
  }
}

function isSameTarget(a: RouteTarget, b: RouteTarget): boolean {
  return a.url.text === b.url.text && a.isExplicit === b.isExplicit && a.account === b.account;
}

interface RouteAttempt {
  readonly target: RouteTarget;
  readonly tries: DialTries;
  cancel: () => void;
}
