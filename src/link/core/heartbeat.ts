import type { LinkClock, LinkConnection, LinkKind } from "./link.ts";
import { type LinkFault, STALE_CONNECTION } from "./link_fault.ts";

const FIRST_PING_MS_MAX = 1000;
/**
 * The first ping is delayed further by up to this fraction of its delay, so that links made together do not ping
 * together.
 */
const FIRST_PING_SPREAD = 0.2;

/** A round trip that was measured longer ago than this is measured again, however much the peer sends. */
const MEASURED_MS = 60 * 60 * 1000;

const ROUTE_INTERVAL_MS_MAX = 30_000;
const GATEWAY_INTERVAL_MS_MAX = 15_000;

export interface HeartbeatSettings {
  readonly intervalMs: number;
  /** The most pings that may be unanswered. */
  readonly pingsOutMax: number;
}

/** The pause between pings on a link of this kind, given the configured one. Source: clusters.md 1.4. */
export function linkPingIntervalMs(kind: LinkKind, configuredMs: number): number {
  if (kind === "route") return Math.min(configuredMs, ROUTE_INTERVAL_MS_MAX);
  return kind === "gateway" ? Math.min(configuredMs, GATEWAY_INTERVAL_MS_MAX) : configuredMs;
}

/**
 * Pings one link, measures its round trip, and reports when the peer no longer answers. Routes, gateways and the
 * spoke's side of a leaf link always ping. The hub's side pings only after silence: it calls `heard()` whenever the
 * peer sends something.
 */
export class Heartbeat {
  /** Last measured, in milliseconds; 0 before the first answer. */
  rttMs = 0;
  readonly #connection: Pick<LinkConnection, "send">;
  readonly #clock: LinkClock;
  readonly #settings: () => HeartbeatSettings;
  readonly #onStale: (fault: LinkFault) => void;
  #pingsOut = 0;
  #sentMs = 0;
  #heardMs = Number.NEGATIVE_INFINITY;
  #cancel = () => {};

  /**
   * `settings` returns the current settings: a reload applies from the next ping on. `onStale` is called once, with
   * what the peer is to be told; nothing is sent after it.
   */
  constructor(
    connection: Pick<LinkConnection, "send">,
    clock: LinkClock,
    settings: () => HeartbeatSettings,
    onStale: (fault: LinkFault) => void,
  ) {
    this.#connection = connection;
    this.#clock = clock;
    this.#settings = settings;
    this.#onStale = onStale;
  }

  /**
   * Watches a peer before pings may be sent. A peer that does not say what would allow them gets as much time as one
   * that never answers.
   */
  watch(): void {
    const { intervalMs, pingsOutMax } = this.#settings();
    this.#cancel = this.#clock.after(intervalMs * (pingsOutMax + 1), () => this.#onStale(STALE_CONNECTION));
  }

  start(): void {
    this.#cancel();
    const firstMs = Math.min(this.#settings().intervalMs, FIRST_PING_MS_MAX);
    this.#schedule(firstMs + firstMs * FIRST_PING_SPREAD * this.#clock.random());
  }

  stop(): void {
    this.#cancel();
  }

  /** The peer sent something, so the next ping is left out if the round trip is known. */
  heard(): void {
    this.#heardMs = this.#clock.nowMs();
  }

  pong(): void {
    if (this.#pingsOut === 0) return;
    this.#pingsOut = 0;
    this.rttMs = this.#clock.nowMs() - this.#sentMs;
  }

  /** Pings now, in addition to the schedule. */
  ping(): void {
    this.#pingsOut++;
    this.#sentMs = this.#clock.nowMs();
    this.#connection.send("PING\r\n");
  }

  #schedule(ms: number): void {
    this.#cancel = this.#clock.after(ms, () => this.#beat());
  }

  #beat(): void {
    const { intervalMs, pingsOutMax } = this.#settings();
    const nowMs = this.#clock.nowMs();
    const isMeasured = this.rttMs > 0 && nowMs - this.#sentMs <= MEASURED_MS;
    const isHeard = isMeasured && nowMs - this.#heardMs < intervalMs;
    if (!isHeard) {
      if (this.#pingsOut >= pingsOutMax) {
        this.#onStale(STALE_CONNECTION);
        return;
      }
      this.ping();
    }
    this.#schedule(intervalMs);
  }
}
