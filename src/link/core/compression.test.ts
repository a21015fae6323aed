import { describe, expect, test } from "bun:test";
import type { CompressionSettings } from "../../config/compression.ts";
import { LinkCompression, levelFor } from "./compression.ts";
import { FakeClock } from "./testing/fake_clock.ts";
import { FakeConnection } from "./testing/fake_connection.ts";

const RTT_THRESHOLDS_MS = [10, 50, 100];

function open(mode: CompressionSettings["mode"], rttThresholdsMs: readonly number[] = RTT_THRESHOLDS_MS) {
  const clock = new FakeClock();
  const connection = new FakeConnection(1);
  const state = { settings: { mode, rttThresholdsMs } };
  const compression = new LinkCompression(connection, clock, () => state.settings);
  const settle = (theirs: string, dialled = true) =>
    compression.settle(theirs, dialled, () => connection.send(`INFO ${compression.modeInInfo}\r\n`));
  const reload = (now: CompressionSettings["mode"]) => {
    state.settings = { mode: now, rttThresholdsMs };
    return compression.reconsider();
  };
  return { clock, connection, compression, settle, reload };
}

describe("settle()", () => {
  const off = "off";
  const none = "not supported";
  const ownModes = ["s2_fast", "s2_better", "s2_best"] as const;
  const rows: readonly (readonly [own: CompressionSettings["mode"], theirs: string, mode: string])[] = [
    ...["", none].flatMap((theirs) =>
      (["accept", "s2_auto", "s2_fast"] as const).map((own) => [own, theirs, none] as const),
    ),
    ...(["accept", "s2_auto", "s2_fast"] as const).map((own) => [own, off, off] as const),
    ["accept", "accept", off],
    ["accept", "s2_auto", "s2_fast"],
    ...["s2_uncompressed", ...ownModes].map((theirs) => ["accept", theirs, theirs] as const),
    ...ownModes.flatMap((own) =>
      ["accept", "s2_auto", "s2_uncompressed", ...ownModes].map((theirs) => [own, theirs, own] as const),
    ),
    ["s2_auto", "accept", "s2_uncompressed"],
    ["s2_auto", "s2_best", "s2_uncompressed"],
    [off, "", none],
    [off, "s2_fast", off],
    [off, "accept", off],
    [none, "s2_fast", none],
    [none, off, none],
  ];
  for (const [own, theirs, mode] of rows) {
    test(`${own} and ${theirs || "nothing"}: ${mode}`, () => {
      const { connection, compression, settle } = open(own);
      const outcome = settle(theirs);
      expect(compression.mode).toBe(mode);
      expect(compression.isSettled).toBe(true);
      if (!mode.startsWith("s2")) {
        expect([outcome, connection.take()]).toEqual([{ kind: "clear" }, ""]);
        return;
      }
      expect(outcome).toEqual({ kind: "compressed" });
      const said = own === "s2_auto" ? own : mode;
      expect(connection.take()).toBe(`INFO ${said}\r\n<${mode}>\r\n`);
    });
  }

  test("who was dialled says INFO compressed", () => {
    const { connection, settle } = open("s2_better");
    settle("s2_fast", false);
    expect(connection.take()).toBe("<s2_better>\r\nINFO s2_better\r\n");
  });

  test("what nobody knows is refused", () => {
    const { compression, settle } = open("accept");
    expect(settle("lz4")).toMatchObject({
      kind: "refused",
      fault: { wireText: 'unsupported route compression mode "lz4"' },
    });
    expect(compression.isSettled).toBe(false);
    expect(open("off").settle("lz4")).toEqual({ kind: "clear" });
  });

  test("s2_auto begins with the time that it took to get there", () => {
    const { clock, compression, settle } = open("s2_auto");
    clock.advance(60);
    settle("accept");
    expect(compression.mode).toBe("s2_better");
  });
});

test("levelFor() is nats-server's choice", () => {
  const levels = (thresholdsMs: readonly number[], ...rtts: readonly number[]) =>
    rtts.map((rttMs) => levelFor(rttMs, thresholdsMs).slice(3));
  expect(levels([10, 50, 100], 0.1, 10, 10.1, 50, 100, 101)).toEqual([
    ...["uncompressed", "uncompressed", "fast", "fast", "better", "best"],
  ]);
  expect(levels([0, 0, 20, 30], 0, 5, 20, 25, 40)).toEqual(["better", "better", "better", "best", "best"]);
  expect(levels([0, 20], 5, 20, 30)).toEqual(["fast", "fast", "fast"]);
  expect(levels([20], 5, 30)).toEqual(["uncompressed", "uncompressed"]);
});

describe("afterwards", () => {
  test("s2_auto goes by each round trip", () => {
    const { connection, compression, settle } = open("s2_auto");
    settle("accept");
    connection.take();
    for (const rttMs of [5, 30, 40, 0, 70, 500, 1]) compression.measured(rttMs);
    expect(connection.take()).toBe("<s2_fast>\r\n<s2_better>\r\n<s2_best>\r\n<s2_uncompressed>\r\n");
    expect(compression.mode).toBe("s2_uncompressed");
    expect(compression.modeInInfo).toBe("s2_auto");
  });

  test("others do not, nor who does not compress", () => {
    for (const [own, theirs] of [
      ["s2_fast", "accept"],
      ["accept", "s2_auto"],
      ["s2_auto", "off"],
      ["s2_auto", ""],
    ] as const) {
      const { connection, compression, settle } = open(own);
      settle(theirs);
      connection.take();
      compression.measured(1000);
      expect(connection.take()).toBe("");
    }
  });

  test("a reload changes the level, or has both ends agree anew", () => {
    const cases: readonly (readonly [
      own: CompressionSettings["mode"],
      theirs: string,
      now: CompressionSettings["mode"],
      stays: boolean,
      said: string,
    ])[] = [
      ["s2_fast", "accept", "s2_best", true, "<s2_best>\r\n"],
      ["s2_fast", "accept", "s2_fast", true, ""],
      ["s2_fast", "accept", "s2_auto", true, "<s2_uncompressed>\r\n"],
      ["s2_fast", "accept", "off", false, ""],
      ["s2_fast", "accept", "accept", false, ""],
      ["s2_fast", "accept", "not supported", false, ""],
      ["s2_fast", "off", "s2_best", false, ""],
      ["s2_fast", "off", "off", true, ""],
      ["off", "s2_fast", "s2_fast", false, ""],
      ["accept", "accept", "s2_fast", false, ""],
      ["s2_fast", "", "s2_best", true, ""],
      ["s2_fast", "", "off", true, ""],
    ];
    for (const [own, theirs, now, stays, said] of cases) {
      const { connection, settle, reload } = open(own);
      settle(theirs);
      connection.take();
      expect([own, theirs, now, reload(now), connection.take()]).toEqual([own, theirs, now, stays, said]);
    }
  });
});
