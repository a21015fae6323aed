import { expect, test } from "bun:test";
import { FLAG_SECTIONS } from "./flags.ts";
import { tlsHelpText, usageText } from "./help.ts";

test("usageText() lists every name of every flag, in lines that fit a terminal", () => {
  const words = usageText("midge").split(/[\s,]+/);
  for (const { names } of Object.values(FLAG_SECTIONS).flat()) {
    for (const name of names) expect(words.includes(`-${name}`) || words.includes(`--${name}`)).toBe(true);
  }
  for (const line of usageText("midge").split("\n")) expect(line.length <= 100).toBe(true);
});

test("usageText() names the program", () => expect(usageText("foo")).toMatch(/^Usage: foo /));

test("tlsHelpText() shows the block with its main keys", () => {
  for (const key of ["cert_file", "key_file", "ca_file", "verify"]) expect(tlsHelpText()).toContain(key);
});
