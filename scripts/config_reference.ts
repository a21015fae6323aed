/**
 * Writes docs/operations/keys_and_flags.md from the option tables and the flags of the command line. With `--check`,
 * exits with 1 if the committed page differs from that.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { FLAG_SECTIONS, type Flag } from "../src/cli/flags.ts";
import { writtenFlag } from "../src/cli/help.ts";
import { formatDuration } from "../src/config/duration.ts";
import { type DescribedBlock, type Option, SET_BY_OTHERS } from "../src/config/option.ts";
import { OPTIONS_BLOCK } from "../src/config/option_table.ts";

const PAGE = "docs/operations/keys_and_flags.md";
const file = fileURLToPath(new URL(`../${PAGE}`, import.meta.url));

const INTRODUCTION = `# Keys and flags

Every key of the configuration file and every flag, written by \`bun scripts/config_reference.ts\` from the tables that
the server reads them with. [Configuration](configuration.md) says how files, flags and includes combine, and what the
types look like. Keys of JetStream and MQTT are errors.

- Keys match in any case. Names in brackets are other spellings of the same key.
- "reload" says what a reload does with a change: \`yes\` applies it, \`no\` refuses the whole reload, \`by key\` asks the
  block's own table, \`in part\` depends on what changed ([reload](reload.md)). Blocks without that column are taken as a
  whole, by the key that holds them.
`;

/** A block, and the keys that hold it, such as `accounts.*.users`. */
interface Section {
  readonly known: DescribedBlock;
  readonly paths: string[];
}

const page = `${INTRODUCTION}
## Configuration file

${collectSections().map(describeSection).join("\n\n")}

## Flags

Flags take one or two dashes, as \`-flag value\` or \`-flag=value\`; those without a value in this table are switched off by
\`-flag=false\`.

${Object.entries(FLAG_SECTIONS).map(describeFlags).join("\n\n")}
`;

if (process.argv.includes("--check")) {
  if (page !== readCommitted()) {
    console.error(`${PAGE} is not what the option tables give; run: bun scripts/config_reference.ts`);
    process.exit(1);
  }
} else {
  writeFileSync(file, page);
}

function readCommitted(): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}

/** Every block once, in the order in which the tables name them. */
function collectSections(): readonly Section[] {
  const sections = new Map<string, Section>();
  const visit = (known: DescribedBlock, path: string) => {
    // Readers that are made in several places make a block in each of them.
    const identity = `${known.name} ${Object.keys(known.table)}`;
    const section = sections.get(identity);
    if (section !== undefined) {
      if (path !== "") section.paths.push(path);
      return;
    }
    sections.set(identity, { known, paths: path === "" ? [] : [path] });
    for (const { key, reader } of Object.values(known.table)) {
      for (const inner of reader.blocks ?? []) visit(inner, path === "" ? key : `${path}.${key}`);
    }
  };
  visit(OPTIONS_BLOCK, "");
  return [...sections.values()];
}

function describeSection({ known, paths }: Section): string {
  const options = Object.values(known.table).filter(({ key }) => key !== SET_BY_OTHERS);
  const hasReload = decidesOnReload(known);
  const rows = [
    ...options.map((option) => [
      spellings(option),
      option.reader.type,
      formatDefault(option),
      ...(hasReload ? [formatReload(option)] : []),
      option.doc,
    ]),
    ...known.sharedKeys.map((shared) => [spellings(shared), "", "", ...(hasReload ? [""] : []), shared.doc]),
  ];
  const title = paths.length === 0 ? "### Top level" : `### ${known.name}`;
  const place = paths.length === 0 ? "" : `\nIn ${paths.map((path) => `\`${path}\``).join(", ")}.\n`;
  return `${title}\n${place}\n${table(["key", "type", "default", ...(hasReload ? ["reload"] : []), "meaning"], rows)}`;
}

function describeFlags([title, flags]: [string, readonly Flag[]]): string {
  const rows = flags.map(({ names, value, doc }) => [
    names.map((name) => `\`${writtenFlag(name)}\``).join(" "),
    value,
    doc,
  ]);
  return `### ${title}\n\n${table(["flag", "value", "meaning"], rows)}`;
}

function spellings({ key, aliases }: { readonly key: string; readonly aliases: readonly string[] }): string {
  return `\`${key}\`${aliases.length === 0 ? "" : ` (${aliases.map((alias) => `\`${alias}\``).join(", ")})`}`;
}

/** The default as a user could write it, or "". */
function formatDefault({ reader, default: value }: Option<unknown>): string {
  if (typeof value === "number") {
    return /^(duration|timeout)$/.test(reader.type) ? formatDuration(value) : String(value);
  }
  return typeof value === "boolean"
    ? String(value)
    : typeof value === "string" && value !== ""
      ? `\`${value}\``
      : "";
}

/** Whether keys of the block are compared one by one, rather than the block as a whole. */
function decidesOnReload({ table: options }: DescribedBlock): boolean {
  return Object.values(options).some(({ reload }) => reload.kind !== "ignored");
}

function formatReload({ reload, reader }: Option<unknown>): string {
  switch (reload.kind) {
    case "applied":
      return "yes";
    case "refused":
      return "no";
    case "compared":
      return reload.isFixed ? "no" : reader.blocks?.some(decidesOnReload) ? "by key" : "in part";
    case "ignored":
      return "";
  }
}

/** A table with aligned columns, as the formatter wants it. */
function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [heads, ...rows].map((cells) => cells.map((cell) => cell.replaceAll("|", "\\|")));
  const widths = heads.map((_, column) => Math.max(3, ...lines.map((cells) => cells[column]!.length)));
  const [head, ...body] = lines.map(
    (cells) => `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(" | ")} |`,
  );
  return [head, `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`, ...body].join("\n");
}
