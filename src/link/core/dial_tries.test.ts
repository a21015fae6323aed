import { expect, test } from "bun:test";
import { DialTries } from "./dial_tries.ts";

const REPORTS = { connectErrorReports: 4, reconnectErrorReports: 2 };

/** The numbers of those of the first nine attempts that are reported. */
function reported(isFirst: boolean): number[] {
  const tries = new DialTries(isFirst);
  const found = [];
  while (tries.count < 9) {
    tries.count++;
    if (tries.isReported(REPORTS)) found.push(tries.count);
  }
  return found;
}

test("isReported() picks the first try, and one of so many", () => {
  expect(reported(true)).toEqual([1, 4, 8]);
  expect(reported(false)).toEqual([1, 2, 4, 6, 8]);
});

test("pauseMs() stays, or doubles up to half a minute", () => {
  const steady = new DialTries(true);
  expect([steady.pauseMs(false), steady.pauseMs(false)]).toEqual([1000, 1000]);
  const backingOff = new DialTries(true);
  const pauses = Array.from({ length: 7 }, () => backingOff.pauseMs(true));
  expect(pauses).toEqual([1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
});
