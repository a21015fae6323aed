import { describe, expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { chooseByServerName, coversServerName, serverNameOf } from "./server_name.ts";

function u16(value: number): number[] {
  return [value >> 8, value & 0xff];
}

function extension(type: number, content: readonly number[]): number[] {
  return [...u16(type), ...u16(content.length), ...content];
}

function nameExtension(name: string): number[] {
  const text = [...Buffer.from(name)];
  const entry = [0, ...u16(text.length), ...text];
  return extension(0, [...u16(entry.length), ...entry]);
}

function hello(...extensions: number[][]): Uint8Array {
  const all = extensions.flat();
  const body = [
    ...[3, 3, ...Array.from({ length: 32 }, () => 7)],
    ...[4, 1, 2, 3, 4],
    ...u16(4),
    ...[0x13, 1, 0x13, 2],
    ...[1, 0],
    ...u16(all.length),
    ...all,
  ];
  const message = [1, 0, ...u16(body.length), ...body];
  return new Uint8Array([0x16, 3, 1, ...u16(message.length), ...message]);
}

describe("serverNameOf()", () => {
  test("finds the name wherever it stands among the extensions", () => {
    const other = extension(43, [2, 3, 4]);
    expect(serverNameOf(hello(nameExtension("a.test"), other))).toBe("a.test");
    expect(serverNameOf(hello(other, other, nameExtension("A.Test.")))).toBe("a.test");
  });

  test("is empty without a name, and for what is no hello", () => {
    expect(serverNameOf(hello(extension(43, [2, 3, 4])))).toBe("");
    expect(serverNameOf(hello())).toBe("");
    expect(serverNameOf(new Uint8Array(0))).toBe("");
    expect(serverNameOf(new Uint8Array(Buffer.from("GET / HTTP/1.1\r\n\r\n")))).toBe("");
  });

  test("cut anywhere, it gives the whole name or none", () => {
    const whole = hello(extension(43, [2, 3, 4]), nameExtension("a.test"), extension(51, [1]));
    for (let length = 0; length < whole.length; length++) {
      expect(["", "a.test"]).toContain(serverNameOf(whole.subarray(0, length)));
    }
  });

  test("with any byte changed it ends, and reads nothing beyond the bytes", () => {
    const whole = hello(extension(43, [2, 3, 4]), nameExtension("a.test"));
    for (let at = 0; at < whole.length; at++) {
      for (const value of [0, 1, 0x7f, 0xff]) {
        const changed = whole.slice();
        changed[at] = value;
        expect(serverNameOf(changed).length <= whole.length).toBe(true);
      }
    }
  });
});

test("coversServerName() takes names in any case, and a wildcard for exactly one label", () => {
  expect(coversServerName(["x.test", "A.Test"], "a.test")).toBe(true);
  expect(coversServerName(["*.a.test"], "b.a.test")).toBe(true);
  for (const name of ["a.test", "c.b.a.test", "ba.test", ""]) {
    expect(coversServerName(["*.a.test"], name)).toBe(false);
  }
  expect(coversServerName(["*.test"], "test")).toBe(false);
  expect(coversServerName([], "a.test")).toBe(false);
});

test("chooseByServerName() takes the first that is for the name, else the first of all", () => {
  const contexts = [
    { id: 1, names: ["a.test"] },
    { id: 2, names: ["b.test", "*.c.test"] },
    { id: 3, names: ["b.test"] },
  ];
  const chosen = (name: string) => chooseByServerName(contexts, name).id;
  expect(["a.test", "b.test", "x.c.test", "other.test", ""].map(chosen)).toEqual([1, 2, 2, 1, 1]);
});
