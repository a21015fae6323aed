import { expect, test } from "bun:test";
import { ShardQueries } from "./shard_queries.ts";

test("a question has the answer that comes under its id, or none once its node is forgotten", async () => {
  const queries = new ShardQueries();
  const [first, second, other] = [queries.open<string>(3), queries.open<string>(3), queries.open<string>(4)];
  queries.answer(second.id, "second");
  queries.answer(second.id, "too late");
  queries.forget(3);
  queries.answer(other.id, "other");
  expect(await Promise.all([first.answer, second.answer, other.answer])).toEqual([
    undefined,
    "second",
    "other",
  ]);
});
