import { hostPortText } from "../../runtime/posix/socket_address.ts";
import type { LinkClock, LinkConnection, LinkDialer, LinkLog, LinkPeer } from "../core/link.ts";
import { isAddress } from "../core/url_parts.ts";
import type { RouteSettings } from "./route_settings.ts";
import { type RouteUrl, redacted } from "./route_url.ts";

const DIAL_TIMEOUT_MS = 1000;
const RETRY_MS = 1000;
const RETRY_MS_MAX = 30_000;
/** A lost route is dialled again after up to this, so that two servers do not drop each other's attempts for ever. */
const RECONNECT_SPREAD_MS = 100;

export interface RouteTarget {
  readonly url: RouteUrl;
  /** Configured, and dialled until it answers; else learned by gossip, and given up after `connect_retries`. */
  readonly isExplicit: boolean;
}

/** Opens the connections that the mesh wants, and tries again. Source: nats-server `connectToRoute`; clusters.md 3.7.3. */
export class RouteDialler {
  readonly #clock: LinkClock;
  readonly #dialer: LinkDialer;
  readonly #log: LinkLog;
  readonly #settings: () => RouteSettings;
  readonly #opened: (connection: LinkConnection, target: RouteTarget, isWanted: boolean) => LinkPeer;
  /** By URL: the attempts under way. */
  readonly #attempts = new Set<RouteAttempt>();
  #isStopped = false;

  constructor(
    clock: LinkClock,
    dialer: LinkDialer,
    log: LinkLog,
    settings: () => RouteSettings,
    opened: (connection: LinkConnection, target: RouteTarget, isWanted: boolean) => LinkPeer,
  ) {
    this.#clock = clock;
    this.#dialer = dialer;
    this.#log = log;
    this.#settings = settings;
    this.#opened = opened;
  }

  /** Dials now. */
  connect(target: RouteTarget): void {
    if (this.#isStopped || this.#isUnderWay(target)) return;
    this.#try(this.#started(target, true));
  }

  /** Dials again after a connection was lost: at once, or after a pause. */
  reconnect(target: RouteTarget, isHasty: boolean): void {
    if (this.#isStopped || this.#isUnderWay(target)) return;
    const attempt = this.#started(target, false);
    const spreadMs = Math.floor(this.#clock.random() * RECONNECT_SPREAD_MS);
    this.#later(attempt, isHasty ? spreadMs : RETRY_MS + spreadMs);
  }

  isConfigured({ text }: RouteUrl): boolean {
    return this.#settings().routes.includes(text);
  }

  stop(): void {
    this.#isStopped = true;
    for (const attempt of this.#attempts) attempt.cancel();
    this.#attempts.clear();
  }

  #isUnderWay({ url, isExplicit }: RouteTarget): boolean {
    for (const { target } of this.#attempts) {
      if (target.url.text === url.text && target.isExplicit === isExplicit) return true;
    }
    return false;
  }

  #started(target: RouteTarget, isFirst: boolean): RouteAttempt {
    const attempt = { target, isFirst, count: 0, pauseMs: RETRY_MS, cancel: () => {} };
    this.#attempts.add(attempt);
    return attempt;
  }

  #later(attempt: RouteAttempt, ms: number): void {
    attempt.cancel = this.#clock.after(ms, () => this.#try(attempt));
  }

  #try(attempt: RouteAttempt): void {
    const { target } = attempt;
    const { url, isExplicit } = target;
    if (isExplicit && !this.isConfigured(url)) {
      this.#attempts.delete(attempt);
      const name = JSON.stringify(redacted(url));
      this.#log(
        "debug",
        `Not attempting to connect to explicit route ${name}, no longer part of configured routes`,
      );
      return;
    }
    const address = hostPortText(url.host, url.port);
    const resolved = isAddress(url.host) ? ` (${address})` : "";
    this.#log("debug", `Trying to connect to route on ${address}${resolved}`);
    this.#dialer.dial(
      { kind: "route", host: url.host, port: url.port, timeoutMs: DIAL_TIMEOUT_MS },
      (connection) => {
        this.#attempts.delete(attempt);
        const isWanted = !this.#isStopped && (!isExplicit || this.isConfigured(url));
        return this.#opened(connection, target, isWanted);
      },
      (reason, isSelf) => {
        if (isSelf || this.#isStopped) this.#attempts.delete(attempt);
        else this.#failed(attempt, reason);
      },
    );
  }

  #failed(attempt: RouteAttempt, reason: string): void {
    attempt.count++;
    const { connectErrorReports, reconnectErrorReports, connectRetries, connectBackoff } = this.#settings();
    const every = attempt.isFirst ? connectErrorReports : reconnectErrorReports;
    const isReported = attempt.count === 1 || attempt.count % every === 0;
    const text = `Error trying to connect to route (attempt ${attempt.count}): ${reason}`;
    this.#log(isReported ? "error" : "debug", text);
    if (!attempt.target.isExplicit && attempt.count > Math.max(connectRetries, 0)) {
      this.#attempts.delete(attempt);
      return;
    }
    this.#later(attempt, attempt.pauseMs);
    if (connectBackoff) attempt.pauseMs = Math.min(attempt.pauseMs * 2, RETRY_MS_MAX);
  }
}

interface RouteAttempt {
  readonly target: RouteTarget;
  /** Not after a connection was lost. */
  readonly isFirst: boolean;
  count: number;
  pauseMs: number;
  cancel: () => void;
}
