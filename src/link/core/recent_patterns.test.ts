import { expect, test } from "bun:test";
import fc from "fast-check";
import { areTokensSubset } from "../../subject/subset.ts";
import { RecentPatterns } from "./recent_patterns.ts";

const token = fc.constantFrom("a", "b", "*");
const pattern = fc
  .tuple(fc.array(token, { maxLength: 4 }), fc.boolean())
  .map(([tokens, hasRest]) => (hasRest || tokens.length === 0 ? [...tokens, ">"] : tokens));
const subject = fc.array(fc.constantFrom("a", "b", "c", ""), { minLength: 1, maxLength: 5 });

test("covers() says what looking at each pattern would, whatever was forgotten", () => {
  const steps = fc.array(fc.tuple(pattern, fc.boolean()), { maxLength: 20 });
  fc.assert(
    fc.property(
      steps,
      fc.array(subject, { minLength: 1, maxLength: 10 }),
      fc.nat(20),
      (steps, subjects, ms) => {
        const patterns = new RecentPatterns();
        const noted = new Map<string, number>();
        for (const [atMs, [tokens, isForgotten]] of steps.entries()) {
          const name = tokens.join(".");
          if (isForgotten) {
            patterns.forget(tokens, atMs - 5);
            if ((noted.get(name) ?? atMs) <= atMs - 5) noted.delete(name);
          } else {
            patterns.note(tokens, atMs);
            noted.set(name, atMs);
          }
        }
        for (const tokens of subjects) {
          const isCovered = [...noted].some(
            ([name, atMs]) => atMs >= ms && areTokensSubset(tokens, name.split(".")),
          );
          expect(patterns.covers(tokens, ms)).toBe(isCovered);
        }
        for (const name of noted.keys()) patterns.forget(name.split("."), 100);
        expect(patterns.isEmpty).toBe(true);
      },
    ),
  );
});
