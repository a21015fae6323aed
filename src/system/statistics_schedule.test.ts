import { expect, test } from "bun:test";
import { StatisticsSchedule } from "./statistics_schedule.ts";

/** When the summary goes out until `endMs`; `ask` is called as time passes. */
function run(endMs: number, ask: (schedule: StatisticsSchedule, nowMs: number) => boolean = () => false) {
  const schedule = new StatisticsSchedule(0);
  const sentMs: number[] = [];
  for (let nowMs = 0; nowMs <= endMs; nowMs += 50) {
    let wants = ask(schedule, nowMs);
    if (nowMs >= schedule.dueMs) {
      schedule.advance(nowMs);
      wants = true;
    }
    if (wants && schedule.maySend(nowMs)) sentMs.push(nowMs);
  }
  return sentMs;
}

test("the summary comes ever more seldom, then every ten seconds", () => {
  expect(run(46_000)).toEqual([250, 1250, 3250, 7250, 15_250, 25_250, 35_250, 45_250]);
});

test("asked for ever so often, it comes once a second", () => {
  const sentMs = run(20_000, (_, nowMs) => nowMs >= 10_000 && nowMs < 12_000);
  expect(sentMs.filter((ms) => ms >= 10_000 && ms < 14_000)).toEqual([10_000, 11_000, 12_000]);
});

test("one that was too soon is made good by the timer", () => {
  const sentMs = run(20_000, (_, nowMs) => nowMs === 15_300);
  expect(sentMs.filter((ms) => ms > 15_000 && ms < 17_000)).toEqual([15_250, 16_250]);
});

test("whoever asks for one gets one", () => {
  const sentMs = run(20_000, (schedule, nowMs) => {
    if (nowMs !== 15_300 && nowMs !== 15_350) return false;
    schedule.forgetLast();
    return true;
  });
  expect(sentMs.filter((ms) => ms > 15_000 && ms < 16_000)).toEqual([15_250, 15_300, 15_350]);
});
