import { describe, expect, test } from "bun:test";
import { CHART_MS, CHART_MS_MIN, chartSpanMs, linePoints, scaleTop, withPoint } from "./chart.js";
import { byteRate, cut, exact, rate, short, shortBytes } from "./format.js";
import { BOX_HEIGHT, BOX_WIDTH, layoutMap, PEERS_MAX } from "./map_layout.js";
import { baselineFor, ratesBetween, ratesByKey, secondsBetween } from "./rates.js";

describe("format", () => {
  test("short() keeps three digits and never shows 1000 of a unit", () => {
    const shown = [0, 7, 999, 1000, 1234, 12_345, 999_499, 999_500, 123_456_789, 0.5, 9.996, -1500].map(
      short,
    );
    expect(shown).toEqual([
      "0",
      "7",
      "999",
      "1.00k",
      "1.23k",
      "12.3k",
      "999k",
      "1.00M",
      "123M",
      "0.50",
      "10.0",
      "−1.50k",
    ]);
  });

  test("shortBytes() sets the unit off", () => {
    expect([0, 512, 1500, 67_108_864].map(shortBytes)).toEqual(["0 B", "512 B", "1.50 kB", "67.1 MB"]);
  });

  test("exact() shows every digit", () => {
    expect([0, 999, 1000, 12_345_678, 2 ** 53].map(exact)).toEqual([
      "0",
      "999",
      "1,000",
      "12,345,678",
      "9,007,199,254,740,992",
    ]);
  });

  test("a rate that is not known is a dash", () => {
    expect([rate(null), byteRate(null), rate(2500), byteRate(2500)]).toEqual([
      "–",
      "–",
      "2.50k/s",
      "2.50 kB/s",
    ]);
  });

  test("cut() cuts between characters", () => {
    expect([cut("abc", 3), cut("abcd", 3), cut("🙂🙂🙂", 2)]).toEqual(["abc", "ab…", "🙂…"]);
  });
});

const COUNTERS = { in_msgs: 10, out_msgs: 20, in_bytes: 100, out_bytes: 200 };
const LATER = { in_msgs: 30, out_msgs: 20, in_bytes: 300, out_bytes: 200 };

describe("rates", () => {
  const answer = (now: string, start = "2026-01-01T00:00:00Z", id = "N1") =>
    ({ varz: { server_id: id, start, now } }) as Parameters<typeof secondsBetween>[1];

  test("secondsBetween() goes by the server's clock, and not across a restart", () => {
    const first = answer("2026-01-02T00:00:00Z");
    expect(secondsBetween(null, first)).toBe(null);
    expect(secondsBetween(first, answer("2026-01-02T00:00:02.5Z"))).toBe(2.5);
    expect(secondsBetween(first, first)).toBe(null);
    expect(secondsBetween(first, answer("2026-01-02T00:00:02Z", "2026-01-02T00:00:01Z"))).toBe(null);
    expect(secondsBetween(first, answer("2026-01-02T00:00:02Z", undefined, "N2"))).toBe(null);
  });

  test("baselineFor() takes the newest answer that is old enough", () => {
    const at = (second: string) => answer(`2026-01-02T00:00:${second}Z`);
    const [first, second] = [at("01"), at("02")];
    expect(baselineFor([first, second], at("03"))).toBe(second);
    expect(baselineFor([first, second], at("02.1"))).toBe(first);
    expect(baselineFor([first], at("01.1"))).toBe(null);
    expect(baselineFor([], first)).toBe(null);
  });

  test("ratesBetween() divides what was added", () => {
    expect(ratesBetween(COUNTERS, LATER, 2)).toEqual({
      inMessages: 10,
      outMessages: 0,
      inBytes: 100,
      outBytes: 0,
    });
    expect(ratesBetween(undefined, LATER, 2)).toBe(null);
    expect(ratesBetween(COUNTERS, LATER, null)).toBe(null);
    expect(ratesBetween(LATER, COUNTERS, 2)).toBe(null);
  });

  test("ratesByKey() knows nothing of those that are new", () => {
    const rates = ratesByKey(
      [{ id: 1, ...COUNTERS }],
      [
        { id: 1, ...LATER },
        { id: 2, ...LATER },
      ],
      ({ id }) => id,
      1,
    );
    expect(rates.get(1)?.inMessages).toBe(20);
    expect(rates.get(2)).toBe(null);
  });
});

