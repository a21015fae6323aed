/**
 * Stands in for `bun:test` where there is none: deno.json maps the name to this file, so that the
 * same tests run on Deno. It covers what our tests use; the part of it that compares values is in
 * expect.ts. Deno runs each test file in an isolate of its own, so this module's state is one file's.
 */
import { format } from "node:util";

export { expect } from "./expect.ts";

type Body = () => unknown;

interface DenoTest {
  (definition: { name: string; ignore: boolean; fn: () => Promise<void> } & Record<string, unknown>): void;
  afterAll(body: () => Promise<void>): void;
}

const { test: denoTest } = (globalThis as unknown as { Deno: { test: DenoTest } }).Deno;

/** As the test command has bun:test allow it (`scripts/unit.ts`): a busy machine may take many times as long as an idle one. */
const TIMEOUT_MS = 30_000;

/** One `describe`, or the file as a whole. */
interface Scope {
  name: string;
  parent: Scope | undefined;
  isIgnored: boolean;
  beforeAll: Body[];
  beforeEach: Body[];
  afterEach: Body[];
  afterAll: Body[];
  /** Tests of this scope and those within that have yet to run. */
  remainingCount: number;
  state: "waiting" | "running" | "finished";
}

function createScope(name: string, parent: Scope | undefined, isIgnored: boolean): Scope {
  const hooks = { beforeAll: [], beforeEach: [], afterEach: [], afterAll: [] };
  return { name, parent, isIgnored, ...hooks, remainingCount: 0, state: "waiting" };
}

const fileScope = createScope("", undefined, false);
const scopes: Scope[] = [fileScope];
let currentScope = fileScope;

/** The scopes around a test, outermost first. */
function pathTo(scope: Scope): Scope[] {
  return scope.parent === undefined ? [scope] : [...pathTo(scope.parent), scope];
}

export function beforeAll(body: Body): void {
  currentScope.beforeAll.push(body);
}

export function beforeEach(body: Body): void {
  currentScope.beforeEach.push(body);
}

export function afterEach(body: Body): void {
  currentScope.afterEach.push(body);
}

export function afterAll(body: Body): void {
  currentScope.afterAll.push(body);
}

function declareScope(name: string, body: () => void, isIgnored: boolean): void {
  const outer = currentScope;
  currentScope = createScope(name, outer, isIgnored || outer.isIgnored);
  scopes.push(currentScope);
  try {
    body();
  } finally {
    currentScope = outer;
  }
}

type Timeout = number | { timeout?: number };

function declareTest(name: string, body: Body | undefined, isIgnored: boolean, timeout?: Timeout): void {
  const path = pathTo(currentScope);
  const ignore = isIgnored || body === undefined || currentScope.isIgnored;
  const timeoutMs = (typeof timeout === "number" ? timeout : timeout?.timeout) ?? TIMEOUT_MS;
  if (!ignore) for (const scope of path) scope.remainingCount++;
  denoTest({
    name: [...path.map((scope) => scope.name).filter((part) => part !== ""), name].join(" > "),
    ignore,
    // Bun has no such checks, and tests written for it may leave a socket closing behind.
    sanitizeOps: false,
    sanitizeResources: false,
    sanitizeExit: false,
    fn: () => runTest(path, body as Body, timeoutMs),
  });
}

async function runTest(path: Scope[], body: Body, timeoutMs: number): Promise<void> {
  try {
    for (const scope of path) await enter(scope);
    for (const scope of path) for (const hook of scope.beforeEach) await hook();
    try {
      await withTimeout(body, timeoutMs);
    } finally {
      for (const scope of [...path].reverse()) for (const hook of scope.afterEach) await hook();
    }
  } finally {
    for (const scope of [...path].reverse()) if (--scope.remainingCount === 0) await leave(scope);
  }
}

async function enter(scope: Scope): Promise<void> {
  if (scope.state !== "waiting") return;
  scope.state = "running";
  for (const hook of scope.beforeAll) await hook();
}

async function leave(scope: Scope): Promise<void> {
  if (scope.state !== "running") return;
  scope.state = "finished";
  for (const hook of scope.afterAll) await hook();
}

// A filter leaves tests out that were counted, so some scopes may still be open at the end.
denoTest.afterAll(async () => {
  for (const scope of [...scopes].reverse()) await leave(scope);
});

async function withTimeout(body: Body, timeoutMs: number): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const expired = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`this test timed out after ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    await Promise.race([body(), expired]);
  } finally {
    clearTimeout(timer);
  }
}

/** Fills `%s`, `%d`, `%j`, `%p` and `%#` of a name with a row of the table. */
function nameOfRow(name: string, row: readonly unknown[], index: number): string {
  const used = name.replaceAll("%#", String(index)).replaceAll("%p", "%j");
  const placeholderCount = used.match(/%[sdifjoO]/g)?.length ?? 0;
  return format(used, ...row.slice(0, placeholderCount));
}

type RowBody = (...row: never[]) => unknown;
type Table = readonly unknown[];

function eachRow(table: Table, declare: (name: string, body: Body) => void) {
  return (name: string, body: RowBody): void => {
    for (const [index, entry] of table.entries()) {
      const row = Array.isArray(entry) ? entry : [entry];
      declare(nameOfRow(name, row, index), () => body(...(row as never[])));
    }
  };
}

export function test(name: string, body: Body, timeout?: Timeout): void {
  declareTest(name, body, false, timeout);
}

test.skip = (name: string, body?: Body): void => declareTest(name, body, true);
test.todo = (name: string, body?: Body): void => declareTest(name, body, true);
test.skipIf = (condition: boolean) => (name: string, body: Body, timeout?: Timeout) =>
  declareTest(name, body, condition, timeout);
test.if = (condition: boolean) => test.skipIf(!condition);
test.each = (table: Table) => (name: string, body: RowBody, timeout?: Timeout) =>
  eachRow(table, (rowName, rowBody) => declareTest(rowName, rowBody, false, timeout))(name, body);

export { test as it };

export function describe(name: string, body: () => void): void {
  declareScope(name, body, false);
}

describe.skip = (name: string, body: () => void): void => declareScope(name, body, true);
describe.skipIf = (condition: boolean) => (name: string, body: () => void) =>
  declareScope(name, body, condition);
describe.if = (condition: boolean) => describe.skipIf(!condition);
describe.each = (table: Table) =>
  eachRow(table, (name, body) => declareScope(name, body as () => void, false));
