import { expect, test } from "bun:test";
import { RecentInterest } from "./recent_interest.ts";
import { FakeClock } from "./testing/fake_clock.ts";

test("what was subscribed to is recent for two seconds, literals and patterns, account by account", () => {
  const clock = new FakeClock();
  const flips: boolean[] = [];
  const recent: RecentInterest = new RecentInterest(clock, () => flips.push(recent.isEmpty));
  expect(recent.covers("A", "inbox.1")).toBe(false);
  recent.note("A", "inbox.1");
  clock.advance(1500);
  recent.note("A", "_INBOX.x.*");
  expect(recent.covers("A", "inbox.1")).toBe(true);
  expect(recent.covers("A", "_INBOX.x.7")).toBe(true);
  expect(recent.covers("A", "_INBOX.y.7")).toBe(false);
  expect(recent.covers("B", "inbox.1")).toBe(false);
  clock.advance(600);
  expect(recent.covers("A", "inbox.1")).toBe(false);
  expect(recent.covers("A", "_INBOX.x.7")).toBe(true);
  expect(recent.isEmpty).toBe(false);
  clock.advance(2500);
  expect(recent.covers("A", "_INBOX.x.7")).toBe(false);
  expect(recent.isEmpty).toBe(true);
  expect(flips).toEqual([false, true]);
});

test("what is subscribed to again is as young as the last time", () => {
  const clock = new FakeClock();
  const recent = new RecentInterest(clock, () => {});
  recent.note("A", "x");
  clock.advance(1900);
  recent.note("A", "x");
  clock.advance(1900);
  expect(recent.covers("A", "x")).toBe(true);
});
