import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { findMappingProblem, type MappingOptions } from "../config/mappings.ts";
import { subjectMatchesText } from "../subject/text.ts";
import { AccountMappings, mappingShares } from "./mapping.ts";

type Entry = readonly [subject: string, weight?: number, cluster?: string];

function mapping(source: string, ...entries: readonly Entry[]): MappingOptions {
  return {
    source,
    destinations: entries.map(([subject, weight = 100, cluster]) => ({ subject, weight, cluster })),
  };
}

/** How many of the hundred draws take a subject to which place; `lost` for nowhere. */
function shares(mappings: readonly MappingOptions[], subject: string, cluster?: string) {
  const found = new AccountMappings(mappings, cluster).find(subject);
  const counts: Record<string, number> = {};
  for (let draw = 0; draw < 100; draw++) {
    const result = found === undefined ? subject : (found.choose(subject, () => draw) ?? "lost");
    counts[result] = (counts[result] ?? 0) + 1;
  }
  return counts;
}

describe("find()", () => {
  test("takes the first mapping that covers the subject", () => {
    const mappings = new AccountMappings(
      [mapping("a.*", ["first.$1"]), mapping("a.b", ["second"]), mapping("a.>", ["third.>"])],
      undefined,
    );
    const choose = (subject: string) => mappings.find(subject)?.choose(subject, () => 0);
    expect(choose("a.b")).toBe("first.b");
    expect(choose("a.b.c")).toBe("third.b.c");
    expect(choose("a")).toBe(undefined);
    expect(choose("a.*")).toBe("first.*");
  });

  test("finds a literal before a pattern that is listed later", () => {
    const mappings = new AccountMappings(
      [mapping("a.b", ["literal"]), mapping("a.*", ["pattern.$1"])],
      undefined,
    );
    expect(mappings.find("a.b")?.choose("a.b", () => 0)).toBe("literal");
    expect(mappings.find("a.c")?.choose("a.c", () => 0)).toBe("pattern.c");
  });

  test("knows a source that is listed again by what it says last, at its old place", () => {
    const mappings = [mapping("a", ["old"]), mapping("*", ["any.$1"]), mapping("a", ["new"])];
    expect(shares(mappings, "a")).toEqual({ new: 100 });
  });

  test("compares bytes", () => {
    const mappings = new AccountMappings([mapping("é.*", ["x.$1"])], undefined);
    expect(mappings.find("\xc3\xa9.\xff")?.choose("\xc3\xa9.\xff", () => 0)).toBe("x.\xff");
  });
});

describe("mappingShares()", () => {
  const shown = (each: MappingOptions) =>
    mappingShares(each).map(({ subject, below, cluster }) => [subject, below, cluster]);

  test("adds up weights, the least first, with the rest on the source", () => {
    expect(shown(mapping("x", ["a", 50], ["b", 20]))).toEqual([
      ["b", 20, ""],
      ["x", 50, ""],
      ["a", 100, ""],
    ]);
    expect(shown(mapping("x.*.>", ["y.$1.>", 20]))).toEqual([
      ["y.$1.>", 20, ""],
      ["x.$1.>", 100, ""],
    ]);
    expect(shown(mapping("x", ["y"]))).toEqual([["y", 100, ""]]);
  });

  test("leaves out the rest if the source is listed", () => {
    expect(shown(mapping("x", ["x", 20], ["y", 30]))).toEqual([
      ["x", 20, ""],
      ["y", 50, ""],
    ]);
    expect(shown(mapping("x", ["x", 0]))).toEqual([["x", 0, ""]]);
  });

  test("has a group for each cluster after the one of the others", () => {
    expect(shown(mapping("x", ["y", 30, "C1"], ["z"]))).toEqual([
      ["z", 100, ""],
      ["y", 30, "C1"],
      ["x", 100, "C1"],
    ]);
    expect(shown(mapping("x", ["y", 30, "C1"]))[0]).toEqual(["x", 100, ""]);
  });
});

