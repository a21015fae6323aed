import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { ActivationClaims } from "../auth/jwt/claims.ts";
import { AccountIds } from "./account_ids.ts";
import { type AccountSource, type ExportRule, type ImportRule, plainSource } from "./account_source.ts";
import type { AccountDefinition } from "./definition.ts";
import { AccountRegistry, type RegistryChange } from "./registry.ts";

function service(subject: string, more: Partial<ExportRule> = {}): ExportRule {
  return {
    kind: "service",
    subject,
    importers: [],
    needsToken: false,
    revocations: new Map(),
    accountTokenPosition: 0,
    responseType: "singleton",
    responseThresholdMs: undefined,
    latency: undefined,
    allowTrace: false,
    ...more,
  };
}

function stream(subject: string, more: Partial<ExportRule> = {}): ExportRule {
  return service(subject, { kind: "stream", ...more });
}

function use(exporter: string, remote: string, more: Partial<ImportRule> = {}): ImportRule {
  return {
    kind: "service",
    exporter,
    remote,
    local: "",
    prefix: "",
    share: false,
    allowTrace: false,
    token: "",
    ...more,
  };
}

function source(
  name: string,
  exports: readonly ExportRule[],
  imports: readonly ImportRule[] = [],
): AccountSource {
  return { ...plainSource(name), exports, imports };
}

/** A registry whose tokens are `importer:subject:expiry`, issued by EXP at 500. */
function registryAt(clock: { nowSeconds: number }, systemAccount?: string): AccountRegistry {
  return new AccountRegistry({
    ids: new AccountIds(systemAccount),
    systemAccount,
    nowSeconds: () => clock.nowSeconds,
    verifyActivation: (token): ActivationClaims | null => {
      const [subject = "", imported = "", expiry = ""] = token.split(":");
      if (expiry === "") return null;
      return {
        type: "activation",
        audience: "",
        expiresAtSeconds: Number(expiry),
        id: "",
        issuedAtSeconds: 500,
        issuer: "EXP",
        name: "",
        notBeforeSeconds: 0,
        subject,
        nats: { tags: [], version: 2, subject: imported, kind: "service", issuerAccount: "" },
      };
    },
  });
}

function names({ changed }: RegistryChange): string[] {
  return changed.map(({ name }) => name);
}

function reasons({ skipped }: RegistryChange): string[] {
  return skipped.map(({ account, reason }) => `${account}: ${reason}`);
}

function services(definition: AccountDefinition | undefined): string[] {
  return (definition?.serviceImports ?? []).map(({ exporterName, local }) => `${exporterName} ${local}`);
}

describe("AccountRegistry describes", () => {
  test("what an account offers, the system account's own services among it", () => {
    const registry = registryAt({ nowSeconds: 0 }, "SYS");
    registry.set(source("SYS", []));
    registry.set(source("A", [stream("st"), service("svc", { responseType: "chunked" })]));
    expect(registry.describe("A")).toMatchObject({
      definition: { name: "A" },
      exports: [
        { kind: "service", subject: "svc", responseType: "chunked" },
        { kind: "stream", subject: "st" },
      ],
      lapsedImports: [],
      isComplete: true,
    });
    const offered = registry.describe("SYS")?.exports.map(({ subject }) => subject);
    expect(offered).toContain("$SYS.REQ.USER.*.INFO");
    expect(registry.describe("B")).toBe(undefined);
  });

  test("an account as incomplete while an import of it was never accepted", () => {
    const registry = registryAt({ nowSeconds: 0 });
    registry.set(source("IMP", [], [use("EXP", "svc")]));
    expect(registry.describe("IMP")).toMatchObject({ isComplete: false, lapsedImports: [] });
    registry.set(source("EXP", [service("svc")]));
    expect(registry.describe("IMP")).toMatchObject({ isComplete: true, lapsedImports: [] });
  });

  test("imports that lapse as long as their exporter does not want them back", () => {
    const registry = registryAt({ nowSeconds: 0 });
    const wishes = [use("EXP", "svc"), use("EXP", "st", { kind: "stream" })];
    registry.set(source("EXP", [service("svc"), stream("st")]));
    registry.set(source("IMP", [], wishes));
    registry.set(source("EXP", []));
    const lapsed = [{ from: "st" }, { local: "svc", remote: "svc" }];
    expect(registry.describe("IMP")).toMatchObject({ isComplete: true, lapsedImports: lapsed });
    registry.set(source("EXP", [service("other")]));
    expect(registry.describe("IMP")).toMatchObject({ isComplete: true, lapsedImports: lapsed });
    registry.set(source("EXP", [service("svc")]));
    expect(registry.describe("IMP")?.lapsedImports).toMatchObject([{ from: "st" }]);
    registry.set(source("IMP", [], wishes));
    expect(registry.describe("IMP")).toMatchObject({ isComplete: false, lapsedImports: [] });
  });
});

