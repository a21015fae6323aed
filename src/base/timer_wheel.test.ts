import { expect, test } from "bun:test";
import fc from "fast-check";
import { TimerWheel } from "./timer_wheel.ts";

const TICK_MS = 10;

type Step =
  | { readonly kind: "set"; readonly id: number; readonly inMs: number }
  | { readonly kind: "clear"; readonly id: number }
  | { readonly kind: "advance"; readonly byMs: number };

const id = fc.integer({ min: 0, max: 40 });
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant("set" as const), id, inMs: fc.integer({ min: -50, max: 30_000 }) }),
  fc.record({ kind: fc.constant("clear" as const), id }),
  fc.record({ kind: fc.constant("advance" as const), byMs: fc.integer({ min: 0, max: 25_000 }) }),
);

test("TimerWheel fires what a list of due times would fire", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 0, max: 1e6 }), (steps, startMs) => {
      const wheel = new TimerWheel(TICK_MS, startMs);
      const dueMs = new Map<number, number>();
      let now = startMs;
      for (const step of steps) {
        if (step.kind === "set") {
          wheel.set(step.id, now + step.inMs);
          // A timer that is due already fires with the next tick.
          dueMs.set(step.id, now + Math.max(step.inMs, 0));
        } else if (step.kind === "clear") {
          wheel.clear(step.id);
          dueMs.delete(step.id);
        } else {
          now += step.byMs;
          const fired: number[] = [];
          wheel.advance(now, (timer) => fired.push(timer));
          for (const timer of fired) {
            expect(dueMs.get(timer)!).toBeLessThanOrEqual(now);
            dueMs.delete(timer);
          }
          // Timers that are left are due within the current tick at the earliest.
          for (const due of dueMs.values()) expect(due).toBeGreaterThan(now - 2 * TICK_MS);
        }
        const waitMs = wheel.waitMs(now);
        if (dueMs.size === 0) expect(waitMs).toBe(Number.POSITIVE_INFINITY);
        else expect(waitMs).toBeLessThanOrEqual(Math.max(0, Math.min(...dueMs.values()) - now) + 2 * TICK_MS);
      }
    }),
  );
});

test("TimerWheel.advance() lets a callback set its own timer again and clear others", () => {
  const wheel = new TimerWheel(TICK_MS, 0);
  for (let timer = 0; timer < 5; timer++) wheel.set(timer, 100);
  const fired: number[] = [];
  const fire = (timer: number) => {
    fired.push(timer);
    wheel.set(timer, 200);
    for (let other = 0; other < 5; other++) if (other !== timer) wheel.clear(other);
  };
  wheel.advance(100, fire);
  expect(fired.length).toBe(1);
  wheel.advance(199, fire);
  expect(fired.length).toBe(1);
  wheel.advance(200, fire);
  expect(fired).toEqual([fired[0]!, fired[0]!]);
});
