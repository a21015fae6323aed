/**
 * What the interest index costs: a match of a literal subject among a thousand and a million, hit and miss, in an order
 * that no cache foresees; a match among 100,000 mixed patterns; one subscription added and removed. Each bench call is
 * one operation. Run it with `bun bench/micro/interest.ts` or `deno run -A bench/micro/interest.ts`.
 */
import { bench, do_not_optimize, run } from "mitata";
import { createInterestIndex, type InterestIndex } from "../../src/interest/interest_index.ts";
import { MatchResult } from "../../src/interest/match_result.ts";

const ACCOUNT_ID = 1;
const SUBJECT_COUNT = 1 << 16;
const encoder = new TextEncoder();
const result = new MatchResult();
let random = 1;

/** Subjects one after the other, as in a receive buffer. Subject n is `bytes[ends[n - 1], ends[n])`. */
interface SubjectList {
  readonly bytes: Uint8Array;
  readonly ends: Int32Array;
}

function below(bound: number): number {
  random = (Math.imul(random, 1664525) + 1013904223) | 0;
  return (random >>> 4) % bound;
}

function newIndex(): InterestIndex {
  const { buffer } = new WebAssembly.Memory({ initial: 4096, maximum: 4096, shared: true });
  const region = {
    buffer: buffer as unknown as SharedArrayBuffer,
    byteOffset: 0,
    byteLength: buffer.byteLength,
  };
  return createInterestIndex(region, { hashSeed: [101, 202, 303, 404] });
}

function listOf(nameOf: () => string): SubjectList {
  const parts = Array.from({ length: SUBJECT_COUNT }, () => encoder.encode(nameOf()));
  const ends = new Int32Array(SUBJECT_COUNT + 1);
  for (const [index, part] of parts.entries()) ends[index + 1] = ends[index]! + part.length;
  const bytes = new Uint8Array(ends[SUBJECT_COUNT]!);
  for (const [index, part] of parts.entries()) bytes.set(part, ends[index]!);
  return { bytes, ends };
}

function add(index: InterestIndex, subject: string): void {
  const bytes = encoder.encode(subject);
  index.addPlain(0, ACCOUNT_ID, bytes, 0, bytes.length);
}

function benchMatch(name: string, index: InterestIndex, { bytes, ends }: SubjectList): void {
  let next = 0;
  bench(name, () => {
    next = (next + 1) & (SUBJECT_COUNT - 1);
    index.match(ACCOUNT_ID, bytes, ends[next]!, ends[next + 1]!, result);
    return do_not_optimize(result.entryCount);
  });
}

function inbox(n: number): string {
  return `_INBOX.Q0Xb7mZpR4sT8uVwYz12Aa.${n}`;
}

for (const literalCount of [1000, 1_000_000]) {
  const index = newIndex();
  for (let n = 0; n < literalCount; n++) add(index, inbox(n));
  benchMatch(
    `match, hit, ${literalCount} literals`,
    index,
    listOf(() => inbox(below(literalCount))),
  );
  benchMatch(
    `match, miss, ${literalCount} literals`,
    index,
    listOf(() => inbox(literalCount + below(literalCount))),
  );
  let n = literalCount;
  const text = new Uint8Array(64);
  bench(`add + remove, ${literalCount} literals`, () => {
    const { written } = encoder.encodeInto(inbox(n++), text);
    index.removePlain(0, index.addPlain(0, ACCOUNT_ID, text, 0, written));
  });
}

{
  // The patterns are orders.<region>.<customer>.<event> with a wildcard in one place. Each subject matches four of
  // them.
  const index = newIndex();
  for (let n = 0; n < 25_000; n++) {
    add(index, `orders.eu${n % 50}.customer${n}.*`);
    add(index, `orders.*.customer${n}.created`);
    add(index, `orders.eu${n % 50}.customer${n}.>`);
    add(index, `*.eu${n % 50}.customer${n}.created`);
  }
  const subjectOf = (n: number) => `orders.eu${n % 50}.customer${n}.created`;
  benchMatch(
    "match, hit of 4, 100000 patterns",
    index,
    listOf(() => subjectOf(below(25_000))),
  );
  benchMatch(
    "match, miss, 100000 patterns",
    index,
    listOf(() => `orders.us${below(50)}.customer.created`),
  );
  benchMatch(
    "match, literal miss at the root, 100000 patterns",
    index,
    listOf(() => inbox(below(1000))),
  );
  let n = 25_000;
  const text = new Uint8Array(64);
  bench("add + remove a pattern, 100000 patterns", () => {
    const { written } = encoder.encodeInto(`orders.eu${n % 50}.customer${n++}.*`, text);
    index.removePlain(0, index.addPlain(0, ACCOUNT_ID, text, 0, written));
  });
}

await run();
