/** Compares what was measured with the limits. */
import type { FigureName, Summary } from "./figures.ts";
import type { Bound, Limit } from "./limits.ts";

export interface Verdict {
  readonly limit: string;
  readonly figure: FigureName;
  readonly row: string;
  readonly target: string;
  readonly must: Held;
  readonly aim: Held;
}

export interface Held {
  /** The figure, or its ratio to what the bound names; null if one of the two was not measured. */
  readonly value: number | null;
  readonly bound: Bound;
  readonly isMet: boolean | null;
}

/** A verdict for each limit, row and target in `targets` that was measured. */
export function judge(
  limits: readonly Limit[],
  summaries: readonly Summary[],
  targets: readonly string[],
): Verdict[] {
  const find = (row: string, target: string) =>
    summaries.find((one) => one.row === row && one.target === target);
  const hold = (limit: Limit, bound: Bound, own: Summary): Held => {
    const value = own.figures[limit.figure]?.median ?? null;
    const isRatio = bound.of !== "itself";
    const base = !isRatio
      ? 1
      : (typeof bound.of === "string"
          ? find(own.row, bound.of)
          : find(bound.of.row[own.row] ?? "", own.target)
        )?.figures[limit.figure]?.median;
    const held = value === null || !base ? null : value / base;
    const isMet =
      held === null ? null : held <= (bound.most ?? Infinity) && held >= (bound.least ?? -Infinity);
    return { value: held, bound, isMet };
  };
  return limits.flatMap((limit) =>
    limit.rows.flatMap((row) =>
      targets.flatMap((target) => {
        const own = find(row, target);
        if (!own || own.repetitions === 0) return [];
        const [must, aim] = [hold(limit, limit.must, own), hold(limit, limit.aim, own)];
        return [{ limit: limit.title, figure: limit.figure, row, target, must, aim }];
      }),
    ),
  );
}
