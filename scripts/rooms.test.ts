import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { findViolations } from "./rooms.ts";

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "midge-rooms-"));
});

afterEach(() => {
  rmSync(root, { recursive: true });
});

function violationsOf(files: Record<string, string>): string[] {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(root, dirname(path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return findViolations(root).map(({ file, line, what }) => `${file}:${line}: ${what}`);
}

describe("findViolations()", () => {
  test("finds each way to import from a room above", () => {
    const text = [
      'import { a } from "../base/a.ts";',
      'import type { Shard } from "../shard/shard.ts";',
      "import {",
      "  b,",
      '} from "../link/b.ts";',
      'export * from "../server/server.ts";',
      'const door = await import("../mod.ts");',
      'import "../cli/main.ts";',
    ].join("\n");
    expect(violationsOf({ "src/subject/tokens.ts": text })).toEqual([
      "src/subject/tokens.ts:2: subject imports src/shard/shard.ts, but shard lies above it",
      "src/subject/tokens.ts:5: subject imports src/link/b.ts, but link lies above it",
      "src/subject/tokens.ts:6: subject imports src/server/server.ts, but server lies above it",
      "src/subject/tokens.ts:7: subject imports src/mod.ts, but mod.ts lies above it",
      "src/subject/tokens.ts:8: subject imports src/cli/main.ts, but cli lies above it",
    ]);
  });

  test("lets a room import itself, those under it and packages", () => {
    const text = [
      'import { readFileSync } from "node:fs";',
      'import { sha256 } from "@noble/hashes/sha2.js";',
      'import { a } from "./a.ts";',
      'import { b } from "../base/deep/b.ts";',
      'const url = new URL("../../workers/shard.ts", import.meta.url);',
    ].join("\n");
    expect(violationsOf({ "src/server/start.ts": text })).toEqual([]);
  });

  test("lets workers import shard and link, and nobody but a worker import them", () => {
    const files = {
      "workers/shard.ts":
        'import { run } from "../src/shard/run.ts";\nimport { log } from "../src/log/logger.ts";',
      "src/shard/run.ts": 'import { start } from "../../workers/shard.ts";',
    };
    expect(violationsOf(files)).toEqual([
      "src/shard/run.ts:1: shard imports workers/shard.ts, but workers lies above it",
    ]);
  });

  test("finds a runtime named outside src/runtime/, but not in comments and texts", () => {
    const text = [
      "// Bun.listen is faster here than Deno.listen",
      '/* Deno.dlopen */ const text = "Deno.dlopen";',
      "const listener = Deno.listen({ port: 0 });",
      "const isBun = globalThis.Bun !== undefined;",
      'import { dlopen } from "bun:ffi";',
      'import { test } from "bun:test";',
    ].join("\n");
    expect(violationsOf({ "src/shard/shard.ts": text, "src/runtime/bun/sockets.ts": text })).toEqual([
      "src/shard/shard.ts:3: names Deno, which only src/runtime/ may",
      "src/shard/shard.ts:4: names Bun, which only src/runtime/ may",
      "src/shard/shard.ts:5: imports bun:ffi, which only src/runtime/ may",
    ]);
  });

  test("keeps sources, but not their tests, from importing what is in no room", () => {
    const text = 'import { pipe } from "../../test/support/pipe.ts";';
    expect(violationsOf({ "src/link/route.ts": text, "src/link/route.test.ts": text })).toEqual([
      "src/link/route.ts:1: imports test/support/pipe.ts, which is in no room",
    ]);
  });

  test("finds a room that is not in the list", () => {
    expect(violationsOf({ "src/utils/all.ts": "" })).toEqual([
      "src/utils/all.ts:1: utils is not in the list of rooms",
    ]);
  });

  test("leaves AssemblyScript alone", () => {
    expect(violationsOf({ "src/engine/assembly/a.ts": 'import { x } from "../../shard/x";' })).toEqual([]);
  });

  test("finds what every thread would load, however it comes in, and nothing else", () => {
    expect(
      violationsOf({
        "workers/shard.ts": [
          'import { a } from "../src/base/a.ts";',
          'import type { Socket } from "node:net";',
          'import type { b } from "../src/base/b.ts";',
          'const c = await import("../src/base/b.ts");',
        ].join("\n"),
        "src/base/a.ts": 'import { Buffer } from "node:buffer";\nexport { x } from "./x.ts";\n',
        "src/base/x.ts":
          'import {\n  readFileSync,\n} from "node:fs";\nimport { sha256 } from "@noble/hashes/sha2.js";\n',
        "src/base/b.ts": 'import process from "node:process";\n',
      }),
    ).toEqual([
      "src/base/x.ts:3: each thread loads node:fs: ask process.getBuiltinModule() for it, or import() it",
      "src/base/x.ts:4: each thread loads @noble/hashes/sha2.js: ask process.getBuiltinModule() for it, or import() it",
    ]);
  });
});
