/** The figures of one measurement of one row on one target, and the summary of several. */

export interface Figures {
  /** Operations a second, in the row's unit. */
  readonly perSecond: number | null;
  /** Server CPU time per operation, user + system, in ns. The kernel samples the split, but the sum is exact. */
  readonly cpuNs: number | null;
  readonly userNs: number | null;
  readonly systemNs: number | null;
  /** Latencies of one request or one connect. */
  readonly p50Us: number | null;
  readonly p99Us: number | null;
  readonly p999Us: number | null;
  /** The highest resident memory during the server's life. */
  readonly peakBytes: number;
  /** Resident memory when the server had answered its first PING. */
  readonly baseBytes: number;
  /** Resident memory that preparing took, for each thing held. */
  readonly bytesEach: number | null;
  /** CPU of an idle server, in percent of one core. */
  readonly idleCorePercent: number | null;
  /** From spawn to the answer of the first PING. */
  readonly readyMs: number;
  /**
   * How many cores the server, the load generator and everything else on the machine kept busy: this shows the
   * bottleneck.
   */
  readonly serverCores: number | null;
  readonly loadCores: number | null;
  readonly otherCores: number | null;
}

export type FigureName = keyof Figures;

export const figureNames: readonly FigureName[] = [
  ...(["perSecond", "cpuNs", "userNs", "systemNs", "p50Us", "p99Us", "p999Us", "peakBytes"] as const),
  ...([
    "baseBytes",
    "bytesEach",
    "idleCorePercent",
    "readyMs",
    "serverCores",
    "loadCores",
    "otherCores",
  ] as const),
];

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** One row on one target, over all repetitions. */
export interface Summary {
  readonly row: string;
  readonly target: string;
  readonly repetitions: number;
  readonly figures: { readonly [name in FigureName]: Spread | null };
  /** Why there are no figures, or fewer repetitions than asked for. */
  readonly failures: readonly string[];
}

/** The median of the values (the mean of the two in the middle) and the extremes; null if there are no values. */
export function spreadOf(values: readonly number[]): Spread | null {
  if (values.length === 0) return null;
  const sorted = values.toSorted((left, right) => left - right);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { median, min: sorted[0]!, max: sorted.at(-1)! };
}

export function summarise(
  row: string,
  target: string,
  measured: readonly Figures[],
  failures: readonly string[],
): Summary {
  const figures = {} as { [name in FigureName]: Spread | null };
  for (const name of figureNames) {
    figures[name] = spreadOf(measured.map((one) => one[name]).filter((value) => value !== null));
  }
  return { row, target, repetitions: measured.length, figures, failures };
}
