import { describe, expect, test } from "bun:test";
import { ExportTable } from "./exports.ts";
import { type ImportingAccount, isCycle, serviceCycle, streamCycle } from "./import_cycles.ts";

interface Account extends ImportingAccount {
  readonly serviceImports: { exporter: Account; local: string; remotePattern: string }[];
  readonly streamImports: { exporter: Account; local: string }[];
}

/** An account that exports everything there is as streams. */
function account(name: string): Account {
  const exports = new ExportTable();
  exports.add({
    kind: "stream",
    subject: ">",
    importers: [],
    needsToken: false,
    revocations: new Map(),
    accountTokenPosition: 0,
    responseType: "singleton",
    responseThresholdMs: undefined,
    latency: undefined,
    allowTrace: false,
  });
  return { name, exports, serviceImports: [], streamImports: [] };
}

/** Accounts of which each imports from the next. */
function chain(length: number, local: string, remotePattern: string): Account[] {
  const accounts = Array.from({ length }, (_, i) => account(`A${i}`));
  for (const [i, each] of accounts.entries()) {
    const exporter = accounts[i + 1];
    if (exporter === undefined) continue;
    each.serviceImports.push({ exporter, local, remotePattern });
    each.streamImports.push({ exporter, local });
  }
  return accounts;
}

describe("serviceCycle()", () => {
  test("is found at any distance, on subjects that collide", () => {
    const accounts = chain(50, "x.*", "x.*");
    const last = accounts.at(-1)!;
    expect(serviceCycle(last.name, accounts[0]!, "x.a")).toBe("import forms a cycle");
    expect(serviceCycle(last.name, accounts[0]!, "y.a")).toBe(undefined);
    expect(serviceCycle("elsewhere", accounts[0]!, "x.a")).toBe(undefined);
  });

  test("is given up at a depth of 1024", () => {
    const accounts = chain(1100, "x", "x");
    expect(serviceCycle("elsewhere", accounts[0]!, "x")).toBe("search cycle depth exhausted");
    expect(serviceCycle("elsewhere", accounts[100]!, "x")).toBe(undefined);
  });
});

describe("streamCycle()", () => {
  test("is found at any distance, on subjects that collide", () => {
    const accounts = chain(50, "x.*", "");
    const last = accounts.at(-1)!;
    expect(streamCycle(last.name, accounts[0]!, "x.a")).toBe("import forms a cycle");
    expect(streamCycle(last.name, accounts[0]!, "y.a")).toBe(undefined);
  });

  test("does not go through an account that does not export the subject", () => {
    const accounts = chain(3, "x", "");
    const silent: Account = { ...accounts[1]!, exports: new ExportTable() };
    accounts[0]!.streamImports[0]!.exporter = silent;
    expect(streamCycle("A2", accounts[0]!, "x")).toBe(undefined);
  });
});

test("isCycle() tells both findings from what an exporter says", () => {
  expect(isCycle("import forms a cycle")).toBe(true);
  expect(isCycle("search cycle depth exhausted")).toBe(true);
  expect(isCycle("service import not authorized")).toBe(false);
});
