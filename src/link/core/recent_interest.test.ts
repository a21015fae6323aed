import { expect, test } from "bun:test";
import { RECENT_MS, RecentInterest } from "./recent_interest.ts";
import { FakeClock } from "./testing/fake_clock.ts";
import { TimedMap } from "./testing/timed_map.ts";

function recentWith(clock: FakeClock, onFlip: (recent: RecentInterest) => void = () => {}): RecentInterest {
  const literals = new TimedMap(clock, RECENT_MS);
  const recent: RecentInterest = new RecentInterest(
    clock,
    {
      note: (account, subject) => literals.set(account, subject, subject),
      has: (account, subject) => literals.get(account, subject) !== undefined,
    },
    () => onFlip(recent),
  );
  return recent;
}

test("what was subscribed to is recent for two seconds, literals and patterns, account by account", () => {
  const clock = new FakeClock();
  const flips: boolean[] = [];
  const recent = recentWith(clock, ({ hasPatterns }) => flips.push(hasPatterns));
  expect(recent.covers("A", "inbox.1")).toBe(false);
  recent.note("A", "inbox.1");
  expect(recent.hasPatterns).toBe(false);
  clock.advance(1500);
  recent.note("A", "_INBOX.x.*");
  expect(recent.covers("A", "inbox.1")).toBe(true);
  expect(recent.covers("A", "_INBOX.x.7")).toBe(true);
  expect(recent.covers("A", "_INBOX.y.7")).toBe(false);
  expect(recent.covers("B", "inbox.1")).toBe(false);
  expect(recent.covers("B", "_INBOX.x.7")).toBe(false);
  clock.advance(600);
  expect(recent.covers("A", "inbox.1")).toBe(false);
  expect(recent.covers("A", "_INBOX.x.7")).toBe(true);
  expect(recent.hasPatterns).toBe(true);
  clock.advance(2500);
  expect(recent.covers("A", "_INBOX.x.7")).toBe(false);
  expect(recent.hasPatterns).toBe(false);
  expect(flips).toEqual([true, false]);
});

test("what is subscribed to again is as young as the last time", () => {
  const clock = new FakeClock();
  const recent = recentWith(clock);
  for (const subject of ["x", "y.*"]) recent.note("A", subject);
  clock.advance(1900);
  for (const subject of ["x", "y.*"]) recent.note("A", subject);
  clock.advance(1900);
  expect(recent.covers("A", "x")).toBe(true);
  expect(recent.covers("A", "y.1")).toBe(true);
});

test("covers() takes no longer where thousands of clients have just come", () => {
  const clock = new FakeClock();
  const recent = recentWith(clock);
  for (let i = 0; i < 10_000; i++) recent.note("A", `_INBOX.${i}.*`);
  const startMs = performance.now();
  for (let i = 0; i < 5000; i++) expect(recent.covers("A", `_INBOX.${i + 7500}.1`)).toBe(i < 2500);
  expect(performance.now() - startMs).toBeLessThan(500);
});
