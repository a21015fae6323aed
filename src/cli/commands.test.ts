import { expect, test } from "bun:test";
import { isKeyCommand, KEY_COMMANDS } from "./commands.ts";
import { usageText } from "./help.ts";
import { COMMANDS } from "./keys/main.ts";

test("isKeyCommand() knows the first words of all commands, and leaves nats-server alone", () => {
  for (const { name } of COMMANDS) {
    const [word = ""] = name.split(" ");
    expect(isKeyCommand("midge", [word, "--help"])).toBe(true);
    expect(isKeyCommand("nats-server", [word])).toBe(false);
  }
  for (const words of [[], ["-c", "init"], ["help"], ["toString"]])
    expect(isKeyCommand("midge", words)).toBe(false);
});

test("the usage lists the commands that there are, under the name that has them", () => {
  expect(Object.keys(KEY_COMMANDS).sort()).toEqual(
    [...new Set(COMMANDS.map(({ name }) => name.split(" ", 1)[0] ?? ""))].sort(),
  );
  for (const word of Object.keys(KEY_COMMANDS)) expect(usageText("midge")).toContain(`    ${word} `);
  expect(usageText("nats-server")).toMatch(/^Usage: nats-server \[flags\]\n\nFlags take/);
});
