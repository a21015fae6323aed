/**
 * The text that Prometheus scrapes, exposition format 0.0.4. It has only three kinds of line, so it is written here;
 * libraries for it all want to keep the values as well.
 */

export const EXPOSITION_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

export type MetricType = "counter" | "gauge" | "untyped";

export type Labels = Readonly<Record<string, string | number>>;

interface Family {
  readonly type: MetricType;
  readonly help: string;
  /** By the labels, which tell a sample from the others. */
  readonly values: Map<string, number | bigint>;
}

/** Collects samples in any order and writes those of one metric together, as the format demands. */
export class Exposition {
  readonly #families = new Map<string, Family>();

  /**
   * `name` and the names of labels are valid ones, values of labels any text. Of two samples with the same name and labels
   * the first one stays: Prometheus would refuse the whole scrape.
   */
  add(name: string, type: MetricType, value: number | bigint, labels: Labels, help = ""): void {
    let family = this.#families.get(name);
    if (family === undefined) {
      family = { type, help, values: new Map() };
      this.#families.set(name, family);
    }
    const key = labelText(labels);
    if (!family.values.has(key)) family.values.set(key, value);
  }

  text(): string {
    const lines: string[] = [];
    for (const [name, { type, help, values }] of this.#families) {
      if (help !== "") lines.push(`# HELP ${name} ${escapeHelp(help)}`);
      lines.push(`# TYPE ${name} ${type}`);
      for (const [labels, value] of values) lines.push(`${name}${labels} ${valueText(value)}`);
    }
    return `${lines.join("\n")}\n`;
  }
}

/**
 * Makes the name of a metric from any texts: characters that are not allowed become underscores, never two in a row.
 */
export function metricName(...parts: readonly string[]): string {
  const name = parts
    .join("_")
    .replace(/[^a-zA-Z0-9]+/g, "_")
    .replace(/^_+|_+$/g, "");
  return /^[0-9]/.test(name) ? `_${name}` : name;
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(String(value))}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function escapeLabel(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
}

function escapeHelp(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

/** As Go reads floats; JavaScript spells infinity out. */
function valueText(value: number | bigint): string {
  if (value === Infinity) return "+Inf";
  if (value === -Infinity) return "-Inf";
  return String(value);
}