describe("AccountRegistry", () => {
  test("knows accounts by name, with a number that stays", () => {
    const registry = registryAt({ nowSeconds: 0 });
    const [first] = registry.set(source("A", [])).changed;
    expect(first).toMatchObject({ id: 3, name: "A", isSystem: false });
    registry.remove("A");
    expect(registry.get("A")).toBe(undefined);
    registry.set(source("B", []));
    registry.set(source("A", []));
    expect(registry.get("A")?.id).toBe(3);
    expect(registry.get("B")?.id).toBe(4);
  });

  test("says nothing of an account that stays what it was", () => {
    const registry = registryAt({ nowSeconds: 0 });
    registry.set(source("A", []));
    expect(registry.set(source("A", [service("not.imported")]))).toEqual({ changed: [], skipped: [] });
  });

  test("leaves out an import until its exporter is there, and takes it back", () => {
    const registry = registryAt({ nowSeconds: 0 });
    const early = registry.set(source("IMP", [], [use("EXP", "svc")]));
    expect(early.skipped).toEqual([
      { account: "IMP", rule: use("EXP", "svc"), reason: "account missing", isExporterMissing: true },
    ]);
    expect(names(registry.set(source("EXP", [service("svc")])))).toEqual(["EXP", "IMP"]);
    expect(services(registry.get("IMP"))).toEqual(["EXP svc"]);
    const gone = registry.remove("EXP");
    expect(names(gone)).toEqual(["IMP"]);
    expect(reasons(gone)).toEqual(["IMP: account missing"]);
  });

  test("asks importers anew when an export changes", () => {
    const registry = registryAt({ nowSeconds: 0 });
    registry.set(source("EXP", [service("svc"), stream("st")]));
    registry.set(source("IMP", [], [use("EXP", "svc"), use("EXP", "st", { kind: "stream" })]));
    registry.set(source("OTHER", [], []));

    const slower = registry.set(source("EXP", [service("svc", { responseThresholdMs: 5 }), stream("st")]));
    expect(names(slower)).toEqual(["IMP"]);
    expect(registry.get("IMP")?.serviceImports).toMatchObject([{ responseThresholdMs: 5 }]);

    const closed = registry.set(source("EXP", [service("svc", { needsToken: true })]));
    expect(names(closed)).toEqual(["IMP"]);
    expect(reasons(closed)).toEqual([
      "IMP: service import not authorized: no activation token",
      "IMP: stream import not authorized",
    ]);
    expect(registry.get("IMP")).toMatchObject({ serviceImports: [], streamImports: [] });
  });

  test("forgets what an account wanted before", () => {
    const registry = registryAt({ nowSeconds: 0 });
    registry.set(source("EXP", [service("svc")]));
    registry.set(source("IMP", [], [use("EXP", "svc")]));
    expect(names(registry.set(source("IMP", [])))).toEqual(["IMP"]);
    expect(registry.set(source("EXP", []))).toEqual({ changed: [], skipped: [] });
  });

  test("refuses the import that closes a circle, and only that one, until the circle is open", () => {
    const registry = registryAt({ nowSeconds: 0 });
    for (const name of ["A", "B", "C"]) registry.set(source(name, [service("x")]));
    registry.set(source("A", [service("x")], [use("B", "x")]));
    registry.set(source("B", [service("x")], [use("C", "x")]));
    const closing = registry.set(source("C", [service("x")], [use("A", "x")]));
    expect(reasons(closing)).toEqual(["C: import forms a cycle"]);
    expect(services(registry.get("A"))).toEqual(["B x"]);
    expect(services(registry.get("B"))).toEqual(["C x"]);
    const opened = registry.set(source("B", [service("x")]));
    expect(names(opened)).toEqual(["B", "C"]);
    expect(services(registry.get("C"))).toEqual(["A x"]);
  });

  test("refuses one import twice", () => {
    const registry = registryAt({ nowSeconds: 0 });
    registry.set(source("EXP", [service("svc"), stream("st")]));
    const twice = [use("EXP", "svc"), use("EXP", "svc"), use("EXP", "st", { kind: "stream" })];
    const { skipped } = registry.set(
      source("IMP", [], [...twice, use("EXP", "st", { kind: "stream", prefix: "p" })]),
    );
    expect(skipped.map(({ reason }) => reason)).toEqual([
      'duplicate service import subject "svc", previously used in import for account "EXP", subject "svc"',
      "stream import already exists",
    ]);
  });

  test("stops an import when its token expires", () => {
    const clock = { nowSeconds: 600 };
    const registry = registryAt(clock);
    registry.set(source("EXP", [service("a", { needsToken: true }), service("b", { needsToken: true })]));
    const imports = [use("EXP", "a", { token: "IMP:a:700" }), use("EXP", "b", { token: "IMP:b:800" })];
    registry.set(source("IMP", [], imports));
    expect(registry.nextExpirySeconds).toBe(700);
    clock.nowSeconds = 699;
    expect(registry.expireActivations()).toEqual({ changed: [], skipped: [] });
    clock.nowSeconds = 700;
    const expired = registry.expireActivations();
    expect(names(expired)).toEqual(["IMP"]);
    expect(reasons(expired)).toEqual(["IMP: service import not authorized: activation token expired"]);
    expect(services(registry.get("IMP"))).toEqual(["EXP b"]);
    expect(registry.nextExpirySeconds).toBe(800);
    clock.nowSeconds = 900;
    registry.expireActivations();
    expect(registry.nextExpirySeconds).toBe(undefined);
  });

  test("stops an import when its token is revoked", () => {
    const registry = registryAt({ nowSeconds: 600 });
    const offer = (revokedUntil: number) =>
      source("EXP", [service("a", { needsToken: true, revocations: new Map([["*", revokedUntil]]) })]);
    registry.set(offer(499));
    registry.set(source("IMP", [], [use("EXP", "a", { token: "IMP:a:0" })]));
    expect(services(registry.get("IMP"))).toEqual(["EXP a"]);
    expect(registry.nextExpirySeconds).toBe(undefined);
    expect(reasons(registry.set(offer(500)))).toEqual([
      "IMP: service import not authorized: activation token revoked",
    ]);
  });

  test("lets every account ask the system account once that is there", () => {
    const registry = registryAt({ nowSeconds: 0 }, "SYS");
    registry.set(plainSource("$G"));
    expect(services(registry.get("$G"))).toEqual([]);
    expect(names(registry.set(source("SYS", [])))).toEqual(["SYS", "$G"]);
    expect(services(registry.get("SYS"))).toEqual(["SYS $SYS.REQ.USER.INFO"]);
    registry.set(source("A", []));
    for (const name of ["$G", "A"]) {
      expect(registry.get(name)?.serviceImports.map(({ local, remote }) => [local, remote])).toEqual([
        ["$SYS.REQ.ACCOUNT.PING.CONNZ", `$SYS.REQ.ACCOUNT.${name}.CONNZ`],
        ["$SYS.REQ.SERVER.PING.CONNZ", `$SYS.REQ.ACCOUNT.${name}.CONNZ`],
        ["$SYS.REQ.ACCOUNT.PING.STATZ", `$SYS.REQ.ACCOUNT.${name}.STATZ`],
        ["$SYS.REQ.USER.INFO", `$SYS.REQ.USER.${name}.INFO`],
      ]);
    }
  });

  test("measures a service only where there is a system account", () => {
    const latency = { subject: "lat", sampling: 100 };
    for (const [systemAccount, measured] of [
      ["SYS", latency],
      [undefined, undefined],
    ] as const) {
      const registry = registryAt({ nowSeconds: 0 }, systemAccount);
      registry.set(source("EXP", [service("svc", { latency })]));
      registry.set(source("IMP", [], [use("EXP", "svc")]));
      expect(registry.get("IMP")?.serviceImports[0]?.latency).toEqual(measured);
    }
  });

  test("knows the same in the end, in whichever order accounts come, change and go", () => {
    const name = fc.constantFrom("A", "B", "C");
    const subject = fc.constantFrom("x", "y");
    const rule = fc
      .tuple(name, subject, fc.constantFrom<ImportRule["kind"]>("service", "stream"))
      .map(([exporter, remote, kind]) =>
        use(exporter, remote, { kind, local: `from.${exporter}.${remote}` }),
      );
    const exported = fc
      .tuple(
        subject,
        fc.constantFrom<ExportRule["kind"]>("service", "stream"),
        fc.array(name, { maxLength: 2 }),
      )
      .map(([exportSubject, kind, importers]) => service(exportSubject, { kind, importers }));
    const step = fc.tuple(
      name,
      fc.option(fc.tuple(fc.array(exported, { maxLength: 3 }), fc.array(rule, { maxLength: 4 }))),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 8 }), (steps) => {
        const registry = registryAt({ nowSeconds: 0 });
        const last = new Map<string, AccountSource>();
        const seen = new Map<string, AccountDefinition>();
        for (const [account, said] of steps) {
          const change =
            said === null ? registry.remove(account) : registry.set(source(account, said[0], said[1]));
          if (said === null) seen.delete(account);
          for (const definition of change.changed) seen.set(definition.name, definition);
          if (said === null) last.delete(account);
          else last.set(account, source(account, said[0], said[1]));
        }
        // Whoever follows the changes knows what the registry knows.
        for (const each of ["A", "B", "C"]) expect(seen.get(each)).toEqual(registry.get(each)!);
        // And that is what it would be had nothing else ever been said; numbers aside, for they stay.
        const fresh = registryAt({ nowSeconds: 0 });
        for (const each of last.values()) fresh.set(each);
        for (const each of ["A", "B", "C"]) {
          expect(services(registry.get(each))).toEqual(services(fresh.get(each)));
          const streams = (definition: AccountDefinition | undefined) =>
            definition?.streamImports.map(({ exporterName, local }) => `${exporterName} ${local}`);
          expect(streams(registry.get(each))).toEqual(streams(fresh.get(each)));
        }
      }),
      { numRuns: 500 },
    );
  });
});
