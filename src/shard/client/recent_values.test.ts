import { expect, test } from "bun:test";
import { RecentValues } from "./recent_values.ts";

interface Value {
  readonly name: string;
  readonly size: number;
  readonly tags: readonly string[];
  readonly rights: object | null;
}

const value = (more: Partial<Value> = {}): Value => ({ name: "a", size: 1, tags: [], rights: null, ...more });

test("share() returns the value it saw first for one with equal members", () => {
  const values = new RecentValues<Value>();
  const first = value();
  expect(values.share(first)).toBe(first);
  expect(values.share(value())).toBe(first);
  const other = value({ size: 2 });
  expect(values.share(other)).toBe(other);
  expect(values.share(value({ size: 2 }))).toBe(other);
  expect(values.share(value())).toBe(first);
});

test("share() takes lists for equal only when they are empty, and objects when they are the same", () => {
  const values = new RecentValues<Value>();
  const rights = {};
  const first = values.share(value({ rights }));
  expect(values.share(value({ rights }))).toBe(first);
  expect(values.share(value({ rights: {} }))).not.toBe(first);
  const tagged = value({ tags: ["x"] });
  expect(values.share(tagged)).toBe(tagged);
  const alsoTagged = value({ tags: ["x"] });
  expect(values.share(alsoTagged)).toBe(alsoTagged);
});

test("share() forgets the oldest of more than eight values", () => {
  const values = new RecentValues<Value>();
  const first = values.share(value({ size: 0 }));
  for (let size = 1; size < 8; size++) values.share(value({ size }));
  expect(values.share(value({ size: 0 }))).toBe(first);
  values.share(value({ size: 8 }));
  const again = value({ size: 0 });
  expect(values.share(again)).toBe(again);
});
