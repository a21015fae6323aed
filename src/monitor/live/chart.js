/** The course of two rates over the last minutes, as lines of an SVG. */

/** @typedef {{ atMs: number, in: number, out: number }} Point */

/** What the chart shows at most, and at least. */
export const CHART_MS = 5 * 60 * 1000;
export const CHART_MS_MIN = 60 * 1000;

/**
 * The points that are still to be shown, with a new one.
 * @param {readonly Point[]} points
 * @param {Point} point
 * @returns {Point[]}
 */
export function withPoint(points, point) {
  return [...points.filter(({ atMs }) => atMs > point.atMs - CHART_MS && atMs < point.atMs), point];
}

/**
 * The top of the scale: the next of 1, 2, 5, 10, 20, … that no point passes.
 * @param {readonly Point[]} points
 */
export function scaleTop(points) {
  const most = points.reduce((top, point) => Math.max(top, point.in, point.out), 1);
  const power = 10 ** Math.floor(Math.log10(most));
  return [1, 2, 5, 10].map((step) => step * power).find((top) => top >= most) ?? 10 * power;
}

/**
 * How much time the chart shows: all that is known, so that a page just opened does not look empty.
 * @param {readonly Point[]} points
 */
export function chartSpanMs(points) {
  const known = (points.at(-1)?.atMs ?? 0) - (points[0]?.atMs ?? 0);
  return Math.min(Math.max(known, CHART_MS_MIN), CHART_MS);
}

/**
 * The `points` of a polyline; the newest is at the right edge, one that is the chart's span older at the left one.
 * @param {readonly Point[]} points
 * @param {"in" | "out"} direction
 * @param {{ width: number, height: number }} size
 */
export function linePoints(points, direction, { width, height }) {
  const last = points.at(-1);
  if (last === undefined) return "";
  const top = scaleTop(points);
  const spanMs = chartSpanMs(points);
  return points
    .map((point) => {
      const x = width * (1 - (last.atMs - point.atMs) / spanMs);
      const y = height * (1 - point[direction] / top);
      return `${x.toFixed(1)},${y.toFixed(1)}`;
    })
    .join(" ");
}
