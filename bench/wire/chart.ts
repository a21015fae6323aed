/** The picture: server CPU time per operation, with a group of bars for each row and a bar for each target. */
import type { Summary } from "./figures.ts";
import type { Row } from "./rows.ts";
import { nanoseconds } from "./table.ts";

const WIDTH = 900;
const LABEL_WIDTH = 310; // row titles
const BAR_WIDTH_MAX = 420; // the rest holds the figure and the target's name
const BAR_HEIGHT = 14;
const BAR_PITCH = 17;
const GROUP_GAP = 16;
const HEADER_HEIGHT = 70;
const FOOTER_HEIGHT = 20;

/** These are legible on white and on near-black, and differ in lightness as well as in hue. */
const barColours = ["#8a8f98", "#b9a27a", "#c6c9ce", "#1f77d0", "#2aa198", "#b5547a", "#7a5cc0", "#c7762b"];

/**
 * An SVG of the median CPU time per operation. Each row has a scale of its own, which its slowest target fills. A thin
 * line goes from the smallest to the largest value. Colours follow the reader's light or dark setting.
 */
export function cpuChart(rows: readonly Row[], summaries: readonly Summary[], caption: string): string {
  const targets = [...new Set(summaries.map((summary) => summary.target))];
  const colour = (target: string) => barColours[targets.indexOf(target) % barColours.length]!;
  const parts: string[] = [];
  let y = HEADER_HEIGHT;
  for (const row of rows) {
    const bars = summaries.filter((summary) => summary.row === row.id && summary.figures.cpuNs);
    if (bars.length === 0) continue;
    const largest = Math.max(...bars.map((bar) => bar.figures.cpuNs!.max));
    const labelY = y + (bars.length * BAR_PITCH) / 2 + 1;
    parts.push(
      `<text x="${LABEL_WIDTH - 12}" y="${labelY}" text-anchor="end">${escapeXml(row.title)}</text>`,
    );
    for (const bar of bars) {
      const { median, min, max } = bar.figures.cpuNs!;
      const length = (value: number) => Math.max(1, (value / largest) * BAR_WIDTH_MAX);
      const middle = y + BAR_HEIGHT / 2;
      parts.push(
        `<rect x="${LABEL_WIDTH}" y="${y}" width="${fixed(length(median))}" height="${BAR_HEIGHT}" rx="2" fill="${colour(bar.target)}"/>`,
        `<path class="spread" d="M${fixed(LABEL_WIDTH + length(min))} ${middle}H${fixed(LABEL_WIDTH + length(max))}"/>`,
        `<text class="figure" x="${fixed(LABEL_WIDTH + length(max) + 6)}" y="${middle + 4}">${escapeXml(`${nanoseconds(median)}  ${bar.target}`)}</text>`,
      );
      y += BAR_PITCH;
    }
    y += GROUP_GAP;
  }
  const height = y + FOOTER_HEIGHT;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="Server CPU time per message">
<style>
  text { font: 13px system-ui, sans-serif; fill: #1f2328; }
  .title { font-weight: 600; font-size: 16px; }
  .figure, .caption { font-size: 11px; fill: #59636e; }
  .spread { stroke: #1f2328; stroke-width: 1; opacity: 0.6; }
  .ground { fill: #ffffff; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .figure, .caption { fill: #9198a1; }
    .spread { stroke: #e6edf3; }
    .ground { fill: #0d1117; }
  }
</style>
<rect class="ground" width="${WIDTH}" height="${height}" rx="6"/>
<text class="title" x="20" y="30">Server CPU time per message, delivery, request or connection: shorter is better, each row to its own scale</text>
<text class="caption" x="20" y="50">${escapeXml(caption)}</text>
${parts.join("\n")}
</svg>
`;
}

function fixed(value: number): string {
  return value.toFixed(1);
}

function escapeXml(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
