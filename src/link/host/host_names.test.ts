import { describe, expect, test } from "bun:test";
import { HostNames } from "./host_names.ts";

function open() {
  const asked: string[] = [];
  const heard: unknown[] = [];
  const names = new HostNames((host) => asked.push(host));
  const resolve = (host: string) =>
    names.resolve(host, (addresses, problem) => heard.push([host, addresses, problem]));
  return { asked, heard, names, resolve };
}

describe("HostNames", () => {
  test("knows addresses without asking", () => {
    const { asked, heard, resolve } = open();
    resolve("10.0.0.1");
    resolve("fd00::1");
    expect(heard).toEqual([
      ["10.0.0.1", ["10.0.0.1"], ""],
      ["fd00::1", ["fd00::1"], ""],
    ]);
    expect(asked).toEqual([]);
  });

  test("asks once for all who wait, and again for the next", () => {
    const { asked, heard, names, resolve } = open();
    resolve("hub");
    resolve("hub");
    resolve("other");
    expect(asked).toEqual(["hub", "other"]);
    names.answer("hub", ["10.0.0.1", "10.0.0.2"], "");
    expect(heard).toEqual([
      ["hub", ["10.0.0.1", "10.0.0.2"], ""],
      ["hub", ["10.0.0.1", "10.0.0.2"], ""],
    ]);
    names.answer("other", [], "no such host");
    expect(heard.at(-1)).toEqual(["other", [], "no such host"]);
    resolve("hub");
    expect(asked.at(-1)).toBe("hub");
  });

  test("who asks from an answer is asked for anew, and stray answers are nobody's", () => {
    const { asked, names } = open();
    names.answer("stray", ["10.0.0.1"], "");
    let isAgain = false;
    names.resolve("hub", () => {
      names.resolve("hub", () => {
        isAgain = true;
      });
    });
    names.answer("hub", [], "no");
    expect(asked).toEqual(["hub", "hub"]);
    expect(isAgain).toBe(false);
  });
});