describe("choose()", () => {
  test("leaves what is missing to 100 on the source", () => {
    expect(shares([mapping("x", ["a", 30], ["b", 20])], "x")).toEqual({ a: 30, b: 20, x: 50 });
    expect(shares([mapping("x.*.>", ["y.$1.>", 20])], "x.q.r")).toEqual({ "y.q.r": 20, "x.q.r": 80 });
    expect(shares([mapping("x", ["y", 0])], "x")).toEqual({ x: 100 });
    expect(shares([mapping("x")], "x")).toEqual({ x: 100 });
  });

  test("loses what is missing if the source is listed", () => {
    expect(shares([mapping("x", ["x", 0])], "x")).toEqual({ lost: 100 });
    expect(shares([mapping("x", ["x", 20], ["y", 30])], "x")).toEqual({ x: 20, y: 30, lost: 50 });
    expect(shares([mapping("x.>", ["x.>", 20])], "x.q")).toEqual({ "x.q": 20, lost: 80 });
    // A pattern cannot be listed as itself but with >.
    expect(shares([mapping("x.*", ["x.$1", 20])], "x.q")).toEqual({ "x.q": 100 });
  });

  test("has a group for each cluster and one for the others", () => {
    const mappings = [mapping("x", ["z", 50], ["y", 30, "C1"])];
    expect(shares(mappings, "x", "C1")).toEqual({ y: 30, x: 70 });
    expect(shares(mappings, "x", "C2")).toEqual({ z: 50, x: 50 });
    expect(shares(mappings, "x")).toEqual({ z: 50, x: 50 });
  });

  test("loses messages in every group if the source is listed in one", () => {
    const mappings = [mapping("x", ["x", 50, "C1"], ["y", 30])];
    expect(shares(mappings, "x", "C1")).toEqual({ x: 50, lost: 50 });
    expect(shares(mappings, "x")).toEqual({ y: 30, lost: 70 });
    expect(shares([mapping("x", ["x", 50, "C1"])], "x")).toEqual({ lost: 100 });
  });

  test("partitions a literal by nothing, whatever else is mapped", () => {
    const mappings = [mapping("q.*", ["r.$1"]), mapping("a8.x", ["o.{{partition(10)}}"])];
    expect(shares(mappings, "a8.x")).toEqual({ "o.1": 100 });
  });

  test("draws nothing when there is one fate", () => {
    const found = new AccountMappings([mapping("x.*", ["y.$1"]), mapping("z", ["z", 0])], undefined);
    const noDraw = () => {
      throw new Error("drew");
    };
    expect(found.find("x.a")?.choose("x.a", noDraw)).toBe("y.a");
    expect(found.find("z")?.choose("z", noDraw)).toBe(null);
  });
});

test("isDeterministic tells what may be remembered", () => {
  const isDeterministic = (...entries: readonly Entry[]) =>
    new AccountMappings([mapping("x.*", ...entries)], "C").find("x.a")?.isDeterministic;
  expect(isDeterministic(["y.$1"])).toBe(true);
  expect(isDeterministic(["y.{{partition(9,1)}}"])).toBe(true);
  expect(isDeterministic(["y.$1", 0])).toBe(true);
  expect(isDeterministic(["z.$1", 50], ["y.$1", 100, "C"])).toBe(true);
  expect(isDeterministic(["y.$1", 50])).toBe(false);
  expect(isDeterministic(["y.{{random(9)}}"])).toBe(false);
});

test("isEmpty without mappings", () => {
  expect(new AccountMappings([], undefined).isEmpty).toBe(true);
  expect(new AccountMappings([mapping("x", ["y"])], undefined).isEmpty).toBe(false);
});

test("find() and choose() agree with a walk over the list", () => {
  const source = fc.constantFrom("a", "a.b", "a.*", "*.b", "*", "*.*", "a.>", ">");
  const subject = fc.constantFrom("a", "b", "a.b", "a.c", "c.b", "a.b.c");
  const weights = fc.array(fc.integer({ min: 0, max: 50 }), { maxLength: 3 });
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.tuple(source, weights), { selector: ([text]) => text, maxLength: 5 }),
      subject,
      fc.integer({ min: 0, max: 99 }),
      (list, published, draw) => {
        const mappings = list.map(([text, each], at) => {
          const tail = text.endsWith(">") ? ".>" : "";
          return mapping(text, ...each.map((weight, i): Entry => [`to.${at}.${i}${tail}`, weight]));
        });
        fc.pre(mappings.every((each) => findMappingProblem(each.source, each.destinations) === undefined));
        const at = list.findIndex(([text]) => subjectMatchesText(text, published));
        let expected: string | undefined;
        if (at >= 0) {
          const [text, each] = list[at]!;
          const kept = text === ">" ? published : published.split(".").slice(1).join(".");
          const sum = (weights: readonly number[]) => weights.reduce((total, weight) => total + weight, 0);
          const i = each.findIndex((_, last) => draw < sum(each.slice(0, last + 1)));
          expected = i < 0 ? published : `to.${at}.${i}${text.endsWith(">") ? `.${kept}` : ""}`;
        }
        const found = new AccountMappings(mappings, undefined).find(published);
        expect(found?.choose(published, () => draw)).toBe(expected);
      },
    ),
  );
});
