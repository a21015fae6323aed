import { formatDuration, parseDuration } from "./duration.ts";
import { block, option, type Reader, readBlock, wrongType } from "./option.ts";
import { arrayOf, durationText, string } from "./readers.ts";

/** `compression` of routes and leaf nodes. The mode is checked at start, not when the file is read. */
export interface CompressionOptions {
  readonly mode: string;
  /** Round-trip times up to which `s2_auto` takes each level; none for the usual ones. */
  readonly rttThresholdsMs: readonly number[];
}

export type CompressionMode =
  | "not supported"
  | "off"
  | "accept"
  | "s2_auto"
  | "s2_fast"
  | "s2_better"
  | "s2_best";

/** What the options mean to links. */
export interface CompressionSettings {
  readonly mode: CompressionMode;
  /**
   * For `s2_auto`: the round-trip time up to which each level is used, starting with no compression; 0 leaves a level
   * out.
   */
  readonly rttThresholdsMs: readonly number[];
}

const threshold: Reader<number> = {
  ...durationText,
  read: (value, site) => {
    if (value.kind !== "string") return wrongType(value, site, 'a duration such as "10ms"');
    const durationMs = parseDuration(value.value);
    return typeof durationMs === "string" ? site.error(durationMs) : durationMs;
  },
};

/** A mode, a bool, or a map; `modeForOn` is what "on" means in this place. */
export function compression(
  modeForOn: CompressionMode,
  defaultMode: CompressionMode,
): Reader<CompressionOptions> {
  const modes = block("compression", {
    mode: option({
      key: "mode",
      reader: string,
      default: defaultMode,
      doc: "off, accept (if the other side wants it), s2_fast, s2_better, s2_best, or s2_auto, which goes by the round trip and is the default of leaf nodes.",
    }),
    rttThresholdsMs: option<readonly number[]>({
      key: "rtt_thresholds",
      aliases: ["thresholds", "rtts", "rtt"],
      reader: arrayOf(threshold),
      default: [],
      doc: "Of s2_auto: the round trips up to which nothing is compressed, and it is compressed fast, and better; 0s leaves one out. By itself 10ms, 50ms, 100ms.",
    }),
  });
  return {
    type: "mode, bool or compression block",
    blocks: [modes],
    read: (value, site) => {
      if (value.kind === "bool") return { mode: value.value ? modeForOn : "off", rttThresholdsMs: [] };
      if (value.kind === "string") return { mode: value.value || defaultMode, rttThresholdsMs: [] };
      if (value.kind === "map") {
        const read = readBlock(modes, value, site);
        return { ...read, mode: read.mode || defaultMode };
      }
      return wrongType(value, site, "a mode, a bool or a map");
    },
  };
}

/** The levels of `s2_auto` change at these round trips where none are configured. */
const RTT_THRESHOLDS_MS: readonly number[] = [10, 50, 100];

/** The options have passed `checkCompression`. */
export function compressionSettings(
  { mode, rttThresholdsMs }: CompressionOptions,
  modeForOn: CompressionMode,
): CompressionSettings {
  const normalized = normalizeCompressionMode(mode, modeForOn) ?? "off";
  const set = rttThresholdsMs.map((ms) => Math.max(ms, 0));
  const last = set.findLastIndex((ms) => ms > 0);
  return { mode: normalized, rttThresholdsMs: last < 0 ? RTT_THRESHOLDS_MS : set.slice(0, last + 1) };
}

/**
 * Whether two settings mean the same: round-trip times count only for `s2_auto`. Source: nats-server
 * `CompressionOpts.equals`.
 */
export function isSameCompression(one: CompressionSettings, other: CompressionSettings): boolean {
  if (one.mode !== other.mode) return false;
  return one.mode !== "s2_auto" || one.rttThresholdsMs.join() === other.rttThresholdsMs.join();
}

/** The spellings of each mode; "on" and its like are replaced by what they mean in that place. */
const MODES: Readonly<Record<string, CompressionMode>> = {
  off: "off",
  disabled: "off",
  false: "off",
  accept: "accept",
  auto: "s2_auto",
  s2_auto: "s2_auto",
  fast: "s2_fast",
  s2_fast: "s2_fast",
  better: "s2_better",
  s2_better: "s2_better",
  best: "s2_best",
  s2_best: "s2_best",
  "not supported": "not supported",
  not_supported: "not supported",
};

/**
 * The mode that a spelling means; undefined if it means none. Source: nats-server
 * validateAndNormalizeCompressionOption.
 */
function normalizeCompressionMode(mode: string, modeForOn: CompressionMode): CompressionMode | undefined {
  const lower = mode.toLowerCase();
  if (lower === "on" || lower === "enabled" || lower === "true") return modeForOn;
  return Object.hasOwn(MODES, lower) ? MODES[lower] : undefined;
}

/** As the log of a reload shows it: the mode and the thresholds. */
export function formatCompression({ mode, rttThresholdsMs }: CompressionOptions): string {
  return `{${mode} [${rttThresholdsMs.map(formatDuration).join(" ")}]}`;
}

/** What is wrong with compression options, undefined for nothing. Checked when the server starts. */
export function checkCompression(
  { mode, rttThresholdsMs }: CompressionOptions,
  modeForOn: CompressionMode,
): string | undefined {
  const normalized = normalizeCompressionMode(mode, modeForOn);
  if (normalized === undefined) return `unsupported compression mode "${mode}"`;
  if (normalized !== "s2_auto" || rttThresholdsMs.length === 0) return undefined;
  const given = rttThresholdsMs.map((ms) => Math.max(ms, 0));
  const set = given.filter((ms) => ms !== 0);
  const shown = `[${rttThresholdsMs.map(formatDuration).join(" ")}]`;
  if (set.some((ms, index) => index > 0 && ms < set[index - 1]!))
    return `RTT threshold values ${shown} should be in ascending order`;
  if (given.findLastIndex((ms) => ms !== 0) >= 4)
    return `compression mode "${mode}" should have no more than 4 RTT thresholds: ${shown}`;
  return set.length === 0 ? `compression mode "${mode}" requires at least one RTT threshold` : undefined;
}
