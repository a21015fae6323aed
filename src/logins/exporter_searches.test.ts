import { describe, expect, test } from "bun:test";
import type { AccountResult } from "../auth/jwt_login.ts";
import { ExporterSearches } from "./exporter_searches.ts";

const NONE: AccountResult = { ok: false, problem: "account missing" };

/** Searches among accounts that import from one another; each search ends when the test says so. */
function setUp(exporters: Record<string, readonly string[]>) {
  const ends = new Map<string, () => void>();
  const asked: string[] = [];
  const searches = new ExporterSearches({
    load: (key) => {
      asked.push(key);
      return new Promise((resolve) => ends.set(key, () => resolve(NONE)));
    },
    exportersOf: (key) => exporters[key] ?? [],
  });
  const isFinished = async (key: string) => {
    let isDone = false;
    void searches.finish(key).then(() => {
      isDone = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 0));
    return isDone;
  };
  const end = (key: string) => ends.get(key)!();
  return { searches, asked, isFinished, end };
}

describe("ExporterSearches", () => {
  test("one search serves all who ask while it lasts, and a later one begins anew", async () => {
    const { searches, asked, end } = setUp({});
    const both = [searches.start("E"), searches.start("E")];
    end("E");
    expect(await Promise.all(both)).toEqual([NONE, NONE]);
    void searches.start("E");
    expect(asked).toEqual(["E", "E"]);
  });

  test("an account waits for those it imports from, and theirs, and for no others", async () => {
    const { searches, isFinished, end } = setUp({ A: ["B"], B: ["C"], D: [] });
    for (const key of ["C", "E"]) void searches.start(key);
    expect(await isFinished("A")).toBe(false);
    expect(await isFinished("D")).toBe(true);
    end("C");
    expect(await isFinished("A")).toBe(true);
  });

  test("accounts that import from one another do not wait for ever", async () => {
    const { searches, isFinished, end } = setUp({ A: ["B"], B: ["A", "B"] });
    void searches.start("X");
    expect(await isFinished("A")).toBe(true);
    void searches.start("B");
    expect(await isFinished("A")).toBe(false);
    end("B");
    expect(await isFinished("A")).toBe(true);
  });

  test("what is found only then is waited for, too", async () => {
    const exporters: Record<string, string[]> = { A: ["B"] };
    const { searches, end } = setUp(exporters);
    const found = searches.start("B");
    let isDone = false;
    const finishing = searches.finish("A").then(() => {
      isDone = true;
    });
    // B's claims, once they are there, show that it imports, and the search for its exporter starts at once.
    void found.then(() => {
      exporters.B = ["C"];
      void searches.start("C");
    });
    end("B");
    await found;
    await new Promise((resolve) => setTimeout(resolve, 0));
    expect(isDone).toBe(false);
    end("C");
    await finishing;
  });
});
