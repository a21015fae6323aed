/**
 * How two servers agree to compress what they send each other, and the level at which this one does. This is the same
 * for routes and leaf nodes; gateways never compress.
 *
 *   accepted:  INFO sent → INFO → from here on S2 → INFO sent again         both say in INFO what they want; each side
 *   dialled:   INFO → INFO sent → from here on S2 → INFO again              compresses as it likes, and reads anything
 *
 * Source: nats-server `selectCompressionMode`, `negotiateRouteCompression`, `negotiateLeafCompression`; clusters.md
 * 3.9.
 */
import type { CompressionSettings } from "../../config/compression.ts";
import { CloseReason } from "../../protocol/close_reason.ts";
import type { CompressionLevel, LinkClock, LinkConnection } from "./link.ts";
import { faultOf, type LinkFault } from "./link_fault.ts";
import { quoted } from "./quoted.ts";

/**
 * The modes that monitoring shows for a link without compression: one side does not know compression, or one side does
 * not want it.
 */
export const NOT_COMPRESSED = "not supported";
export const OFF = "off";

const LEVELS: readonly CompressionLevel[] = ["s2_uncompressed", "s2_fast", "s2_better", "s2_best"];

/** Whether this server compresses if the other side wants it. */
export function mayCompress({ mode }: CompressionSettings): boolean {
  return mode !== NOT_COMPRESSED && mode !== OFF;
}

/** The level for a round trip of this length. Source: nats-server `selectS2AutoModeBasedOnRTT`. */
export function levelFor(rttMs: number, thresholdsMs: readonly number[]): CompressionLevel {
  const found = thresholdsMs.findIndex((thresholdMs) => thresholdMs > 0 && rttMs <= thresholdMs);
  if (found >= 0) return LEVELS[found]!;
  return thresholdsMs.length >= 3 ? "s2_best" : LEVELS[thresholdsMs.length - 1]!;
}

/** The outcome of the other side's first INFO. */
export type CompressionOutcome =
  /** Both sides go on in S2, and the other side sends its INFO again. */
  | { readonly kind: "compressed" }
  | { readonly kind: "clear" }
  | { readonly kind: "refused"; readonly fault: LinkFault };

/** The compression of one connection. */
export class LinkCompression {
  readonly #connection: LinkConnection;
  readonly #clock: LinkClock;
  /** Returns the current settings, which a reload may change. */
  readonly #settings: () => CompressionSettings;
  readonly #startMs: number;
  /** The mode that monitoring shows; "" until the two sides have agreed. */
  #mode: string = "";
  #rttMs = 0;
  /**
   * How long the agreement took, milliseconds, if `s2_auto` was agreed on: it stands for the round trip until one is
   * measured. Otherwise 0.
   */
  estimatedRttMs = 0;

  constructor(connection: LinkConnection, clock: LinkClock, settings: () => CompressionSettings) {
    this.#connection = connection;
    this.#clock = clock;
    this.#settings = settings;
    this.#startMs = clock.nowMs();
  }

  /** Whether there is something to agree on. No ping may be sent before that is done. */
  get isWanted(): boolean {
    return mayCompress(this.#settings());
  }

  get isSettled(): boolean {
    return this.#mode !== "";
  }

  /** The mode that monitoring shows and that a leaf node's CONNECT says; "" until it is settled. */
  get mode(): string {
    return this.#mode;
  }

  /** The mode that this side's INFO carries during the handshake. */
  get modeInInfo(): string {
    const { mode } = this.#settings();
    return mode === "s2_auto" || this.#mode === "" ? mode : this.#mode;
  }

  /**
   * Takes the mode of the other side's first INFO. If both sides compress, `sendInfo` is called once to send this
   * side's INFO with the `modeInInfo` of that moment: uncompressed by the side that dialled, compressed by the other.
   */
  settle(theirs: string, dialled: boolean, sendInfo: () => void): CompressionOutcome {
    const settings = this.#settings();
    if (!mayCompress(settings)) {
      this.#mode = theirs === "" || settings.mode === NOT_COMPRESSED ? NOT_COMPRESSED : OFF;
      return { kind: "clear" };
    }
    const chosen = choose(settings.mode, theirs);
    if (chosen === null) {
      const text = `unsupported route compression mode ${quoted(theirs)}`;
      return { kind: "refused", fault: { ...faultOf(text, CloseReason.ProtocolViolation), isLimited: true } };
    }
    if (chosen === OFF || chosen === NOT_COMPRESSED) {
      this.#mode = chosen;
      return { kind: "clear" };
    }
    this.#rttMs = this.#clock.nowMs() - this.#startMs;
    if (chosen === "s2_auto") this.estimatedRttMs = this.#rttMs;
    const level = chosen === "s2_auto" ? levelFor(this.#rttMs, settings.rttThresholdsMs) : chosen;
    this.#mode = level;
    if (dialled) sendInfo();
    this.#connection.compress(level);
    if (!dialled) sendInfo();
    return { kind: "compressed" };
  }

  /** Notes a mode without negotiation, because another layer compresses or because the other side has said the mode. */
  leaveAt(mode: string): void {
    if (this.#mode === "") this.#mode = mode;
  }

  /** Takes a measured round trip; 0 means none. */
  measured(rttMs: number): void {
    if (rttMs <= 0) return;
    this.#rttMs = rttMs;
    const { mode, rttThresholdsMs } = this.#settings();
    if (mode === "s2_auto" && this.#isCompressed) this.#compress(levelFor(rttMs, rttThresholdsMs));
  }

  /**
   * Applies settings that a reload has changed. Returns false if the two sides have to agree again, which takes a new
   * connection.
   */
  reconsider(): boolean {
    const { mode, rttThresholdsMs } = this.#settings();
    if (this.#mode === NOT_COMPRESSED || this.#mode === mode) return true;
    if (!this.#isCompressed || mode === OFF || mode === NOT_COMPRESSED || mode === "accept") return false;
    this.#compress(mode === "s2_auto" ? levelFor(this.#rttMs, rttThresholdsMs) : mode);
    return true;
  }

  get #isCompressed(): boolean {
    return (LEVELS as readonly string[]).includes(this.#mode);
  }

  #compress(level: CompressionLevel): void {
    if (level === this.#mode) return;
    this.#mode = level;
    this.#connection.compress(level);
  }
}

/** The mode that two modes result in; null if the other side's is unknown. */
function choose(
  own: CompressionSettings["mode"],
  theirs: string,
): Exclude<CompressionSettings["mode"], "accept"> | CompressionLevel | null {
  switch (theirs) {
    case "":
    case NOT_COMPRESSED:
      return NOT_COMPRESSED;
    case OFF:
      return OFF;
    case "accept":
      return own === "accept" ? OFF : own;
    case "s2_auto":
      return own === "accept" ? "s2_fast" : own;
    case "s2_uncompressed":
    case "s2_fast":
    case "s2_better":
    case "s2_best":
      return own === "accept" ? theirs : own;
    default:
      return null;
  }
}