describe("chart", () => {
  test("withPoint() forgets what is too old, and what the clock went back behind", () => {
    const points = [0, 1000, 2000].map((atMs) => ({ atMs, in: 0, out: 0 }));
    expect(withPoint(points, { atMs: 1000 + CHART_MS, in: 1, out: 1 }).map(({ atMs }) => atMs)).toEqual([
      2000,
      1000 + CHART_MS,
    ]);
    expect(withPoint(points, { atMs: 1500, in: 1, out: 1 }).map(({ atMs }) => atMs)).toEqual([0, 1000, 1500]);
  });

  test("scaleTop() is a round number that no point passes", () => {
    const top = (most: number) => scaleTop([{ atMs: 0, in: 0, out: most }]);
    expect([0, 1, 1.5, 2, 21, 99, 5_000_001].map(top)).toEqual([1, 1, 2, 2, 50, 100, 10_000_000]);
  });

  test("linePoints() ends at the right edge and stays within the picture", () => {
    const points = [
      { atMs: 0, in: 5, out: 0 },
      { atMs: CHART_MS_MIN / 2, in: 10, out: 2 },
    ];
    expect(linePoints(points, "in", { width: 100, height: 10 })).toBe("50.0,5.0 100.0,0.0");
    expect(linePoints([], "in", { width: 100, height: 10 })).toBe("");
  });
});

test("chartSpanMs() grows with what is known, within its bounds", () => {
  const span = (known: number) => chartSpanMs([0, known].map((atMs) => ({ atMs, in: 0, out: 0 })));
  expect([0, 1000, 100_000, 2 * CHART_MS].map(span)).toEqual([CHART_MS_MIN, CHART_MS_MIN, 100_000, CHART_MS]);
});

describe("layoutMap()", () => {
  const peers = (kind: "route" | "gateway" | "leaf", count: number) =>
    Array.from({ length: count }, (_, at) => ({ kind, name: `${kind} ${at}`, note: "" }));
  const self = { kind: "self", name: "me", note: "" } as const;
  const layouts = [288, 320, 640, 1100].flatMap((width) =>
    [0, 1, 2, 3, 5, 24, 200].map((count) => ({
      width,
      count,
      layout: layoutMap(
        {
          self,
          cluster: "C",
          routes: peers("route", count),
          gateways: peers("gateway", count),
          leafs: peers("leaf", count),
        },
        width,
      ),
    })),
  );

  test("boxes stay within the picture and none covers another, at any width", () => {
    for (const { width, layout } of layouts) {
      for (const [at, box] of layout.boxes.entries()) {
        expect(box.x).toBeGreaterThanOrEqual(0);
        expect(box.x + BOX_WIDTH).toBeLessThanOrEqual(width);
        expect(box.y + BOX_HEIGHT).toBeLessThanOrEqual(layout.height);
        for (const other of layout.boxes.slice(at + 1)) {
          const isApart = Math.abs(box.x - other.x) >= BOX_WIDTH || Math.abs(box.y - other.y) >= BOX_HEIGHT;
          expect([box.name, other.name, isApart]).toEqual([box.name, other.name, true]);
        }
      }
    }
  });

  test("this server stands in the middle of its cluster's frame, clusters above, leaf nodes below", () => {
    for (const { width, layout } of layouts) {
      const me = layout.boxes.find(({ kind }) => kind === "self")!;
      expect(me.x + BOX_WIDTH / 2).toBe(width / 2);
      const { frame } = layout;
      expect(frame.x).toBeGreaterThanOrEqual(0);
      expect(frame.x + frame.width).toBeLessThanOrEqual(width);
      for (const box of layout.boxes) {
        const isInside = box.y >= frame.y && box.y + BOX_HEIGHT <= frame.y + frame.height;
        if (box.kind === "gateway") expect(box.y + BOX_HEIGHT).toBeLessThanOrEqual(frame.y);
        if (box.kind === "leaf") expect(box.y).toBeGreaterThanOrEqual(frame.y + frame.height);
        if (box.kind === "route" || box.kind === "self") expect(isInside).toBe(true);
      }
    }
  });

  test("each peer has a line to this server; too many are counted", () => {
    for (const { count, layout } of layouts) {
      const drawn = count > PEERS_MAX ? PEERS_MAX - 1 : count;
      expect(layout.lines.length).toBe(3 * drawn);
      const more = layout.boxes.filter(({ kind }) => kind === "more").map(({ name }) => name);
      const left = `and ${count - drawn} more`;
      expect(more).toEqual(count > PEERS_MAX ? [left, left, left] : []);
    }
  });
});
