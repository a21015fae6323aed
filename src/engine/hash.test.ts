import { describe, expect, test } from "bun:test";
import { AREA_HASH_SEED, AREA_LOCAL_BUCKETS, PLAN_SET_COUNT } from "../memory/layout.ts";
import { createEngine, type Engine } from "./engine.ts";
import { NO_HOST } from "./no_host.ts";
import { memory } from "./testing/lockstep.ts";
import { write } from "./testing/specification.ts";

function engineWithSeed(seed: bigint): { engine: Engine; at: number } {
  memory.clear();
  const area = memory.take("area", AREA_LOCAL_BUCKETS);
  const at = memory.take("subject", 256);
  memory.longs[(area + AREA_HASH_SEED) >> 3] = seed;
  return { engine: createEngine(memory.memory, area, NO_HOST), at };
}

/** Seeds as random as those of processes. The hash multiplies by its seed, so one with few bits set would be weak. */
const SEEDS = [
  0x9d39_247e_3377_6d41n,
  0x0123_4567_89ab_cdefn,
  0x5bd1_e995_dead_beefn,
  0x2545_f491_4f6c_dd1dn,
];

const FAMILIES: Record<string, (index: number) => string> = {
  "numbers at the end": (index) => `orders.${index}`,
  "numbers at the start": (index) => `${index}.orders.created.somewhere`,
  "padded numbers": (index) => `device.${`${index}`.padStart(8, "0")}.temperature`,
  inboxes: (index) => `_INBOX.${(index * 2654435761).toString(36).padStart(22, "x")}.${index % 10}`,
  "one letter repeated": (index) =>
    `${String.fromCharCode(33 + (index % 90))}`.repeat(1 + (Math.floor(index / 90) % 200)),
  "two bytes that differ": (index) => {
    const bytes = Array.from("a.subject.of.thirty-two.bytes...");
    bytes[index % 32] = String.fromCharCode(33 + (Math.floor(index / 32) % 90));
    bytes[(index * 7 + 3) % 32] = String.fromCharCode(33 + (Math.floor(index / 2880) % 90));
    return bytes.join("");
  },
};

describe("hash()", () => {
  for (const [name, subjectOf] of Object.entries(FAMILIES)) {
    test(`spreads ${name} over the plan sets`, () => {
      for (const seed of SEEDS) {
        const { engine, at } = engineWithSeed(seed);
        const subjects = new Set<string>();
        for (let index = 0; subjects.size < 16_384 && index < 40_000; index++) subjects.add(subjectOf(index));
        const sets = new Uint16Array(PLAN_SET_COUNT);
        const hashes = new Set<number>();
        for (const subject of subjects) {
          write(memory.bytes, at, subject);
          const hash = engine.hash(at, subject.length);
          hashes.add(hash);
          sets[hash & (PLAN_SET_COUNT - 1)]!++;
        }
        const load = subjects.size / PLAN_SET_COUNT;
        const filled = sets.reduce((sum, count) => sum + (count > 0 ? 1 : 0), 0);
        // Random hashes would fill so many sets, and hardly two hashes would be the same.
        const expected = PLAN_SET_COUNT * (1 - Math.exp(-load));
        expect(filled).toBeGreaterThan(expected * 0.97);
        expect(Math.max(...sets)).toBeLessThan(10);
        expect(hashes.size).toBeGreaterThan(subjects.size - 4);
      }
    });
  }

  test("is the same at any offset and whatever follows", () => {
    const { engine, at } = engineWithSeed(SEEDS[0]!);
    for (let length = 0; length <= 80; length++) {
      const hashes = new Set<number>();
      for (let offset = 0; offset < 16; offset++) {
        memory.bytes.fill(offset * 17, at, at + 128);
        write(memory.bytes, at + offset, "s".repeat(length));
        hashes.add(engine.hash(at + offset, length));
      }
      expect(hashes.size).toBe(1);
    }
  });

  test("changes with any byte, with the length and with the seed", () => {
    const hashes = new Set<number>();
    let count = 0;
    for (const seed of SEEDS) {
      const { engine, at } = engineWithSeed(seed);
      for (let length = 0; length <= 80; length++) {
        write(memory.bytes, at, "\0".repeat(length));
        hashes.add(engine.hash(at, length));
        for (let index = 0; index < length; index++) {
          memory.bytes[at + index] = 0x80;
          hashes.add(engine.hash(at, length));
          memory.bytes[at + index] = 0;
        }
        count += length + 1;
      }
    }
    expect(hashes.size).toBeGreaterThan(count - 3);
  });
});
