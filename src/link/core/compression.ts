/**
 * How two servers come to compress what they say to each other, and how hard this one does. Of routes and leaf nodes alike;
 * gateways never do.
 *
 *   accepted:  INFO sent → INFO → from here on S2 → INFO sent anew          both say in INFO what they want; each side
 *   dialled:   INFO → INFO sent → from here on S2 → INFO anew               compresses as it likes, and reads anything
 *
 * Source: nats-server `selectCompressionMode`, `negotiateRouteCompression`, `negotiateLeafCompression`; clusters.md 3.9.
 */
import type { CompressionSettings } from "../../config/compression.ts";
import { CloseReason } from "../../protocol/close_reason.ts";
import type { CompressionLevel, LinkClock, LinkConnection } from "./link.ts";
import { faultOf, type LinkFault } from "./link_fault.ts";
import { quoted } from "./quoted.ts";

/** What monitoring shows of a link without compression: one side knows none, or one does not want any. */
export const NOT_COMPRESSED = "not supported";
export const OFF = "off";

const LEVELS: readonly CompressionLevel[] = ["s2_uncompressed", "s2_fast", "s2_better", "s2_best"];

/** Whether this server compresses, where others want it to. */
export function mayCompress({ mode }: CompressionSettings): boolean {
  return mode !== NOT_COMPRESSED && mode !== OFF;
}

/** The level for a round trip. Source: nats-server `selectS2AutoModeBasedOnRTT`. */
export function levelFor(rttMs: number, thresholdsMs: readonly number[]): CompressionLevel {
  const found = thresholdsMs.findIndex((thresholdMs) => thresholdMs > 0 && rttMs <= thresholdMs);
  if (found >= 0) return LEVELS[found]!;
  return thresholdsMs.length >= 3 ? "s2_best" : LEVELS[thresholdsMs.length - 1]!;
}

/** What the first INFO of the other side leads to. */
export type CompressionOutcome =
  /** Both go on in S2; the other side's INFO comes anew. */
  | { readonly kind: "compressed" }
  | { readonly kind: "clear" }
  | { readonly kind: "refused"; readonly fault: LinkFault };

/** The compression of one connection. */
export class LinkCompression {
  readonly #connection: LinkConnection;
  readonly #clock: LinkClock;
  /** As they are now: a reload may change them. */
  readonly #settings: () => CompressionSettings;
  readonly #startMs: number;
  /** What monitoring shows; "" until it is agreed on. */
  #mode: string = "";
  #rttMs = 0;
  /** Where `s2_auto` was agreed on: how long it took to get there, which stands for the round trip until one is measured. */
  estimatedRttMs = 0;

  constructor(connection: LinkConnection, clock: LinkClock, settings: () => CompressionSettings) {
    this.#connection = connection;
    this.#clock = clock;
    this.#settings = settings;
    this.#startMs = clock.nowMs();
  }

  /** Whether there is something to agree on, before which no ping may be sent. */
  get isWanted(): boolean {
    return mayCompress(this.#settings());
  }

  get isSettled(): boolean {
    return this.#mode !== "";
  }

  /** What monitoring shows, and CONNECT of a leaf node says; "" until it is settled. */
  get mode(): string {
    return this.#mode;
  }

  /** What this side says in an INFO of the handshake. */
  get modeInInfo(): string {
    const { mode } = this.#settings();
    return mode === "s2_auto" || this.#mode === "" ? mode : this.#mode;
  }

  /**
   * The other side's first INFO has come. `sendInfo` sends this side's, as `modeInInfo` is then: called where both compress, once,
   * in clear by the side that dialled, else compressed.
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

  /** There is no agreement to be made: somebody else compresses, or the other side has said so. */
  leaveAt(mode: string): void {
    if (this.#mode === "") this.#mode = mode;
  }

  /** A round trip was measured; 0 says nothing. */
  measured(rttMs: number): void {
    if (rttMs <= 0) return;
    this.#rttMs = rttMs;
    const { mode, rttThresholdsMs } = this.#settings();
    if (mode === "s2_auto" && this.#isCompressed) this.#compress(levelFor(rttMs, rttThresholdsMs));
  }

  /** A reload has changed the settings. False where the two sides have to agree anew, by another connection. */
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

/** What two modes make together, null where the other one is unknown. */
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
