/**
 * The wire bench. It starts the targets in turn, with a fresh process for each measurement, puts the same load on each,
 * and prints one table. How to run and to read it: docs/benchmarks/README.md.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, release, totalmem } from "node:os";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { numberFrom, orRefuse, readFlags, wholeNumberFrom } from "../../scripts/flags.ts";
import { cpuChart } from "./chart.ts";
import { type Figures, summarise } from "./figures.ts";
import { limits } from "./limits.ts";
import { type MeasureOptions, measure } from "./measure.ts";
import { buildLoad, makeCertificate } from "./programs.ts";
import { rows as allRows, isForFloor, pickRows, type Row } from "./rows.ts";
import { failureList, limitTable, nanoseconds, resultTable } from "./table.ts";
import { findTarget, parseTarget, type Target, targetNames } from "./targets.ts";
import { judge } from "./verdicts.ts";

const usage = `bun run bench [flags]
  --quick              a minute: few rows, short, once
  --rows A,B           rows by id; * at the end stands for anything (--list shows them)
  --targets A,B        of ${targetNames.join(", ")}
  --target NAME=CMD    one more, {port} and {shards} in its command are replaced; may be given again
  --repetitions N      of each row and target; the median counts (3)
  --seconds S          measured in each (2)
  --shards N           of Midge, where the row does not say (1)
  --out NAME           writes docs/benchmarks/NAME.json, .md and .svg (wire)
  --no-write           prints only
  --check              exits with 1 when a measurement fails or a "must" limit is not met
  --list               prints the rows`;

const { values } = readFlags(usage, {
  options: {
    quick: { type: "boolean", default: false },
    rows: { type: "string" },
    targets: { type: "string" },
    target: { type: "string", multiple: true, default: [] },
    repetitions: { type: "string" },
    seconds: { type: "string" },
    shards: { type: "string", default: "1" },
    out: { type: "string" },
    "no-write": { type: "boolean", default: false },
    check: { type: "boolean", default: false },
    list: { type: "boolean", default: false },
  },
});

function chooseTargets(): Target[] {
  const chosen: Target[] = [];
  for (const name of values.targets?.split(",") ?? targetNames) {
    const target = findTarget(name);
    if ("reason" in target) console.error(`${name} is left out: ${target.reason}`);
    else chosen.push(target);
  }
  return [...chosen, ...values.target.map(parseTarget)];
}

interface Series {
  readonly row: Row;
  readonly target: Target;
  readonly figures: Figures[];
  readonly failures: string[];
}

async function measureAll(series: readonly Series[], repetitions: number, options: MeasureOptions) {
  const versions: Record<string, string> = {};
  for (let repetition = 0; repetition < repetitions; repetition++) {
    // Within a row the targets take turns, and each repetition reverses their order.
    const inTurn = repetition % 2 === 0 ? series : series.toReversed();
    for (const one of inTurn) {
      const place = `${repetition + 1}/${repetitions} ${one.row.id} ${one.target.name}`;
      try {
        const { figures, serverVersion } = await measure(one.row, one.target, options);
        one.figures.push(figures);
        versions[one.target.name] = serverVersion;
        console.error(`${place}: ${figures.cpuNs === null ? "done" : nanoseconds(figures.cpuNs)}`);
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        one.failures.push(reason);
        console.error(`${place}: failed: ${reason}`);
      }
    }
  }
  return versions;
}

/** The load generator. There is no certificate if no row needs TLS, or this machine has no OpenSSL to build it with. */
function prepareLoad(rows: readonly Row[]): Pick<MeasureOptions, "loadProgram" | "certificate"> {
  if (rows.some((row) => row.needs === "tls")) {
    try {
      return { loadProgram: buildLoad(true), certificate: makeCertificate() };
    } catch (error) {
      console.error(`rows over TLS are left out: ${error instanceof Error ? error.message : error}`);
    }
  }
  return { loadProgram: buildLoad(false), certificate: null };
}

/** The rows that the flags ask for, without those that the load generator cannot run here. */
function chooseRows(): { readonly rows: readonly Row[]; readonly load: ReturnType<typeof prepareLoad> } {
  const wanted = values.rows
    ? pickRows(values.rows.split(","))
    : allRows.filter((row) => row.isQuick || !values.quick);
  const load = prepareLoad(wanted);
  return { rows: wanted.filter((row) => row.needs !== "tls" || load.certificate !== null), load };
}

function describeMachine(): string {
  const memory = `${Math.round(totalmem() / 2 ** 30)} GB`;
  return `${cpus()[0]?.model ?? "unknown CPU"}, ${availableParallelism()} cores, ${memory}, Linux ${release()}`;
}

/** Writes a report, a picture and the measurements themselves to docs/benchmarks. */
function writeResults(report: string, chart: string, results: object): void {
  const folder = fileURLToPath(new URL("../../docs/benchmarks/", import.meta.url));
  const path = `${folder}${values.out ?? (values.quick ? "wire-quick" : "wire")}`;
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${path}.json`, `${JSON.stringify(results, null, 1)}\n`);
  writeFileSync(`${path}.md`, `${report}\n`);
  writeFileSync(`${path}.svg`, chart);
  console.error(`written: ${path}.json, .md, .svg`);
}

function listRows(): string {
  const width = Math.max(...allRows.map((row) => row.id.length)) + 2;
  return allRows.map((row) => row.id.padEnd(width) + row.title).join("\n");
}

async function main(): Promise<number> {
  if (values.list) {
    console.log(listRows());
    return 0;
  }
  const settings = {
    seconds: numberFrom("seconds", values.seconds ?? (values.quick ? "0.5" : "2"), 0.01),
    repetitions: wholeNumberFrom("repetitions", values.repetitions ?? (values.quick ? "1" : "3"), 1),
    shards: wholeNumberFrom("shards", values.shards, 1),
  };
  const { seconds, repetitions, shards } = settings;
  const targets = orRefuse(chooseTargets);
  const { rows, load } = orRefuse(chooseRows);
  const series = rows.flatMap((row) =>
    targets
      .filter((target) => !target.isFloor || isForFloor(row))
      .map((target): Series => ({ row, target, figures: [], failures: [] })),
  );
  const versions = await measureAll(series, repetitions, {
    ...load,
    seconds,
    warmSeconds: seconds / 4,
    count: 0,
    shards,
  });

  const summaries = series.map((one) => summarise(one.row.id, one.target.name, one.figures, one.failures));
  const judged = targets.map((target) => target.name).filter((name) => !/^(nats-server.*|floor)$/.test(name));
  const verdicts = judge(limits, summaries, judged);
  const date = new Date().toISOString();
  const machine = describeMachine();
  const servers = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const caption = `${date.slice(0, 10)}; ${machine}; ${servers.join(", ")}; median of ${repetitions} × ${seconds} s`;
  const limitLines = verdicts.length > 0 ? limitTable(verdicts) : "";
  const parts = [caption, resultTable(rows, summaries), failureList(summaries), limitLines];
  const report = parts.filter((part) => part !== "").join("\n\n");
  console.log(report);
  if (!values["no-write"]) {
    const measured = series.map(({ row, target, figures }) => {
      return { row: row.id, target: target.name, measured: figures };
    });
    const results = { date, machine, versions, settings, summaries, verdicts, measured };
    writeResults(report, cpuChart(rows, summaries, caption), results);
  }
  const isFailed =
    summaries.some(({ failures }) => failures.length > 0) ||
    verdicts.some(({ must }) => must.isMet === false);
  return values.check && isFailed ? 1 : 0;
}

process.exitCode = await main();
