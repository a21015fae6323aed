/** The results as text: a Markdown table of rows and targets, and one of limits. */
import type { FigureName, Spread, Summary } from "./figures.ts";
import type { Row } from "./rows.ts";
import type { Held, Verdict } from "./verdicts.ts";

const headings = [
  ...["row", "target", "rate", "CPU each", "user", "sys", "min–max", "p50", "p99", "p99.9"],
  ...["memory", "each", "× nats-server", "× floor", "cores: server, load, others"],
];

/** A table with a line for each row and target: medians, and the smallest and largest CPU time. */
export function resultTable(rows: readonly Row[], summaries: readonly Summary[]): string {
  const lines = rows.flatMap((row) => {
    const ofRow = summaries.filter((summary) => summary.row === row.id);
    return ofRow.map((summary) => resultLine(row, summary, ofRow));
  });
  return markdownTable(headings, lines);
}

function resultLine(row: Row, summary: Summary, ofRow: readonly Summary[]): string[] {
  const { figures } = summary;
  if (summary.repetitions === 0) return [row.title, summary.target, "failed"];
  const ratio = (target: string) => {
    const other = ofRow.find((one) => one.target === target)?.figures.cpuNs;
    return figures.cpuNs && other ? `${(figures.cpuNs.median / other.median).toFixed(2)}` : "";
  };
  const cores = [figures.serverCores, figures.loadCores, figures.otherCores].map((one) =>
    text(one, twoDigits),
  );
  const isStart = row.unit === "start";
  return [
    row.title,
    summary.target,
    isStart
      ? `ready in ${text(figures.readyMs, milliseconds)}`
      : text(figures.perSecond, (rate) => `${count(rate)}/s`),
    figures.idleCorePercent
      ? `${figures.idleCorePercent.median.toFixed(2)} % of a core`
      : text(figures.cpuNs, nanoseconds),
    text(figures.userNs, nanoseconds),
    text(figures.systemNs, nanoseconds),
    figures.cpuNs ? `${nanoseconds(figures.cpuNs.min)}–${nanoseconds(figures.cpuNs.max)}` : "",
    text(figures.p50Us, microseconds),
    text(figures.p99Us, microseconds),
    text(figures.p999Us, microseconds),
    text(isStart ? figures.baseBytes : figures.peakBytes, bytes),
    text(figures.bytesEach, bytes),
    ratio("nats-server"),
    ratio("floor"),
    isStart ? "" : cores.join(", "),
  ];
}

/** A list of the reasons why measurements failed, each once; empty if none did. */
export function failureList(summaries: readonly Summary[]): string {
  return summaries
    .flatMap((summary) =>
      [...new Set(summary.failures)].map((why) => `- ${summary.row}, ${summary.target}: ${why}`),
    )
    .join("\n");
}

/** A table with a line for each limit, row and target. */
export function limitTable(verdicts: readonly Verdict[]): string {
  const lines = verdicts.map((verdict) => [
    ...[`${verdict.limit} (${verdict.figure})`, verdict.row, verdict.target],
    ...[heldText(verdict.must, verdict.figure), mark(verdict.must)],
    ...[heldText(verdict.aim, verdict.figure), mark(verdict.aim)],
  ]);
  return markdownTable(["limit", "row", "target", "must", "met", "aim", "met"], lines);
}

function heldText(held: Held, figure: FigureName): string {
  const { bound } = held;
  const render = bound.of === "itself" && /bytes/i.test(figure) ? bytes : significant;
  const side = bound.most === undefined ? "≥" : "≤";
  const base = bound.of === "itself" ? "" : ` × ${typeof bound.of === "string" ? bound.of : "its other row"}`;
  const boundText = `${side} ${render(bound.most ?? bound.least ?? 0)}${base}`;
  return held.value === null ? boundText : `${render(held.value)} (${boundText})`;
}

function mark(held: Held): string {
  return held.isMet === null ? "not measured" : held.isMet ? "yes" : "NO";
}

/** A table with padded columns, so that it is legible in a terminal, too. */
function markdownTable(titles: readonly string[], lines: readonly (readonly string[])[]): string {
  const all = [titles, ...lines];
  const widths = titles.map((_, column) => Math.max(3, ...all.map((line) => (line[column] ?? "").length)));
  const render = (line: readonly string[]) =>
    `| ${widths.map((width, column) => (line[column] ?? "").padEnd(width)).join(" | ")} |`;
  const rule = `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`;
  return [render(titles), rule, ...lines.map(render)].join("\n");
}

function text(spread: Spread | null, render: (value: number) => string): string {
  return spread ? render(spread.median) : "";
}

function twoDigits(value: number): string {
  return value.toFixed(2);
}

/** A value with three digits, which is enough for values that vary by percents from run to run. */
export function significant(value: number): string {
  if (value === 0) return "0";
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.max(Math.abs(value), 0.01))));
  return value.toFixed(digits);
}

export function nanoseconds(value: number): string {
  return value < 10_000 ? `${significant(value)} ns` : microseconds(value / 1000);
}

function microseconds(value: number): string {
  return value < 10_000 ? `${significant(value)} µs` : milliseconds(value / 1000);
}

function milliseconds(value: number): string {
  return `${significant(value)} ms`;
}

function count(value: number): string {
  if (value >= 1e6) return `${significant(value / 1e6)} M`;
  return value >= 1e4 ? `${significant(value / 1e3)} k` : significant(value);
}

function bytes(value: number): string {
  if (Math.abs(value) >= 1024 * 1024) return `${significant(value / 1024 / 1024)} MB`;
  return Math.abs(value) >= 10 * 1024 ? `${significant(value / 1024)} KB` : `${significant(value)} B`;
}
