import { expect, test } from "bun:test";
import fc from "fast-check";
import { createSharedMemory } from "../../memory/shared_memory.ts";
import { NO_SUBSCRIPTION, SubscriptionTable } from "./subscription_table.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
/** Addresses of connections; any will do that are no subscription's. */
const CONNECTIONS = [128, 256, 384];
const ENTRIES = 5;

interface Model {
  readonly record: number;
  readonly connection: number;
  readonly entry: number;
  readonly queue: number;
  readonly sid: string;
}

const shared = createSharedMemory(1, new Uint32Array([1, 2, 3, 4]));

test("SubscriptionTable holds what a map of maps would hold", () => {
  const add = fc.record({
    kind: fc.constant("add" as const),
    connection: fc.constantFrom(...CONNECTIONS),
    entry: fc.integer({ min: 0, max: ENTRIES - 1 }),
    queue: fc.integer({ min: 0, max: 2 }),
    sid: fc.oneof(fc.stringMatching(/^[0-9]{1,3}$/), fc.stringMatching(/^[a-z]{11,40}$/)),
  });
  const remove = fc.record({ kind: fc.constant("remove" as const), at: fc.nat() });
  fc.assert(
    fc.property(fc.array(fc.oneof(add, add, remove), { maxLength: 120 }), (steps) => {
      const table = new SubscriptionTable(shared, 99);
      const heads = new Map(CONNECTIONS.map((connection) => [connection, NO_SUBSCRIPTION]));
      const models = new Map<string, Model>();
      for (const step of steps) {
        if (step.kind === "add") {
          const { connection, entry, queue, sid } = step;
          const bytes = encoder.encode(sid);
          const key = `${connection} ${sid}`;
          const found = table.find(connection, bytes, 0, bytes.length);
          expect(found).toBe(models.get(key)?.record ?? NO_SUBSCRIPTION);
          if (found !== NO_SUBSCRIPTION) continue;
          const head = heads.get(connection)!;
          const record = table.add(connection, head, entry, queue, bytes, 0, bytes.length);
          heads.set(connection, record);
          models.set(key, { record, connection, entry, queue, sid });
        } else {
          const key = [...models.keys()][step.at % Math.max(models.size, 1)];
          if (key === undefined) continue;
          const { record, connection } = models.get(key)!;
          heads.set(connection, table.remove(record, heads.get(connection)!));
          models.delete(key);
        }
        compare(table, heads, models);
      }
      for (const { record, connection } of models.values()) {
        heads.set(connection, table.remove(record, heads.get(connection)!));
      }
      expect(table.count).toBe(0);
    }),
    { numRuns: 30 },
  );
});

function compare(table: SubscriptionTable, heads: Map<number, number>, models: Map<string, Model>): void {
  expect(table.count).toBe(models.size);
  const all = [...models.values()];
  for (const [connection, head] of heads) {
    const records = follow(head, (record) => table.nextOfConnection(record));
    const wanted = all.filter((model) => model.connection === connection).map(({ record }) => record);
    expect(records.sort()).toEqual(wanted.sort());
  }
  for (let entry = 0; entry < ENTRIES; entry++) {
    const records = follow(table.firstOfEntry(entry), (record) => table.nextOfEntry(record));
    const wanted = all.filter((model) => model.entry === entry).map(({ record }) => record);
    expect(records.sort()).toEqual(wanted.sort());
  }
  for (const { record, connection, entry, queue, sid } of all) {
    expect(decoder.decode(table.sidOf(record))).toBe(sid);
    expect([table.connectionOf(record), table.entryOf(record), table.queueOf(record)]).toEqual([
      connection,
      entry,
      queue,
    ]);
  }
}

function follow(first: number, next: (record: number) => number): number[] {
  const records: number[] = [];
  for (let record = first; record !== NO_SUBSCRIPTION; record = next(record)) records.push(record);
  return records;
}

test("SubscriptionTable finds each of 20,000 sids while its buckets grow, and uses freed records again", () => {
  const table = new SubscriptionTable(shared, 5);
  let head = NO_SUBSCRIPTION;
  const records = new Set<number>();
  for (let sid = 0; sid < 20_000; sid++) {
    const bytes = encoder.encode(`${sid}`);
    head = table.add(128, head, sid % 3000, 0, bytes, 0, bytes.length);
    records.add(head);
  }
  for (let sid = 0; sid < 20_000; sid++) {
    const bytes = encoder.encode(`${sid}`);
    const record = table.find(128, bytes, 0, bytes.length);
    expect(records.has(record)).toBe(true);
    head = table.remove(record, head);
  }
  expect(head).toBe(NO_SUBSCRIPTION);
  const bytes = encoder.encode("again");
  for (let i = 0; i < 20_000; i++) expect(records.has(table.add(256, 0, 0, 0, bytes, 0, 5))).toBe(true);
});
