import { describe, expect, test } from "bun:test";
import { cpuChart } from "./chart.ts";
import { type FigureName, figureNames, type Spread, type Summary } from "./figures.ts";
import { type Limit, limits } from "./limits.ts";
import { pickRows, rows } from "./rows.ts";
import { failureList, limitTable, nanoseconds, resultTable, significant } from "./table.ts";
import { parseTarget } from "./targets.ts";
import { judge } from "./verdicts.ts";

function summary(row: string, target: string, values: { [name in FigureName]?: number }): Summary {
  const figures = {} as { [name in FigureName]: Spread | null };
  for (const name of figureNames) {
    const value = values[name];
    figures[name] = value === undefined ? null : { median: value, min: value * 0.9, max: value * 1.1 };
  }
  return { row, target, repetitions: 1, figures, failures: [] };
}

const summaries = [
  summary("1-1-16", "nats-server", { cpuNs: 500, perSecond: 2e6 }),
  summary("1-1-16", "floor", { cpuNs: 60, perSecond: 15e6 }),
  summary("1-1-16", "midge-bun", { cpuNs: 75, perSecond: 12e6 }),
  summary("1-1-16-apart", "midge-bun", { cpuNs: 150 }),
];

const limit: Limit = {
  title: "server CPU",
  rows: ["1-1-16"],
  figure: "cpuNs",
  must: { most: 0.35, of: "nats-server" },
  aim: { most: 1.2, of: "floor" },
};

describe("judge", () => {
  test("holds must against nats-server and aim against the floor", () => {
    const [verdict] = judge([limit], summaries, ["midge-bun"]);
    expect(verdict!.must).toEqual({ value: 0.15, bound: limit.must, isMet: true });
    expect(verdict!.aim).toEqual({ value: 1.25, bound: limit.aim, isMet: false });
  });
  test("compares with another row of the same target", () => {
    const apart: Limit = {
      ...limit,
      rows: ["1-1-16-apart"],
      aim: { most: 1.4, of: { row: { "1-1-16-apart": "1-1-16" } } },
    };
    const [verdict] = judge([apart], summaries, ["midge-bun"]);
    expect(verdict!.aim).toEqual({ value: 2, bound: apart.aim, isMet: false });
    expect(verdict!.must.isMet).toBe(null); // nats-server has no such row here
  });
  test("reads a bound as a least where more is better", () => {
    const rate: Limit = { ...limit, figure: "perSecond", must: { least: 3, of: "nats-server" } };
    expect(judge([rate], summaries, ["midge-bun"])[0]!.must).toEqual({
      value: 6,
      bound: rate.must,
      isMet: true,
    });
  });
  test("is silent about a target that was not measured", () => {
    expect(judge([limit], summaries, ["midge-deno"])).toEqual([]);
  });
});

describe("limits", () => {
  test("name rows that exist", () => {
    const named = limits.flatMap((one) => [
      ...one.rows,
      ...[one.must, one.aim].flatMap((bound) =>
        typeof bound.of === "string" ? [] : Object.values(bound.of.row),
      ),
    ]);
    const ids = rows.map((row) => row.id);
    expect(named.filter((id) => !ids.includes(id))).toEqual([]);
  });
});

describe("pickRows", () => {
  test("takes ids and beginnings, in the order of the table", () => {
    expect(pickRows(["request-1*", "1-1-16"]).map((row) => row.id)).toEqual([
      ...["1-1-16", "request-1", "request-1-paced", "request-100", "request-1000", "request-100-apart"],
    ]);
  });
  test("refuses an id without a row", () => {
    expect(() => pickRows(["1-1-17"])).toThrow(/--rows 1-1-17: no such row/);
  });
});

describe("parseTarget", () => {
  test("splits the command and fills in the shards", () => {
    const target = parseTarget("mine=./server -p {port} --shards {shards}");
    expect(target.name).toBe("mine");
    expect(target.command(2)).toEqual(["./server", "-p", "{port}", "--shards", "2"]);
  });
  test("refuses a command without a port", () => {
    expect(() => parseTarget("mine=./server")).toThrow(/\{port\}/);
  });
});

describe("resultTable", () => {
  const picked = pickRows(["1-1-16"]);
  test("shows each target with its ratios to nats-server and to the floor", () => {
    const line = resultTable(picked, summaries)
      .split("\n")
      .find((one) => one.includes("midge-bun"));
    expect(line).toMatch(/12\.0 M\/s .* 75\.0 ns .* 0\.15 .* 1\.25 /);
  });
  test("names a target without figures, and the list below says why, once", () => {
    const failed = {
      ...summary("1-1-16", "midge-bun", {}),
      repetitions: 0,
      failures: ["it broke", "it broke"],
    };
    expect(resultTable(picked, [failed])).toMatch(/midge-bun +\| failed/);
    expect(failureList([failed])).toBe("- 1-1-16, midge-bun: it broke");
  });
});

describe("limitTable", () => {
  test("marks each bound met, not met or not measured", () => {
    const table = limitTable(judge([limit], summaries.slice(1), ["midge-bun"]));
    expect(table).toMatch(/≤ 0\.350 × nats-server +\| not measured \| 1\.25 \(≤ 1\.20 × floor\) +\| NO /);
  });
  test("gives memory in the units people read", () => {
    const memory: Limit = { ...limit, figure: "baseBytes", must: { most: 80 * 2 ** 20, of: "itself" } };
    const held = judge(
      [memory],
      [summary("1-1-16", "midge-bun", { baseBytes: 40 * 2 ** 20 })],
      ["midge-bun"],
    );
    expect(limitTable(held)).toContain("40.0 MB (≤ 80.0 MB)");
  });
});

describe("cpuChart", () => {
  const svg = cpuChart(pickRows(["1-1-16"]), summaries, "a <caption>");
  test("draws a bar for each target, the longest for the slowest", () => {
    const widths = [...svg.matchAll(/<rect x="\d+" y="\d+" width="([\d.]+)"/g)].map((match) =>
      Number(match[1]),
    );
    expect(widths.length).toBe(3);
    expect(widths[0]! / widths[2]!).toBeGreaterThan(6);
  });
  test("follows light and dark and escapes what it shows", () => {
    expect(svg).toContain("prefers-color-scheme: dark");
    expect(svg).toContain("a &lt;caption&gt;");
  });
});

describe("significant", () => {
  test("keeps three digits and never shortens whole numbers", () => {
    expect([0, 0.01234, 1.234, 56.78, 987.6, 12345].map(significant)).toEqual([
      "0",
      "0.0123",
      "1.23",
      "56.8",
      "988",
      "12345",
    ]);
  });
  test("nanoseconds() changes to microseconds from ten thousand", () => {
    expect([75, 9999, 24_500].map(nanoseconds)).toEqual(["75.0 ns", "9999 ns", "24.5 µs"]);
  });
});
