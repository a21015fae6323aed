/**
 * Checks that the rooms of src/ import only downwards, and that only src/runtime/ names a runtime: `bun run rooms`.
 * Prints each violation as `file:line: what` and exits with 1 if there is any. Type imports count, because one must be
 * able to read a room with just what lies under it. It also checks what the threads load that every server has.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";

/** The rooms from the ground up. Each imports only from itself and from those before it. See docs/architecture.md. */
const ROOMS = [
  "base",
  "log",
  "subject",
  "protocol",
  "config",
  "runtime",
  "memory",
  "engine",
  "interest",
  "fabric",
  "auth",
  "account",
  "logins",
  "shard",
  "link",
  "workers",
  "monitor",
  "system",
  "server",
  "mod.ts",
  "cli",
];

/** A folder in AssemblyScript, whose imports look different. */
const ASSEMBLY = join("src", "engine", "assembly");

const IMPORT =
  /(?:^|[;{}\n])\s*(?:import|export)\s(?:[^;"'`]*?\bfrom\s*)?["']([^"']+)["']|\bimport\s*\(\s*["']([^"']+)["']\s*[,)]/g;

/**
 * Where the code of threads begins that every server has. In each of them, a module of `node:` costs Deno 3 to 8 MB.
 */
const LEAN_ENTRIES = ["workers/shard.ts", "workers/acceptor.ts", "src/runtime/deno/runtime.ts"];

/** An import that loads a module before the code runs. */
const STATIC_IMPORT =
  /(?:^|[;{}\n])\s*(?:import|export)\s+(?!type\b)(?:[^;"'`(]*?\bfrom\s*)?["']([^"']+)["']/g;

const RUNTIME_NAME = /\b(?:Bun|Deno)\s*[.[]|\bglobalThis\s*\.\s*(?:Bun|Deno)\b/g;

export interface Violation {
  /** Relative to the root of the repository. */
  file: string;
  line: number;
  what: string;
}

/** All violations in `src/` and `workers/` under `root`, in order of file and line. Heavy imports come last. */
export function findViolations(root: string): Violation[] {
  const perFile = sourceFiles(root).flatMap((file) => {
    const text = blankComments(readFileSync(join(root, file), "utf8"));
    return [...findWrongImports(file, text), ...findRuntimeNames(file, text)].sort((a, b) => a.line - b.line);
  });
  return [...perFile, ...findHeavyImports(root)];
}

/** The packages and modules of `node:`, except for `node:buffer`, that every thread of a server would load. */
function findHeavyImports(root: string): Violation[] {
  const violations: Violation[] = [];
  const files = new Set(LEAN_ENTRIES);
  // Files that are added to the set meanwhile are visited, too.
  for (const file of files) {
    if (!existsSync(join(root, file))) continue;
    const text = blankComments(readFileSync(join(root, file), "utf8"));
    for (const match of text.matchAll(STATIC_IMPORT)) {
      const specifier = match[1]!;
      if (specifier.startsWith(".")) files.add(relative(".", resolve(dirname(file), specifier)));
      else if (specifier !== "node:buffer") {
        const line = lineAt(text, match.index + match[0].indexOf(specifier));
        const what = `each thread loads ${specifier}: ask process.getBuiltinModule() for it, or import() it`;
        violations.push({ file, line, what });
      }
    }
  }
  return violations;
}

function sourceFiles(root: string): string[] {
  return ["src", "workers"].flatMap((folder) => {
    try {
      return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
        .map((path) => join(folder, path))
        .filter((path) => path.endsWith(".ts") && !path.startsWith(ASSEMBLY + sep))
        .sort();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw error;
    }
  });
}

function findWrongImports(file: string, text: string): Violation[] {
  const violations: Violation[] = [];
  const room = roomOf(file);
  const rank = ROOMS.indexOf(room);
  if (rank < 0) violations.push({ file, line: 1, what: `${room} is not in the list of rooms` });

  for (const match of text.matchAll(IMPORT)) {
    const specifier = match[1] ?? match[2] ?? "";
    const line = lineAt(text, match.index + match[0].indexOf(specifier));
    const report = (what: string) => violations.push({ file, line, what });
    if (specifier === "bun" || (specifier.startsWith("bun:") && specifier !== "bun:test")) {
      if (room !== "runtime") report(`imports ${specifier}, which only src/runtime/ may`);
    }
    if (!specifier.startsWith(".")) continue;
    const target = relative(".", resolve(dirname(file), specifier));
    const targetRoom = roomOf(target);
    const targetRank = ROOMS.indexOf(targetRoom);
    if (targetRank < 0) {
      if (!isTest(file)) report(`imports ${target}, which is in no room`);
    } else if (targetRank > rank) {
      report(`${room} imports ${target}, but ${targetRoom} lies above it`);
    }
  }
  return violations;
}

function findRuntimeNames(file: string, text: string): Violation[] {
  if (roomOf(file) === "runtime") return [];
  const code = blankStrings(text);
  return [...code.matchAll(RUNTIME_NAME)].map((match) => ({
    file,
    line: lineAt(code, match.index),
    what: `names ${match[0].match(/Bun|Deno/)?.[0]}, which only src/runtime/ may`,
  }));
}

/** The room of a file: `src/shard/x.ts` is in `shard`; `src/mod.ts` and `workers/` are rooms of their own. */
function roomOf(file: string): string {
  const [top = "", second = ""] = file.split(sep);
  return top === "src" ? second : top;
}

function isTest(file: string): boolean {
  return file.endsWith(".test.ts");
}

function lineAt(text: string, index: number): number {
  return text.slice(0, index).split("\n").length;
}

const COMMENT_OR_STRING =
  /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`|\/\/[^\n]*|\/\*[\s\S]*?\*\//g;

/** Replaces everything but the line ends with blanks, so that positions stay. */
function blank(text: string): string {
  return text.replace(/[^\n]/g, " ");
}

function blankComments(text: string): string {
  return text.replace(COMMENT_OR_STRING, (part) => (part.startsWith("/") ? blank(part) : part));
}

function blankStrings(text: string): string {
  return text.replace(COMMENT_OR_STRING, blank);
}

if (import.meta.main) {
  const violations = findViolations(fileURLToPath(new URL("..", import.meta.url)));
  for (const { file, line, what } of violations) console.error(`${file}:${line}: ${what}`);
  console.log(`rooms: ${violations.length} violations`);
  process.exit(violations.length === 0 ? 0 : 1);
}
