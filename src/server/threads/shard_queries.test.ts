import { expect, test } from "bun:test";
import { ShardQueries } from "./shard_queries.ts";

function asking() {
  const queries = new ShardQueries();
  const sent: string[] = [];
  const ask = (node: number, what: string) =>
    queries.ask<string>(node, (id) => void sent.push(`${node}: ${what} ${id}`));
  return { queries, sent, ask };
}

test("a question has the answer that comes under its id, or none once its node is forgotten", async () => {
  const { queries, ask } = asking();
  const answers = [ask(3, "a"), ask(3, "b"), ask(4, "c")];
  queries.answer(3, 1, "first");
  queries.answer(3, 1, "too late");
  queries.forget(3);
  queries.answer(3, 2, "too late");
  queries.answer(4, 3, "other");
  expect(await Promise.all(answers)).toEqual(["first", undefined, "other"]);
});

test("a node is asked once it has answered what it was asked before", () => {
  const { queries, sent, ask } = asking();
  for (const what of ["a", "b", "c"]) void ask(3, what);
  void ask(4, "d");
  expect(sent).toEqual(["3: a 1", "4: d 4"]);
  queries.answer(3, 1, null);
  expect(sent.slice(2)).toEqual(["3: b 2"]);
  queries.sendAll();
  expect(sent.slice(3)).toEqual(["3: c 3"]);
  queries.answer(3, 2, null);
  queries.answer(3, 3, null);
  void ask(3, "e");
  expect(sent.slice(4)).toEqual(["3: e 5"]);
});

test("a node's successor is asked at once", () => {
  const { queries, sent, ask } = asking();
  for (const what of ["a", "b"]) void ask(3, what);
  queries.forget(3);
  void ask(3, "c");
  expect(sent).toEqual(["3: a 1", "3: c 3"]);
});
