import { describe, expect, test } from "bun:test";
import { Memo } from "./memo.ts";

function counted(countMax: number) {
  const asked: string[] = [];
  const memo = new Memo(countMax, (text) => {
    asked.push(text);
    return text.startsWith("no") ? undefined : { text };
  });
  return { memo, asked };
}

describe("Memo", () => {
  test("asks once about a text, as long as that is among the last", () => {
    const { memo, asked } = counted(2);
    for (const text of ["a", "b", "a", "b"]) expect(memo.of(text)).toEqual({ text });
    expect(memo.of("a")).toBe(memo.of("a"));
    memo.of("c");
    memo.of("b");
    memo.of("a");
    expect(asked).toEqual(["a", "b", "c", "a"]);
  });

  test("what comes to nothing is asked again, and pushes nothing out", () => {
    const { memo, asked } = counted(1);
    for (const text of ["a", "no", "no", "a"]) memo.of(text);
    expect(asked).toEqual(["a", "no", "no"]);
  });

  test("does not keep long texts", () => {
    const { memo, asked } = counted(1);
    const long = "a".repeat(100_000);
    memo.of(long);
    expect(memo.of(long)).toEqual({ text: long });
    expect(asked.length).toBe(2);
  });
});
