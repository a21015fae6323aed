import { expect, test } from "bun:test";
import { hashSubject, mixHash } from "./subject_hash.ts";

const encoder = new TextEncoder();
const seeds = Int32Array.of(0x1234567, -2, 3, 0x40000000);

function hash(text: string, prefix = 1, from = seeds): number {
  const bytes = encoder.encode(text);
  return hashSubject(from, prefix, bytes, 0, bytes.length);
}

test("hashSubject() depends on every byte, the length, the prefix and every seed", () => {
  for (let length = 1; length < 20; length++) {
    const text = "a".repeat(length);
    const whole = hash(text);
    expect(hash(`${text}\0`) === whole).toBe(false);
    expect(hash(text, 2) === whole).toBe(false);
    for (let at = 0; at < length; at++) {
      expect(hash(`${text.slice(0, at)}b${text.slice(at + 1)}`) === whole).toBe(false);
    }
    for (let word = 0; word < 4; word++) {
      expect(hash(text, 1, seeds.with(word, seeds[word]! ^ 1)) === whole).toBe(false);
    }
  }
});

test("hashSubject() gives the same hash wherever the subject lies in its array", () => {
  const bytes = encoder.encode("0123456789_INBOX.abc.1 0123456789");
  expect(hashSubject(seeds, 1, bytes, 10, 22)).toBe(hash("_INBOX.abc.1"));
});

test("hashSubject() and mixHash() spread numbered keys over low and high bits alike", () => {
  const keyCount = 1 << 16;
  const hashes = Array.from({ length: keyCount }, (_, n) => hash(`_INBOX.Q0Xb7mZpR4sT8uVwYz12Aa.${n}`));
  const mixed = Array.from({ length: keyCount }, (_, n) => mixHash(77, n * 8, 5));
  for (const values of [hashes, mixed]) {
    for (const shift of [0, 18]) {
      const counts = new Int32Array(1 << 14);
      for (const value of values) counts[(value >>> shift) & 0x3fff]! += 1;
      // A bucket has four keys on average. Of 16384 Poisson-distributed buckets the fullest has about 14.
      expect(Math.max(...counts)).toBeLessThan(20);
      expect(counts.filter((count) => count === 0).length).toBeLessThan(400);
    }
  }
});
