/** Holds what was measured against the limits. */
import type { Summary } from "./figures.ts";
import type { Bound, Limit } from "./limits.ts";

export interface Verdict {
  readonly limit: string;
  readonly row: string;
  readonly target: string;
  /** The figure, or its ratio to what the bound names; null where one of the two was not measured. */
  readonly must: Held;
  readonly aim: Held;
}

export interface Held {
  readonly value: number | null;
  readonly bound: string;
  readonly isMet: boolean | null;
}

/** One verdict for each limit, row and target in `targets` that was measured. */
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
    return { value: held, bound: boundText(bound, own.row), isMet };
  };
  return limits.flatMap((limit) =>
    limit.rows.flatMap((row) =>
      targets.flatMap((target) => {
        const own = find(row, target);
        if (!own || own.repetitions === 0) return [];
        const [must, aim] = [hold(limit, limit.must, own), hold(limit, limit.aim, own)];
        return [{ limit: `${limit.title} (${limit.figure})`, row, target, must, aim }];
      }),
    ),
  );
}

function boundText(bound: Bound, row: string): string {
  const number = bound.most === undefined ? `≥ ${bound.least}` : `≤ ${bound.most}`;
  if (bound.of === "itself") return number;
  return `${number} × ${typeof bound.of === "string" ? bound.of : bound.of.row[row]}`;
}
