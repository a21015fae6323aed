import { expect, test } from "bun:test";
import { Heap } from "./heap.ts";

test("Heap gives what was pushed in its order, whatever came when", () => {
  const heap = new Heap<number>((a, b) => a < b);
  const given = Array.from({ length: 500 }, (_, i) => (i * 7919) % 251);
  const taken: number[] = [];
  const take = () => {
    taken.push(heap.first!);
    heap.pop();
  };
  expect(heap.first).toBe(undefined);
  for (const item of given) heap.push(item);
  for (let i = 0; i < 250; i++) take();
  heap.push(-1);
  expect(heap.first).toBe(-1);
  heap.pop();
  while (heap.first !== undefined) take();
  expect(taken).toEqual(given.sort((a, b) => a - b));
});
