import { expect, test } from "bun:test";
import { chooseByServerName } from "./certificate_sets.ts";

test("chooseByServerName() takes the first that is for the name, else the first of all", () => {
  const contexts = [
    { id: 1, names: ["a.test"] },
    { id: 2, names: ["b.test", "*.c.test"] },
    { id: 3, names: ["b.test"] },
  ];
  const chosen = (name: string) => chooseByServerName(contexts, name).id;
  expect(["a.test", "b.test", "x.c.test", "other.test", ""].map(chosen)).toEqual([1, 2, 2, 1, 1]);
});
