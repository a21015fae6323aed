import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { pageOfConnections } from "./select_connections.ts";
import { connectionSnapshot } from "./testing/fake_source.ts";

test("pageOfConnections() is a part of the whole sorted list, however many keys are equal", () => {
  const counts = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 60 });
  fc.assert(
    fc.property(counts, fc.nat({ max: 70 }), fc.nat({ max: 70 }), (subscriptionCounts, a, b) => {
      const connections = subscriptionCounts.map((subscriptionCount, place) =>
        connectionSnapshot(1 + ((place * 37) % 61), { subscriptionCount }),
      );
      const sorted = connections.toSorted((x, y) => y.subscriptionCount - x.subscriptionCount || x.id - y.id);
      const start = Math.min(a, b, connections.length);
      const end = Math.min(Math.max(a, b), connections.length);
      const page = pageOfConnections(connections, { sort: "subs", nowMs: 0 }, start, end);
      expect(page.map(({ id }) => id)).toEqual(sorted.slice(start, end).map(({ id }) => id));
    }),
  );
});
