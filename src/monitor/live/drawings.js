/** The charts and the map, drawn from what the pure modules have worked out. */
import { chartSpanMs, linePoints, scaleTop } from "./chart.js";
import { svg } from "./dom.js";
import { cut, short, shortBytes } from "./format.js";
import { BOX_HEIGHT, BOX_WIDTH } from "./map_layout.js";

const CHART = { width: 600, height: 120 };
/** As many characters as a box is wide. */
const NAME_LENGTH = 16;

/**
 * @param {Element} chart an svg
 * @param {readonly import("./chart.js").Point[]} points
 * @param {"messages" | "bytes"} unit
 * @param {string} summary
 */
export function drawChart(chart, points, unit, summary) {
  const { width } = chart.getBoundingClientRect();
  // One unit is one pixel, so that the text stays as large as other text.
  const size = { width: Math.max(width, 100), height: CHART.height };
  chart.setAttribute("viewBox", `0 0 ${size.width} ${size.height}`);
  chart.setAttribute("preserveAspectRatio", "none");
  chart.setAttribute("aria-label", summary);
  const top = scaleTop(points);
  const label = unit === "bytes" ? shortBytes(top) : short(top);
  chart.replaceChildren(
    svg("polyline", { class: "in", points: linePoints(points, "in", size) }),
    svg("polyline", { class: "out", points: linePoints(points, "out", size) }),
    svg("text", { class: "note", x: 4, y: 14 }, `${label}/s`),
    svg(
      "text",
      { class: "note", x: 4, y: size.height - 5 },
      `${Math.round(chartSpanMs(points) / 1000)} s ago`,
    ),
  );
}

/**
 * @param {Element} map an svg
 * @param {import("./map_layout.js").MapLayout} layout
 * @param {number} width in pixels
 * @param {string} summary
 */
export function drawMap(map, { boxes, frame, lines, height }, width, summary) {
  map.setAttribute("viewBox", `0 0 ${width} ${height}`);
  map.setAttribute("aria-label", summary);
  const { label, ...rect } = frame;
  map.replaceChildren(
    svg("rect", { ...rect, class: "frame", rx: 8 }),
    svg("text", { class: "note", x: frame.x + 8, y: frame.y + 14 }, cut(label, Math.floor(frame.width / 9))),
    ...lines.map(({ from, to }) =>
      svg("line", {
        x1: from.x + BOX_WIDTH / 2,
        y1: from.y + BOX_HEIGHT / 2,
        x2: to.x + BOX_WIDTH / 2,
        y2: to.y + BOX_HEIGHT / 2,
      }),
    ),
    ...boxes.map((box) =>
      svg(
        "g",
        {},
        svg("rect", { class: box.kind, x: box.x, y: box.y, width: BOX_WIDTH, height: BOX_HEIGHT, rx: 6 }),
        svg("text", { x: box.x + 8, y: box.y + 18 }, cut(box.name, NAME_LENGTH)),
        svg("text", { class: "note", x: box.x + 8, y: box.y + 35 }, box.note),
      ),
    ),
  );
}
